"""Requests of a recording without their secrets, and with ids in one place each."""

import json
import re
from typing import Any
from urllib.parse import unquote, unquote_plus

from perfrun.cli.init.draft import Json
from perfrun.cli.init.har_entries import Entry
from perfrun.cli.init.parameters import Variables, header_value
from perfrun.cli.init.secrets import SecretFeed, is_uuid, secret_name, secret_ref, secret_value
from perfrun.cli.init.texts import Made, Part, clean, literal, one_line, path_template
from perfrun.cli.init.urls import HEADER_NAME, is_static_name

_COPIED = frozenset({"accept", "accept-language", "content-type", "x-requested-with"})
_SENT_ANYWAY = re.compile(
    r":|sec-|proxy-|if-|access-control-|(host|user-agent|connection|content-length|origin|referer"
    r"|accept-encoding|cache-control|pragma|priority|upgrade-insecure-requests|dnt|te|range"
    r"|transfer-encoding|upgrade|expect|trailer|cookie2?|keep-alive|save-data)\Z"
)
_NUMBER = re.compile(r"[0-9]{1,20}\Z")
_BUSTER = re.compile(r"1[5-9][0-9]{11}\Z")
"""A time in milliseconds: what keeps caches away."""
_FRESH = re.compile(r"(request|correlation|trace|idempotency)[-_]?(id|key)\Z", re.IGNORECASE)
_MOST_DEPTH = 32
_LONGEST_BODY = 16 * 1024
FORM = "application/x-www-form-urlencoded"


class UnwrittenError(Exception):
    """Why the request cannot be in a test."""


class Hider:
    """Replaces what is secret by references to a Secret, and ids by variables."""

    def __init__(self, test: str, variables: Variables, feed: SecretFeed) -> None:
        self.secret = f"{test}-credentials"
        self.keys: dict[str, None] = {}
        """Of that Secret: values of headers."""
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
        """The headers that are copied, and those that a Secret gives."""
        found: dict[str, Json] = {}
        for name, value in entry.headers:
            if name in _COPIED and not secret_value(value):
                if name != "content-type" or entry.body:
                    text = header_value(literal(value))
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
        return tuple(found.values())[:50]

    def body(self, entry: Entry) -> tuple[Any, str | None]:
        """The ``json`` and the ``body``, at most one of them. Raises UnwrittenError."""
        if not entry.body:
            return None, None
        if len(entry.body) > _LONGEST_BODY:
            raise UnwrittenError("with a body that is too long")
        kind = entry.mime.partition(";")[0].strip().lower()
        if kind.endswith("json") or kind.startswith("text/plain"):
            try:
                return self._value(json.loads(entry.body), "", 0), None
            except (ValueError, RecursionError):
                raise UnwrittenError("with a body that is no JSON") from None
        if kind == FORM:
            return None, "&".join(self._form_pair(pair) for pair in entry.body.split("&"))
        raise UnwrittenError(f"with a body of type {one_line(kind, 40) or 'unknown'}")

    def _segment(self, segment: str, before: str) -> Part:
        if _NUMBER.match(segment) or is_uuid(segment):
            return self._variables.reference(f"{_singular(before)}_id", segment)
        if _is_token(segment):
            return Made(self._feed.reference(f"{_singular(before)}_key", segment))
        return segment

    def _query_pair(self, pair: str) -> list[Part]:
        name, mark, value = pair.partition("=")
        plain, shown = unquote_plus(name), unquote_plus(value)
        if mark and value and (secret_name(plain) or secret_value(shown)):
            return [f"{name}=", Made(self._feed.reference(plain, shown))]
        if is_uuid(value) and _FRESH.search(plain):
            return [f"{name}=", Made("uuid()")]
        if _BUSTER.match(value):
            return [f"{name}=", Made("nowMs()")]
        return [pair]

    def _form_pair(self, pair: str) -> str:
        name, _, value = pair.partition("=")
        plain, shown = unquote_plus(name), unquote_plus(value)
        if value and (secret_name(plain) or secret_value(shown)):
            return f"{literal(name)}={Made(self._feed.reference(plain, shown)).template()}"
        return literal(pair)

    def _value(self, value: Any, name: str, depth: int) -> Any:
        """Numbers stay as they are: a template would make a text of them."""
        if depth > _MOST_DEPTH:
            raise UnwrittenError("with a body that is nested too deeply")
        if isinstance(value, dict):
            return {clean(key): self._value(one, key, depth + 1) for key, one in value.items()}
        if isinstance(value, list):
            return [self._value(one, name, depth + 1) for one in value]
        if isinstance(value, str):
            if value and (secret_name(name) or secret_value(value)):
                return Made(self._feed.reference(name or "value", value)).template()
            return literal(value)
        if secret_name(name) and not isinstance(value, bool) and value is not None:
            return Made(self._feed.reference(name, str(value))).template()
        return value if not isinstance(value, float) or abs(value) < 1e300 else 0

    def authorization(self, entries: list[Entry]) -> Json:
        """The ``auth`` of the target, by the kind of credentials that were sent."""
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
    """A path without what differs and what is secret: fit for a name."""
    return "/".join(segment for segment in path.partition("?")[0].split("/") if _is_plain(segment))


def _is_plain(segment: str) -> bool:
    return not (_NUMBER.match(segment) or is_uuid(segment) or _is_token(segment))


def _is_token(segment: str) -> bool:
    """Names of static assets look like one too: they have hashes in them."""
    return secret_value(unquote(segment)) and not is_static_name(segment)


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _title(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
