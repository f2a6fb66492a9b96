"""The content of a response: its body, unpacked where it was sent compressed."""

import zlib

from perfrun.engine.errors import ErrorClass, ResponseError
from perfrun.engine.extract import Head

ACCEPTED = "gzip, deflate"
"""What is asked for with ``compression``."""
_AUTOMATIC = 32 + zlib.MAX_WBITS
"""zlib finds out by itself whether gzip or zlib wraps the data."""
_PACKED = frozenset({b"gzip", b"x-gzip", b"deflate"})


def unpacked(body: bytes, head: Head, limit: int) -> bytes:
    """The content of a body that was sent with ``head``, at most ``limit`` bytes of it.

    Raises ResponseError: Protocol for what is not what its Content-Encoding says, Size for more
    than the limit. Codings that nobody asked for are left as they are.
    """
    coding = head.header(b"content-encoding")
    if coding is None or not body or coding.lower() not in _PACKED:
        return body
    try:
        return _unzip(body, limit, _AUTOMATIC)
    except zlib.error as error:
        if coding.lower() != b"deflate":
            raise ResponseError(ErrorClass.PROTOCOL) from error
    try:  # what some servers call deflate is bare (RFC 9110, 8.4.1.2)
        return _unzip(body, limit, -zlib.MAX_WBITS)
    except zlib.error as error:
        raise ResponseError(ErrorClass.PROTOCOL) from error


def _unzip(body: bytes, limit: int, window: int) -> bytes:
    unpacker = zlib.decompressobj(window)
    # One byte more than is allowed: a small body can unpack to gigabytes.
    data = unpacker.decompress(body, limit + 1)
    if len(data) > limit:
        raise ResponseError(ErrorClass.SIZE)
    if not unpacker.eof:
        raise ResponseError(ErrorClass.PROTOCOL)
    return data
