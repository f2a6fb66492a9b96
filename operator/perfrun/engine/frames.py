"""HTTP/2 frames and header blocks (RFC 9113, RFC 7541): bytes in and out, no state of a run."""

import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">HBBBL")
"""A frame's head: length (16 and 8 bits), type, flags, stream."""
HEAD_LENGTH = 9
LARGEST_FRAME = 16_384
"""Bytes of a frame that everybody takes; no larger ones are allowed to the peer."""
LARGEST_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
MOST_BLOCKS = 256
"""Header blocks whose meaning is remembered."""

_LONG = struct.Struct(">L")
_SETTING = struct.Struct(">HL")


class Kind:
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
    """Settings that are of interest here."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5


class Code(IntEnum):
    """Error codes that are of interest here."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    REFUSED_STREAM = 7
    CANCEL = 8


class FrameError(Exception):
    """Bytes that are not HTTP/2."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    length = len(payload)
    return HEAD.pack(length >> 8, length & 255, kind, flags, stream) + payload


def settings(values: dict[Setting, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(Kind.SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in values.items()))


def read_settings(payload: bytes) -> Iterable[tuple[int, int]]:
    """The settings of a SETTINGS frame. Raises FrameError."""
    if len(payload) % _SETTING.size:
        raise FrameError("a SETTINGS frame of a wrong length")
    return _SETTING.iter_unpack(payload)


def number(payload: bytes) -> int:
    """The 31 bits of a WINDOW_UPDATE or the code of an RST_STREAM. Raises FrameError."""
    if len(payload) != _LONG.size:
        raise FrameError("a frame of a wrong length")
    return int(_LONG.unpack(payload)[0])


def window_update(stream: int, by: int) -> bytes:
    """Allow ``by`` more bytes."""
    return frame(Kind.WINDOW_UPDATE, 0, stream, _LONG.pack(by))


def reset(stream: int, code: Code) -> bytes:
    """End a stream."""
    return frame(Kind.RST_STREAM, 0, stream, _LONG.pack(code))


def goaway(code: Code) -> bytes:
    """End the connection."""
    return frame(Kind.GOAWAY, 0, 0, _LONG.pack(0) + _LONG.pack(code))


def unpadded(flags: int, payload: bytes, *, headers: bool) -> bytes:
    """A payload without padding and, of HEADERS, without priority. Raises FrameError."""
    start, end = 0, len(payload)
    if flags & Flag.PADDED:
        if not payload:
            raise FrameError("padding without its length")
        start, end = 1, end - payload[0]
    if headers and flags & Flag.PRIORITY:
        start += 5
    if start > end:
        raise FrameError("more padding than there is payload")
    return payload[start:end]


class Request(NamedTuple):
    """A request as it is sent over HTTP/2."""

    http1: bytes
    """The same as HTTP/1.1 would send it: what redirects and cookies are worked out on."""
    block: bytes
    body: bytes


# Of one connection only, RFC 9113, 8.2.2.
_OF_HTTP1 = frozenset({b"host", b"connection", b"keep-alive", b"te", b"upgrade"})
_encoder = hpack.Encoder()


def encoder(scheme: str) -> Callable[[bytes], Request]:
    """How HTTP/1.1 requests become HTTP/2 ones.

    Nothing is entered into the dynamic table (every literal is one that is never indexed), so a
    block means the same on every connection and static requests are encoded once.
    """
    given = (b":scheme", scheme.encode())

    def encode(http1: bytes) -> Request:
        head, _, body = http1.partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        method, path, _ = line.split(b" ", 2)
        fields = [(name.lower(), value.strip()) for name, _, value in _parted(rest)]
        authority = next((value for name, value in fields if name == b"host"), b"")
        pseudo = [(b":method", method), given, (b":authority", authority), (b":path", path)]
        kept = [field for field in fields if field[0] not in _OF_HTTP1]
        literals = [hpack.NeverIndexedHeaderTuple(*field) for field in (*pseudo, *kept)]
        return Request(http1, _encoder.encode(literals, huffman=False), body)

    return encode


def _parted(lines: Iterable[bytes]) -> Iterable[tuple[bytes, bytes, bytes]]:
    return (line.partition(b":") for line in lines)


class Head(NamedTuple):
    """What a block of response headers says."""

    status: int
    """0: there is none, as in trailers."""
    length: int
    """Of Content-Length; -1: there is none."""
    fields: list[tuple[bytes, bytes]]


class Blocks:
    """Decodes header blocks, each once.

    The peer is told to keep no dynamic table (:data:`Setting.HEADER_TABLE_SIZE` 0, before the
    first request), so a block means the same whenever it comes.
    """

    __slots__ = ("_decoder", "_known")

    def __init__(self) -> None:
        self._decoder = hpack.Decoder()
        self._decoder.max_allowed_table_size = self._decoder.header_table_size = 0
        self._known: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        """What a block says. Raises FrameError."""
        head = self._known.get(block)
        if head is not None:
            return head
        try:
            fields = [(bytes(name), bytes(value)) for name, value in self._decode(block)]
            head = _head(fields)
        except (hpack.HPACKError, ValueError) as error:
            raise FrameError(str(error)) from error
        if len(self._known) >= MOST_BLOCKS:
            self._known.clear()
        self._known[block] = head
        return head

    def _decode(self, block: bytes) -> Iterable[tuple[bytes, bytes]]:
        return [(name, value) for name, value in self._decoder.decode(block, raw=True)]


def _head(fields: list[tuple[bytes, bytes]]) -> Head:
    status, lengths = 0, []
    for name, value in fields:
        if name == b":status":
            status = int(value)
        elif name == b"content-length":
            lengths.append(int(value))
    if len(set(lengths)) > 1 or any(length < 0 for length in lengths):
        raise ValueError("contradictory lengths")
    if status and not 100 <= status <= 999:
        raise ValueError("no status code")
    return Head(status, lengths[0] if lengths else -1, fields)
