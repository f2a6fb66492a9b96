"""The connections of an origin: resolved, opened, and those that wait for a request.

A request that finds no idle connection opens a new one; no request queues behind another one.
"""

import asyncio
import ssl
from dataclasses import dataclass
from time import monotonic_ns
from typing import NamedTuple, cast

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.errors import ErrorClass, OpenError, exhausted_by, unconnected
from perfrun.engine.http.http1 import Connection
from perfrun.engine.http.link import Link
from perfrun.engine.http.mismatch import handshake_error
from perfrun.engine.http.tls.handshake import Handshake, TlsSessions
from perfrun.logic.plan.network import Fence
from perfrun.reach.resolver import Resolver


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what a connection belongs to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Security(NamedTuple):
    """TLS settings: the context, and the name that the certificate must have."""

    context: ssl.SSLContext
    server_name: str | None
    reuses_sessions: bool = False
    """Whether a connection resumes the session of an earlier one."""


class Trust(NamedTuple):
    """How TLS is used with the target and with other origins that it redirects to, and which hosts
    may be contacted at all.
    """

    home: Security
    foreign: Security
    fence: Fence


class Opened(NamedTuple):
    """A new connection, and the duration of each phase of opening it (ns)."""

    connection: Link
    dns: int
    """DNS: 0 if the addresses were known."""
    connect: int
    """TCP: from SYN to connected, over all addresses that were tried."""
    tls: int
    """The handshake; 0 without TLS."""


class Pool:
    """The connections of one origin."""

    def __init__(
        self, origin: Origin, security: Security, connect_timeout: int, fence: Fence
    ) -> None:
        self.origin = origin
        self._security = security if origin.scheme == "https" else None
        self._connect_timeout = connect_timeout / NS_PER_S
        self._resolver = Resolver(origin.host, origin.port, fence)
        self._sessions = TlsSessions() if security.reuses_sessions else None
        self.idle: dict[Link, None] = {}
        """Idle connections, the last used one last. Those that the server closes are removed."""
        self.opened = 0
        """Connections opened so far."""

    def close(self) -> None:
        """Close every idle connection."""
        while self.idle:
            self.idle.popitem()[0].abandon()

    def forget(self, link: Link) -> None:
        """The connection is gone."""
        self.idle.pop(link, None)

    async def open(self) -> Opened:
        """A new connection.

        Raises OpenError: DNS, Policy, Connect (also: not within the connect timeout) or TLS.
        """
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._open()
        except TimeoutError as error:
            raise OpenError(
                ErrorClass.CONNECT,
                f"{self.origin} did not accept a connection within {self._connect_timeout:g}s",
            ) from error

    async def _open(self) -> Opened:
        asked = monotonic_ns()
        addresses = await self._resolver.candidates()
        begin = monotonic_ns()
        try:
            transport, protocol = await self._resolver.first(
                addresses, self._connect, _abort, self._connect_timeout
            )
        except OSError as error:
            raise OpenError(
                ErrorClass.CONNECT, unconnected(str(self.origin), error), exhausted_by(error)
            ) from error
        connected = done = monotonic_ns()
        if isinstance(protocol, Handshake):
            connection = await self._secured(transport, protocol)
            connected, done = protocol.connected, monotonic_ns()
        else:
            connection = cast(Link, protocol)
        self.opened += 1
        return Opened(connection, begin - asked, connected - begin, done - connected)

    async def _connect(self, address: str) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """A TCP connection, with a TLS handshake if needed."""
        loop = asyncio.get_running_loop()
        # By address and not with our own socket: that takes uvloop less than half the time.
        return await loop.create_connection(self._new_protocol, address, self.origin.port)

    def _new_protocol(self) -> asyncio.Protocol:
        secure, protocol = self._security, self._protocol()
        if secure is None:
            return protocol
        name = secure.server_name or self.origin.host
        return Handshake(protocol, secure.context, name, self._sessions)

    async def _secured(self, transport: asyncio.BaseTransport, handshake: Handshake) -> Link:
        try:
            await handshake.done
        except asyncio.CancelledError:
            _abort((transport, handshake))
            raise
        except OSError as error:
            raise handshake_error(self.origin, error) from error
        return cast(Link, handshake.inner)

    def _protocol(self) -> asyncio.Protocol:
        return Connection(self)


def _abort(connected: tuple[asyncio.BaseTransport, asyncio.BaseProtocol]) -> None:
    cast(asyncio.Transport, connected[0]).abort()
