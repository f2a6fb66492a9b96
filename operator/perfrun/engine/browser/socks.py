"""The only way out for a browser: a SOCKS5 proxy (RFC 1928) that enforces the policies.

A browser connects to whatever a page names. So it cannot resolve a name or reach anything by
itself: each of its windows has its own proxy on the loopback interface, which resolves names like
the rest of perfrun, connects only to addresses that the policies allow, and counts received bytes.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

from perfrun.logic.plan.network import Fence
from perfrun.reach.errors import ErrorClass, OpenError, exhausted_by, unconnected
from perfrun.reach.resolver import Resolver

MAX_HOSTS = 1024
"""Number of hosts whose addresses are cached; further hosts are resolved each time."""
MAX_REFUSALS = 100
_CHUNK = 64 * 1024
_VERSION, _NO_LOGIN, _CONNECT = 5, 0, 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_GRANTED, _FORBIDDEN, _UNREACHABLE = 0, 2, 4
_BOUND = b"\x00\x01\x00\x00\x00\x00\x00\x00"
"""Placeholder for the address that the proxy connects from, which the browser does not need."""


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Endpoint(NamedTuple):
    """The host and port that a browser wants to connect to."""

    host: str
    port: int


class Ways:
    """Resolves the hosts of all windows. Raises nothing until a host is requested."""

    def __init__(self, fence: Fence, connect_timeout: float) -> None:
        """``connect_timeout`` in seconds."""
        self._fence, self._connect_timeout = fence, connect_timeout
        self._known: dict[Endpoint, Resolver] = {}

    async def connect(self, endpoint: Endpoint) -> Streams:
        """A connection to an address that the policies allow. Raises OpenError."""
        resolver = self._known.get(endpoint)
        if resolver is None:
            resolver = Resolver(endpoint.host, endpoint.port, self._fence)
            if len(self._known) < MAX_HOSTS:
                self._known[endpoint] = resolver
        within = self._connect_timeout

        def connect(address: str) -> Coroutine[Any, Any, Streams]:
            return asyncio.open_connection(address, endpoint.port)

        addresses = await resolver.candidates()
        try:
            async with asyncio.timeout(within):
                return await resolver.first(addresses, connect, _close, within)
        except OSError as error:  # TimeoutError is one
            what = f"{endpoint.host}:{endpoint.port}"
            raise OpenError(
                ErrorClass.CONNECT, unconnected(what, error), exhausted_by(error)
            ) from error


def _close(streams: Streams) -> None:
    streams[1].close()


class SocksProxy:
    """The proxy of one window."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()
        self.received = 0
        """Bytes received from servers, including TLS and headers."""
        self.refusals: dict[Endpoint, OpenError] = {}
        """Why the last connection to an endpoint failed."""

    async def open(self) -> str:
        """Start to listen. Returns the address of the proxy in the browser's notation."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"socks5://127.0.0.1:{port}"

    def close(self) -> None:
        """Stop listening, and close open connections."""
        if self._server is not None:
            self._server.close()
        for tunnel in self._tunnels:
            tunnel.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tunnels.add(task)
        try:
            # Browsers close connections at any time. A browser that neither closes nor reads is cut
            # off when its window closes.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._tunnel(reader, writer)
        finally:
            self._tunnels.discard(task)
            writer.transport.abort()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        endpoint = await _asked_for(reader, writer)
        if endpoint is None:
            return
        try:
            there, back = await self._ways.connect(endpoint)
        except OpenError as error:
            self._note(endpoint, error)
            forbidden = error.reason is ErrorClass.POLICY
            writer.write(bytes([_VERSION, _FORBIDDEN if forbidden else _UNREACHABLE]) + _BOUND)
            await writer.drain()
            return
        self.refusals.pop(endpoint, None)
        async with _at_once(writer, back):
            writer.write(bytes([_VERSION, _GRANTED]) + _BOUND)
            sending = asyncio.create_task(_pump(reader, back))
            try:
                async for chunk in _chunks(there):
                    self.received += len(chunk)
                    writer.write(chunk)
                    await writer.drain()
            finally:
                sending.cancel()
        await asyncio.wait({sending})
        await _read_to_the_end(reader, writer)

    def _note(self, endpoint: Endpoint, error: OpenError) -> None:
        if endpoint in self.refusals or len(self.refusals) < MAX_REFUSALS:
            self.refusals[endpoint] = error


async def _asked_for(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Endpoint | None:
    """The host and port to connect to; None if it is not a valid request. Raises
    IncompleteReadError."""
    version, methods = await reader.readexactly(2)
    offered = await reader.readexactly(methods)
    if version != _VERSION or _NO_LOGIN not in offered:
        return None
    writer.write(bytes([_VERSION, _NO_LOGIN]))
    version, command, _, kind = await reader.readexactly(4)
    if version != _VERSION or command != _CONNECT:
        return None
    if kind == _IPV4:
        host = str(IPv4Address(await reader.readexactly(4)))
    elif kind == _IPV6:
        host = str(IPv6Address(await reader.readexactly(16)))
    elif kind == _NAME:
        length = (await reader.readexactly(1))[0]
        host = (await reader.readexactly(length)).decode("ascii", errors="replace")
    else:
        return None
    return Endpoint(host, int.from_bytes(await reader.readexactly(2), "big"))


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await reader.read(_CHUNK):
        yield chunk


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        async for chunk in _chunks(reader):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _read_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait for a browser that has yet to read what the server has sent. Ends when it closes the
    connection.

    It may still send, as over HTTP/2, to the server that has closed. That data is discarded:
    closing a connection with unread data resets it, and data on its way is lost.
    """
    if not writer.is_closing():
        writer.write_eof()
        async for _ in _chunks(reader):
            pass
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def _at_once(
    browser: asyncio.StreamWriter, server: asyncio.StreamWriter
) -> AsyncIterator[None]:
    """Disable Nagle's algorithm on both connections (its delay would be measured), and close the
    server's at the end.
    """
    for writer in (browser, server):
        line: socket.socket = writer.get_extra_info("socket")
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        yield
    finally:
        server.close()
