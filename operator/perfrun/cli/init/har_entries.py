"""The requests of a HAR recording, as far as a test may have them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.source import number_of, rows, table, text_of
from perfrun.cli.init.texts import one_line
from perfrun.cli.init.urls import is_static_name, usable_url

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_STATIC_TYPES = frozenset(
    {"image", "font", "stylesheet", "script", "media", "manifest", "texttrack", "ping", "preflight"}
)
_STATIC_MIME = re.compile(
    r"(image|font|audio|video)/|text/css|(text|application)/(x-)?javascript|application/(x-)?font"
    r"|application/wasm",
    re.IGNORECASE,
)


class Pair(NamedTuple):
    """A name and its value."""

    name: str
    value: str


class Entry(NamedTuple):
    """One request of a recording and what came back."""

    method: str
    origin: str
    """``https://shop.example``."""
    path: str
    """With its query, as it went out."""
    headers: tuple[Pair, ...]
    mime: str
    """Of the body that was sent."""
    body: str
    status: int
    http2: bool
    static: bool
    page: bool
    """A document that a browser shows."""
    sets_cookies: bool
    start: float
    """Seconds since 1970, 0 where it is not known."""
    end: float


def entries_of(root: Any, source: str) -> tuple[list[Entry], int]:
    """The requests in the order in which they were sent, and how many could not be read.

    Raises SourceError where it is no recording.
    """
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
    if method not in _METHODS or where is None:
        return None
    origin, path = where
    posted = table(request.get("postData"))
    start = _moment(table(raw).get("startedDateTime"))
    return Entry(
        method=method,
        origin=origin,
        path=path,
        headers=tuple(_pairs(request.get("headers"))),
        mime=text_of(posted.get("mimeType")),
        body=text_of(posted.get("text")),
        status=int(number_of(response.get("status"))),
        http2=text_of(request.get("httpVersion")).lower() in ("h2", "http/2", "http/2.0", "h3"),
        static=_is_static(table(raw), _mime(response), path),
        page=method == "GET" and _mime(response).startswith("text/html"),
        sets_cookies=any(one.name == "set-cookie" for one in _pairs(response.get("headers"))),
        start=start,
        end=start + max(number_of(table(raw).get("time")), 0.0) / 1000,
    )


def _place(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    # A user and a password in it are not copied.
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
    if not usable_url(origin):
        return None
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _pairs(value: object) -> Iterator[Pair]:
    for one in rows(value):
        name = text_of(table(one).get("name")).lower()
        if name:
            yield Pair(name, text_of(table(one).get("value")))


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
