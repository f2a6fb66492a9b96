"""HTTP/2 on one connection: what all its streams share."""

import asyncio
from collections import deque
from time import monotonic_ns
from typing import Any

from perfrun.engine.errors import ErrorClass
from perfrun.engine.frames import (
    FIRST_WINDOW,
    HEAD,
    HEAD_LENGTH,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    PREFACE,
    Blocks,
    Code,
    Flag,
    FrameError,
    Kind,
    Request,
    Setting,
    frame,
    goaway,
    number,
    read_settings,
    reset,
    settings,
    unpadded,
    window_update,
)
from perfrun.engine.http1 import MAX_HEAD
from perfrun.engine.link import Home
from perfrun.engine.stream import Stream

MOST_STREAMS = 1000
"""At a time on one connection, where the peer allows more."""
LAST_ID = 2**31 - 1
MOST_CONTROLS = 10_000
"""Control frames that a peer may send between two responses: more is a flood."""
_REFILL = LARGEST_WINDOW // 2


class Http2Connection(asyncio.Protocol):
    """The connection that streams share. ``ready`` is done when the peer's settings are known."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.transport: Any = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_closing = False
        """Whether no stream can be begun any more."""
        self._slots: set[Stream] = set()
        self._open: dict[int, Stream] = {}
        """By id: requests that wait for their response."""
        self._blocks = Blocks()
        self._rest = b""
        self._partial: tuple[int, int, bytes] | None = None
        """Stream, flags and block so far of headers that are continued."""
        self._next_id = 1
        self._limit = MOST_STREAMS
        self._window, self._first_window = FIRST_WINDOW, FIRST_WINDOW
        self._frame_size = LARGEST_FRAME
        self._waiting: deque[tuple[int, bytes]] = deque()
        """Bodies, by stream, for which there was no window."""
        self._consumed = 0
        self._controls = 0
        self._batch: list[bytes] | None = None
        """While what was received is worked off: what is sent meanwhile goes out together."""

    @property
    def has_room(self) -> bool:
        """Whether one more stream can be used."""
        return not self.is_closing and len(self._slots) < self._limit

    def stream(self) -> Stream:
        """A stream to send requests over; there must be room."""
        stream = Stream(self)
        self._slots.add(stream)
        return stream

    # --- for streams --------------------------------------------------------------------------

    def begin(self, stream: Stream, request: Request) -> int:
        """Send a request under a new id."""
        self._next_id = (number := self._next_id) + 2
        if self._next_id > LAST_ID:
            self.is_closing = True
        self._open[number] = stream
        _, block, body = request
        if not body and len(block) <= LARGEST_FRAME:
            length = len(block)
            head = HEAD.pack(length >> 8, length & 255, Kind.HEADERS, 5, number)
            self._write(head + block)
            return number
        stream.window = self._first_window
        self._write(_headers(number, block, end=not body))
        if body:
            self._send_body(number, stream, body)
        return number

    def _write(self, data: bytes) -> None:
        if self._batch is None:
            self.transport.write(data)
        else:
            self._batch.append(data)

    def _send_body(self, number: int, stream: Stream, body: bytes) -> bool:
        """Send as much as the windows allow; whether that was all. The rest waits."""
        while body:
            size = min(len(body), self._window, stream.window, self._frame_size)
            if size <= 0:
                self._waiting.append((number, body))
                return False
            part, body = body[:size], body[size:]
            self._window -= size
            stream.window -= size
            flags = 0 if body else Flag.END_STREAM
            self._write(frame(Kind.DATA, flags, number, part))
        return True

    def _send_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            number, body = self._waiting.popleft()
            if (stream := self._open.get(number)) is not None:
                self._send_body(number, stream, body)

    def cancel(self, number: int) -> None:
        """Tell the peer that nobody waits for a response any more."""
        if self._open.pop(number, None) is not None and not self.is_closing:
            self._write(reset(number, Code.CANCEL))

    def forget(self, number: int) -> None:
        """A response is complete."""
        self._open.pop(number, None)
        self._controls = 0

    def drop(self, stream: Stream) -> None:
        """A stream is used no more; with the last one the connection goes."""
        if stream in self._slots:
            self._slots.discard(stream)
            self.home.forget(stream)
            if not self._slots:
                self.is_closing = True
                self.transport.close()

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        ours = {
            Setting.HEADER_TABLE_SIZE: 0,
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: LARGEST_WINDOW,
        }
        more = window_update(0, LARGEST_WINDOW - FIRST_WINDOW)
        self.transport.write(PREFACE + settings(ours) + more)

    def data_received(self, data: bytes) -> None:
        now = monotonic_ns()
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        unpack, takes = HEAD.unpack_from, self._take
        batch: list[bytes] = []
        self._batch = batch
        try:
            while end - at >= HEAD_LENGTH:
                high, low, kind, flags, number = unpack(data, at)
                size = (high << 8) | low
                stop = at + HEAD_LENGTH + size
                if stop > end:
                    self._check_size(size)
                    break
                takes(kind, flags, number & LAST_ID, data[at + HEAD_LENGTH : stop], now)
                at = stop
        except FrameError:
            self._die(ErrorClass.PROTOCOL)
            return
        finally:
            self._batch = None
            if batch:
                self.transport.write(b"".join(batch))
        self._rest = data[at:]
        if self._consumed > _REFILL and not self.is_closing:
            self.transport.write(window_update(0, self._consumed))
            self._consumed = 0

    def _check_size(self, size: int) -> None:
        if size > LARGEST_FRAME:
            raise FrameError("a frame larger than allowed")

    def connection_lost(self, _exc: Exception | None) -> None:
        self.is_closing = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionResetError("the connection was closed"))
            self.ready.exception()  # nobody may be waiting any more
        for stream in list(self._slots):
            self._slots.discard(stream)
            self.home.forget(stream)
        streams, self._open = self._open, {}
        for stream in streams.values():
            stream.fail(ErrorClass.RESET, tell_peer=False)

    # --- frames -------------------------------------------------------------------------------

    def _take(self, kind: int, flags: int, number: int, payload: bytes, now: int) -> None:
        if self._partial is not None and kind != Kind.CONTINUATION:
            raise FrameError("headers that are not continued")
        if kind == Kind.DATA:
            self._on_data(flags, number, payload, now)
        elif kind == Kind.HEADERS:
            if flags & (Flag.PADDED | Flag.PRIORITY):
                payload = unpadded(flags, payload, headers=True)
            if flags & Flag.END_HEADERS:
                self._on_block(flags, number, payload, now)
            else:
                self._partial = (number, flags, payload)
        else:
            self._on_control(kind, flags, number, payload, now)

    def _on_data(self, flags: int, number: int, payload: bytes, now: int) -> None:
        self._consumed += len(payload)
        if flags & Flag.PADDED:
            payload = unpadded(flags, payload, headers=False)
        stream = self._open.get(number)
        if stream is not None:
            stream.on_data(payload, now, end=bool(flags & Flag.END_STREAM))

    def _on_block(self, flags: int, number: int, block: bytes, now: int) -> None:
        head = self._blocks.read(block)
        stream = self._open.get(number)
        if stream is not None:
            size = len(block) + HEAD_LENGTH
            stream.on_head(head, size, now, end=bool(flags & Flag.END_STREAM))

    def _on_control(self, kind: int, flags: int, number_: int, payload: bytes, now: int) -> None:
        self._controls += 1
        if self._controls > MOST_CONTROLS:
            raise FrameError("a flood of control frames")
        match kind:
            case Kind.SETTINGS:
                if not flags & Flag.ACK:
                    self._on_settings(payload)
            case Kind.WINDOW_UPDATE:
                self._on_window(number_, number(payload) & LAST_ID)
            case Kind.RST_STREAM:
                self._on_reset(number_, number(payload))
            case Kind.PING:
                if not flags & Flag.ACK:
                    self.transport.write(frame(Kind.PING, Flag.ACK, 0, payload))
            case Kind.GOAWAY:
                self._on_goaway(payload)
            case Kind.CONTINUATION:
                self._on_continuation(flags, number_, payload, now)
            case Kind.PUSH_PROMISE:
                raise FrameError("a push, which was not allowed")

    def _on_settings(self, payload: bytes) -> None:
        for name, value in read_settings(payload):
            if name == Setting.MAX_CONCURRENT_STREAMS:
                self._limit = min(value, MOST_STREAMS)
            elif name == Setting.MAX_FRAME_SIZE:
                self._frame_size = min(max(value, LARGEST_FRAME), 1 << 20)
            elif name == Setting.INITIAL_WINDOW_SIZE:
                if value > LARGEST_WINDOW:
                    raise FrameError("a window that is too large")
                for stream in self._open.values():
                    stream.window += value - self._first_window
                self._first_window = value
        self.transport.write(frame(Kind.SETTINGS, Flag.ACK, 0))
        if not self.ready.done():
            self.ready.set_result(None)
        self._send_waiting()

    def _on_window(self, number_: int, by: int) -> None:
        if number_ == 0:
            self._window += by
        elif (stream := self._open.get(number_)) is not None:
            stream.window += by
        self._send_waiting()

    def _on_reset(self, number_: int, code: int) -> None:
        if (stream := self._open.pop(number_, None)) is None:
            return
        if code == Code.REFUSED_STREAM:
            stream.refuse()
        else:
            stream.fail(ErrorClass.RESET, tell_peer=False)

    def _on_goaway(self, payload: bytes) -> None:
        """Requests up to the last id are still answered, those after it were never looked at."""
        self.is_closing = True
        last = number(payload[:4]) & LAST_ID
        for number_ in [each for each in self._open if each > last]:
            self._open.pop(number_).refuse()

    def _on_continuation(self, flags: int, number_: int, payload: bytes, now: int) -> None:
        if self._partial is None or self._partial[0] != number_:
            raise FrameError("a continuation of nothing")
        block = self._partial[2] + payload
        if len(block) > MAX_HEAD:
            raise FrameError("more headers than anyone means to test")
        if not flags & Flag.END_HEADERS:
            self._partial = (number_, self._partial[1], block)
            return
        first, self._partial = self._partial[1], None
        self._on_block(first, number_, block, now)

    def _die(self, error: ErrorClass) -> None:
        self.is_closing = True
        self.transport.write(goaway(Code.PROTOCOL_ERROR))
        if not self.ready.done():
            self.ready.set_exception(FrameError("what came is not HTTP/2"))
            self.ready.exception()  # nobody may be waiting any more
        streams, self._open = self._open, {}
        for stream in streams.values():
            stream.fail(error, tell_peer=False)
        self.transport.abort()


def _headers(number_: int, block: bytes, *, end: bool) -> bytes:
    """HEADERS, continued where the block is too large for one frame."""
    parts = [block[at : at + LARGEST_FRAME] for at in range(0, len(block), LARGEST_FRAME)]
    kinds = [Kind.HEADERS] + [Kind.CONTINUATION] * (len(parts) - 1)
    frames = []
    for place, (kind, part) in enumerate(zip(kinds, parts, strict=True)):
        flags = Flag.END_STREAM if end and not place else 0
        if place == len(parts) - 1:
            flags |= Flag.END_HEADERS
        frames.append(frame(kind, flags, number_, part))
    return b"".join(frames)
