"""The parameters of an OpenAPI operation: values for its path, its query and its headers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from perfrun.api import Json
from perfrun.api.names import VARIABLE_NAME
from perfrun.cli.init.openapi.refs import OpenApiDocument, example_in, types_of
from perfrun.cli.init.openapi.sample import NOTHING, SchemaSampler, bounds
from perfrun.cli.init.openapi.styles import as_text, in_header, in_path, in_query, style_of
from perfrun.cli.init.secrets import FEED, secret_name, secret_ref
from perfrun.cli.init.source import number_of, rows, table, text_of
from perfrun.cli.init.texts import (
    HEADER_NAME,
    MAX_HEADER_LENGTH,
    Part,
    VaryingText,
    path_template,
    variable_name,
)

_HOLE = re.compile(r"\{([^{}]*)\}")
_NOT_HERE = frozenset({"accept", "content-type", "authorization"})
"""Headers that OpenAPI defines elsewhere, and those that perfrun writes itself."""
_OURS = frozenset(
    {"content-length", "transfer-encoding", "connection", "upgrade", "trailer", "te", "expect"}
    | {"host", "cookie"}
)
_MAX_ID = 100
_MAX_VARIABLES = 64
_MAX_ITEMS = 20


class Variables:
    """Values that a user has to provide, each in one place."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.reserved: set[str] = {FEED}
        """Names that are taken: feeds, and values that steps extract."""

    def reference(self, name: str, value: str) -> Part:
        """A variable for ``value``; the value itself if there is no space for another variable."""
        known = variable_name(name)
        assert re.match(VARIABLE_NAME, known)
        if known in self.reserved:
            known = f"{known}_value"
        stem, number = known, 2
        while known in self.reserved or self.values.get(known, value) != value:
            known = f"{stem}_{number}"
            number += 1
        if known not in self.values and len(self.values) == _MAX_VARIABLES:
            return value
        self.values[known] = value
        return VaryingText(known)


@dataclass
class Filled:
    """The parameters of one operation, filled in."""

    path: str = ""
    headers: list[Json] = field(default_factory=list)
    made_up: dict[str, None] = field(default_factory=dict)
    """Parameters whose values the service may not know."""
    missing: dict[str, None] = field(default_factory=dict)
    """Required parameters without a value."""


class Filler:
    """Fills the parameters of operations."""

    def __init__(self, document: OpenApiDocument, variables: Variables, secret: str) -> None:
        self._document = document
        self._variables = variables
        self._secret = secret
        self.secret_keys: dict[str, None] = {}

    def fill(self, path: str, parameters: Iterable[Json], query: Iterable[Part] = ()) -> Filled:
        """The path with its query, and the headers; ``query`` is the beginning of the query."""
        filled = Filled()
        listed = [one for one in parameters if isinstance(one.get("name"), str)]
        by_name = {one["name"]: one for one in listed if one.get("in") == "path"}
        parts: list[Part] = []
        for index, piece in enumerate(_HOLE.split(path)):
            parts += self._segment(piece, by_name, filled) if index % 2 else [piece]
        pairs = list(query)
        for one in listed:
            where = one.get("in")
            if where == "query":
                for pair in self._pairs(one, filled):
                    pairs += [*(["&"] if pairs else []), *pair]
            elif where == "header" and one.get("required") is True:
                self._header(one, filled)
            elif where == "cookie" and one.get("required") is True:
                filled.missing[f"cookie {one['name']}"] = None
        filled.path = path_template([*parts, *(["?"] if pairs else []), *pairs])
        return filled

    def _segment(self, name: str, by_name: dict[str, Json], filled: Filled) -> list[Part]:
        one = by_name.get(name, {})
        value = self._value(one, filled)
        if value is NOTHING or value == "":
            filled.made_up[name] = None
            return [self._variables.reference(name, "example")]
        return in_path(name, value, style_of(one, "simple"))

    def _pairs(self, one: Json, filled: Filled) -> list[list[Part]]:
        """The part of the query for a parameter; empty if it is optional and has no value."""
        given, _ = example_in(self._document, self._described(one))
        required = one.get("required") is True
        if not (required or given or _has_default(self._schema(one))):
            return []
        value: Any = NOTHING
        if not secret_name(one["name"]):
            value = self._value(one, filled)
        if value is NOTHING or (value == [] and required):
            if required:
                filled.missing[f"query parameter {one['name']}"] = None
            return []
        return in_query(one["name"], value, style_of(one, "form"))

    def _header(self, one: Json, filled: Filled) -> None:
        name = one["name"]
        if name.lower() in _NOT_HERE | _OURS or not HEADER_NAME.match(name):
            return
        if any(name.lower() == header["name"].lower() for header in filled.headers):
            return
        if secret_name(name) and not name.lower().startswith("idempotency"):
            key = name.lower()
            self.secret_keys[key] = None
            header = {"name": name, "valueFrom": secret_ref(self._secret, _data_key(key))}
        else:
            value = self._value(one, filled)
            value = "example" if value is NOTHING else value
            shown = in_header(value, style_of(one, "simple"))[:MAX_HEADER_LENGTH]
            header = {"name": name, "value": shown}
        filled.headers.append(header)

    def _value(self, one: Json, filled: Filled) -> Any:
        """JSON with generated values; NOTHING if no value can be guessed."""
        value = self._plain_value(one, filled)
        if value is None or value == [] or value == {}:
            return NOTHING
        if (
            table(one.get("content"))
            and value is not NOTHING
            and not isinstance(value, VaryingText)
        ):
            return as_text(value) if isinstance(value, dict | list) else value
        return value

    def _plain_value(self, one: Json, filled: Filled) -> Any:
        sampler = SchemaSampler(self._document)
        given, example = example_in(self._document, self._described(one))
        schema, name = self._schema(one), text_of(one.get("name"))
        if given:
            return sampler.given(example, schema)
        if _has_default(schema) or "enum" in schema:
            return sampler.of(schema, name)
        number = 0
        if "items" in schema:
            number = min(max(int(number_of(schema.get("minItems"))), 1), _MAX_ITEMS)
            schema = self._document.resolved(schema["items"])
        value = self._made_up(schema, one, sampler, filled)
        return [value] * number if number and value is not NOTHING else value

    def _made_up(self, schema: Json, one: Json, sampler: SchemaSampler, filled: Filled) -> Any:
        kinds, name = types_of(schema), text_of(one.get("name"))
        if _has_default(schema) or "enum" in schema:
            return sampler.of(schema, name)
        if "integer" in kinds or "number" in kinds:
            filled.made_up[name] = None
            low, high = bounds(schema, 1, _MAX_ID)
            return VaryingText(f"int({low}, {high})") if low < high else low
        if schema.get("format") == "uuid":
            filled.made_up[name] = None
        elif "string" in kinds and "format" not in schema:
            return NOTHING if one.get("in") == "path" else "example"
        return sampler.of(schema, name)

    def _described(self, one: Json) -> Json:
        """The object with the schema and the examples: the parameter, or the only media type of its
        content."""
        content = list(table(one.get("content")).values())
        return self._document.resolved(content[0]) if content else one

    def _schema(self, one: Json) -> Json:
        return self._document.resolved(self._described(one).get("schema"))


def _has_default(schema: Json) -> bool:
    if any(schema.get(key) is not None for key in ("example", "default", "const")):
        return True
    return bool(rows(schema.get("examples")))


def _data_key(name: str) -> str:
    return re.sub(r"[^-._a-zA-Z0-9]", "-", name)
