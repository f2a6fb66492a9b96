"""Further attempts of a request: after a redirect, an error, or a refusal by the peer."""

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from perfrun.engine.errors import ErrorClass, ResponseError
from perfrun.engine.http.pool import Origin
from perfrun.engine.http.request import encoded_target, origin_of

MAX_REFUSALS = 10
"""Attempts per request; then it has failed."""
STATUSES = frozenset({301, 302, 303, 307, 308})
_OF_A_BODY = frozenset(
    {
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"content-language",
        b"content-location",
    }
)
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


class FurtherAttempts:
    """The result of a request that needed more than one attempt."""

    __slots__ = ("hops", "refusals", "retries", "since")

    def __init__(self, since: int) -> None:
        self.hops = self.retries = self.refusals = 0
        """Redirects followed, retries, and attempts that the server did not process."""
        self.since = since
        """When the first byte of the first attempt was written (or the step begun), ns."""


class Redirected(NamedTuple):
    """The next request and its destination."""

    origin: Origin
    request: bytes


def follow(
    status: int,
    location: bytes,
    request: bytes,
    origin: Origin,
    secret_names: frozenset[bytes],
    *,
    secret_body: bool,
) -> Redirected:
    """The request that a redirect asks for.

    301, 302 (after POST) and 303 lead to a GET without a body, 307 and 308 to the same request
    again. ``secret_names`` (lower case) are headers that are never sent to another origin;
    ``secret_body``: nor is the body. Raises ResponseError if the redirect does not lead to an http
    or https URL, or if nothing but the body could be sent there.
    """
    sent, _, body = request.partition(b"\r\n\r\n")
    line, *fields = sent.split(b"\r\n")
    method, path, _ = line.split(b" ")
    try:
        here = f"{origin.scheme}://{_netloc(origin)}{path.decode('ascii')}"
        there = urljoin(here, _text(location))
        target, host = origin_of(there), _host(there)
    except ValueError as error:
        message = "the redirect does not lead to an http or https URL"
        raise ResponseError(ErrorClass.PROTOCOL, message) from error
    dropped = {b"host"}
    if target != origin:
        dropped |= secret_names
    if (status == 303 and method != b"HEAD") or (status in (301, 302) and method == b"POST"):
        method, body, dropped = b"GET", b"", dropped | _OF_A_BODY
    if body and secret_body and target != origin:
        message = "the redirect would send a body with values of a Secret to another origin"
        raise ResponseError(ErrorClass.PROTOCOL, message)
    kept = [field for field in fields if field.partition(b":")[0].strip().lower() not in dropped]
    lines = [method + b" " + encoded_target(there) + b" HTTP/1.1", b"Host: " + host, *kept]
    return Redirected(target, b"\r\n".join(lines) + b"\r\n\r\n" + body)


def _text(location: bytes) -> str:
    """A Location as text. Bytes that are not UTF-8 are sent back unchanged, as Latin-1."""
    try:
        return location.decode("utf-8").strip()
    except UnicodeDecodeError:
        return _NOT_ASCII.sub(lambda match: b"%%%02X" % match[0][0], location).decode().strip()


def _netloc(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{host}:{origin.port}"


def _host(url: str) -> bytes:
    netloc = urlsplit(url).netloc.rpartition("@")[2]
    return netloc.encode("ascii" if netloc.isascii() else "idna")
