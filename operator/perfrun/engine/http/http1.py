"""HTTP/1.1 on one connection: write a request, read a response, never pipelined.

The hot path is ``data_received``. A complete response whose head is byte for byte one that was
parsed before is recognised by comparing bytes; anything else goes through a C parser. At the end,
the waiting exchange is called once. Headers are looked up only if a redirect, a check or an
extraction needs one.
"""

import asyncio
import re
from functools import cache
from time import monotonic_ns
from typing import Any

import httptools

from perfrun.engine.errors import ErrorClass, lost_by
from perfrun.engine.http.link import Exchange, Home
from perfrun.engine.http.mismatch import NO_ANSWER, expects_tls, not_http
from perfrun.engine.http.odd_head import put_plainly
from perfrun.engine.response.expect import too_large
from perfrun.engine.response.read_plan import ReadMode, ReadPlan

MAX_HEAD = 64 * 1024
"""Maximum bytes of status line and headers."""

_END_OF_HEAD = b"\r\n\r\n"
_STATUS_LINE = b"HTTP/1."
_LENGTH_OR_CHUNKED = re.compile(
    rb"\r\n(?:content-length[ \t]*:|transfer-encoding[ \t]*:[^\r\n]*chunked)", re.IGNORECASE
)


class Connection(asyncio.Protocol):
    """One connection to one origin."""

    __slots__ = (
        "_complete",
        "_exchange",
        "_head_done",
        "_interim",
        "_kept",
        "_odd",
        "_parser",
        "_parsers",
        "_read_plan",
        "_too_much",
        "_write",
        "body",
        "first_byte",
        "head",
        "home",
        "idle_since",
        "keep_alive",
        "received",
        "status",
        "transport",
    )

    _read_plan: ReadPlan
    _write: Any

    def __init__(self, home: Home) -> None:
        self.home = home
        self._exchange: Exchange | None = None
        self._parsers: list[Any] = [None, None]
        self._parser: Any = None
        self._kept = 0
        self._too_much = False
        self._complete = False
        self._interim = 0
        self._head_done = False
        self._odd: str | None = None
        """The error of the parser in a head that is not complete yet."""
        self.keep_alive = True
        """Whether another request may follow, according to the response."""
        self.status = 0
        """The status code of the response."""
        self.transport: Any = None
        """An asyncio.Transport once connected; Any, because its calls are the hot path."""
        self.first_byte = 0
        """When the response began, monotonic ns; 0: not yet."""
        self.received = 0
        """Bytes of the response so far, headers included."""
        self.head = b""
        self.body: list[bytes] = []
        self.idle_since = 0

    # --- for the exchange ---------------------------------------------------------------------

    def send(self, exchange: Exchange, request: bytes, read_plan: ReadPlan) -> None:
        """Write a request; the connection must be open and free."""
        self._exchange = exchange
        self._read_plan = read_plan
        self.first_byte = 0
        self._write(request)

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header of the response; ``name`` in lower case."""
        found = _field(name).search(self.final_head())
        return found[1].rstrip(b" \t") if found else None

    def headers(self, name: bytes) -> list[bytes]:
        """All values of a header of the response; ``name`` in lower case."""
        return [value.rstrip(b" \t") for value in _field(name).findall(self.final_head())]

    def final_head(self) -> bytes:
        """Status line and headers of the final response, without those of interim ones."""
        return self.head.split(_END_OF_HEAD)[self._interim]

    def hint(self) -> str:
        """What the response says of its port, in words; empty: nothing."""
        return expects_tls(self.status, self.head)

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
        self._write = self.transport.write

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            # Nobody asked: a connection that sends data unasked cannot be trusted with a request.
            self.transport.abort()
            return
        now = monotonic_ns()
        known = self._read_plan
        if known.length != len(data) or self.first_byte or not data.startswith(known.head):
            self._parse(exchange, data, now)
            return
        self.first_byte = now
        self.received = known.length
        self.status = known.status
        self.head = data
        self._interim = 0
        if known.mode:
            self.body = [data[known.body_at :]]
        self._exchange = None
        exchange.responded(self, now)

    def eof_received(self) -> None:
        """The transport closes itself, and :meth:`connection_lost` follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        self.home.forget(self)
        if exchange is None:
            return
        if exc is None and self._ends_with_connection():
            self.status = self._parser.get_status_code()
            self.keep_alive = False
            if self.status < 200:  # as in HTTP/1.1 099, which the parser reads
                exchange.broken(ErrorClass.PROTOCOL, "no final status")
            else:
                exchange.responded(self, monotonic_ns())
        elif self.status and not self.first_byte:  # it has answered before
            exchange.unanswered(lost_by(exc))
        elif self.first_byte and self._odd is not None:
            exchange.broken(ErrorClass.PROTOCOL, not_http(self.head, self._odd))
        else:
            error = lost_by(exc)
            silent = error is ErrorClass.RESET and not self.first_byte
            exchange.broken(error, NO_ANSWER if silent else "")

    # --- inside -------------------------------------------------------------------------------

    def _parse(self, exchange: Exchange, data: bytes, now: int) -> None:
        if not self.first_byte:
            self._begin(data, now)
        else:
            self.received += len(data)
            if not self._head_done:
                self._extend_head(data)
        wrong = self._feed(data) if self._odd is None else self._feed_odd(self._odd)
        if wrong and not self._complete:
            self._break(ErrorClass.PROTOCOL, not_http(self.head, wrong))
        elif self._too_much:
            self._break(ErrorClass.SIZE, too_large(self._read_plan.size_limit))
        elif self._complete:
            if self.head is data and now >= self._read_plan.learn_at:  # it arrived as a whole
                self._learn(data, now)
            self._exchange = None
            exchange.responded(self, now)
        elif len(self.head) > MAX_HEAD and self._head_is_open():
            self._break(ErrorClass.PROTOCOL, f"more than {MAX_HEAD} bytes of headers")

    def _feed(self, data: bytes) -> str:
        """Feed received bytes to the parser. Returns what is wrong with them, if anything."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if not self._complete:
                return "an upgrade that was not requested"
        except httptools.HttpParserError as error:
            if not self._complete:
                return str(error) if self._head_done else self._feed_odd(str(error))
        else:
            return ""
        # The response is complete; what follows it is not HTTP, so nothing more may be sent.
        self.keep_alive = False
        return ""

    def _feed_odd(self, wrong: str) -> str:
        """Normalise a complete head that the parser rejected, and continue."""
        before, after = self._split_head()
        if not after.startswith(_STATUS_LINE[: len(after)]):
            return wrong
        self._odd = wrong
        if (plain := put_plainly(after)) is None:
            return ""
        if plain == after:
            return wrong
        self._odd = None
        self.head = before + plain
        self._head_done = False
        self._new_parser()
        try:
            self._parser.feed_data(plain)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return wrong
        return ""

    def _split_head(self) -> tuple[bytes, bytes]:
        """Bytes of interim responses, and of the final one."""
        at = 0
        for _ in range(self._interim):
            at = self.head.index(_END_OF_HEAD, at) + len(_END_OF_HEAD)
        return self.head[:at], self.head[at:]

    def _begin(self, data: bytes, now: int) -> None:
        """The first bytes of a response."""
        self.first_byte = now
        self.head = data
        self.received = len(data)
        self._complete = False
        self._interim = 0
        self._head_done = False
        self._odd = None
        mode = self._read_plan.mode
        # A new parser for each HEAD: it would wait for a body, and cannot be told not to.
        if mode is ReadMode.HEAD_ONLY or self._parsers[mode] is None:
            self._new_parser()
            return
        self._parser = self._parsers[mode]
        if mode:
            self.body = []
            self._kept, self._too_much = 0, False

    def _new_parser(self) -> None:
        mode = self._read_plan.mode
        if mode is ReadMode.HEAD_ONLY:
            self._parser = _parser(_HeadSink(self))
            return
        self._parser = self._parsers[mode] = _parser(_BodySink(self) if mode else _StatusSink(self))
        if mode:
            self.body = []
            self._kept, self._too_much = 0, False

    def _learn(self, message: bytes, now: int) -> None:
        known = self._read_plan
        if self.keep_alive and not self._interim and known.mode is not ReadMode.HEAD_ONLY:
            known.learn(message, self.status, now)

    def _extend_head(self, data: bytes) -> None:
        if self._head_is_open():
            self.head += data
        else:
            self._head_done = True

    def _head_is_open(self) -> bool:
        return not self._head_done and self.head.count(_END_OF_HEAD) <= self._interim

    def _break(self, error: ErrorClass, message: str = "") -> None:
        exchange = self._exchange
        self.abandon()
        if exchange is not None:
            exchange.broken(error, message)

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
        if self._complete:  # another response, to which there was no request
            self.keep_alive = False
            return
        self.status = parser.get_status_code()
        if self.status >= 200:
            self._complete = True
            # The parser knows only now: afterwards it expects the next response.
            self.keep_alive = parser.should_keep_alive()
        else:
            self._interim += 1

    def keep(self, part: bytes) -> None:
        """A part of a body that is needed."""
        self._kept += len(part)
        if self._kept > self._read_plan.size_limit:
            self._too_much = True
        else:
            self.body.append(part)


def _parser(sink: object) -> Any:
    parser = httptools.HttpResponseParser(sink)
    # RFC 9112, 7.1.1: spaces before a chunk's extensions are accepted, even if there are no
    # extensions.
    parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
    return parser


@cache
def _field(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\r\n%s:[ \t]*([^\r\n]*)" % re.escape(name), re.IGNORECASE)


class _StatusSink:
    """The parser calls only methods that exist: fewer methods take less time."""

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
