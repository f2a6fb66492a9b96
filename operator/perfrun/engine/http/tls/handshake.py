"""The TLS handshake, in full or with the session of an earlier connection."""

import asyncio
import ssl
from functools import partial
from time import monotonic_ns
from typing import Any

from perfrun.engine.http.tls.transport import Pipe, Secured


class TlsSessions:
    """The last session with a server: it makes the next handshake shorter."""

    __slots__ = ("latest",)

    def __init__(self) -> None:
        self.latest: ssl.SSLSession | None = None

    def keep(self, offered: ssl.SSLSession | None, tls: ssl.SSLObject) -> None:
        """Keep the session of a connection, unless the session that it offered was accepted, or is
        being replaced.

        One session serves many connections, and a copy costs more than most requests.
        """
        if self.latest is offered and not tls.session_reused:
            self.latest = tls.session


class Handshake(asyncio.Protocol):
    """The protocol of a new connection, until :class:`Secured` takes its place.

    ``done`` raises an OSError if the handshake fails; for TLS errors it is an ssl.SSLError.
    """

    def __init__(
        self,
        inner: asyncio.Protocol,
        context: ssl.SSLContext,
        server_name: str,
        sessions: TlsSessions | None,
    ) -> None:
        """``inner`` is the protocol above TLS; ``sessions``: None for a full handshake."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        offered = sessions.latest if sessions is not None else None
        tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name, session=offered)
        self._pipe = Pipe(tls, incoming, outgoing)
        self._keep = partial(sessions.keep, offered, tls) if sessions is not None else None
        self.inner = inner
        self._transport: Any = None
        self.connected = 0
        """When TCP was connected, monotonic ns."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connected = monotonic_ns()
        self._transport = transport
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._pipe.incoming.write(data)
        self._go_on()

    def eof_received(self) -> None:
        self._fail(ConnectionResetError("the server closed the connection during the handshake"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("the connection was closed during the handshake"))

    def _go_on(self) -> None:
        try:
            self._pipe.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # the alert that tells the peer why
            self._fail(error)
        else:
            self._finish()

    def _flush(self) -> None:
        if self._pipe.outgoing.pending:
            self._transport.write(self._pipe.outgoing.read())

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # perhaps nobody waits any more
        self._transport.close()

    def _finish(self) -> None:
        # Any: it is not an asyncio.Transport, but has what HTTP needs of one.
        secured: Any = Secured(self._transport, self._pipe, self.inner, self._keep)
        self._transport.set_protocol(secured)
        self.inner.connection_made(secured)
        secured.begin()
        if not self.done.done():
            self.done.set_result(None)
