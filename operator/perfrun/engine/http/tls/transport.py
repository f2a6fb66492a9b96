"""A TLS connection, with OpenSSL over two buffers in memory.

It is the protocol of the plain transport below it, and the transport of the protocol inside it, as
far as HTTP needs one.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

_RECORD = 16 * 1024
"""Maximum bytes of plain text in a TLS record (RFC 8446, 5.1)."""
_FEED = 2 * _RECORD
"""Bytes passed to OpenSSL at a time: its buffers grow and never shrink."""


class Pipe(NamedTuple):
    """OpenSSL's side of a connection, with its input and output."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


class Secured(asyncio.Protocol):
    """A TLS connection.

    An end that the peer has not announced (close_notify) is an error for the protocol inside,
    because anybody could have caused it (RFC 9112, 9.8).
    """

    __slots__ = (
        "_backlog",
        "_deliver",
        "_encrypt",
        "_ended",
        "_error",
        "_feed",
        "_incoming",
        "_inner",
        "_keep",
        "_outgoing",
        "_paused",
        "_read",
        "_send",
        "_take",
        "_tls",
        "_transport",
        "is_closing",
    )

    def __init__(
        self,
        transport: Any,
        pipe: Pipe,
        inner: asyncio.Protocol,
        keep: Callable[[], None] | None,
    ) -> None:
        """``keep`` is called once, when the server had time to send a ticket."""
        self._transport = transport
        self._tls, self._incoming, self._outgoing = pipe
        self._inner: asyncio.Protocol | None = inner
        self._keep = keep
        self._backlog: list[memoryview] = []
        """Data to encrypt when the transport accepts more."""
        self._paused = False
        self._ended = False
        """Whether the server has sent close_notify."""
        self._error: Exception | None = None
        # For the hot path: one look-up instead of two.
        self.is_closing = transport.is_closing
        self._send = transport.write
        self._deliver: Callable[[bytes], None] = inner.data_received
        self._read, self._encrypt = self._tls.read, self._tls.write
        self._feed, self._take = self._incoming.write, self._outgoing.read

    def begin(self) -> None:
        """Send the last message of the handshake, and read data that arrived with the server's."""
        self._receive(self._read_on())

    # --- asyncio.Transport, as far as HTTP needs one ------------------------------------------

    def write(self, data: bytes) -> None:
        """Encrypt and send; if the transport is full, only as much as it accepts."""
        if self.is_closing():
            return
        if self._backlog or self._paused or len(data) > _RECORD:
            self._backlog.append(memoryview(data))
            self._settle()
            return
        try:
            self._encrypt(data)
        except ssl.SSLError as error:
            self._backlog.append(memoryview(data))
            self._note(error)
            self._settle()
        else:
            self._send(self._take())

    def close(self) -> None:
        """Send close_notify and close, without waiting for the server's (RFC 8446, 6.1)."""
        if not self.is_closing():
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._leave()

    def abort(self) -> None:
        """Close now."""
        self._backlog.clear()
        self._transport.abort()

    def get_extra_info(self, name: str) -> Any:
        """``ssl_object``, or the information of the transport below."""
        return self._tls if name == "ssl_object" else self._transport.get_extra_info(name)

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        size = len(data)
        if size > _FEED:
            self._receive(self._read_much(memoryview(data)))
            return
        self._feed(data)
        try:
            plain = self._read(size)
        except ssl.SSLError as error:
            self._note(error)
            self._settle()
            return
        # Plain text is shorter than its record: as many plain bytes as were received mean that
        # there is more.
        if len(plain) == size or self._incoming.pending or not plain or self._keep is not None:
            self._ended = not plain
            self._receive(self._read_on(plain))
            return
        self._deliver(plain)
        if self._backlog or self._outgoing.pending:
            self._settle()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._settle()

    def eof_received(self) -> None:
        """The transport closes itself, and :meth:`connection_lost` follows."""
        if not self._ended and self._error is None:
            self._error = ConnectionResetError(
                "the server closed the connection without close_notify"
            )

    def connection_lost(self, exc: Exception | None) -> None:
        inner, error = self._inner, self._error or exc
        # They refer to each other, and an error to its frames: none of it should wait for the
        # garbage collector.
        self._inner = self._error = None
        self._deliver = _nobody
        if inner is not None:
            inner.connection_lost(error)

    # --- inside -------------------------------------------------------------------------------

    def _read_much(self, data: memoryview) -> bytes:
        parts = []
        for at in range(0, len(data), _FEED):
            self._feed(data[at : at + _FEED])
            parts.append(self._read_on())
        return b"".join(parts)

    def _read_on(self, plain: bytes = b"") -> bytes:
        """``plain``, and everything that can be read after it."""
        parts = [plain]
        try:
            while self._incoming.pending or self._tls.pending():
                part = self._read(_RECORD)
                if not part:
                    self._ended = True
                    break
                parts.append(part)
        except ssl.SSLError as error:
            self._note(error)
        return b"".join(parts)

    def _receive(self, plain: bytes) -> None:
        if plain:
            keep, self._keep = self._keep, None
            if keep is not None:
                keep()
            self._deliver(plain)
        self._settle()

    def _note(self, error: ssl.SSLError) -> None:
        """Handle an exception of OpenSSL; wanting to read more is not an error."""
        if not isinstance(error, ssl.SSLWantReadError) and self._error is None:
            self._error = error

    def _settle(self) -> None:
        """Send the output of a read or a write; close if that was the end."""
        if self._backlog and self._error is None:
            self._push()
        if self._error is not None:
            self._leave()
        elif self._ended:
            self.close()
        else:
            self._flush()

    def _push(self) -> None:
        """Encrypt waiting data, one record at a time, until the transport is full."""
        backlog = self._backlog
        try:
            while backlog and not self._paused and not self.is_closing():
                data = backlog[0]
                sent = self._encrypt(data[:_RECORD])
                if sent < len(data):
                    backlog[0] = data[sent:]
                else:
                    del backlog[0]
                self._flush()  # may pause
        except ssl.SSLError as error:
            self._note(error)

    def _flush(self) -> None:
        if self._outgoing.pending and not self.is_closing():
            self._send(self._take())

    def _leave(self) -> None:
        self._backlog.clear()
        self._flush()
        self._transport.close()


def _nobody(_: bytes) -> None:
    """Ignores everything after the end."""
