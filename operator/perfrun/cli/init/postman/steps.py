"""Requests of a collection as steps."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

from perfrun.api import Json
from perfrun.cli.init.draft import (
    MAX_PATH_LENGTH,
    METHODS,
    NotCarried,
    StepDraft,
    first_headers,
)
from perfrun.cli.init.foreign import (
    MAX_BODY_LENGTH,
    ForeignValues,
    SentBody,
    header_of,
    json_body,
    raw_text,
    text_of_parts,
)
from perfrun.cli.init.openapi.bodies import FORM, FormField, multipart
from perfrun.cli.init.postman.address import Address, path_of
from perfrun.cli.init.postman.collection import PostmanRequest, is_enabled, named
from perfrun.cli.init.postman.script import ScriptEffects, effects_of
from perfrun.cli.init.postman.values import PostmanValues
from perfrun.cli.init.source import rows, table, text_of
from perfrun.cli.init.texts import (
    HEADER_NAME,
    Part,
    UniqueNames,
    encoded,
    one_line,
    slug,
    text_template,
)

_KINDS = {
    "json": "application/json",
    "xml": "application/xml",
    "html": "text/html",
    "javascript": "application/javascript",
    "text": "text/plain",
}
_MAX_EXTRACTIONS = 20
_MAX_EXPECTATIONS = 20


class NoStepError(Exception):
    """Why a request cannot be a step."""


class PostmanSteps:
    """Creates steps; later steps may use the values that earlier requests set."""

    def __init__(
        self, foreign: ForeignValues, values: PostmanValues, not_carried: NotCarried
    ) -> None:
        self._foreign = foreign
        self._values = values
        self._not_carried = not_carried
        self._names = UniqueNames()

    def scenario(self, wanted: str) -> str:
        """The name of a scenario; steps and scenarios share one set of names."""
        self._values.begin()
        return self._names.take(slug(wanted, 40), "journey")

    def step(self, one: PostmanRequest, address: Address) -> StepDraft:
        """Raises NoStepError."""
        self._values.line = one.line
        shown = f'"{one_line(one.name, 60)}"'
        before = [self._effects(script.text, script.line, f"prerequest script of {script.owner}")
                  for script in one.scripts if script.listen == "prerequest"]  # fmt: skip
        for effects in before:
            self._set(effects)
        method = text_of(one.request.get("method") or "GET").upper()
        if method not in METHODS:
            raise NoStepError(f"request {shown}: the method {one_line(method, 30)}")
        path = path_of(address, self._values, self._foreign)
        headers = self._headers(one, shown)
        path, headers = self._with_auth(one.auth, path, headers, shown)
        if len(path) > MAX_PATH_LENGTH:
            raise NoStepError(f"request {shown}: its path is too long")
        body, kind = self._body(table(one.request.get("body")), headers, shown)
        if kind and not _has(headers, "content-type"):
            headers.append({"name": "Content-Type", "value": kind})
        plain = slug(f"{method} {address.rest.partition('?')[0]}")
        step = StepDraft(
            name=self._names.take(slug(one.name), plain or method.lower()),
            path=path,
            method=method,
            headers=tuple(first_headers(headers, f"request {shown}", one.line, self._not_carried)),
            json=body.json,
            body=body.text,
        )
        return self._tested(step, one)

    def _tested(self, step: StepDraft, one: PostmanRequest) -> StepDraft:
        """The step with the checks and extractions of its scripts."""
        status: set[int] | None = None
        max_ms = 0
        expect: dict[str, Any] = {}
        extract: dict[str, Json] = {}
        for script in one.scripts:
            if script.listen != "test":
                continue
            what = f"test script of {script.owner}"
            effects = self._effects(script.text, script.line, what)
            self._set(effects)
            if effects.status is not None:
                both = effects.status if status is None else status & effects.status
                # A request takes precedence over its folder.
                status = both or effects.status
            for path, value in effects.expect_json.items():
                if len(expect) == _MAX_EXPECTATIONS and path not in expect:
                    self._not_carried.add(f"{what}: the value of {path}", script.line)
                else:
                    expect[path] = value
            for name, how in effects.extract.items():
                if len(extract) == _MAX_EXTRACTIONS:
                    self._not_carried.add(f"{what}: the variable {name}", script.line)
                else:
                    extract[self._values.extract(name)] = how
            max_ms = min(max_ms or effects.max_ms, effects.max_ms or max_ms)
        return replace(
            step,
            status=tuple(sorted(status or ())),
            expect_json=expect,
            extract=extract,
            max_ms=max_ms,
        )

    def _effects(self, text: str, line: int, what: str) -> ScriptEffects:
        effects = effects_of(text)
        for one in effects.conditions:
            self._not_carried.add(
                f"{what}: the condition `{one}`: what is in it always happens", line
            )
        if effects.unknown:
            first, more = effects.unknown[0], len(effects.unknown) - 1
            tail = f" and {more} more" if more else ""
            self._not_carried.add(f"{what}: `{first}`{tail}", line)
        return effects

    def _set(self, effects: ScriptEffects) -> None:
        for name, text in effects.values.items():
            self._values.set(name, text, fresh=name in effects.fresh)

    def _headers(self, one: PostmanRequest, shown: str) -> list[Json]:
        found: dict[str, Json] = {}
        for node in map(table, rows(one.request.get("header"))):
            name, value = text_of(node.get("key")).strip(), text_of(node.get("value"))
            if not name or not is_enabled(node):
                continue
            if header := header_of(self._foreign, name, self._values.split(value)):
                found.setdefault(name.lower(), header)
            else:
                self._not_carried.add(f"header {one_line(name, 60)} of {shown}", one.line)
        return list(found.values())

    def _with_auth(
        self, auth: Json, path: str, headers: list[Json], shown: str
    ) -> tuple[str, list[Json]]:
        kind = text_of(auth.get("type"))
        given = named(auth, kind)
        match kind:
            case "" | "noauth":
                return path, headers
            case "bearer" | "oauth2":
                token = text_of(given.get("token") or given.get("accessToken")) or "{{token}}"
                parts = ["Bearer ", *self._secret("token", token)]
                return path, _with(headers, "Authorization", text_template(parts))
            case "basic":
                # A template cannot encode a name and a password in base64.
                made = self._foreign.secret("basic_credentials", "")
                return path, _with(headers, "Authorization", f"Basic {made.template()}")
            case "apikey":
                name = text_of(given.get("key")) or "api_key"
                parts = self._secret(name, text_of(given.get("value")))
                if given.get("in") == "query":
                    mark = "&" if "?" in path else "?"
                    return f"{path}{mark}{quote(name)}={text_template(parts)}", headers
                if HEADER_NAME.match(name):
                    return path, _with(headers, name, text_template(parts))
        raise NoStepError(f"request {shown}: authorization of the type {one_line(kind, 30)}")

    def _secret(self, name: str, text: str) -> list[Part]:
        """A value that is always secret, except for variables in it."""
        parts = self._values.split(text) if text else []
        if len(parts) == 1 and not isinstance(parts[0], str):
            return self._foreign.hidden("token", parts)
        return [self._foreign.secret(name, text)]

    def _body(self, body: Json, headers: list[Json], shown: str) -> tuple[SentBody, str]:
        """The body, and its media type if the body determines it."""
        mode = text_of(body.get("mode"))
        content = body.get(mode)
        if body.get("disabled") is True or not content:
            return SentBody(), ""
        if len(str(content)) > MAX_BODY_LENGTH:
            raise NoStepError(f"request {shown}: its body is too long")
        match mode:
            case "raw":
                return self._raw(body, text_of(content), headers)
            case "urlencoded":
                pairs = [self._pair(one) for one in map(table, rows(content)) if is_enabled(one)]
                return SentBody(text="&".join(pairs)), FORM
            case "formdata":
                kind, text = multipart(self._fields(rows(content), shown))
                headers[:] = [one for one in headers if one["name"].lower() != "content-type"]
                return SentBody(text=text), kind
            case "graphql":
                return self._graphql(table(content)), ""
        raise NoStepError(f"request {shown}: a body of the mode {one_line(mode, 30)}")

    def _raw(self, body: Json, text: str, headers: list[Json]) -> tuple[SentBody, str]:
        text = text.replace("\r\n", "\n")
        language = text_of(table(table(body.get("options")).get("raw")).get("language"))
        stated = [one.get("value", "") for one in headers if one["name"].lower() == "content-type"]
        kind = stated[0].lower() if stated else _KINDS.get(language, "")
        if "json" in kind or (not kind and text.lstrip()[:1] in ("{", "[")):
            sent = json_body(self._foreign, text, self._values.split)
            return sent, "" if sent.json is not None else (kind or _KINDS["json"])
        made = raw_text(self._foreign, text, self._values.split)
        return SentBody(text=made), kind or _KINDS["text"]

    def _graphql(self, content: Json) -> SentBody:
        query = text_template(self._values.split(text_of(content.get("query"))))
        sent: Json = {"query": query}
        if variables := text_of(content.get("variables")).strip():
            made = json_body(self._foreign, variables, self._values.split)
            if made.json is None:
                raise NoStepError("variables of GraphQL that are not JSON")
            sent["variables"] = made.json
        if name := text_of(content.get("operationName")):
            sent["operationName"] = text_template(self._values.split(name))
        return SentBody(json=sent)

    def _pair(self, node: Json) -> str:
        name, value = text_of(node.get("key")), text_of(node.get("value"))
        parts = self._foreign.hidden(name, self._values.split(value))
        return "=".join(_form_text(one) for one in (self._values.split(name), parts))

    def _fields(self, content: list[Any], shown: str) -> Iterator[FormField]:
        for node in map(table, content):
            if not is_enabled(node):
                continue
            name = text_of(node.get("key"))
            if node.get("type") == "file":
                raise NoStepError(f"request {shown}: the file of its field {one_line(name, 60)}")
            value = self._values.split(text_of(node.get("value")))
            text = text_of_parts(self._foreign, name, value)
            yield FormField(name, text, kind=text_of(node.get("contentType")))


def _form_text(parts: list[Part]) -> str:
    return text_template(encoded(parts, quote_plus))


def _has(headers: list[Json], name: str) -> bool:
    return any(one["name"].lower() == name for one in headers)


def _with(headers: list[Json], name: str, value: str) -> list[Json]:
    """Headers of a request take precedence over those of its authorization."""
    if _has(headers, name.lower()):
        return headers
    return [*headers, {"name": name, "value": value}]
