"""CRDs, generated from the models: ``python -m perfrun.api.schema.crd [--check] DIR...``.

The models are the only place where a field, a bound or a rule is written down. pydantic describes
them as JSON Schema; the API server accepts a narrower dialect ("structural" schemas) and CEL, and
this module translates the one into the other. It refuses keywords that it does not know, so that no
bound is lost silently.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from perfrun.api import GROUP, VERSION, Json
from perfrun.api.base import (
    LIST_MAP_KEYS,
    LIST_TYPE,
    NOT_BUILT_KEY,
    ApiModel,
    Rule,
    not_built_message,
)
from perfrun.api.names import DNS_LABEL, RUN_NAME_MAX, TEST_NAME_MAX
from perfrun.api.notations import NOTATIONS
from perfrun.api.policy import PerfPolicy
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import PerfTest

_HEADER = "# Made from operator/perfrun/api by `make crds`. Do not edit: change the models.\n"
_VALIDATIONS = "x-kubernetes-validations"
# Fields that every object has; the wording is that of the Kubernetes API.
_API_VERSION = "Version of the schema of this object."
_KIND = "Kind of this object."
# kubectl keeps what it applied in an annotation, and annotations end at 256 KiB.
_MAX_BYTES = 256 * 1024

# Keywords of a structural schema that are passed on unchanged.
_KEPT = frozenset(
    {
        "type",
        "description",
        "enum",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "maxProperties",
        "minProperties",
        "required",
        _VALIDATIONS,
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
        LIST_TYPE,
        LIST_MAP_KEYS,
    }
)
# Handled by name below, or meaningless for the API server.
_HANDLED = frozenset(
    {
        "properties",
        "items",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "default",
        "const",
        "title",
        NOT_BUILT_KEY,
    }
)


class PrinterColumn(NamedTuple):
    """A column of ``kubectl get``; priority 1 shows only with ``-o wide``."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


class CustomResource(NamedTuple):
    """What a CustomResourceDefinition contains besides the schema."""

    model: type[BaseModel]
    plural: str
    short: str
    name_max: int
    columns: tuple[PrinterColumn, ...]
    selectable: tuple[str, ...] = ()
    """The fields that ``kubectl get --field-selector`` can select by."""
    scope: str = "Namespaced"

    @property
    def name(self) -> str:
        """The kind as it is written in manifests."""
        return self.model.__name__


_AGE = PrinterColumn("Age", ".metadata.creationTimestamp", "date")

CATEGORY = "perf"
"""``kubectl get perf`` lists the tests, the runs and the policies."""

