"""One stream of an HTTP/2 connection.

The rest of the engine uses it like a connection in HTTP/1.1: it carries one request after the
other, each with its own stream id.
"""

from typing import TYPE_CHECKING, Any

from perfrun.engine.errors import ErrorClass
from perfrun.engine.http.http2.frames import HEAD_LENGTH, Code, Request, ResponseHead
from perfrun.engine.http.link import Exchange
from perfrun.engine.response.expect import too_large
from perfrun.engine.response.read_plan import ReadMode, ReadPlan

if TYPE_CHECKING:
    from perfrun.engine.http.http2.connection import Http2Connection

_BODILESS = (204, 304)


class Stream:
    """One request at a time, on a connection that also carries others."""

    __slots__ = (
        "_acknowledged",
        "_connection",
        "_exchange",
        "_head",
        "_id",
        "_mode",
        "_size_limit",
        "_told",
        "body",
        "first_byte",
        "home",
        "idle_since",
        "keep_alive",
        "received",
        "status",
    )

    def __init__(self, connection: "Http2Connection") -> None:
        self._connection = connection
        self.home = connection.home
        self._exchange: Exchange | None = None
        self._head: ResponseHead | None = None
        self._id = self._told = self._acknowledged = self._size_limit = 0
        self._mode = ReadMode.STATUS
        self.first_byte = self.received = self.status = self.idle_since = 0
        self.keep_alive = True
        """False if the connection ended while the response was in flight."""
        self.body: list[bytes] = []

    # --- for the exchange: as http1.Connection has it -----------------------------------------

    @property
    def transport(self) -> "Stream":
        """Itself: it can be asked whether it is still usable."""
        return self

    def is_closing(self) -> bool:
        """Whether no request can be sent any more."""
        return self._connection.is_closing

    def get_extra_info(self, name: str) -> Any:
        """Information of the connection's transport."""
        return self._connection.transport.get_extra_info(name)

    def send(self, exchange: Exchange, request: Request, read_plan: ReadPlan) -> None:
        """Send a request; the stream must be free and its connection open."""
        self._exchange = exchange
        self._head = None
        self._mode, self._size_limit = read_plan.mode, read_plan.size_limit
        self.first_byte = self.received = self.status = 0
        self._told = self._acknowledged = 0
        if self.body:
            self.body = []
        self._id = self._connection.begin(self, request)

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header of the response; ``name`` in lower case."""
        return next(iter(self.headers(name)), None)

    def headers(self, name: bytes) -> list[bytes]:
        """All values of a header of the response; ``name`` in lower case."""
        fields = self._head.fields if self._head is not None else []
        return [value for key, value in fields if key == name]

    def hint(self) -> str:
        """Nothing: HTTP/2 has been agreed on."""
        return ""

    def close(self) -> None:
        """Release the stream after a complete response."""
        self.abandon()

    def abandon(self) -> None:
        """Cancel the stream now, without notifying the exchange; other streams continue."""
        if self._exchange is not None:
            self._exchange = None
            self._connection.cancel(self._id)
        self._connection.drop(self)

    # --- for the connection -------------------------------------------------------------------

    def on_head(self, head: ResponseHead, size: int, now: int, *, end: bool) -> None:
        """Headers of ``size`` bytes on the wire: interim, final, or trailers."""
        self.received += size
        if not self.first_byte:
            self.first_byte = now
        status = head.status
        if self.status:
            # Trailers: they end the response and have no status.
            malformed = status or not end
            message = head.wrong or "headers in the middle of a body"
        elif status >= 200:
            self._head, self.status = head, status
            malformed, message = False, ""
        else:
            malformed = status < 100 or status == 101 or end
            message = head.wrong or "no final status"
        if malformed:
            self._malformed(message)
        elif end:
            self._finish(now)

    def on_data(self, payload: bytes, size: int, now: int, *, end: bool) -> None:
        """A part of the body, ``size`` bytes with its padding."""
        self.received += size + HEAD_LENGTH
        if not self.status:
            self._malformed("a body before the headers")
            return
        self._told += len(payload)
        if self._mode is ReadMode.BODY:
            if self._told > self._size_limit:
                self.fail(ErrorClass.SIZE, message=too_large(self._size_limit))
                return
            self.body.append(payload)
        if end:
            self._finish(now)

    def _finish(self, now: int) -> None:
        exchange, head = self._exchange, self._head
        assert exchange is not None
        assert head is not None
        if self._mode is ReadMode.HEAD_ONLY or self.status in _BODILESS:
            if self._told:
                self._malformed("a body where none is allowed")
                return
        elif head.length >= 0 and head.length != self._told:
            self._malformed(f"a body of {self._told} bytes, but a content-length of {head.length}")
            return
        self._exchange = None
        connection = self._connection
        connection.forget(self._id)
        self.keep_alive = not connection.is_closing
        exchange.responded(self, now)

    def unacknowledged(self) -> int:
        """Bytes of the body that arrived since the last call: the server's window has shrunk by
        them."""
        came, self._acknowledged = self._told - self._acknowledged, self._told
        return came

    def refuse(self) -> None:
        """The server will not process the request; the stream ends."""
        exchange, self._exchange = self._exchange, None
        self._connection.drop(self)
        if exchange is not None:
            exchange.refused()

    def _malformed(self, message: str) -> None:
        self.fail(ErrorClass.PROTOCOL, Code.PROTOCOL_ERROR, f"malformed HTTP/2: {message}")

    def fail(self, error: ErrorClass, code: Code = Code.CANCEL, message: str = "") -> None:
        """End the request with an error, and the stream with ``code``."""
        exchange, self._exchange = self._exchange, None
        self._connection.cancel(self._id, code)
        self._connection.drop(self)
        if exchange is not None:
            exchange.broken(error, message)
