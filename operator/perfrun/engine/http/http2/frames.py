"""HTTP/2 frames and header blocks (RFC 9113, RFC 7541): bytes in and out, without state."""

import re
import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">HBBBL")
"""A frame's head: length (16 and 8 bits), type, flags, stream."""
HEAD_LENGTH = 9
MAX_FRAME = 16_384
"""Maximum frame size that every peer accepts; the server may not send larger frames."""
MAX_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
MAX_BLOCKS = 256
"""Number of decoded header blocks that are cached."""
MAX_LITERALS = 1024
"""Number of encoded header fields that are cached."""
MALFORMED = -1
"""In place of a status: the fields are not those of a response (RFC 9113, 8.3.2)."""

_LONG = struct.Struct(">L")
_SETTING = struct.Struct(">HL")


class FrameType:
    """Types of frames. Plain integers: members of an enum cost ten times as much to compare."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag:
    """Flags of frames."""

    ACK = 0x1
    END_STREAM = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8
    PRIORITY = 0x20


class Setting(IntEnum):
    """The settings that are used here."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5


class Code(IntEnum):
    """The error codes that are used here."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8


class FrameError(Exception):
    """Bytes that are not valid HTTP/2; the message says why."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    length = len(payload)
    return HEAD.pack(length >> 8, length & 255, kind, flags, stream) + payload


def headers(stream: int, block: bytes, *, end: bool) -> bytes:
    """HEADERS, with continuations if the block is too large for one frame."""
    parts = [block[at : at + MAX_FRAME] for at in range(0, len(block), MAX_FRAME)]
    kinds = [FrameType.HEADERS] + [FrameType.CONTINUATION] * (len(parts) - 1)
    frames = []
    for place, (kind, part) in enumerate(zip(kinds, parts, strict=True)):
        flags = Flag.END_STREAM if end and not place else 0
        if place == len(parts) - 1:
            flags |= Flag.END_HEADERS
        frames.append(frame(kind, flags, stream, part))
    return b"".join(frames)


