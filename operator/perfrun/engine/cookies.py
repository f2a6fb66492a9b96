"""The cookies of one user, kept by the rules of the standard library's jar (RFC 6265)."""

import time
from email.message import Message
from http.cookiejar import CookieJar
from urllib.request import Request

from perfrun.engine.pool import Origin

FRESH_FOR = 1.0
"""Seconds for which a Cookie header is sent again before it is asked whether some has expired."""
MOST_PATHS = 1000
"""Whose Cookie headers are remembered; templates may make a new path each time."""


class Cookies:
    """What a target has set for one user, and the Cookie headers that follow from it."""

    __slots__ = ("_headers", "_jar")

    def __init__(self) -> None:
        self._jar = CookieJar()
        self._headers: dict[tuple[Origin, bytes], tuple[float, bytes]] = {}

    def set(self, origin: Origin, path: bytes, values: list[bytes]) -> None:
        """Take in the Set-Cookie headers of a response to a request for ``path``."""
        if not values:
            return
        message = Message()
        for value in values:
            message["Set-Cookie"] = value.decode("latin-1")
        self._jar.extract_cookies(_Response(message), _request(origin, path))  # type: ignore[arg-type]
        self._headers.clear()

    def header(self, origin: Origin, path: bytes) -> bytes:
        """The value of the Cookie header of a request for ``path``; empty: it has none."""
        if not self._headers and not len(self._jar):
            return b""
        now = time.monotonic()
        until, value = self._headers.get((origin, path), (0.0, b""))
        if now < until:
            return value
        request = _request(origin, path)
        self._jar.add_cookie_header(request)
        value = (request.get_header("Cookie") or "").encode("latin-1")
        if len(self._headers) >= MOST_PATHS:
            self._headers.clear()
        self._headers[(origin, path)] = now + FRESH_FOR, value
        return value


class _Response:
    """What the jar wants of a response."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def info(self) -> Message:
        return self._message


def _request(origin: Origin, path: bytes) -> Request:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    url = f"{origin.scheme}://{host}:{origin.port}{path.decode('ascii')}"
    return Request(url)  # noqa: S310 - never opened: what the jar wants to know of a request


def path_of(request: bytes) -> bytes:
    """Path and query of an HTTP/1.1 request."""
    return request.split(b" ", 2)[1]


def with_cookies(request: bytes, value: bytes) -> bytes:
    """An HTTP/1.1 request with a Cookie header, unless there is none to send or it has one."""
    line = request.find(b"\r\n")
    if not value or b"\r\ncookie:" in request[line : request.find(b"\r\n\r\n")].lower():
        return request
    return b"%s\r\nCookie: %s%s" % (request[:line], value, request[line:])
