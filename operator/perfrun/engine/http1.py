"""HTTP/1.1 on one connection: write a request, read a response, never pipelined.

The hot path is ``data_received``: one clock reading, one C parser, and at the end of the response
one call of the exchange that waits for it. Headers are not parsed; a redirect's are, afterwards.
"""

import asyncio
import re
from collections.abc import Callable
from enum import IntEnum
from time import monotonic_ns
from typing import Any, Protocol

import httptools

from perfrun.engine.errors import ErrorClass

MAX_HEAD = 64 * 1024
"""Bytes of status line and headers; more is not HTTP that anyone means to test."""

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH_OR_CHUNKED = re.compile(
    rb"\r\n(?:content-length[ \t]*:|transfer-encoding[ \t]*:[^\r\n]*chunked)", re.IGNORECASE
)


class Reading(IntEnum):
    """What of a response has to be looked at."""

    STATUS = 0
    """Only the status: the body is counted, not kept."""
    BODY = 1
    HEAD_ONLY = 2
    """The answer to HEAD: it ends with its headers, whatever length they tell of."""


class Exchange(Protocol):
    """Who waits for a response."""

    def responded(self, connection: "Connection", now: int) -> None:
        """The response is complete; its last byte came at ``now`` (monotonic ns)."""

    def broken(self, error: ErrorClass) -> None:
        """There will be no response; the connection is closed."""


class Connection(asyncio.Protocol):
    """One connection to one origin. ``closed`` is called once, when it is gone."""

    __slots__ = (
        "_closed",
        "_complete",
        "_exchange",
        "_head_done",
        "_interim",
        "_kept",
        "_parser",
        "_parsers",
        "_size_limit",
        "_too_much",
        "body",
        "first_byte",
        "head",
        "idle_since",
        "keep_alive",
        "received",
        "status",
        "transport",
    )

    def __init__(self, closed: Callable[["Connection"], None]) -> None:
        self._closed = closed
        self._exchange: Exchange | None = None
        self._parsers: list[Any] = [httptools.HttpResponseParser(_StatusSink(self)), None]
        self._parser: Any = self._parsers[0]
        self._size_limit = 0
        self._kept = 0
        self._too_much = False
        self._complete = 0
        self._interim = 0
        self._head_done = False
        self.keep_alive = False
        """Whether another request may follow the response, as far as that one says."""
        self.status = 0
        """The status code of the response."""
        self.transport: Any = None
        """An asyncio.Transport once connected; Any, because its calls are the hot path."""
        self.first_byte = 0
        """When the response began, monotonic ns; 0: it has not."""
        self.received = 0
        """Bytes of the response so far, headers included."""
        self.head = b""
        self.body: list[bytes] = []
        self.idle_since = 0

    # --- for the exchange ---------------------------------------------------------------------

    def send(self, exchange: Exchange, request: bytes, reading: Reading, size_limit: int) -> None:
        """Write a request; the connection must be open and free.

        ``size_limit`` (bytes of body) is kept only with :attr:`Reading.BODY`.
        """
        self._exchange = exchange
        self.first_byte = self.received = self._complete = 0
        if reading:
            self._prepare(reading, size_limit)
        else:
            self._parser = self._parsers[0]
        self.transport.write(request)

    def _prepare(self, reading: Reading, size_limit: int) -> None:
        if reading is Reading.HEAD_ONLY:
            # The parser would wait for a body, and cannot be told not to: a new one each time.
            self._parser = httptools.HttpResponseParser(_HeadSink(self))
            return
        self.body = []
        self._size_limit, self._kept, self._too_much = size_limit, 0, False
        if self._parsers[1] is None:
            self._parsers[1] = httptools.HttpResponseParser(_BodySink(self))
        self._parser = self._parsers[1]

    def final_head(self) -> bytes:
        """Status line and headers of the final response, without those of interim ones."""
        return self.head.split(_END_OF_HEAD)[self._interim]

    def close(self) -> None:
        """Close after a complete response."""
        self.transport.close()

    def abandon(self) -> None:
        """Close now, without telling the exchange."""
        self._exchange = None
        if self.transport is not None:
            self.transport.abort()

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            # Nobody asked: a connection that talks by itself cannot be trusted with a request.
            self.transport.abort()
            return
        now = monotonic_ns()
        if not self.first_byte:
            self.first_byte = now
            self.head = data
            self.received = len(data)
            self._interim = 0
            self._head_done = False
        else:
            self.received += len(data)
            if not self._head_done:
                self._extend_head(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._complete:
                self._break(ErrorClass.PROTOCOL)
                return
            # The response is whole; what follows it is not HTTP, so nothing more may be sent.
            self.keep_alive = False
        if self._too_much:
            self._break(ErrorClass.SIZE)
        elif self._complete:
            self._exchange = None
            exchange.responded(self, now)
        elif len(self.head) > MAX_HEAD and self._head_is_open():
            self._break(ErrorClass.PROTOCOL)

    def eof_received(self) -> None:
        """The transport closes itself, and :meth:`connection_lost` follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        self._closed(self)
        if exchange is None:
            return
        if exc is None and self._ends_with_connection():
            self.status = self._parser.get_status_code()
            self.keep_alive = False
            exchange.responded(self, monotonic_ns())
        else:
            exchange.broken(ErrorClass.RESET)

    # --- inside -------------------------------------------------------------------------------

    def _extend_head(self, data: bytes) -> None:
        if self._head_is_open():
            self.head += data
        else:
            self._head_done = True

    def _head_is_open(self) -> bool:
        return not self._head_done and self.head.count(_END_OF_HEAD) <= self._interim

    def _break(self, error: ErrorClass) -> None:
        exchange = self._exchange
        self.abandon()
        if exchange is not None:
            exchange.broken(error)

    def _ends_with_connection(self) -> bool:
        heads = self.head.split(_END_OF_HEAD)
        return (
            bool(self.first_byte)
            and len(heads) > self._interim + 1
            and not _LENGTH_OR_CHUNKED.search(heads[self._interim])
        )

    def headers_complete(self) -> None:
        """For HEAD: the final response ends here."""
        self.message_complete()

    def message_complete(self) -> None:
        """The end of a response, interim ones included."""
        parser = self._parser
        self.status = parser.get_status_code()
        if self.status >= 200:
            self._complete += 1
            # The parser knows only now: afterwards it looks forward to the next response.
            self.keep_alive = self._complete == 1 and parser.should_keep_alive()
        else:
            self._interim += 1

    def keep(self, part: bytes) -> None:
        """A part of a body that is to be looked at."""
        self._kept += len(part)
        if self._kept > self._size_limit:
            self._too_much = True
        else:
            self.body.append(part)


class _StatusSink:
    """The parser calls only what it finds: the fewer methods, the less time."""

    __slots__ = ("on_message_complete",)

    def __init__(self, connection: Connection) -> None:
        self.on_message_complete = connection.message_complete


class _BodySink:
    __slots__ = ("on_body", "on_message_complete")

    def __init__(self, connection: Connection) -> None:
        self.on_message_complete = connection.message_complete
        self.on_body = connection.keep


class _HeadSink:
    __slots__ = ("on_headers_complete", "on_message_complete")

    def __init__(self, connection: Connection) -> None:
        self.on_headers_complete = connection.headers_complete
        self.on_message_complete = _nothing


def _nothing() -> None:
    pass
