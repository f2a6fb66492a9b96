"""Requests of a recording without their secrets, and with each id in one place."""

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus, unquote, unquote_plus

from perfrun.api import Json
from perfrun.cli.init.draft import MAX_HEADERS
from perfrun.cli.init.foreign import SentBody, as_sent
from perfrun.cli.init.har.entries import Entry, Param
from perfrun.cli.init.openapi.bodies import FORM, MULTIPART, FormField, multipart
from perfrun.cli.init.openapi.parameters import Variables
from perfrun.cli.init.secrets import SecretFeed, is_uuid, secret_name, secret_ref, secret_value
from perfrun.cli.init.source import finite_number, no_number
from perfrun.cli.init.texts import (
    HEADER_NAME,
    MAX_HEADER_LENGTH,
    Part,
    VaryingText,
    clean,
    header_template,
    is_static_name,
    literal,
    one_line,
    path_template,
)

_COPIED = frozenset({"accept", "accept-language", "content-type", "x-requested-with"})
_SENT_ANYWAY = re.compile(
    r":|sec-|proxy-|if-|access-control-|(host|user-agent|connection|content-length|origin|referer"
    r"|accept-encoding|cache-control|pragma|priority|upgrade-insecure-requests|dnt|te|range"
    r"|transfer-encoding|upgrade|expect|trailer|cookie2?|keep-alive|save-data)\Z"
)
_NUMBER = re.compile(r"[0-9]{1,20}\Z")
_BUSTER = re.compile(r"1[5-9][0-9]{11}\Z")
"""A time in milliseconds, which prevents caching."""
_FRESH = re.compile(r"(request|correlation|trace|idempotency)[-_]?(id|key)\Z", re.IGNORECASE)
_MAX_DEPTH = 32
_MAX_BODY_LENGTH = 16 * 1024


class UnwrittenError(Exception):
    """Why the request cannot be in a test."""


