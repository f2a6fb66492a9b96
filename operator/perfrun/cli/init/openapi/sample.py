"""Values for an OpenAPI schema: its examples and defaults, otherwise a value of the right type."""

import json
import math
from collections.abc import Iterator
from typing import Any

from perfrun.api import Json
from perfrun.cli.init.openapi.refs import OpenApiDocument, types_of
from perfrun.cli.init.source import number_of, rows, table, text_of
from perfrun.cli.init.texts import VaryingText, chosen, clean, literal

MAX_VALUES = 300
"""Maximum values in one body."""
_MAX_PROPERTIES = 40
_MAX_DEPTH = 8
_MAX_PARTS = 20
_MAX_TEXT_LENGTH = 1000
_MAX_KEY_LENGTH = 100
_PER_VALUE = 30
"""This many characters of a text count as another value, because the size of bodies is limited."""
_MAX_NUMBER = 10**15
_MAX_ENUM = 500
_MAX_JSON_LENGTH = 64 * 1024

_BY_FORMAT = {
    "uuid": "uuid()",
    "date-time": "now()",
    "email": "email()",
    "idn-email": "email()",
    "byte": "base64(24)",
    "binary": "base64(24)",
}
_FIXED = {
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uri-reference": "/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}


class Nothing:
    """There is no value, so the field is left out."""


NOTHING = Nothing()


class SchemaSampler:
    """Samples for the schemas of one request. Anything too large is cut off."""

    def __init__(self, document: OpenApiDocument) -> None:
        self._document = document
        self._left = MAX_VALUES
        self._typed_left = 10 * MAX_VALUES
        self.guessed: dict[str, None] = {}
        """Fields whose texts need a format that cannot be generated."""

    def of(self, schema: object, name: str = "") -> Any:
        """A value: JSON, with :class:`VaryingText` for varying texts; or NOTHING."""
        return self._of(schema, name, 0, frozenset())

    def given(self, value: Any, schema: object = None) -> Any:
        """An example, with values of the types that the schema requires; NOTHING if it is too
        large."""
        copied = self._copied(self._typed(value, schema, 0), 0)
        return NOTHING if self._left < 0 else copied

    def _typed(self, value: Any, node: object, depth: int) -> Any:
        self._typed_left -= 1
        if depth > _MAX_DEPTH or self._typed_left < 0 or not table(node):
            return value
        schema = self._merged(self._document.resolved(node), frozenset(), 0)
        value = typed(value, schema)
        if isinstance(value, dict):
            properties = table(schema.get("properties"))
            return {
                key: self._typed(one, properties.get(key), depth + 1)
                for key, one in list(value.items())[:_MAX_PROPERTIES]
            }
        if isinstance(value, list):
            items = schema.get("items")
            return [self._typed(one, items, depth + 1) for one in value[:_MAX_PARTS]]
        return value

    def _of(self, node: object, name: str, depth: int, above: frozenset[str]) -> Any:
        schema, refs = self._document.followed(node)
        self._left -= 1
        if refs & above or depth > _MAX_DEPTH or self._left < 0:
            return NOTHING
        above |= refs
        schema = self._merged(schema, above, 0)
        for value in _stated(schema):
            return self._copied(self._typed(value, schema, depth), depth)
        if options := rows(schema.get("enum")):
            return self._option([typed(one, schema) for one in options[:_MAX_ENUM]])
        if (one := self._alternative(schema, name, depth, above)) is not NOTHING:
            return one
        types = types_of(schema)
        if "properties" in schema or "object" in types:
            return self._object(schema, depth, above)
        if "items" in schema or "array" in types:
            item = self._of(schema.get("items"), name, depth + 1, above)
            number = min(max(int(number_of(schema.get("minItems"))), 1), _MAX_PARTS)
            self._left -= number - 1
            return [] if item is NOTHING else [item] * number
        if "boolean" in types:
            return True
        if "integer" in types or "number" in types:
            return _number(schema, whole="integer" in types)
        return self._text(schema, name) if types else NOTHING

    def _alternative(self, schema: Json, name: str, depth: int, above: frozenset[str]) -> Any:
        """The first schema of oneOf or anyOf that gives a value, combined with its siblings."""
        for key in ("oneOf", "anyOf"):
            rest = {one: value for one, value in schema.items() if one not in ("oneOf", "anyOf")}
            for option in rows(schema.get(key))[:_MAX_PARTS]:
                stated = self._document.resolved(option)
                if "type" in stated and not types_of(stated):
                    continue  # null
                both = {"allOf": [rest, option]} if "properties" in rest else option
                value = self._of(both, name, depth + 1, above)
                if value is not NOTHING:
                    return value
        return NOTHING

    def _merged(self, schema: Json, above: frozenset[str], depth: int) -> Json:
        """Combined with the schemas of allOf."""
        parts = rows(schema.get("allOf"))
        if not parts or depth > _MAX_DEPTH:
            return schema
        merged: Json = {"properties": {}, "required": []}
        for part in [*parts[:_MAX_PARTS], {k: v for k, v in schema.items() if k != "allOf"}]:
            one, refs = self._document.followed(part)
            self._left -= 1
            if refs & above or self._left < 0:
                continue
            one = self._merged(one, above | refs, depth + 1)
            properties = {**merged["properties"], **table(one.get("properties"))}
            required = [*merged["required"], *rows(one.get("required"))]
            merged = {**merged, **one, "properties": properties, "required": required}
        if not merged["properties"]:
            del merged["properties"]
        return merged

    def _object(self, schema: Json, depth: int, above: frozenset[str]) -> Json:
        required = [one for one in rows(schema.get("required")) if isinstance(one, str)]
        properties = table(schema.get("properties"))
        # Required fields first: there may not be enough space for all.
        ordered = sorted(properties.items(), key=lambda item: item[0] not in required)
        found: Json = {}
        for key, node in ordered[:_MAX_PROPERTIES]:
            if (
                self._document.resolved(node).get("readOnly") is True
                or len(str(key)) > _MAX_KEY_LENGTH
            ):
                continue
            self._left -= len(str(key)) // _PER_VALUE
            value = self._of(node, str(key), depth + 1, above)
            if value is not NOTHING:
                found[str(key)] = value
        return {clean(str(key)): found[str(key)] for key in properties if str(key) in found}

    def _option(self, options: list[Any]) -> Any:
        texts = [one for one in options if isinstance(one, str)]
        if len(texts) > 1 and len(texts) == len(options):
            return chosen(texts)
        return self._copied(next((one for one in options if one is not None), None), _MAX_DEPTH)

    def _text(self, schema: Json, name: str) -> Any:
        kind = text_of(schema.get("format"))
        if kind in _BY_FORMAT:
            return VaryingText(_BY_FORMAT[kind])
        if kind in _FIXED:
            return _FIXED[kind]
        if "pattern" in schema:
            self.guessed[name or "a text"] = None
            return "example"
        if name.lower().endswith("email"):
            return VaryingText("email()")
        if name.lower() in ("name", "fullname", "full_name"):
            return VaryingText("name()")
        least = int(min(max(number_of(schema.get("minLength")), 1), _MAX_TEXT_LENGTH))
        most = int(number_of(schema.get("maxLength")) or 12)
        return VaryingText(f"text({max(least, min(12, most))})")

    def _copied(self, value: Any, depth: int) -> Any:
        """An example, as far as a manifest can contain it."""
        self._left -= 1
        if self._left < 0 or depth > 2 * _MAX_DEPTH:
            return None
        if isinstance(value, str):
            self._left -= len(value) // _PER_VALUE
            return clean(value[:_MAX_TEXT_LENGTH])
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return int(value) if abs(value) < 2**63 else 1
        if isinstance(value, float):
            return float(value) if abs(value) < 1e300 else 1.0
        if isinstance(value, dict):
            pairs = list(value.items())[:_MAX_PROPERTIES]
            self._left -= sum(len(str(key)) for key, _ in pairs) // _PER_VALUE
            return {
                clean(str(key)): self._copied(one, depth + 1)
                for key, one in pairs
                if len(str(key)) <= _MAX_KEY_LENGTH
            }
        if isinstance(value, list):
            return [self._copied(one, depth + 1) for one in value[:_MAX_PARTS]]
        return None


