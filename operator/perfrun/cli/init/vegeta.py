"""A draft from vegeta's targets: a list of requests that are sent in turn."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from perfrun.api import Json
from perfrun.cli.init.draft import (
    CHANGES_DATA,
    MAX_PATH_LENGTH,
    MAX_SCENARIOS,
    METHODS,
    Draft,
    NotCarried,
    ScenarioDraft,
    SourceError,
    StepDraft,
    first_headers,
    is_read,
    left_out_notes,
    with_common_headers,
)
from perfrun.cli.init.foreign import (
    MAX_BODY_LENGTH,
    ForeignValues,
    SentBody,
    header_of,
    of_one_target,
    sent_body,
)
from perfrun.cli.init.load import steady
from perfrun.cli.init.source import rows, table, text_of
from perfrun.cli.init.texts import (
    Part,
    UniqueNames,
    counted,
    one_line,
    origin_of,
    path_template,
    slug,
)

_BEGIN = re.compile(r"[A-Z]+\s")
_MAX_TARGETS = 100_000
_MAX_WEIGHT = 10_000


@dataclass(frozen=True)
class VegetaTarget:
    """A request of the list."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str | None
    """None: not text."""
    file: str
    """The file with the body; empty: the body is here."""
    line: int

    @property
    def origin(self) -> str:
        """``https://shop.example``; empty if a target cannot have it."""
        return origin_of(self.url)

    @property
    def is_known(self) -> bool:
        """A target has no variables."""
        return True

    @property
    def shown(self) -> str:
        """How notes call it, without a password."""
        parts = urlsplit(self.url)
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}{parts.path}"
        return f"{one_line(self.method, 20)} {one_line(where, 80)}"

    @property
    def same(self) -> tuple[object, ...]:
        """Equal for equal requests."""
        return (self.method, self.url, self.headers, self.body)


def vegeta_draft(text: str, source: str, *, name: str, url: str, writes: bool) -> Draft:
    """The draft from a list of targets, in either format. Raises SourceError."""
    not_carried = NotCarried()
    listed = _targets(text, source)
    wanted = [one for one in listed if writes or is_read(one.method)]
    left_out = left_out_notes({CHANGES_DATA: len(listed) - len(wanted)})
    targets = [one for one in wanted if _is_usable(one, not_carried)]
    target, notes, mine = of_one_target(targets, url, not_carried)
    name = name or slug(urlsplit(target).hostname or "", 40) or "targets"
    foreign = ForeignValues(name)
    scenarios = list(_scenarios(mine, foreign, not_carried))
    if not scenarios:
        raise SourceError(f"{source}: no target can be used: {not_carried.reasons(*left_out)}")
    headers, scenarios = with_common_headers(scenarios)
    return Draft(
        name=name,
        url=target,
        scenarios=tuple(scenarios),
        load=steady(scenarios),
        http={"headers": headers} if headers else {},
        feeds=foreign.feeds,
        notes=(
            f"From {one_line(source, 80)}: {counted(len(scenarios), 'request')}.",
            *left_out,
            *not_carried.notes(),
        ),
        target_notes=notes,
        data_notes=foreign.notes,
        scenario_notes=("Weighted by how often they are in the list.",),
    )


def _targets(text: str, source: str) -> list[VegetaTarget]:
    lines = text.split("\n")
    read = _json_targets if text.lstrip()[:1] == "{" else _http_targets
    found: list[VegetaTarget] = []
    for one in read(lines, source):
        if len(found) == _MAX_TARGETS:
            raise SourceError(f"{source}: line {one.line}: more than {_MAX_TARGETS:,} targets")
        found.append(one)
    return found


def _http_targets(lines: Sequence[str], source: str) -> Iterator[VegetaTarget]:
    at = 0
    while at < len(lines):
        line, number = lines[at].strip(), at + 1
        at += 1
        if not line or line.startswith("#"):
            continue
        method, _, url = line.partition(" ")
        if not _BEGIN.match(line) or not url.strip():
            raise SourceError(
                f"{source}: line {number}: not a method and a URL: {one_line(line, 60)}"
            )
        headers, file = [], ""
        while at < len(lines) and (line := lines[at].strip()) and not _BEGIN.match(line):
            at += 1
            if line.startswith("@"):
                file = line[1:].strip()
            elif not line.startswith("#"):
                key, colon, value = line.partition(":")
                if not colon:
                    raise SourceError(f"{source}: line {at}: not a header: {one_line(line, 60)}")
                headers.append((key.strip(), value.strip()))
        yield VegetaTarget(method, url.strip(), tuple(headers), "", file, number)


