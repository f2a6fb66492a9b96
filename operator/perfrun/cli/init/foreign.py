"""Texts of a tool that has its own variables, as texts of a test.

Each importer decides what a variable is and what it becomes. How texts are escaped, what is secret
and what cannot be written as JSON is the same for all tools, and is decided here.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from perfrun.api import Json
from perfrun.api.test.metric import LATENCY_MAX
from perfrun.cli.init.draft import DEFAULT_URL, NotCarried, ScenarioDraft
from perfrun.cli.init.openapi.parameters import Variables
from perfrun.cli.init.secrets import FEED, SecretFeed, secret_name, secret_value
from perfrun.cli.init.source import finite_number, no_number
from perfrun.cli.init.texts import (
    HEADER_NAME,
    MAX_HEADER_LENGTH,
    Part,
    VaryingText,
    clean,
    header_template,
    one_line,
    text_template,
    variable_name,
)

GENERATED = "generated"
_ROWS = 1_000_000
_MAX_LIMITS = 20
_MAX_DEPTH = 32
SENT_ANYWAY = frozenset(
    {"host", "content-length", "connection", "transfer-encoding", "cookie", "expect"}
    | {"accept-encoding"}
)
"""Headers that perfrun writes itself: see cookies and compression of the target."""
MAX_BODY_LENGTH = 64 * 1024
MAX_VALUE_LENGTH = 4096
_FIELD = re.compile(
    r'''"(?P<json>[^"\\]{1,100})"\s*:\s*"(?P<in_json>(?:[^"\\]|\\.){1,4096})"'''
    r"""|<(?P<xml>[\w:.-]{1,100})(?:\s[^<>]{0,200})?>(?P<in_xml>[^<>]{1,4096})</"""
    r"""|(?:^|(?<=[&\n?]))(?P<form>[\w.\[\]%+-]{1,100})=(?P<in_form>[^&\s"<>]{1,4096})"""
)
_NAME_AND_VALUE = re.compile(r"Bearer |Basic ", re.IGNORECASE)

Split = Callable[[str], list[Part]]
"""A text of the tool, as literals and generated values."""


class SentBody(NamedTuple):
    """A body: JSON or a text, each as a template."""

    json: Any = None
    text: str | None = None
    kind: str = ""
    """The value of Content-Type; empty: that of the source, if it has one."""


class ForeignValues:
    """The sources of values in a draft: variables, secrets, generated rows and extractions."""

    def __init__(self, test: str, secret: Iterable[str] = ()) -> None:
        self.variables = Variables()
        self.found_secret = set(secret)
        """Names of variables whose values are sent as secrets. If one is found, the source is read
        once more, because an earlier text may contain it too."""
        self._names: dict[str, str] = {}
        """The values of the source's variables, by their names here."""
        self.variables.reserved.add(GENERATED)
        self.missing: dict[str, None] = {}
        """Variables of the source that have no value in it."""
        self._secrets = SecretFeed(test)
        self._columns: dict[str, str] = {}
        self._extracted: dict[str, str] = {}
        self._feeds = {FEED, GENERATED}

    def extracted(self, name: str) -> str:
        """The name of a value that a step extracts. Must be called before any variable is
        referenced."""
        known = stem = self._free(variable_name(name))
        number = 2
        while self._extracted.setdefault(known, name) != name:
            known = f"{stem}_{number}"
            number += 1
        self.variables.reserved.add(known)
        return known

    def feed(self, name: str) -> str:
        """The name of a new feed. Must be called before anything else."""
        known = stem = variable_name(name)
        number = 2
        while known in self._feeds:
            known = f"{stem}_{number}"
            number += 1
        self._feeds.add(known)
        self.variables.reserved.add(known)
        return known

    def _free(self, name: str) -> str:
        return f"{name}_value" if name in self._feeds else name

    def generated(self, name: str, template: str) -> VaryingText:
        """A value that is generated once for each iteration."""
        column = stem = variable_name(name)
        number = 2
        while self._columns.get(column, template) != template:
            column = f"{stem}_{number}"
            number += 1
        self._columns[column] = template
        return VaryingText(f"{GENERATED}.{column}")

    def known(self, name: str, value: str) -> Part:
        """A variable of the source that has a value."""
        if name in self.found_secret or secret_name(name) or secret_value(value):
            return self.secret(name, value)
        if len(value) > MAX_VALUE_LENGTH or not value.isprintable():
            return value
        made = self.variables.reference(name, clean(value))
        if isinstance(made, VaryingText):
            self._names[made.call] = name
        return made

    def unknown(self, name: str) -> Part:
        """A variable of the source that has no value."""
        if secret_name(name):
            return self.secret(name, "")
        made = self.variables.reference(name, "example")
        self.missing[made.call if isinstance(made, VaryingText) else name] = None
        return made

    def secret(self, name: str, value: str) -> VaryingText:
        """A value that must not be copied."""
        return VaryingText(self._secrets.reference(name or "value", value))

    def hidden(self, name: str, parts: list[Part]) -> list[Part]:
        """A value of the field ``name``; not copied if it looks like a secret."""
        if secret_name(name):
            calls = (one.call for one in parts if isinstance(one, VaryingText))
            self.found_secret |= {self._names[one] for one in calls if one in self._names}
        text = "".join(one for one in parts if isinstance(one, str))
        whole = len(parts) == 1 and isinstance(parts[0], str)
        kind = _NAME_AND_VALUE.match(text)
        if whole and kind and len(text) > kind.end():
            return [kind[0], self.secret(name, text[kind.end() :])]
        if whole and text and (secret_name(name) or secret_value(text)):
            return [self.secret(name, text)]
        return parts

    @property
    def feeds(self) -> tuple[Json, ...]:
        """The feeds that the values need."""
        made: tuple[Json, ...] = ()
        if self._columns:
            rows: Json = {"rows": _ROWS, "columns": dict(self._columns)}
            made = ({"name": GENERATED, "generate": rows},)
        return (*self._secrets.feeds, *made)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user has to fill in."""
        if not self.missing:
            return self._secrets.notes
        names = ", ".join(self.missing)
        return (
            f"CHANGE THESE: the source has no value for {names[:300]}.",
            *self._secrets.notes,
        )


class Addressed(Protocol):
    """A request of a source, and its destination."""

    @property
    def origin(self) -> str:
        """``https://shop.example``, or the text with the variables that it consists of."""

    @property
    def is_known(self) -> bool:
        """Whether the origin is known, not a text with variables."""

    @property
    def shown(self) -> str:
        """How notes call it."""

    @property
    def line(self) -> int:
        """The line in the source."""


_Request = TypeVar("_Request", bound=Addressed)


def of_one_target(
    requests: Sequence[_Request], url: str, not_carried: NotCarried
) -> tuple[str, tuple[str, ...], list[_Request]]:
    """The URL of the target, notes about it, and the requests that go there.

    It is ``url`` if that is given, otherwise the origin of most requests. Requests to other origins
    are named in a note.
    """
    counts = Counter(one.origin for one in requests)
    main = max(counts, key=lambda origin: counts[origin]) if counts else ""
    main = url if url in counts else main
    mine = []
    for one in requests:
        if one.origin == main:
            mine.append(one)
        else:
            where = one_line(one.origin, 80)
            what = f"{one.shown}: a test has one target, and it goes to {where}"
            not_carried.add(what, one.line)
    if url:
        return url, (), mine
    if mine and mine[0].is_known:
        return main, (), mine
    what = f"the source has no value for {one_line(main, 80)}"
    return DEFAULT_URL, (f"CHANGE THIS: {what}.",), mine


def limits_of(scenarios: Iterable[ScenarioDraft], not_carried: NotCarried) -> list[Json]:
    """Objectives for the response times that a source allows."""
    limits = {step.name: step.max_ms for one in scenarios for step in one.steps if step.max_ms}
    for step in list(limits)[_MAX_LIMITS:]:
        not_carried.add(
            f"the limit of {limits[step]} ms for {step}: a test has at most 50 objectives"
        )
    return [
        {"metric": LATENCY_MAX, "of": step, "max": f"{limit}ms"}
        for step, limit in list(limits.items())[:_MAX_LIMITS]
    ]


def text_of_parts(values: ForeignValues, name: str, parts: list[Part]) -> str:
    """The template of a named value: a field, or a header."""
    return text_template(values.hidden(name, parts))


def header_of(values: ForeignValues, name: str, parts: list[Part]) -> Json | None:
    """A header of a step; None if steps cannot have it."""
    value = header_template(values.hidden(name, parts))
    allowed = HEADER_NAME.match(name) and name.lower() not in SENT_ANYWAY
    if not allowed or len(value) > MAX_HEADER_LENGTH:
        return None
    return {"name": name, "value": value}


def json_body(values: ForeignValues, text: str, split: Split) -> SentBody:
    """A text that should be JSON: as JSON if that does not change it, otherwise as a text."""
    try:
        found = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=no_number, parse_float=finite_number
        )
        made = _value(values, found, "", split, 0)
    except (ValueError, RecursionError):
        return SentBody(text=raw_text(values, text, split))
    return as_sent(found, made)


