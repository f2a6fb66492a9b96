"""The content of a response: its body, decompressed if necessary."""

import zlib

from perfrun.engine.errors import ErrorClass, ResponseError
from perfrun.engine.response.extract import Head

ACCEPTED = "gzip, deflate"
"""The codings that are requested with ``compression``."""
MAX_MEMBERS = 1000
_GZIP = 16 + zlib.MAX_WBITS
"""The argument that tells zlib to expect gzip."""
_PACKED = frozenset({b"gzip", b"x-gzip", b"deflate"})


def unpacked(body: bytes, head: Head, limit: int) -> bytes:
    """The content of a body that was sent with ``head``, at most ``limit`` bytes of it.

    Raises ResponseError: Protocol if it does not match its Content-Encoding, Size if it exceeds the
    limit. Codings that were not requested are left as they are.
    """
    told = (head.header(b"content-encoding") or b"").lower().split(b",")
    codings = [coding for each in told if (coding := each.strip()) not in (b"", b"identity")]
    if not body or not _PACKED.issuperset(codings):
        return body
    for coding in reversed(codings):  # in the order in which they were applied
        try:
            body = _inflated(body, limit) if coding == b"deflate" else _gunzipped(body, limit)
        except zlib.error as error:
            message = f"the body is not {coding.decode()}, although its Content-Encoding says so"
            raise ResponseError(ErrorClass.PROTOCOL, message) from error
    return body


def _inflated(body: bytes, limit: int) -> bytes:
    try:
        return _unpacked_once(body, limit, zlib.MAX_WBITS)[0]
    except zlib.error:  # what some servers call deflate is a raw stream (RFC 9110, 8.4.1.2)
        return _unpacked_once(body, limit, -zlib.MAX_WBITS)[0]


def _gunzipped(body: bytes, limit: int) -> bytes:
    """All members, one after the other (RFC 1952, 2.2). They may be followed by zeros."""
    parts: list[bytes] = []
    for _ in range(MAX_MEMBERS):
        part, body = _unpacked_once(body, limit, _GZIP)
        parts.append(part)
        limit -= len(part)
        if not body.strip(b"\0"):
            return b"".join(parts)
    raise ResponseError(ErrorClass.SIZE, f"more than {MAX_MEMBERS} gzip members")


def _unpacked_once(body: bytes, limit: int, window: int) -> tuple[bytes, bytes]:
    """The decompressed data, and the bytes after it. Raises zlib.error."""
    unpacker = zlib.decompressobj(window)
    # One byte more than allowed: a small body can unpack to gigabytes.
    data = unpacker.decompress(body, limit + 1)
    if len(data) > limit:
        message = (
            "the body is larger after decompression than expect.maxBytes allows (default: 16Mi)"
        )
        raise ResponseError(ErrorClass.SIZE, message)
    if not unpacker.eof:
        raise zlib.error("cut short")
    return data, unpacker.unused_data