def _json_targets(lines: Sequence[str], source: str) -> Iterator[VegetaTarget]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = table(json.loads(line))
        except (ValueError, RecursionError):
            one = {}
        if not text_of(one.get("url")):
            raise SourceError(f"{source}: line {number}: not an object with method and url")
        headers = tuple(
            (key, text_of(value))
            for key, values in table(one.get("header")).items()
            for value in rows(values)
        )
        method, body = text_of(one.get("method")) or "GET", _decoded(text_of(one.get("body")))
        yield VegetaTarget(method.upper(), text_of(one["url"]).strip(), headers, body, "", number)


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _is_usable(one: VegetaTarget, not_carried: NotCarried) -> bool:
    """Whether it can become a step; if not, the reason is reported."""
    try:
        shown = one.shown
    except ValueError:
        not_carried.add(f"the URL {one_line(one.url, 80)}", one.line)
        return False
    why = ""
    if not one.origin:
        why = "it has no HTTP URL"
    elif one.method not in METHODS:
        why = "a step has no such method"
    elif one.file:
        why = f"its body is in the file {one_line(one.file, 80)}"
    elif one.body is None:
        why = "its body is not text in base64"
    elif len(one.body) > MAX_BODY_LENGTH:
        why = "its body is too long"
    if why:
        not_carried.add(f"{shown}: {why}", one.line)
    return not why


def _scenarios(
    targets: Sequence[VegetaTarget], foreign: ForeignValues, not_carried: NotCarried
) -> Iterator[ScenarioDraft]:
    counts: dict[tuple[object, ...], int] = {}
    first: dict[tuple[object, ...], VegetaTarget] = {}
    for one in targets:
        counts[one.same] = counts.get(one.same, 0) + 1
        first.setdefault(one.same, one)
    names = UniqueNames()
    most = max(counts.values(), default=1)
    number = 0
    for key, one in first.items():
        if number == MAX_SCENARIOS:
            not_carried.add(f"more than {MAX_SCENARIOS} scenarios, the limit of a test", one.line)
            continue
        step = _step(one, foreign, names, not_carried)
        if len(step.path) > MAX_PATH_LENGTH:
            not_carried.add(f"{one.shown}: its path is too long", one.line)
        else:
            number += 1
            weight = max(counts[key] * _MAX_WEIGHT // max(most, _MAX_WEIGHT), 1)
            yield ScenarioDraft(names.take(f"s{number}", "s"), (step,), weight)


def _step(
    one: VegetaTarget, foreign: ForeignValues, names: UniqueNames, not_carried: NotCarried
) -> StepDraft:
    parts = urlsplit(one.url)
    headers: dict[str, Json] = {}
    for name, value in one.headers:
        if header := header_of(foreign, name, [value]):
            headers[name.lower()] = header
        else:
            not_carried.add(f"header {one_line(name, 60)}", one.line)
    if "@" in parts.netloc:
        made = foreign.secret("basic_credentials", parts.netloc.rpartition("@")[0])
        credentials = {"name": "Authorization", "value": f"Basic {made.template()}"}
        headers.setdefault("authorization", credentials)
    body = SentBody()
    if one.body:
        kind = headers.get("content-type", {}).get("value", "")
        body = sent_body(foreign, kind, one.body, lambda text: [text])
    return StepDraft(
        name=names.take(slug(f"{one.method} {parts.path}"), "step"),
        path=path_template(_path(parts.path or "/", parts.query, foreign)),
        method=one.method,
        headers=tuple(first_headers(headers.values(), one.shown, one.line, not_carried)),
        json=body.json,
        body=body.text,
    )


def _path(path: str, query: str, foreign: ForeignValues) -> list[Part]:
    parts: list[Part] = [path if path.startswith("/") else f"/{path}"]
    for index, pair in enumerate(query.split("&") if query else []):
        name, equals, value = pair.partition("=")
        parts += ["&" if index else "?", name, equals, *foreign.hidden(name, [value])]
    return parts