def as_sent(found: Any, made: Any) -> SentBody:
    """A JSON value, with its texts as templates: ``found`` in the source, ``made`` of that."""
    if made is None or not _is_exact(found):
        # A manifest cannot contain null there, and an API server shortens long numbers.
        return SentBody(text=json.dumps(made, ensure_ascii=False))
    return SentBody(json=made)


def sent_body(values: ForeignValues, kind: str, text: str, split: Split) -> SentBody:
    """A body of a content type; empty: the type is not known."""
    if "json" in kind.lower():
        return json_body(values, text, split)
    return SentBody(text=raw_text(values, text, split))


def raw_text(values: ForeignValues, text: str, split: Split) -> str:
    """The template of a body of any kind, without the values of fields that look like secrets: JSON
    with unquoted variables, XML, or a form."""
    parts: list[Part] = []
    at = 0
    for found in _FIELD.finditer(text):
        kind = str(found.lastgroup)
        value = split(found[kind])
        hidden = values.hidden(found[kind.removeprefix("in_")], value)
        if hidden is not value:
            parts += [*split(text[at : found.start(kind)]), *hidden]
            at = found.end(kind)
    return text_template([*parts, *split(text[at:])])


def _value(values: ForeignValues, value: Any, name: str, split: Split, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        if any(not _is_literal(split(key)) for key in value):
            raise ValueError("a key is a template")
        return {
            clean(key): _value(values, one, key, split, depth + 1) for key, one in value.items()
        }
    if isinstance(value, list):
        return [_value(values, one, name, split, depth + 1) for one in value]
    if isinstance(value, str):
        return text_of_parts(values, name, split(value))
    if secret_name(name) and isinstance(value, int | float) and not isinstance(value, bool):
        return values.secret(name, str(value)).template()
    return value


def _is_literal(parts: Sequence[Part]) -> bool:
    return all(isinstance(one, str) for one in parts)


def _pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(found)
    if len(made) < len(found):
        raise ValueError("a key appears twice")
    return made


def _is_exact(value: Any) -> bool:
    """Whether a manifest keeps all numbers as they are."""
    if isinstance(value, dict):
        return all(_is_exact(one) for one in value.values())
    if isinstance(value, list):
        return all(_is_exact(one) for one in value)
    if isinstance(value, float):
        return abs(value) < 1e15
    return not isinstance(value, int) or -(2**63) <= value < 2**63