def settings(values: dict[Setting, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(
        FrameType.SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in values.items())
    )


def read_settings(payload: bytes) -> Iterable[tuple[int, int]]:
    """The settings of a SETTINGS frame. Raises FrameError."""
    if len(payload) % _SETTING.size:
        raise FrameError("a SETTINGS frame of the wrong length")
    return _SETTING.iter_unpack(payload)


def number(payload: bytes) -> int:
    """The content of a WINDOW_UPDATE or an RST_STREAM. Raises FrameError."""
    if len(payload) != _LONG.size:
        raise FrameError("a frame of the wrong length")
    return int(_LONG.unpack(payload)[0])


def window_update(stream: int, by: int) -> bytes:
    """Allow ``by`` more bytes."""
    return frame(FrameType.WINDOW_UPDATE, 0, stream, _LONG.pack(by))


def reset(stream: int, code: Code) -> bytes:
    """End a stream."""
    return frame(FrameType.RST_STREAM, 0, stream, _LONG.pack(code))


def goaway(code: Code) -> bytes:
    """End the connection."""
    return frame(FrameType.GOAWAY, 0, 0, _LONG.pack(0) + _LONG.pack(code))


def unpadded(flags: int, payload: bytes, *, headers: bool) -> bytes:
    """A payload without padding and, for HEADERS, without priority. Raises FrameError."""
    start, end = 0, len(payload)
    if flags & Flag.PADDED:
        if not payload:
            raise FrameError("padding without its length")
        start, end = 1, end - payload[0]
    if headers and flags & Flag.PRIORITY:
        start += 5
    if start > end:
        raise FrameError("more padding than payload")
    return payload[start:end]


class Request(NamedTuple):
    """A request as it is sent over HTTP/2."""

    http1: bytes
    """Its HTTP/1.1 form, which redirects and cookies are applied to."""
    block: bytes
    body: bytes


# They apply to one connection only: RFC 9113, 8.2.2.
_OF_HTTP1 = frozenset(
    {
        b"connection",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOT_IN_A_RESPONSE = _OF_HTTP1 - {b"host", b"te"}
_NAME = re.compile(rb"[\x21-\x39\x3b-\x40\x5b-\x7e]+\Z")
_NOT_IN_A_VALUE = re.compile(rb"[\0\r\n]")
_encoder = hpack.Encoder()


def encoder(scheme: str) -> Callable[[bytes], Request]:
    """How HTTP/1.1 requests become HTTP/2 ones.

    Nothing is added to the dynamic table (every literal is never-indexed), so a block means the
    same on every connection: static requests are encoded once, and of others only the parts that
    change.
    """
    given = _literal(b":scheme", scheme.encode())

    def encode(http1: bytes) -> Request:
        head, _, body = http1.partition(b"\r\n\r\n")
        line, _, lines = head.partition(b"\r\n")
        method, path, _ = line.split(b" ", 2)
        authority, fields = _fields(lines)
        target = _literal(b":path", path)
        block = b"".join((_literal(b":method", method), given, authority, target, fields))
        return Request(http1, block, body)

    return encode


@lru_cache(MAX_LITERALS)
def _fields(lines: bytes) -> tuple[bytes, bytes]:
    """The authority and the other fields of an HTTP/1.1 head, encoded."""
    authority, kept = b"", []
    for line in lines.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip()
        if name == b"host":
            authority = value
        elif name and name not in _OF_HTTP1:
            kept.append(_literal(name, value))
    return _literal(b":authority", authority), b"".join(kept)


@lru_cache(MAX_LITERALS)
def _literal(name: bytes, value: bytes) -> bytes:
    field = hpack.NeverIndexedHeaderTuple(name, value)
    return _encoder.encode([field], huffman=False)


class ResponseHead(NamedTuple):
    """The contents of a block of response headers."""

    status: int
    """0: none, as in trailers; or :data:`MALFORMED`."""
    length: int
    """Content-Length; -1: none."""
    fields: list[tuple[bytes, bytes]]
    wrong: str = ""
    """Why it is malformed."""


class Blocks:
    """Decodes header blocks, each only once.

    The peer is told not to keep a dynamic table (:data:`Setting.HEADER_TABLE_SIZE` 0, before the
    first request, and settings take effect in the order of frames), so a block always means the
    same. A block that uses a table anyway is an error.
    """

    __slots__ = ("_decoder", "_known")

    def __init__(self) -> None:
        self._decoder = hpack.Decoder()
        self._decoder.max_allowed_table_size = self._decoder.header_table_size = 0
        self._known: dict[bytes, ResponseHead] = {}

    def read(self, block: bytes) -> ResponseHead:
        """Decode a block. Raises FrameError."""
        head = self._known.get(block)
        if head is not None:
            return head
        try:
            decoded = self._decoder.decode(block, raw=True)
            fields = [(bytes(name), bytes(value)) for name, value in decoded]
        # the library raises all of them
        except (hpack.HPACKError, UnicodeError, IndexError) as error:
            raise FrameError(f"headers that are not valid HPACK: {error}") from error
        head = _head(fields)
        if len(self._known) >= MAX_BLOCKS:
            self._known.clear()
        self._known[block] = head
        return head


def _head(fields: list[tuple[bytes, bytes]]) -> ResponseHead:
    statuses = [value for name, value in fields if name == b":status"]
    lengths = {value for name, value in fields if name == b"content-length"}
    wrong = _wrong_field(fields)
    if len(statuses) > 1 or not all(map(_is_status, statuses)):
        wrong = "the status is not a number of three digits, or occurs twice"
    elif len(lengths) > 1 or not all(map(_is_length, lengths)):
        wrong = "the content-length is not a number, or occurs twice"
    if wrong:
        return ResponseHead(MALFORMED, -1, fields, wrong)
    status = int(statuses[0]) if statuses else 0
    return ResponseHead(status, int(lengths.pop()) if lengths else -1, fields)


def _wrong_field(fields: list[tuple[bytes, bytes]]) -> str:
    """Why the fields are not a valid head of a response (RFC 9113, 8.2 and 8.3); empty if they are.

    Spaces around a value are accepted, against 8.2.1, as in curl and Go.
    """
    pseudo_may_come = True
    for name, value in fields:
        if name.startswith(b":"):
            if name != b":status":
                return "a pseudo-header that responses must not have"
            if not pseudo_may_come:
                return "a pseudo-header after other headers"
            continue
        pseudo_may_come = False
        if not _NAME.match(name):
            return (
                "a header name with characters that HTTP/2 does not allow, such as upper-case "
                "letters"
            )
        if name in _NOT_IN_A_RESPONSE:
            return f"the header {name.decode()}, which belongs to HTTP/1.1"
        if _NOT_IN_A_VALUE.search(value):
            return "a header value with a line break or NUL"
    return ""


def _is_status(value: bytes) -> bool:
    return len(value) == 3 and value.isdigit() and value[:1] != b"0"


def _is_length(value: bytes) -> bool:
    return len(value) <= 18 and value.isdigit()
