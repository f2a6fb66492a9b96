"""A draft of an OpenAPI 3 document: its reads by weight, and on request its writes."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urljoin

from perfrun.cli.init.draft import (
    DEFAULT_URL,
    LONGEST_PATH,
    MOST_SCENARIOS,
    Draft,
    Json,
    ScenarioDraft,
    SourceError,
    StepDraft,
    is_read,
)
from perfrun.cli.init.load import steady
from perfrun.cli.init.parameters import Filled, Filler, Variables, form
from perfrun.cli.init.refs import Document, example_in
from perfrun.cli.init.sample import NOTHING, Sampler, templated
from perfrun.cli.init.secrets import SecretFeed
from perfrun.cli.init.security import Access, access_of
from perfrun.cli.init.source import rows, table, text_of
from perfrun.cli.init.texts import Names, counted, one_line, slug
from perfrun.cli.init.urls import server_url, usable_url

_METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
"""In the order in which they are taken."""
_WEIGHTS = {"GET": 10, "HEAD": 1, "OPTIONS": 1, "POST": 2, "PUT": 2, "PATCH": 2, "DELETE": 1}
_JSON = re.compile(r"application/([\w.+-]+\+)?json(;|\Z)", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
_STATUS = re.compile(r"2[0-9][0-9]\Z")
_MOST_PATHS = 5000


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    body: Json
    shared: list[Any]
    """The parameters of the path."""


class _LeftOutError(Exception):
    """Why an operation is not taken."""


def openapi_draft(root: Any, *, source: str, name: str, url: str, writes: bool) -> Draft:
    """The draft of a document. Raises SourceError."""
    _check_version(root, source)
    document = Document(root)
    info = table(root.get("info"))
    name = name or slug(text_of(info.get("title")), 40) or "api"
    base, url_notes = _base_url(root, url)
    left: dict[str, int] = {}
    wanted = _wanted(document, left, writes=writes)
    feed = SecretFeed(name)
    access = access_of(document, (one.body for one in wanted), name, base, feed)
    writer = _Steps(document, access)
    scenarios = list(writer.scenarios(wanted, left))
    if not scenarios:
        reasons = "; ".join(f"{counted(count, 'operation')} {why}" for why, count in left.items())
        raise SourceError(f"{source}: no operation to run{': ' if reasons else ''}{reasons}")
    access.keys |= writer.filler.secret_keys
    notes = [f"From {one_line(source, 80)}: {counted(len(scenarios), 'operation')}."]
    notes += [f"Left out: {counted(count, 'operation')} {why}." for why, count in left.items()]
    if document.outside:
        some = ", ".join(list(document.outside)[:3])
        notes.append(f"References to other documents are not followed: {one_line(some, 150)}.")
    return Draft(
        name=name,
        url=base,
        scenarios=tuple(scenarios),
        load=steady(scenarios),
        http=access.http,
        variables=writer.variables.values,
        feeds=feed.feeds,
        notes=tuple(notes),
        target_notes=(*url_notes, *access.all_notes),
        data_notes=(*_variable_notes(writer.variables), *feed.notes),
        scenario_notes=("How often each is called: weights of one to another.",),
    )


def _check_version(root: Any, source: str) -> None:
    if not isinstance(root, dict):
        raise SourceError(f"{source}: not an OpenAPI document: an object with openapi and paths")
    version = root.get("openapi")
    if "swagger" in root:
        raise SourceError(
            f"{source}: Swagger {one_line(str(root['swagger']), 10)} is not read: convert it to "
            f"OpenAPI 3 (editor.swagger.io does it)"
        )
    if not str(version).startswith("3"):
        raise SourceError(f"{source}: not an OpenAPI 3 document: write openapi: 3.0.3 or 3.1.0")
    if not isinstance(root.get("paths"), dict):
        raise SourceError(f"{source}: has no paths: nothing to call")


def _base_url(root: Json, url: str) -> tuple[str, tuple[str, ...]]:
    if url:
        return url, ()
    servers = [server_url(table(one)) for one in rows(root.get("servers"))]
    for stated in servers:
        if usable_url(stated) and "?" not in stated:
            others = f", of {len(servers)} servers" if len(servers) > 1 else ""
            return stated.rstrip("/"), (f"The document's first usable server{others}.",)
    path = next((one for one in servers if one.startswith("/")), "/")
    joined = urljoin(DEFAULT_URL, path).rstrip("/")
    base = joined if usable_url(joined) and "?" not in joined else DEFAULT_URL
    return base, ("CHANGE THIS: the document names no host.",)


def _wanted(document: Document, left: dict[str, int], *, writes: bool) -> list[Operation]:
    operations = sorted(_operations(document), key=lambda one: _METHODS.index(one.method.lower()))
    wanted: list[Operation] = []
    for one in operations:
        if one.body.get("deprecated") is True:
            _add(left, "marked deprecated")
        elif not (writes or is_read(one.method)):
            _add(left, "of methods that change something (--writes)")
        elif len(wanted) == MOST_SCENARIOS:
            _add(left, f"beyond the {MOST_SCENARIOS} that a test can have")
        else:
            wanted.append(one)
    return wanted


def _operations(document: Document) -> Iterator[Operation]:
    for path, node in list(document.root["paths"].items())[:_MOST_PATHS]:
        item = document.resolved(node)
        for method in _METHODS:
            if isinstance(item.get(method), dict) and str(path).startswith("/"):
                shared = rows(item.get("parameters"))
                yield Operation(method.upper(), str(path), item[method], shared)


class _Steps:
    """Makes steps of operations."""

    def __init__(self, document: Document, access: Access) -> None:
        self._document = document
        self._access = access
        self._names = Names()
        self.variables = Variables()
        self.filler = Filler(document, self.variables, access.secret)

    def scenarios(self, wanted: list[Operation], left: dict[str, int]) -> Iterator[ScenarioDraft]:
        number = 0
        for one in wanted:
            try:
                step = self._step(one)
            except _LeftOutError as reason:
                _add(left, str(reason))
                continue
            number += 1
            name = self._names.take(f"s{number}", "s")
            yield ScenarioDraft(name, (step,), _WEIGHTS[one.method])

    def _step(self, one: Operation) -> StepDraft:
        # What the operation says of a parameter goes before what the path says.
        stated = {
            (node.get("name"), node.get("in")): node
            for node in map(
                self._document.resolved, [*one.shared, *rows(one.body.get("parameters"))]
            )
            if isinstance(node.get("name"), str) and isinstance(node.get("in"), str)
        }
        filled = self.filler.fill(one.path, stated.values(), self._access.query)
        if len(filled.path) > LONGEST_PATH:
            raise _LeftOutError("with a path that is too long")
        sampler = Sampler(self._document)
        kind, value = self._body(one, sampler)
        headers = list(filled.headers)
        if kind and not _JSON.match(kind):
            headers.append({"name": "Content-Type", "value": kind})
        elif kind and kind.lower() != "application/json" and kind.isprintable():
            headers.append({"name": "Content-Type", "value": kind[:200]})
        is_json = bool(_JSON.match(kind))
        summary = text_of(one.body.get("summary"))
        return StepDraft(
            name=self._names.take(
                slug(text_of(one.body.get("operationId")) or f"{one.method} {one.path}"),
                one.method.lower(),
            ),
            path=filled.path,
            method=one.method,
            headers=tuple(headers),
            json=templated(value) if is_json else None,
            body=None if is_json or not kind else value,
            status=self._statuses(one.body),
            notes=tuple(_step_notes(summary, filled, sampler)),
        )

    def _body(self, one: Operation, sampler: Sampler) -> tuple[str, Any]:
        """The media type and the body; ``""`` where there is none."""
        request = self._document.resolved(one.body.get("requestBody"))
        content = {str(key): table(node) for key, node in table(request.get("content")).items()}
        for kind, media in content.items():
            if _JSON.match(kind):
                value = self._sample(media, sampler)
                if value is not NOTHING and value is not None:
                    return kind, value
        if _FORM in content:
            value = self._sample(content[_FORM], sampler)
            if isinstance(value, dict):
                return _FORM, form(value)
        if "text/plain" in content:
            value = self._sample(content["text/plain"], sampler)
            shown = templated(value)
            return "text/plain", shown if isinstance(shown, str) else "example"
        if request.get("required") is True or (content and not is_read(one.method)):
            raise _LeftOutError("with a body that cannot be made up (no JSON, form or text)")
        return "", None

    def _sample(self, media: Json, sampler: Sampler) -> Any:
        given, example = example_in(self._document, media)
        value = sampler.given(example) if given else NOTHING
        return sampler.of(media.get("schema")) if value is NOTHING else value

    def _statuses(self, operation: Json) -> tuple[int, ...]:
        """The answers that count as success, where the document names them one by one."""
        keys = [str(key) for key in table(operation.get("responses"))]
        good = [key for key in keys if key[:1] in ("2", "3")]
        named = all(_STATUS.match(key) for key in good)
        return tuple(sorted({int(key) for key in good}))[:20] if named else ()


def _step_notes(summary: str, filled: Filled, sampler: Sampler) -> Iterator[str]:
    if summary.strip():
        yield one_line(summary, 90)
    if filled.made_up:
        names = one_line(", ".join(filled.made_up), 150)
        yield f"Made up: {names}. Use values that your service knows: a feed, or choice('a', 'b')."
    if sampler.guessed:
        yield f"Follows a pattern that is not guessed: {one_line(', '.join(sampler.guessed), 150)}."
    if filled.missing:
        yield f"Asked for and not filled in: {one_line(', '.join(filled.missing), 150)}."


def _variable_notes(variables: Variables) -> tuple[str, ...]:
    if not variables.values:
        return ()
    return ("CHANGE THESE: values of paths that the document gives no example of.",)


def _add(left: dict[str, int], why: str) -> None:
    left[why] = left.get(why, 0) + 1
