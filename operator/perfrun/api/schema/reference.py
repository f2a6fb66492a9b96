"""The field reference, generated from the CRDs: ``python -m perfrun.api.schema.reference FILE``."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from perfrun.api import Json
from perfrun.api.base import LIST_TYPE
from perfrun.api.schema.crd import KINDS, CustomResource, schema

_HEADER = """\
# Field reference

<!-- Made from operator/perfrun/api by `make crds`. Do not edit: change the models. -->

Every field of PerfTest, PerfRun and PerfPolicy, as the API server checks it.
`kubectl explain ptest.spec.load` says the same. Durations are written `500ms`, `5s`, `1h30m`; rates
`100/s`, `30/m`; percentages `99.9%`; sizes `64Ki`.
"""
# What is limited, and in which unit: min..., max...
_BOUNDS = {"imum": "", "Length": " characters", "Items": " items", "Properties": " entries"}


def reference() -> str:
    """The whole page, as Markdown."""
    parts = [_HEADER]
    for kind in KINDS:
        parts.append(f"## {kind.name}\n")
        parts += _kind(kind)
    return "\n".join(parts)


def _kind(kind: CustomResource) -> Iterator[str]:
    properties = schema(kind)["properties"]
    for part in ("spec", "status"):
        if part in properties:
            yield from _object(part, properties[part])


def _object(path: str, node: Json) -> Iterator[str]:
    """The section of one object, and those of the objects inside it."""
    fields = node["properties"]
    refused = {
        rule["fieldPath"].removeprefix(".")
        for rule in _rules(node)
        if rule["reason"] == "FieldValueForbidden"
    }
    yield f"### {path}\n"
    yield f"{node.get('description', '')}\n"
    yield "| field | type | default | description |"
    yield "|---|---|---|---|"
    required = node.get("required", [])
    for name, field in fields.items():
        if name not in refused:
            yield _row(name, field, name in required)
    yield ""
    rules = list(dict.fromkeys(_rule_text(rule) for rule in _rules(node) if not _is_stub(rule)))
    if refused:
        names = ", ".join(f"`{name}`" for name in fields if name in refused)
        rules.append(f"not implemented yet, and refused by the API server: {names}")
    if rules:
        yield "".join(f"- {rule}\n" for rule in rules)
    for name, field in fields.items():
        if name not in refused:
            yield from _below(f"{path}.{name}", field)


def _below(path: str, field: Json) -> Iterator[str]:
    if "properties" in field:
        yield from _object(path, field)
    elif "properties" in field.get("items", {}):
        yield from _object(f"{path}[]", field["items"])


def _rule_text(rule: Json) -> str:
    """A rule with the field that it is about, where its message does not begin with that."""
    field, message = rule.get("fieldPath", "").removeprefix("."), rule["message"]
    needed = message.startswith(("must ", "is ", "cannot "))
    return f"`{field}` {message}" if field and needed else message


def _row(name: str, field: Json, required: bool) -> str:
    default = field.get("default")
    shown = f"`{_cell(default)}`" if default not in (None, "") else "required" if required else ""
    rules = [] if "properties" in field else [rule["message"] for rule in _rules(field)]
    bounds = {k: v for k, v in field.items() if not (rules and k == "maxLength")}
    unique = ["no value twice"] if field.get(LIST_TYPE) == "set" else []
    told = [field["description"], *_bounds(bounds), *unique, *rules]
    notes = " ".join(_sentence(note) for note in told)
    return f"| `{name}` | {_type(field)} | {shown} | {_cell(notes)} |"


def _type(field: Json) -> str:
    if "enum" in field:
        values = field["enum"]
        return "one of " + ", ".join(f"`{value}`" for value in values)
    if field.get("x-kubernetes-int-or-string"):
        return "string or integer"
    match field.get("type"):
        case "array":
            item = _type(field["items"])
            plural = item in ("string", "integer", "object")
            return f"list of {item}s" if plural else f"list, each {item}"
        case "object" if "additionalProperties" in field:
            return f"map to {_type(field['additionalProperties'])}"
        case "string":
            return "time" if field.get("format") == "date-time" else "string"
        case "integer" | "number" as name:
            return str(name)
        case "boolean":
            return "boolean"
        case "object":
            return "object"
    return "anything"


def _bounds(field: Json) -> Iterator[str]:
    for what, unit in _BOUNDS.items():
        low, high = field.get(f"min{what}"), field.get(f"max{what}")
        if what == "Length" and low == 1:
            low = None  # that a string is not empty goes without saying
        if low is not None and high is not None:
            yield f"from {low} to {high}{unit}"
        elif high is not None:
            yield f"at most {high}{unit}"
        elif low is not None:
            yield f"at least {low}{unit}"


def _rules(node: Json) -> list[Json]:
    rules: list[Json] = node.get("x-kubernetes-validations", [])
    return rules


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _is_stub(rule: Json) -> bool:
    return bool(rule["reason"] == "FieldValueForbidden")


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_cell(item)}" for key, item in value.items()) + "}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> int:
    """Write the reference, or with --check only compare. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m perfrun.api.schema.reference", description=main.__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a drift")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    return write_or_check({options.file: reference()}, check=options.check)


def write_or_check(files: Mapping[Path, str], *, check: bool) -> int:
    """Write generated files, or only compare them. Returns the exit code."""
    for file, text in files.items():
        if not check:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            sys.stderr.write(f"{file} differs from the models: run `make crds`\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