KINDS = (
    CustomResource(
        PerfTest,
        "perftests",
        "ptest",
        TEST_NAME_MAX,
        (
            PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            PrinterColumn("Schedule", ".spec.schedule.cron"),
            PrinterColumn("Suspended", ".spec.suspend", "boolean"),
            PrinterColumn("Verdict", ".status.lastVerdict"),
            PrinterColumn(
                "SLOs", ".status.lastSlos", description="Objectives met of those judged."
            ),
            PrinterColumn("Last Run", ".status.lastRun"),
            # Not "date": that would show an age, but the next run is in the future.
            PrinterColumn("Next Run", ".status.nextScheduleTime"),
            PrinterColumn(
                "Active",
                ".status.active[0]",
                description="A run that is not done; one in progress comes before one that waits.",
            ),
            PrinterColumn("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
            PrinterColumn("Time Zone", ".spec.schedule.timeZone", priority=1),
            PrinterColumn("Trend", ".status.trend.state", priority=1),
            PrinterColumn("Trend Message", ".status.trend.message", priority=1),
            _AGE,
        ),
        (".status.lastVerdict",),
    ),
    CustomResource(
        PerfRun,
        "perfruns",
        "prun",
        RUN_NAME_MAX,
        (
            PrinterColumn("Test", ".spec.testRef.name"),
            PrinterColumn("Reason", ".spec.reason"),
            PrinterColumn("Phase", ".status.phase"),
            PrinterColumn("Verdict", ".status.verdict"),
            PrinterColumn("P95", ".status.summary.latency.p95"),
            PrinterColumn(
                "Rate", ".status.summary.throughput", description="Successes per second."
            ),
            PrinterColumn("Errors", ".status.summary.errorRate"),
            PrinterColumn(
                "Position",
                ".status.queue.position",
                "integer",
                description="Approximate position in the queue; 1 is next.",
                priority=1,
            ),
            PrinterColumn("Waits For", ".status.queue.reason", priority=1),
            PrinterColumn(
                "Not Compared",
                ".status.notCompared",
                description="Why the trend leaves the run out.",
                priority=1,
            ),
            PrinterColumn("Message", ".status.message", priority=1),
            PrinterColumn(
                "Overrides",
                ".status.overridden",
                description="What the run overrides of its test.",
                priority=1,
            ),
            _AGE,
        ),
        (".spec.testRef.name", ".spec.reason", ".status.phase", ".status.verdict"),
    ),
    CustomResource(
        PerfPolicy,
        "perfpolicies",
        "ppol",
        RUN_NAME_MAX,
        (
            PrinterColumn("Namespaces", ".spec.namespaces"),
            PrinterColumn("Hosts", ".spec.allow.hosts"),
            PrinterColumn("Suspended", ".spec.suspend", "boolean"),
            _AGE,
        ),
        scope="Cluster",
    ),
)


def definition(kind: CustomResource) -> Json:
    """The CustomResourceDefinition of one kind, as plain JSON types."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "perfrun", "app.kubernetes.io/part-of": "perfrun"},
        },
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                # Not the singular of a kind: kubectl would read `get perfrun NAME` as this.
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}} if _has_status(kind) else {},
                    "additionalPrinterColumns": [_printer_column(c) for c in kind.columns],
                    **_selectable(kind),
                    "schema": {"openAPIV3Schema": schema(kind)},
                }
            ],
        },
    }


def _has_status(kind: CustomResource) -> bool:
    return "status" in kind.model.model_fields


def schema(kind: CustomResource) -> Json:
    """The structural schema of a whole object.

    Raises ValueError for what it cannot express, and for a field without a description.
    """
    raw = kind.model.model_json_schema(schema_generator=_Generator, mode="validation")
    del raw["properties"]["metadata"]
    whole = _structural({k: v for k, v in raw.items() if k != "$defs"}, raw["$defs"], kind.name)
    properties = whole["properties"]
    # Only bounds of the name: the API server refuses a description of metadata.
    properties["metadata"] = {
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "description": "Name of the object, unique among those of its kind in "
                + ("a namespace." if kind.scope == "Namespaced" else "the cluster."),
                "maxLength": kind.name_max,
                "pattern": DNS_LABEL,
            }
        },
    }
    if _has_status(kind):
        properties["status"] = _without_defaults(properties["status"])
    standard = {
        "apiVersion": {"type": "string", "description": _API_VERSION},
        "kind": {"type": "string", "description": _KIND},
    }
    return {**whole, "properties": {**standard, **properties}, "required": ["spec"]}


def manifests() -> dict[str, str]:
    """File name to content of everything that is generated. Raises ValueError if it is
    too large.
    """
    files = {}
    for kind in KINDS:
        body = yaml.safe_dump(definition(kind), sort_keys=False, width=100, allow_unicode=True)
        text = _HEADER + body
        if len(text.encode()) > _MAX_BYTES:
            raise ValueError(f"the CRD of {kind.name} is over {_MAX_BYTES} bytes")
        files[f"{GROUP}_{kind.plural}.yaml"] = text
    return files


class _Generator(GenerateJsonSchema):
    """pydantic's generator, with the rules of perfrun's models and without ``null``."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Json:
        made = super().model_schema(schema)
        cls = schema["cls"]
        if issubclass(cls, ApiModel):
            rules = [_validation(rule) for rule in cls.rules if rule.cel != "true"]
            if rules:
                made[_VALIDATIONS] = rules
        return made

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Json:
        # A field that is not set is absent; null in a manifest is dropped by the API server.
        return self.generate_inner(schema["schema"])


def _validation(rule: Rule) -> Json:
    made = {"rule": rule.cel, "message": rule.message, "reason": "FieldValueInvalid"}
    return {**made, "fieldPath": rule.field} if rule.field else made


def _structural(node: Json, defs: Mapping[str, Json], where: str) -> Json:
    """``node`` in the dialect of the API server; ``where`` names it in errors."""
    if "$ref" in node:
        target = defs[node["$ref"].removeprefix("#/$defs/")]
        node = {**target, **{k: v for k, v in node.items() if k != "$ref"}}
        return _structural(node, defs, where)
    unknown = node.keys() - _KEPT - _HANDLED
    if unknown:
        raise ValueError(f"{where}: a structural schema has no {', '.join(sorted(unknown))}")
    made = {key: value for key, value in node.items() if key in _KEPT}
    if "description" in made:
        made["description"] = _plain(made["description"])
    if "const" in node:
        made["enum"] = [node["const"]]
    # A pattern's own message says what is wrong, but not what to write.
    if made.get("type") == "string" and made.get("pattern") in NOTATIONS:
        made[_VALIDATIONS] = [_matching("self", made.pop("pattern"))]
    default = _cleaned(node.get("default"))
    if default is not None:
        made["default"] = default
    if "items" in node:
        # Written out even though it is the default: whoever applies such a list owns all of it.
        made.setdefault(LIST_TYPE, "atomic")
        made["items"] = _structural(node["items"], defs, f"{where}[]")
    if "properties" in node:
        _add_properties(made, node["properties"], defs, where)
    _add_map(made, node, defs, where)
    return made


def _add_properties(made: Json, fields: Json, defs: Mapping[str, Json], where: str) -> None:
    made["properties"] = properties = {
        name: _structural(field, defs, f"{where}.{name}") for name, field in fields.items()
    }
    silent = [f"{where}.{name}" for name, field in properties.items() if "description" not in field]
    if silent:
        raise ValueError(f"fields without a description: {', '.join(silent)}")
    refused = [name for name, field in fields.items() if NOT_BUILT_KEY in field]
    validations = made.pop(_VALIDATIONS, [])
    validations += [
        {
            "rule": f"!has(self.{name})",
            "message": not_built_message(name),
            "reason": "FieldValueForbidden",
            "fieldPath": f".{name}",
        }
        for name in refused
    ]
    if validations:
        made[_VALIDATIONS] = validations


def _add_map(made: Json, node: Json, defs: Mapping[str, Json], where: str) -> None:
    """The values of a map, and the JSON Schema of its keys as CEL."""
    patterns = node.get("patternProperties", {})
    values = next(iter(patterns.values()), None) or node.get("additionalProperties")
    if not isinstance(values, dict) or not values:
        return
    made["additionalProperties"] = _structural(values, defs, f"{where}[*]")
    if "type" not in values and not values.get("x-kubernetes-int-or-string"):
        return  # CEL does not compile over untyped values; the operator checks these keys
    validations = made.setdefault(_VALIDATIONS, [])
    for pattern in patterns:
        rule = _matching("key", pattern)
        validations.append({**rule, "rule": f"self.all(key, {rule['rule']})"})
    longest = node.get("propertyNames", {}).get("maxLength")
    if longest is not None:
        validations.append(
            {
                "rule": f"self.all(key, size(key) <= {longest})",
                "message": f"each key must have at most {longest} characters",
                "reason": "FieldValueInvalid",
            }
        )
    if not validations:
        del made[_VALIDATIONS]


def _cleaned(default: Any) -> Any:
    """A default as the API server may write it into objects: without nulls and empty lists."""
    if isinstance(default, dict):
        kept = {k: _cleaned(v) for k, v in default.items()}
        return {k: v for k, v in kept.items() if v is not None} or None
    return None if default == [] else default


def _matching(what: str, pattern: str) -> Json:
    # In single quotes, raw, because no pattern contains a single quote.
    return {
        "rule": f"{what}.matches(r'{pattern}')",
        "message": NOTATIONS.get(pattern, f"must match {pattern}"),
        "reason": "FieldValueInvalid",
    }


def _without_defaults(node: Json) -> Json:
    """A status contains what the operator wrote, and nothing that the API server added."""
    made = {key: value for key, value in node.items() if key != "default"}
    if "properties" in made:
        made["properties"] = {k: _without_defaults(v) for k, v in made["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = _without_defaults(made[key])
    return made


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _printer_column(column: PrinterColumn) -> Json:
    made: Json = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        made["description"] = column.description
    if column.priority:
        made["priority"] = column.priority
    return made


def _selectable(kind: CustomResource) -> Json:
    paths = [{"jsonPath": path} for path in kind.selectable]
    return {"selectableFields": paths} if paths else {}


def drift(folder: Path) -> list[str]:
    """What is wrong with the files of ``folder``, one sentence each; empty if all is well."""
    found = []
    expected = manifests()
    for name, text in expected.items():
        path = folder / name
        if not path.exists():
            found.append(f"{path} is missing")
        elif path.read_text() != text:
            found.append(f"{path} differs from the models")
    others = (path for path in sorted(folder.glob("*.yaml")) if path.name not in expected)
    return found + [f"{path} is not made from any model" for path in others]


def main(arguments: list[str]) -> int:
    """Write the CRDs to every given folder, or with --check only compare. Returns the exit code."""
    parser = argparse.ArgumentParser("python -m perfrun.api.schema.crd", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a drift")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    options = parser.parse_args(arguments)
    if options.check:
        found = [line for folder in options.folders for line in drift(folder)]
        for line in found:
            sys.stderr.write(f"{line}: run `make crds`\n")
        return 1 if found else 0
    for folder in options.folders:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in manifests().items():
            (folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
