"""The requests of a HAR recording that a test can contain."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from perfrun.api import Json
from perfrun.cli.init.draft import METHODS, SourceError
from perfrun.cli.init.source import number_of, rows, table, text_of
from perfrun.cli.init.texts import encoded_value, is_static_name, one_line, origin_of

_STATIC_TYPES = frozenset(
    {"image", "font", "stylesheet", "script", "media", "manifest", "texttrack", "ping", "preflight"}
)
_STATIC_MIME = re.compile(
    r"(image|font|audio|video)/|text/css|(text|application)/(x-)?javascript|application/(x-)?font"
    r"|application/wasm",
    re.IGNORECASE,
)


_HTTP2 = re.compile(r"h2|h3|(http/)?[23](\.0)?(\+quic/\d+)?\Z", re.IGNORECASE)


class NameValue(NamedTuple):
    """A name and its value."""

    name: str
    value: str


class Param(NamedTuple):
    """A field of a form, not encoded."""

    name: str
    value: str
    file: str
    kind: str


class Entry(NamedTuple):
    """One recorded request and its response."""

    method: str
    origin: str
    """``https://shop.example``."""
    path: str
    """With its query, as it was sent."""
    headers: tuple[NameValue, ...]
    mime: str
    """The content type of the body."""
    body: str | None
    """None: the recording does not have the body as a text."""
    params: tuple[Param, ...]
    """A form that is recorded only as fields."""
    status: int | None
    """0: the request was cancelled or blocked. None: the recording has no response."""
    http2: bool
    static: bool
    page: bool
    """Whether it is a document that a browser displays."""
    sends_cookies: bool
    sets_cookies: bool
    start: float
    """Seconds since 1970; 0: not known."""
    end: float


def entries_of(root: Any, source: str) -> tuple[list[Entry], int]:
    """The requests in the order in which they were sent, and how many could not be read. Raises
    SourceError if the file is not a recording."""
    log = table(root).get("log")
    if not isinstance(table(log).get("entries"), list):
        raise SourceError(
            f"{one_line(source, 80)}: not a HAR recording: an object with log.entries"
        )
    raw = table(log)["entries"]
    found = [entry for entry in map(_entry, raw) if entry is not None]
    return sorted(found, key=lambda entry: entry.start), len(raw) - len(found)


def _entry(raw: Any) -> Entry | None:
    request, response = table(table(raw).get("request")), table(table(raw).get("response"))
    method = text_of(request.get("method")).upper()
    where = _place(text_of(request.get("url")))
    if method not in METHODS or where is None:
        return None
    origin, path = where
    posted = table(request.get("postData"))
    body = _body(request, posted)
    headers = tuple(_pairs(request.get("headers")))
    start = _moment(table(raw).get("startedDateTime"))
    return Entry(
        method=method,
        origin=origin,
        path=path if "?" in path else path + _query(request),
        headers=headers,
        mime=text_of(posted.get("mimeType")),
        body=body,
        params=() if body and not _is_multipart(posted) else tuple(_params(posted)),
        status=_status(response),
        http2=_HTTP2.match(text_of(request.get("httpVersion"))) is not None,
        static=_is_static(table(raw), _mime(response), path) or _is_preflight(method, headers),
        page=method == "GET" and _mime(response).startswith("text/html"),
        sends_cookies=bool(rows(request.get("cookies"))) or _has(headers, "cookie"),
        sets_cookies=bool(rows(response.get("cookies")))
        or _has(tuple(_pairs(response.get("headers"))), "set-cookie"),
        start=start,
        end=start + max(number_of(table(raw).get("time")), 0.0) / 1000,
    )


def _place(url: str) -> tuple[str, str] | None:
    if not (origin := origin_of(url)):
        return None
    parts = urlsplit(url)
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _query(request: Json) -> str:
    """The query, if it is recorded beside the URL and not in it. Names and values are decoded."""
    pairs = [
        f"{encoded_value(text_of(table(one).get('name')))}"
        f"={encoded_value(text_of(table(one).get('value')))}"
        for one in rows(request.get("queryString"))
    ]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _body(request: Json, posted: Json) -> str | None:
    text = text_of(posted.get("text"))
    if text and "base64" in (posted.get("encoding"), posted.get("_encoding")):
        try:
            return base64.b64decode(text, validate=True).decode()
        except ValueError:
            return None
    missing = not text and not rows(posted.get("params"))
    return None if missing and number_of(request.get("bodySize")) > 0 else text


def _is_multipart(posted: Json) -> bool:
    """The fields of such a form contain more than its text, which lacks the contents of files."""
    return text_of(posted.get("mimeType")).lower().startswith("multipart/")


def _params(posted: Json) -> Iterator[Param]:
    for one in map(table, rows(posted.get("params"))):
        if text_of(one.get("name")):
            yield Param(
                text_of(one.get("name")),
                text_of(one.get("value")),
                text_of(one.get("fileName")),
                text_of(one.get("contentType")),
            )


def _status(response: Json) -> int | None:
    return int(number_of(response["status"])) if "status" in response else None


def _has(headers: tuple[NameValue, ...], name: str) -> bool:
    return any(one.name == name for one in headers)


def _is_preflight(method: str, headers: tuple[NameValue, ...]) -> bool:
    return method == "OPTIONS" and _has(headers, "access-control-request-method")


def _pairs(value: object) -> Iterator[NameValue]:
    for one in rows(value):
        name = text_of(table(one).get("name")).lower()
        if name:
            yield NameValue(name, text_of(table(one).get("value")))


def _mime(response: dict[str, Any]) -> str:
    return text_of(table(response.get("content")).get("mimeType")).lower()


def _is_static(raw: dict[str, Any], mime: str, path: str) -> bool:
    if text_of(raw.get("_resourceType")).lower() in _STATIC_TYPES:
        return True
    if _STATIC_MIME.match(mime):
        return True
    return is_static_name(path.partition("?")[0])


def _moment(value: object) -> float:
    try:
        moment = datetime.fromisoformat(text_of(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