class SecretReplacer:
    """Replaces secrets by references to a Secret, and ids by variables."""

    def __init__(self, test: str, variables: Variables, feed: SecretFeed) -> None:
        self.secret = f"{test}-credentials"
        self.keys: dict[str, None] = {}
        """The keys of that Secret: values of headers."""
        self.dropped: dict[str, None] = {}
        """Headers that were not copied, by name."""
        self._variables = variables
        self._feed = feed

    def path(self, text: str) -> str:
        """The template of a path with its query."""
        path, mark, query = text.partition("?")
        parts: list[Part] = []
        before = "id"
        for index, segment in enumerate(path.split("/")):
            parts += ["/"] if index else []
            parts.append(self._segment(segment, before))
            before = segment if re.match(r"[A-Za-z]", segment) and _is_plain(segment) else before
        for index, pair in enumerate(query.split("&") if mark else []):
            parts.append("&" if index else "?")
            parts += self._query_pair(pair)
        return path_template(parts)

    def headers(self, entry: Entry) -> tuple[Json, ...]:
        """The headers that are copied, and those whose values come from a Secret."""
        found: dict[str, Json] = {}
        for name, value in entry.headers:
            if name in _COPIED and not secret_value(value):
                if name != "content-type" or entry.body or entry.params:
                    text = header_template([value])[:MAX_HEADER_LENGTH]
                    found.setdefault(name, {"name": _title(name), "value": text})
            elif name in ("cookie", "authorization") or _SENT_ANYWAY.match(name):
                continue
            elif secret_name(name) and HEADER_NAME.match(name):
                key = re.sub(r"[^-._a-z0-9]", "-", name)
                self.keys[key] = None
                source = secret_ref(self.secret, key)
                found.setdefault(name, {"name": _title(name), "valueFrom": source})
            else:
                self.dropped[one_line(name, 60)] = None
        kept = tuple(found.values())
        self.dropped |= dict.fromkeys(one["name"] for one in kept[MAX_HEADERS:])
        return kept[:MAX_HEADERS]

    @staticmethod
    def kind_of(entry: Entry) -> str:
        """The media type of the body, which the recording has in one of two places."""
        stated = (one.value for one in entry.headers if one.name == "content-type" and one.value)
        return entry.mime or next(stated, "")

    def body(self, entry: Entry) -> SentBody:
        """The body of a step. Raises UnwrittenError."""
        if entry.body is None:
            raise UnwrittenError("with a body that the recording does not contain as text")
        if len(entry.body) > _MAX_BODY_LENGTH:
            raise UnwrittenError("with a body that is too long")
        kind = self.kind_of(entry).partition(";")[0].strip().lower()
        if entry.params:
            if sum(len(one.name) + len(one.value) for one in entry.params) > _MAX_BODY_LENGTH:
                raise UnwrittenError("with a body that is too long")
            return self._params(entry.params, kind)
        if not entry.body:
            return SentBody()
        if kind.endswith("json") or kind.startswith("text/plain"):
            return self._json(entry.body)
        if kind == FORM:
            pairs = [self._form_pair(pair) for pair in entry.body.split("&")]
            return SentBody(text="&".join(pairs))
        raise UnwrittenError(f"with a body of type {one_line(kind, 40) or 'unknown'}")

    def _json(self, text: str) -> SentBody:
        try:
            found = json.loads(text, parse_constant=no_number, parse_float=finite_number)
        except (ValueError, RecursionError):
            raise UnwrittenError("with a body that is not JSON") from None
        return as_sent(found, self._value(found, "", 0))

    def _params(self, params: Sequence[Param], kind: str) -> SentBody:
        if kind == MULTIPART:
            if any(one.file and not one.value for one in params):
                raise UnwrittenError("with a file that the recording does not contain")
            parts = [
                FormField(one.name, self._shown(one.name, one.value), one.file, one.kind)
                for one in params
            ]
            stated, text = multipart(parts)
            return SentBody(text=text, kind=stated)
        if kind not in ("", FORM):
            raise UnwrittenError(f"with a form of type {one_line(kind, 40)}")
        pairs = [f"{quote_plus(one.name)}={quote_plus(one.value)}" for one in params]
        return SentBody(text="&".join(self._form_pair(pair) for pair in pairs), kind=FORM)

    def _shown(self, name: str, value: str) -> str:
        if value and (secret_name(name) or secret_value(value)):
            return VaryingText(self._feed.reference(name or "value", value)).template()
        return literal(value)

    def _segment(self, segment: str, before: str) -> Part:
        if _NUMBER.match(segment) or is_uuid(segment):
            return self._variables.reference(f"{_singular(before)}_id", segment)
        if _is_token(segment):
            return VaryingText(self._feed.reference(f"{_singular(before)}_key", segment))
        return segment

    def _query_pair(self, pair: str) -> list[Part]:
        name, mark, value = pair.partition("=")
        plain, shown = unquote_plus(name), unquote_plus(value)
        if mark and value and (secret_name(plain) or secret_value(shown)):
            return [f"{name}=", VaryingText(self._feed.reference(plain, shown))]
        if is_uuid(value) and _FRESH.search(plain):
            return [f"{name}=", VaryingText("uuid()")]
        if _BUSTER.match(value):
            return [f"{name}=", VaryingText("nowMs()")]
        return [pair]

    def _form_pair(self, pair: str) -> str:
        name, _, value = pair.partition("=")
        plain, shown = unquote_plus(name), unquote_plus(value)
        if value and (secret_name(plain) or secret_value(shown)):
            return f"{literal(name)}={VaryingText(self._feed.reference(plain, shown)).template()}"
        return literal(pair)

    def _value(self, value: Any, name: str, depth: int) -> Any:
        """Numbers stay unchanged: a template would turn them into strings."""
        if depth > _MAX_DEPTH:
            raise UnwrittenError("with a body that is nested too deeply")
        if isinstance(value, dict):
            return {clean(key): self._value(one, key, depth + 1) for key, one in value.items()}
        if isinstance(value, list):
            return [self._value(one, name, depth + 1) for one in value]
        if isinstance(value, str):
            return self._shown(name, value)
        if secret_name(name) and not isinstance(value, bool) and value is not None:
            return VaryingText(self._feed.reference(name, str(value))).template()
        return value

    def authorization(self, entries: list[Entry]) -> Json:
        """The ``auth`` of the target, for the kind of credentials that were sent."""
        sent = [
            one.value
            for entry in entries
            for one in entry.headers
            if one.name == "authorization" and one.value
        ]
        if not sent:
            return {}
        kind = sent[0].partition(" ")[0].lower()
        if kind == "bearer":
            self.keys["token"] = None
            return {"auth": {"bearer": {"tokenFrom": secret_ref(self.secret, "token")}}}
        if kind == "basic":
            self.keys |= {"username": None, "password": None}
            fields = {
                "usernameFrom": secret_ref(self.secret, "username"),
                "passwordFrom": secret_ref(self.secret, "password"),
            }
            return {"auth": {"basic": fields}}
        self.keys["authorization"] = None
        source = secret_ref(self.secret, "authorization")
        return {"headers": [{"name": "Authorization", "valueFrom": source}]}


def plain_path(path: str) -> str:
    """A path without variable and secret parts, so that it can become a name."""
    return "/".join(segment for segment in path.partition("?")[0].split("/") if _is_plain(segment))


def _is_plain(segment: str) -> bool:
    return not (_NUMBER.match(segment) or is_uuid(segment) or _is_token(segment))


def _is_token(segment: str) -> bool:
    """Names of static assets may look like secrets too: they contain hashes."""
    return secret_value(unquote(segment)) and not is_static_name(segment)


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _title(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
