"""The cookies of one user, kept and sent back as RFC 6265 says (its section 5).

The standard library's jar drops a whole cookie if an attribute is unusual; according to the RFC
only the attribute is ignored. Values are sent back byte for byte.
"""

import re
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from math import inf
from typing import NamedTuple

from perfrun.engine.http.pool import Origin

FRESH_FOR = 1.0
"""Seconds for which a Cookie header is reused before expiry is checked again."""
MAX_PATHS = 1000
"""Number of paths whose Cookie headers are cached; templates may generate a new path each time."""
MAX_COOKIES = 1000
"""Cookies per user; beyond that the oldest is dropped."""

_BLANK = b" \t"
_SECONDS = re.compile(rb"-?[0-9]{1,18}\Z")
_DELIMITER = re.compile(rb"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(rb"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile(rb"([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(rb"([0-9]{2,4})(?![0-9])")
_MONTHS = (
    b"jan",
    b"feb",
    b"mar",
    b"apr",
    b"may",
    b"jun",
    b"jul",
    b"aug",
    b"sep",
    b"oct",
    b"nov",
    b"dec",
)
_FIRST_YEAR = 1601


class _Key(NamedTuple):
    """The key by which one cookie replaces another."""

    domain: str
    path: bytes
    name: bytes


class _Cookie(NamedTuple):
    value: bytes
    created: int
    """Its position in the order in which the user got cookies."""
    expires: float
    """Seconds since the epoch."""
    host_only: bool
    secure: bool


class Cookies:
    """The cookies that a target has set for one user, and the resulting Cookie headers."""

    __slots__ = ("_created", "_headers", "_kept")

    def __init__(self) -> None:
        self._kept: dict[_Key, _Cookie] = {}
        self._created = 0
        self._headers: dict[tuple[Origin, bytes], tuple[float, bytes]] = {}

    def set(self, origin: Origin, path: bytes, values: list[bytes]) -> None:
        """Store the Set-Cookie headers of a response to a request for ``path``."""
        for value in values:
            self._set(_host(origin), path, value)
        if values:
            self._headers.clear()

    def header(self, origin: Origin, path: bytes) -> bytes:
        """The value of the Cookie header for a request to ``path``; empty: none."""
        if not self._kept:
            return b""
        now = time.monotonic()
        until, value = self._headers.get((origin, path), (0.0, b""))
        if now < until:
            return value
        value = self._header(_host(origin), path.partition(b"?")[0], origin.scheme == "https")
        if len(self._headers) >= MAX_PATHS:
            self._headers.clear()
        self._headers[(origin, path)] = now + FRESH_FOR, value
        return value

    def _set(self, host: str, path: bytes, value: bytes) -> None:
        """5.2 and 5.3: one header. Cookies of other domains are ignored."""
        pair, *attributes = value.split(b";")
        name, equals, content = (part.strip(_BLANK) for part in pair.partition(b"="))
        if not equals or not name:
            return
        parsed = _attributes_of(attributes, path)
        if parsed.domain and not _matches(host, parsed.domain):
            return
        key = _Key(parsed.domain or host, parsed.path, name)
        before = self._kept.get(key)
        if parsed.expires <= time.time():
            self._kept.pop(key, None)
            return
        self._created += 1
        created = before.created if before is not None else self._created
        host_only = not parsed.domain
        self._kept[key] = _Cookie(content, created, parsed.expires, host_only, parsed.secure)
        if len(self._kept) > MAX_COOKIES:
            del self._kept[min(self._kept, key=lambda each: self._kept[each].created)]

    def _header(self, host: str, path: bytes, safe: bool) -> bytes:
        """5.4: longer paths first, then in the order of their creation."""
        now = time.time()
        sent = sorted(
            (-len(key.path), cookie.created, b"%s=%s" % (key.name, cookie.value))
            for key, cookie in self._kept.items()
            if cookie.expires > now
            and (safe or not cookie.secure)
            and (host == key.domain if cookie.host_only else _matches(host, key.domain))
            and _is_below(path, key.path)
        )
        return b"; ".join(pair for _, _, pair in sent)


class _Attributes(NamedTuple):
    """The parsed attributes of a cookie."""

    domain: str
    path: bytes
    expires: float
    secure: bool


def _attributes_of(attributes: list[bytes], path: bytes) -> _Attributes:
    """5.2.1 to 5.2.6: if an attribute occurs several times, the last one counts; an invalid one is
    ignored.
    """
    domain, whose, secure = "", _default_path(path), False
    ends: float | None = None
    age: float | None = None
    for attribute in attributes:
        name, _, value = (part.strip(_BLANK) for part in attribute.partition(b"="))
        match name.lower():
            case b"domain" if value:
                domain = value.removeprefix(b".").decode("latin-1").lower()
            case b"path":
                whose = value if value.startswith(b"/") else _default_path(path)
            case b"max-age" if _SECONDS.match(value):
                age = time.time() + int(value) if int(value) > 0 else -inf
            case b"expires" if (date := _date(value)) is not None:
                ends = date
            case b"secure":
                secure = True
    expires = age if age is not None else ends if ends is not None else inf
    return _Attributes(domain, whose, expires, secure)


def _host(origin: Origin) -> str:
    """As in attributes: lower case, and internationalized names in their DNS form."""
    host = origin.host.lower()
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def _matches(host: str, domain: str) -> bool:
    """5.1.3: the domain itself, or a name below it."""
    return host == domain or (host.endswith("." + domain) and not _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _default_path(path: bytes) -> bytes:
    """5.1.4: of the request, up to its last slash."""
    return path.partition(b"?")[0].rpartition(b"/")[0] or b"/"


def _is_below(path: bytes, whose: bytes) -> bool:
    """5.1.4: the path itself, or one below it."""
    return path == whose or (
        path.startswith(whose) and (whose.endswith(b"/") or path[len(whose) :][:1] == b"/")
    )


def _date(text: bytes) -> float | None:
    """5.1.1: a date with its parts in any order; None: not a date."""
    clock: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _DELIMITER.split(text):
        if clock is None and (found := _TIME.match(token)):
            clock = int(found[1]), int(found[2]), int(found[3])
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if clock is None or day is None or month is None or year is None:
        return None
    year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    try:
        date = datetime(year, month, day, *clock, tzinfo=UTC)
    except ValueError:
        return None
    return date.timestamp() if year >= _FIRST_YEAR else None


def path_of(request: bytes) -> bytes:
    """Path and query of an HTTP/1.1 request."""
    return request.split(b" ", 2)[1]


def with_cookies(request: bytes, value: bytes) -> bytes:
    """An HTTP/1.1 request with a Cookie header, unless there are no cookies or it already has
    one."""
    line = request.find(b"\r\n")
    if not value or b"\r\ncookie:" in request[line : request.find(b"\r\n\r\n")].lower():
        return request
    return b"%s\r\nCookie: %s%s" % (request[:line], value, request[line:])
