"""The parameters of an OpenAPI operation: values for its path, its query and its headers."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from perfrun.api.names import VARIABLE_NAME
from perfrun.cli.init.draft import Json
from perfrun.cli.init.refs import Document, example_in, types_of
from perfrun.cli.init.sample import NOTHING, Sampler, bounds
from perfrun.cli.init.secrets import FEED, secret_name, secret_ref
from perfrun.cli.init.source import rows, table, text_of
from perfrun.cli.init.texts import (
    Made,
    Part,
    clean,
    encoded_value,
    literal,
    path_template,
    variable_name,
)
from perfrun.cli.init.urls import HEADER_NAME

_HOLE = re.compile(r"\{([^{}]*)\}")
_NOT_HERE = frozenset({"accept", "content-type", "authorization"})
"""Headers that OpenAPI says elsewhere; and those that perfrun writes itself."""
_OURS = frozenset(
    {"content-length", "transfer-encoding", "connection", "upgrade", "trailer", "te", "expect"}
    | {"host", "cookie"}
)
_LARGEST_ID = 100
_MOST_VARIABLES = 64


class Variables:
    """Values that a user has to put in, each in one place."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def reference(self, name: str, value: str) -> Part:
        """A variable for ``value``; the value itself where there is no more room."""
        known = variable_name(name)
        assert re.match(VARIABLE_NAME, known)
        if known == FEED:
            known = f"{FEED}_value"
        stem, number = known, 2
        while self.values.get(known, value) != value:
            known = f"{stem}_{number}"
            number += 1
        if known not in self.values and len(self.values) == _MOST_VARIABLES:
            return value
        self.values[known] = value
        return Made(known)


@dataclass
class Filled:
    """The parameters of one operation, filled in."""

    path: str = ""
    headers: list[Json] = field(default_factory=list)
    made_up: dict[str, None] = field(default_factory=dict)
    """Names of values that the service may not know."""
    missing: dict[str, None] = field(default_factory=dict)
    """Required ones that could not be filled."""


class Filler:
    """Fills the parameters of operations."""

    def __init__(self, document: Document, variables: Variables, secret: str) -> None:
        self._document = document
        self._variables = variables
        self._secret = secret
        self.secret_keys: dict[str, None] = {}

    def fill(self, path: str, parameters: Iterable[Json], query: Iterable[Part] = ()) -> Filled:
        """The path with its query, and the headers; ``query`` is what comes first there."""
        filled = Filled()
        listed = [one for one in parameters if isinstance(one.get("name"), str)]
        by_name = {one["name"]: one for one in listed if one.get("in") == "path"}
        parts: list[Part] = []
        for index, piece in enumerate(_HOLE.split(path)):
            parts += [self._segment(piece, by_name, filled)] if index % 2 else [piece]
        pairs = list(query)
        for one in listed:
            where = one.get("in")
            if where == "query":
                pairs += self._pair(one, filled, first=not pairs)
            elif where == "header" and one.get("required") is True:
                self._header(one, filled)
            elif where == "cookie" and one.get("required") is True:
                filled.missing[f"cookie {one['name']}"] = None
        filled.path = path_template([*parts, *(["?"] if pairs else []), *pairs])
        return filled

    def _segment(self, name: str, by_name: dict[str, Json], filled: Filled) -> Part:
        value = self._value(by_name.get(name, {}), filled)
        if isinstance(value, Made):
            return value
        if value is NOTHING or value == "":
            filled.made_up[name] = None
            return self._variables.reference(name, "example")
        return encoded_value(as_text(value))

    def _pair(self, one: Json, filled: Filled, *, first: bool) -> list[Part]:
        given, _ = example_in(self._document, one)
        schema = self._schema(one)
        if not (one.get("required") is True or given or _has_default(schema)):
            return []
        value: Any = NOTHING
        if not secret_name(one["name"]):
            value = self._value(one, filled)
        if value is NOTHING or isinstance(value, dict):
            if one.get("required") is True:
                filled.missing[f"query parameter {one['name']}"] = None
            return []
        start = f"{'' if first else '&'}{encoded_value(one['name'])}="
        return [start, value if isinstance(value, Made) else encoded_value(as_text(value))]

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
            text = "example" if value is NOTHING else value
            shown = text.template() if isinstance(text, Made) else literal(as_text(text))
            header = {"name": name, "value": header_value(shown)}
        filled.headers.append(header)

    def _value(self, one: Json, filled: Filled) -> Any:
        """A text, a number, or what makes one; NOTHING where it cannot be guessed."""
        sampler = Sampler(self._document)
        given, example = example_in(self._document, one)
        if given:
            return _single(sampler.given(example))
        schema = self._schema(one)
        if "items" in schema:
            schema = self._document.resolved(schema["items"])
        kinds, name = types_of(schema), text_of(one.get("name"))
        if _has_default(schema) or "enum" in schema:
            return _single(sampler.of(schema, name))
        if "integer" in kinds or "number" in kinds:
            filled.made_up[name] = None
            low, high = bounds(schema, 1, _LARGEST_ID)
            return Made(f"int({low}, {high})") if low < high else low
        if schema.get("format") == "uuid":
            filled.made_up[name] = None
        elif "string" in kinds and "format" not in schema:
            return NOTHING if one.get("in") == "path" else "example"
        return _single(sampler.of(schema, name))

    def _schema(self, one: Json) -> Json:
        """That of the parameter, or of the one media type of its content."""
        content = list(table(one.get("content")).values())
        node = table(content[0]).get("schema") if content else one.get("schema")
        return self._document.resolved(node)


def as_text(value: Any) -> str:
    """A value as a path or a form writes it."""
    if isinstance(value, str):
        return value
    return json.dumps(value)


def header_value(text: str) -> str:
    """Without what no header can hold."""
    return "".join(char for char in text if char.isprintable())[:4096]


def form(value: Any) -> str:
    """An object as application/x-www-form-urlencoded: the text of a template."""
    pairs = []
    for key, one in value.items():
        shown = one.template(quote) if isinstance(one, Made) else encoded_value(as_text(one))
        pairs.append(f"{encoded_value(clean(str(key)))}={shown}")
    return "&".join(pairs)


def _has_default(schema: Json) -> bool:
    if any(schema.get(key) is not None for key in ("example", "default", "const")):
        return True
    return bool(rows(schema.get("examples")))


def _single(value: Any) -> Any:
    """Of a list its first element."""
    value = value[0] if isinstance(value, list) and value else value
    return NOTHING if value is None or value == [] else value


def _data_key(name: str) -> str:
    return re.sub(r"[^-._a-zA-Z0-9]", "-", name)
