"""HTTP/2 on one connection: the state that all streams share."""

import asyncio
from time import monotonic_ns
from typing import Any

from perfrun.engine.errors import ErrorClass, lost_by
from perfrun.engine.http.http1 import MAX_HEAD
from perfrun.engine.http.http2.flow_control import FlowControl
from perfrun.engine.http.http2.frames import (
    FIRST_WINDOW,
    HEAD,
    HEAD_LENGTH,
    MAX_FRAME,
    MAX_WINDOW,
    PREFACE,
    Blocks,
    Code,
    Flag,
    FrameError,
    FrameType,
    Request,
    Setting,
    frame,
    goaway,
    headers,
    number,
    read_settings,
    reset,
    settings,
    unpadded,
    window_update,
)
from perfrun.engine.http.http2.stream import Stream
from perfrun.engine.http.link import Home

MAX_STREAMS = 1000
"""Maximum number of concurrent streams, even if the server allows more."""
LAST_ID = 2**31 - 1
MAX_CONTROLS = 10_000
"""Control frames that a server may send without progress of a body or response: more is a flood."""
_REFILL = MAX_WINDOW // 2
"""Bytes of bodies after which the windows of the server are refilled."""
_OF_CONNECTION = (FrameType.SETTINGS, FrameType.PING, FrameType.GOAWAY)
_PING_LENGTH = _GOAWAY_LENGTH = 8
_PRIORITY_LENGTH = 5


