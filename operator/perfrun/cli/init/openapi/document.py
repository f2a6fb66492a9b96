"""A draft from an OpenAPI 3 or Swagger 2.0 document: weighted reads, and writes on request."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from perfrun.api import Json
from perfrun.cli.init.draft import (
    CHANGES_DATA,
    MAX_PATH_LENGTH,
    MAX_SCENARIOS,
    Draft,
    ScenarioDraft,
    SourceError,
    StepDraft,
    is_read,
    left_out_notes,
)
from perfrun.cli.init.load import steady
from perfrun.cli.init.openapi.bodies import FORM, MULTIPART, fields, form, multipart
from perfrun.cli.init.openapi.parameters import Filled, Filler, Variables
from perfrun.cli.init.openapi.refs import OpenApiDocument, example_in, types_of
from perfrun.cli.init.openapi.sample import NOTHING, SchemaSampler, parsed_json, templated
from perfrun.cli.init.openapi.security import Access, access_of
from perfrun.cli.init.openapi.servers import Own, base_url, server_url
from perfrun.cli.init.openapi.swagger import as_openapi
from perfrun.cli.init.secrets import SecretFeed
from perfrun.cli.init.source import rows, table, text_of
from perfrun.cli.init.texts import UniqueNames, counted, header_template, one_line, slug

_METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
"""Media types in order of preference."""
_WEIGHTS = {"GET": 10, "HEAD": 1, "OPTIONS": 1, "POST": 2, "PUT": 2, "PATCH": 2, "DELETE": 1}
_JSON = re.compile(r"application/([\w.+-]+\+)?json(;|\Z)", re.IGNORECASE)
_JSON_KIND = "application/json"
_OUTSIDE = "with references to other documents"
_STATUS = re.compile(r"2[0-9][0-9]\Z")
_MAX_PATHS = 5000


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    body: Json
    shared: list[Any]
    """The parameters of the path item."""
    servers: list[str] | None = None
    """The servers of the operation or its path; None: those of the document."""


class _Body(NamedTuple):
    """A body: JSON or a text, each as a template."""

    kind: str
    """The media type; empty if there is no body."""
    text: str | None = None
    json: Any = None


class _LeftOutError(Exception):
    """Why an operation is left out."""


def openapi_draft(root: Any, source: str, *, name: str, url: str, writes: bool) -> Draft:
    """The draft from a document. Raises SourceError."""
    _check_version(root, source)
    if "swagger" in root:
        root = as_openapi(root)
    document = OpenApiDocument(root)
    info = table(root.get("info"))
    name = name or slug(text_of(info.get("title")), 40) or "api"
    left: dict[str, int] = {}
    found = list(_operations(document))
    base, url_notes, own = base_url(root, [one.servers for one in found], url)
    wanted = _wanted(found, own, left, writes=writes)
    feed = SecretFeed(name)
    access = access_of(document, (one.body for one in wanted), name, base, feed)
    writer = _Steps(document, access)
    scenarios = list(writer.scenarios(wanted, left))
    if not scenarios:
        reasons = "; ".join(f"{counted(count, 'operation')} {why}" for why, count in left.items())
        raise SourceError(f"{source}: no operation to run{': ' if reasons else ''}{reasons}")
    access.keys |= writer.filler.secret_keys
    notes = [f"From {one_line(source, 80)}: {counted(len(scenarios), 'operation')}."]
    notes += left_out_notes(left, "operation")
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
        scenario_notes=("Relative weights: how often each operation is called.",),
    )


def _check_version(root: Any, source: str) -> None:
    if not isinstance(root, dict):
        raise SourceError(
            f"{source}: not an OpenAPI document, which is an object with openapi and paths"
        )
    version = root.get("openapi")
    if "swagger" in root and not str(root["swagger"]).startswith("2"):
        raise SourceError(
            f"{source}: Swagger {one_line(str(root['swagger']), 10)} is not supported: use "
            "Swagger 2.0 or OpenAPI 3"
        )
    if "swagger" not in root and not str(version).startswith("3"):
        raise SourceError(
            f"{source}: not an OpenAPI 3 document: write openapi: 3.0.3 or 3.1.0, or swagger: '2.0'"
        )
    if not isinstance(root.get("paths"), dict):
        raise SourceError(f"{source}: has no paths, so there is nothing to call")


def _wanted(
    operations: list[Operation], own: Own, left: dict[str, int], *, writes: bool
) -> list[Operation]:
    wanted: list[Operation] = []
    for one in sorted(operations, key=lambda one: _METHODS.index(one.method.lower())):
        prefix = own.prefix(one.servers)
        if one.body.get("deprecated") is True:
            _add(left, "marked deprecated")
        elif not (writes or is_read(one.method)):
            _add(left, CHANGES_DATA)
        elif prefix is None:
            server = (one.servers or ["the document's server"])[0]
            _add(left, f"of another server: {one_line(server, 80)} (--url)")
        elif len(wanted) == MAX_SCENARIOS:
            _add(left, f"beyond the {MAX_SCENARIOS} that a test can have")
        else:
            wanted.append(one._replace(path=prefix + one.path))
    return wanted


def _operations(document: OpenApiDocument) -> Iterator[Operation]:
    for path, node in list(document.root["paths"].items())[:_MAX_PATHS]:
        item = document.resolved(node)
        for method in _METHODS:
            body = item.get(method)
            if isinstance(body, dict) and str(path).startswith("/"):
                shared = rows(item.get("parameters"))
                servers = rows(body.get("servers")) or rows(item.get("servers"))
                urls = [server_url(table(one)) for one in servers[:20]] or None
                yield Operation(method.upper(), str(path), body, shared, urls)


class _Steps:
    """Creates steps from operations."""

    def __init__(self, document: OpenApiDocument, access: Access) -> None:
        self._document = document
        self._access = access
        self._names = UniqueNames()
        self.variables = Variables()
        self.filler = Filler(document, self.variables, access.secret)

    def scenarios(self, wanted: list[Operation], left: dict[str, int]) -> Iterator[ScenarioDraft]:
        number = 0
        for one in wanted:
            self._document.met.clear()
            try:
                step = self._step(one)
            except _LeftOutError as reason:
                _add(left, _OUTSIDE if self._document.met else str(reason))
                continue
            number += 1
            name = self._names.take(f"s{number}", "s")
            yield ScenarioDraft(name, (step,), _WEIGHTS[one.method])

    def _step(self, one: Operation) -> StepDraft:
        # Parameters of the operation take precedence over those of the path.
        stated = {
            (node.get("name"), node.get("in")): node
            for node in map(
                self._document.resolved, [*one.shared, *rows(one.body.get("parameters"))]
            )
            if isinstance(node.get("name"), str) and isinstance(node.get("in"), str)
        }
        filled = self.filler.fill(one.path, stated.values(), self._access.query)
        if len(filled.path) > MAX_PATH_LENGTH:
            raise _LeftOutError("with a path that is too long")
        sampler = SchemaSampler(self._document)
        body = self._body(one, sampler)
        if self._document.met:
            raise _LeftOutError(_OUTSIDE)
        headers = list(filled.headers)
        if body.kind and body.kind.lower() != _JSON_KIND and body.kind.isprintable():
            headers.append({"name": "Content-Type", "value": header_template([body.kind[:200]])})
        summary = text_of(one.body.get("summary"))
        return StepDraft(
            name=self._names.take(
                slug(text_of(one.body.get("operationId")) or f"{one.method} {one.path}"),
                one.method.lower(),
            ),
            path=filled.path,
            method=one.method,
            headers=tuple(headers),
            json=body.json,
            body=body.text,
            status=self._statuses(one.body),
            notes=tuple(_step_notes(summary, filled, sampler)),
        )

    def _body(self, one: Operation, sampler: SchemaSampler) -> _Body:
        request = self._document.resolved(one.body.get("requestBody"))
        content = {str(key): table(node) for key, node in table(request.get("content")).items()}
        by_kind = {key.partition(";")[0].strip().lower(): key for key in content}
        for kind, media in content.items():
            if _JSON.match(kind) or kind == "*/*":
                value = self._sample(media, sampler, is_json=True)
                if value is not NOTHING and value is not None:
                    return _Body(_JSON_KIND if kind == "*/*" else kind, json=templated(value))
        for kind in (FORM, MULTIPART):
            if kind in by_kind:
                value = self._sample(content[by_kind[kind]], sampler)
                if isinstance(value, dict):
                    return self._form(kind, value, content[by_kind[kind]])
        if "text/plain" in by_kind:
            shown = templated(self._sample(content[by_kind["text/plain"]], sampler))
            return _Body("text/plain", text=shown if isinstance(shown, str) else "example")
        if request.get("required") is True or (content and not is_read(one.method)):
            raise _LeftOutError(
                "with a body that cannot be generated (not JSON, form, multipart form or text)"
            )
        return _Body("")

    def _form(self, kind: str, value: Json, media: Json) -> _Body:
        encoding = table(media.get("encoding"))
        if kind == FORM:
            return _Body(FORM, text=form(value, encoding))
        schema = self._document.resolved(media.get("schema"))
        files = [
            name
            for name, node in table(schema.get("properties")).items()
            if _is_file(self._document, node)
        ]
        return _Body(*multipart(fields(value, encoding, files)))

    def _sample(self, media: Json, sampler: SchemaSampler, *, is_json: bool = False) -> Any:
        schema = media.get("schema")
        given, example = example_in(self._document, media)
        if given and is_json and isinstance(example, str):
            # JSON that is written as a string, as many documents have it.
            parsed = parsed_json(example)
            untyped = not types_of(self._document.resolved(schema))
            example = parsed if untyped and isinstance(parsed, dict | list) else example
        value = sampler.given(example, schema) if given else NOTHING
        return sampler.of(schema) if value is NOTHING else value

    def _statuses(self, operation: Json) -> tuple[int, ...]:
        """The status codes of success, if the document lists them."""
        keys = [str(key) for key in table(operation.get("responses"))]
        good = [key for key in keys if key[:1] in ("2", "3")]
        named = all(_STATUS.match(key) for key in good)
        return tuple(sorted({int(key) for key in good}))[:20] if named else ()


def _is_file(document: OpenApiDocument, node: object) -> bool:
    """In 3.0, a file is a string with the format binary; in 3.1, it has contentMediaType or no
    type."""
    schema = document.resolved(node)
    item = document.resolved(schema["items"]) if "items" in schema else schema
    return item.get("format") in ("binary", "byte") or "contentMediaType" in item


def _step_notes(summary: str, filled: Filled, sampler: SchemaSampler) -> Iterator[str]:
    if summary.strip():
        yield one_line(summary, 90)
    if filled.made_up:
        names = one_line(", ".join(filled.made_up), 150)
        yield (
            f"Invented values: {names}. Use values that your service knows: a feed, or "
            "choice('a', 'b')."
        )
    if sampler.guessed:
        yield (
            "Must match a pattern, for which no value was generated: "
            f"{one_line(', '.join(sampler.guessed), 150)}."
        )
    if filled.missing:
        yield f"Required but not filled in: {one_line(', '.join(filled.missing), 150)}."


def _variable_notes(variables: Variables) -> tuple[str, ...]:
    if not variables.values:
        return ()
    return ("CHANGE THESE: path parameters for which the document has no example.",)


def _add(left: dict[str, int], why: str) -> None:
    left[why] = left.get(why, 0) + 1