def typed(value: Any, schema: Json) -> Any:
    """A value in the type that the schema requires, if it is only written differently.

    The string 5 for a number, the YAML number 01234 for a string, JSON in a string for an object.
    """
    types = types_of(schema) or (["object"] if "properties" in schema else [])
    if types == ["string"] and isinstance(value, bool | int | float):
        text = getattr(value, "text", None)
        return text if isinstance(text, str) else json.dumps(value)
    if isinstance(value, str) and types and "string" not in types:
        parsed = parsed_json(value)
        if any(_is_of(parsed, kind) for kind in types):
            return parsed
    return value


def parsed_json(text: str) -> Any:
    """The JSON in a text; NOTHING if it is not JSON."""
    try:
        return json.loads(text) if len(text) <= _MAX_JSON_LENGTH else NOTHING
    except (ValueError, RecursionError):
        return NOTHING


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "integer": int,
        "number": int | float,
    }
    return kind in kinds and isinstance(value, kinds[kind])


def _number(schema: Json, *, whole: bool) -> int | float:
    """The smallest allowed number; a fraction if no integer is allowed."""
    found = bounds(schema, 1, _MAX_NUMBER)[0]
    least, most = number_of(schema.get("minimum")), schema.get("maximum")
    if not whole and isinstance(most, int | float) and found > most >= least:
        return least if schema.get("exclusiveMinimum") is None else (least + most) / 2
    return found


def bounds(schema: Json, low: int, high: int) -> tuple[int, int]:
    """The range of integers that a schema allows; ``low`` and ``high`` are the defaults."""

    least = _limit(schema, "minimum", "exclusiveMinimum", 1)
    most = _limit(schema, "maximum", "exclusiveMaximum", -1)
    if least is None:
        least = low if most is None else min(low, most)
    if most is None:
        most = max(high, least)
    return least, max(least, most)


def _limit(schema: Json, key: str, exclusive: str, step: int) -> int | None:
    """One bound: in 3.0, ``exclusive`` is a separate boolean; in 3.1, a separate number."""
    value, other = schema.get(key), schema.get(exclusive)
    if isinstance(other, int | float) and not isinstance(other, bool):
        value, other = other, True
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    inside = max(min(value, _MAX_NUMBER), -_MAX_NUMBER)
    number = math.ceil(inside) if step > 0 else math.floor(inside)
    return number + step if other is True and number == inside else number


def templated(value: Any) -> Any:
    """A sample as the ``json`` of a request: literals escaped, generated values as templates."""
    if isinstance(value, VaryingText):
        return value.template()
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, dict):
        return {key: templated(one) for key, one in value.items()}
    if isinstance(value, list):
        return [templated(one) for one in value]
    return value


def _stated(schema: Json) -> Iterator[Any]:
    for key in ("const", "example", "default"):
        if schema.get(key) is not None:
            yield schema[key]
    yield from rows(schema.get("examples"))[:1]