class Http2Connection(asyncio.Protocol):
    """The connection that streams share. ``ready`` is done when the server's settings are known."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.transport: Any = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_closing = False
        """Whether no new stream can be started."""
        self._slots: set[Stream] = set()
        self._open: dict[int, Stream] = {}
        """Requests that wait for their response, by stream id."""
        self._blocks = Blocks()
        self._rest = b""
        self._only: int | None = FrameType.SETTINGS
        """The required type of the next frame; None: any."""
        self._partial = (0, 0, b"", 0)
        """Unfinished headers: stream, flags, block so far, its bytes on the wire."""
        self._next_id = 1
        self._limit = MAX_STREAMS
        self._flow_control = FlowControl()
        self._consumed = 0
        self._controls = 0
        self._batch: list[bytes] | None = None
        """Set while received data is processed: everything sent meanwhile is written together."""

    @property
    def has_room(self) -> bool:
        """Whether another stream is available."""
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
        if body:
            self._write(headers(number, block, end=False) + self._flow_control.begin(number, body))
        elif (length := len(block)) <= MAX_FRAME:
            # Flags: END_STREAM and END_HEADERS.
            self._write(HEAD.pack(length >> 8, length & 255, FrameType.HEADERS, 5, number) + block)
        else:
            self._write(headers(number, block, end=True))
        return number

    def _write(self, data: bytes) -> None:
        if self._batch is None:
            self.transport.write(data)
        else:
            self._batch.append(data)

    def _upload(self, data: bytes) -> None:
        if data:
            self._controls = 0
            self._write(data)

    def cancel(self, number: int, code: Code = Code.CANCEL) -> None:
        """Tell the server that the response is no longer needed."""
        if self._open.pop(number, None) is not None:
            self._flow_control.drop(number)
            self._write(reset(number, code))
            self._leave()

    def forget(self, number: int) -> None:
        """A response is complete."""
        self._open.pop(number, None)
        self._controls = 0
        if self._flow_control.waiting and self._flow_control.drop(number):
            # It was answered before it was sent completely: without this, the stream would stay
            # open for the peer.
            self._write(reset(number, Code.CANCEL))
        if self.is_closing:
            self._leave()

    def drop(self, stream: Stream) -> None:
        """A stream is no longer used; the connection is closed with the last one."""
        if stream in self._slots:
            self._slots.discard(stream)
            self.home.forget(stream)
            if not self._slots:
                self.is_closing = True
                self._leave()

    def _leave(self) -> None:
        """Close as soon as no stream waits, but not before everything is written."""
        if self.is_closing and not self._open and self._batch is None:
            self.transport.close()

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        ours = {
            Setting.HEADER_TABLE_SIZE: 0,
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: MAX_WINDOW,
        }
        more = window_update(0, MAX_WINDOW - FIRST_WINDOW)
        self.transport.write(PREFACE + settings(ours) + more)

    def data_received(self, data: bytes) -> None:
        batch: list[bytes] = []
        self._batch = batch
        try:
            self._work_off(self._rest + data if self._rest else data, monotonic_ns())
        except FrameError as error:
            self._die(f"not HTTP/2: {error}")
        finally:
            if self._consumed > _REFILL:
                self._refill()
            self._batch = None
            if batch:
                self.transport.write(b"".join(batch))
        if self.is_closing:
            self._leave()

    def _work_off(self, data: bytes, now: int) -> None:
        at, end = 0, len(data)
        unpack, take = HEAD.unpack_from, self._take
        while end - at >= HEAD_LENGTH:
            high, low, kind, flags, number = unpack(data, at)
            size = (high << 8) | low
            if size > MAX_FRAME:
                raise FrameError("a frame that is larger than allowed")
            stop = at + HEAD_LENGTH + size
            if stop > end:
                break
            take(kind, flags, number & LAST_ID, data[at + HEAD_LENGTH : stop], now)
            at = stop
        self._rest = data[at:]

    def _refill(self) -> None:
        self._write(window_update(0, self._consumed))
        self._consumed = 0
        for number_, stream in self._open.items():
            if by := stream.unacknowledged():
                self._write(window_update(number_, by))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closing = True
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError("the connection was closed"))
            self.ready.exception()  # perhaps nobody waits any more
        for stream in list(self._slots):
            self._slots.discard(stream)
            self.home.forget(stream)
        streams, self._open = self._open, {}
        for stream in streams.values():
            stream.fail(lost_by(exc))

    # --- frames -------------------------------------------------------------------------------

    def _take(self, kind: int, flags: int, number: int, payload: bytes, now: int) -> None:
        if self._only is not None and kind != self._only:
            raise FrameError("a frame of a type that is not allowed at this point")
        if kind == FrameType.DATA:
            self._on_data(flags, number, payload, now)
        elif kind == FrameType.HEADERS:
            size = len(payload) + HEAD_LENGTH
            if flags & (Flag.PADDED | Flag.PRIORITY):
                payload = unpadded(flags, payload, headers=True)
            if flags & Flag.END_HEADERS:
                self._on_block(flags, number, payload, size, now)
            else:
                self._check_was_open(number)
                self._partial = (number, flags, payload, size)
                self._only = FrameType.CONTINUATION
        else:
            self._on_control(kind, flags, number, payload, now)

    def _on_data(self, flags: int, number: int, payload: bytes, now: int) -> None:
        size = len(payload)
        self._consumed += size
        if flags & Flag.PADDED:
            payload = unpadded(flags, payload, headers=False)
        stream = self._open.get(number)
        if stream is None:
            self._check_was_open(number)
            return
        if payload:
            self._controls = 0
        stream.on_data(payload, size, now, end=bool(flags & Flag.END_STREAM))

    def _on_block(self, flags: int, number: int, block: bytes, size: int, now: int) -> None:
        head = self._blocks.read(block)
        stream = self._open.get(number)
        if stream is None:
            self._check_was_open(number)
            return
        stream.on_head(head, size, now, end=bool(flags & Flag.END_STREAM))

    def _check_was_open(self, number: int) -> None:
        """Frames that the server sent before it learnt that a stream was cancelled are not an
        error."""
        if not number & 1 or number >= self._next_id:
            raise FrameError("a frame on a stream that was never opened")

    def _on_control(self, kind: int, flags: int, number_: int, payload: bytes, now: int) -> None:
        self._controls += 1
        if self._controls > MAX_CONTROLS:
            raise FrameError("a flood of control frames")
        if number_ and kind in _OF_CONNECTION:
            raise FrameError("a connection-level frame on a stream")
        match kind:
            case FrameType.SETTINGS:
                self._on_settings(flags, payload)
            case FrameType.WINDOW_UPDATE:
                if number_:
                    self._check_was_open(number_)
                self._upload(self._flow_control.widen(number_, number(payload) & LAST_ID))
            case FrameType.RST_STREAM:
                self._on_reset(number_, number(payload))
            case FrameType.PING:
                self._on_ping(flags, payload)
            case FrameType.GOAWAY:
                self._on_goaway(payload)
            case FrameType.PRIORITY:
                self._on_priority(number_, payload)
            case FrameType.CONTINUATION:
                self._on_continuation(flags, number_, payload, now)
            case FrameType.PUSH_PROMISE:
                raise FrameError("a push, although pushes are disabled")

    def _on_settings(self, flags: int, payload: bytes) -> None:
        if flags & Flag.ACK:
            if payload or self._only is not None:
                raise FrameError("a SETTINGS acknowledgement with a payload")
            return
        freed = b""
        for name, value in read_settings(payload):
            if name == Setting.MAX_CONCURRENT_STREAMS:
                self._limit = min(value, MAX_STREAMS)
            elif name == Setting.MAX_FRAME_SIZE:
                self._flow_control.reframe(value)
            elif name == Setting.INITIAL_WINDOW_SIZE:
                freed = self._flow_control.resize(value)
            elif name == Setting.ENABLE_PUSH and value:
                raise FrameError("a server that enables pushes")
        self._write(frame(FrameType.SETTINGS, Flag.ACK, 0))
        self._upload(freed)
        self._only = None
        if not self.ready.done():
            self.ready.set_result(None)

    def _on_ping(self, flags: int, payload: bytes) -> None:
        if len(payload) != _PING_LENGTH:
            raise FrameError("a PING of the wrong length")
        if not flags & Flag.ACK:
            self._write(frame(FrameType.PING, Flag.ACK, 0, payload))

    def _on_reset(self, number_: int, code: int) -> None:
        self._check_was_open(number_)
        if (stream := self._open.pop(number_, None)) is None:
            return
        self._flow_control.drop(number_)
        if code == Code.REFUSED_STREAM:
            stream.refuse()
        else:
            stream.fail(ErrorClass.RESET)

    def _on_priority(self, number_: int, payload: bytes) -> None:
        """PRIORITY no longer has an effect (RFC 9113, 5.3.2), but must be well-formed (6.3)."""
        if not number_:
            raise FrameError("a PRIORITY without a stream")
        if len(payload) == _PRIORITY_LENGTH:
            return
        if (stream := self._open.get(number_)) is None:
            self._check_was_open(number_)
        else:
            stream.fail(
                ErrorClass.PROTOCOL, Code.FRAME_SIZE_ERROR, ("a PRIORITY of the wrong length")
            )

    def _on_goaway(self, payload: bytes) -> None:
        """Requests up to the last id are still answered, later ones were not processed."""
        if len(payload) < _GOAWAY_LENGTH:
            raise FrameError("a GOAWAY of the wrong length")
        self.is_closing = True
        last = number(payload[:4]) & LAST_ID
        for number_ in [each for each in self._open if each > last]:
            self._flow_control.drop(number_)
            if (stream := self._open.pop(number_, None)) is not None:
                stream.refuse()

    def _on_continuation(self, flags: int, number_: int, payload: bytes, now: int) -> None:
        expected, first, block, size = self._partial
        if self._only != FrameType.CONTINUATION or expected != number_:
            raise FrameError("a CONTINUATION without headers before it")
        block += payload
        size += len(payload) + HEAD_LENGTH
        if len(block) > MAX_HEAD:
            raise FrameError("more headers than perfrun accepts")
        if flags & Flag.END_HEADERS:
            self._only = None
            self._on_block(first, number_, block, size, now)
        else:
            self._partial = (number_, first, block, size)

    def _die(self, message: str) -> None:
        self.is_closing = True
        self._write(goaway(Code.PROTOCOL_ERROR))
        if not self.ready.done():
            self.ready.set_exception(FrameError("the response is not HTTP/2"))
            self.ready.exception()  # perhaps nobody waits any more
        streams, self._open = self._open, {}
        for stream in streams.values():
            stream.fail(ErrorClass.PROTOCOL, message=message)
