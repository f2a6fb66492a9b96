"""Objects made from the schemas of the CRDs: whatever a tenant can write, the same for a seed."""

import copy
import random
from pathlib import Path
from typing import Any

import yaml

from tests.integration.controller.mutation import bases

Json = dict[str, Any]

CRDS = Path(__file__).resolve().parents[3] / "crds"

_TEXTS = (
    "a", "shop", "Get", "x-1", "10", "5s", "1m30s", "10/s", "99.9%", "latency.p95", "http://shop/health", "/items",
    "*/5 * * * *", "$(now())", "$(nope.x)", "$.a[?@.b == 1]", "(?i)[a-z]+", "2026-11-22T02:00:00Z", "é💥\u202e",
    "true", "null", "1Gi", "postgres:16", "-", "9" * 40, "a" * 64, "$[" * 40, "\\", "{{ x }}",
)  # fmt: skip
_NUMBERS = (0, 1, 2, 3, 10, 100, 599, 1000, 2**31 - 1, 2**53, -1, -(2**63), 2**63 - 1)


def schema_of(plural: str) -> Json:
    """The schema of a kind as the API server has it."""
    body = yaml.safe_load((CRDS / f"perfrun.dev_{plural}.yaml").read_text())
    schema: Json = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


class Fuzz:
    """One source of values, by its seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def test(self, name: str, schema: Json, sources: list[Json]) -> Json:
        """A PerfTest: one of those that we show, with parts made from the schema."""
        body = copy.deepcopy(self._chance.choice(sources))
        spec = body["spec"]
        for _ in range(self._chance.choice((1, 2, 3, 6))):
            self._put(spec, schema["properties"]["spec"])
        spec["runOn"] = []
        return {**body, "metadata": {"name": name, **self._about()}}

    def status(self, schema: Json) -> Json:
        """What somebody may write into a status."""
        found: Json = self._object(schema["properties"]["status"], 0, likely=0.3)
        return found

    def _about(self) -> Json:
        """Labels and annotations, now and then huge."""
        size = self._chance.choice((0, 0, 0, 1, 50, 2000))
        notes = {f"n{n}": "x" * self._chance.choice((1, 60)) for n in range(size)}
        return {"annotations": notes, "labels": dict(list(notes.items())[:60])} if notes else {}

    def _put(self, value: Any, schema: Json) -> None:
        """Change something somewhere below a value."""
        while True:
            fields = schema.get("properties", {})
            if isinstance(value, list) and value and "items" in schema:
                value, schema = self._chance.choice(value), schema["items"]
                continue
            if not isinstance(value, dict) or not fields:
                return
            name = self._chance.choice(sorted(fields))
            if name in value and self._chance.random() < 0.7:
                value, schema = value[name], fields[name]
                continue
            value[name] = self.value(fields[name], 0)
            return

    def value(self, schema: Json, depth: int) -> Any:
        """Something that this part of a schema lets through, but for its rules."""
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                most = min(schema.get("maxItems", 8), self._chance.choice((1, 1, 2, 30)))
                least = schema.get("minItems", 0)
                return [self.value(schema["items"], depth + 1) for _ in range(max(least, most))]
            case "string":
                return self._text(schema)
            case "integer":
                least, most = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
                return min(max(self._chance.choice(_NUMBERS), least), most)
            case "number":
                return self._chance.choice((0.0, 0.5, 1e-9, 1e308))
            case "boolean":
                return self._chance.random() < 0.5
        return self._anything()

    def _object(self, schema: Json, depth: int, likely: float = 0.2) -> Any:
        fields, more = schema.get("properties", {}), schema.get("additionalProperties")
        needed = set(schema.get("required", ()))
        made = {
            name: self.value(field, depth + 1)
            for name, field in fields.items()
            if name in needed or (depth < 6 and self._chance.random() < likely)
        }
        if isinstance(more, dict):
            count = min(schema.get("maxProperties", 8), self._chance.choice((0, 1, 3, 20)))
            made |= {f"{self._text({})}{n}": self.value(more, depth + 1) for n in range(count)}
        if not fields and not more:
            return self._anything()
        return made

    def _text(self, schema: Json) -> str:
        text = self._chance.choice(_TEXTS)
        if self._chance.random() < 0.1:
            text *= schema.get("maxLength", 100) // len(text)
        return text[: schema.get("maxLength", 1000)]

    def _anything(self) -> Any:
        """For fields without a schema: texts, numbers, and what is nested deep."""
        levels = self._chance.choice((0, 1, 3, 50, 150, 900))
        value: Any = self._chance.choice((1, "x", None, [], {}, 1e300, "$(nope)"))
        for _ in range(levels):
            value = {"a": value} if self._chance.random() < 0.7 else [value]
        return value


def shown() -> list[Json]:
    """What tests are made from."""
    return bases()
