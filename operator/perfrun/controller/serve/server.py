"""How the operator's ports are served: with limits on the number and duration of connections.

aiohttp limits the size of a head, and how long a connection stays idle between two requests. It
neither counts connections nor limits the TLS handshake. This module does both, and limits the time
until the first head, from when a connection is accepted.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NamedTuple, cast

from aiohttp import web

SHUTDOWN_S = 2.0
ACCEPTED_AT_ONCE = 16
"""After this, pending connections are read."""
BACKLOG = 1024
END_OF_HEAD = b"\r\n\r\n"


class PortLimits(NamedTuple):
    """The limits of one port."""

    connections: int
    each_peer: int
    """Connections from one address; many workers may share one, behind a NAT."""
    head_s: float
    """For a TLS handshake, for the head of a request, and between two requests."""
    life_s: float | None
    """For a whole connection, including the last byte of an answer; None: no limit."""


COORDINATOR = PortLimits(connections=4000, each_peer=2000, head_s=15.0, life_s=None)
"""Four for each of a thousand workers. A worker sends something every second or two."""


@asynccontextmanager
async def serving(
    app: web.Application, port: int, limits: PortLimits, context: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve ``app`` on all addresses of the pod while the block runs."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_S, keepalive_timeout=limits.head_s
    )
    await runner.setup()
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()
    try:
        listener = _listen(port)
        door = _Door(server, limits, context)
        loop.add_reader(listener, door.accept, listener)
        try:
            yield
        finally:
            loop.remove_reader(listener)
            listener.close()
            await runner.cleanup()
            await door.close()
    finally:
        await runner.cleanup()


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
        )
    # a machine without IPv6; if the port is taken, this fails below too
    except (OSError, ValueError):
        listener = socket.create_server(("", port), backlog=BACKLOG)
    listener.setblocking(False)
    return listener


class _Door:
    """Accepts connections. If there is no room, the connection that has waited longest for the head
    of its first request is closed; if there is none, the new one is.
    """

    def __init__(
        self, server: web.Server, limits: PortLimits, context: ssl.SSLContext | None
    ) -> None:
        self._server = server
        self._limits = limits
        self._context = context
        self._peers: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._headless: dict[asyncio.Task[None], str] = {}
        """Connections whose first head has not arrived, by age, and their peers."""

    def accept(self, listener: socket.socket) -> None:
        """Accept what is waiting at the listener."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, address = listener.accept()
            except OSError:  # the peer is gone, or no descriptor is left: try again next time
                return
            peer = str(address[0])
            if not self._has_room(peer):
                accepted.close()
                continue
            accepted.setblocking(False)
            self._peers[peer] += 1
            task = asyncio.create_task(self._serve(accepted))
            self._tasks.add(task)
            self._headless[task] = peer
            task.add_done_callback(partial(self._gone, peer=peer))
            # A task that is cancelled before its first step never gets to close the connection.
            task.add_done_callback(lambda _, accepted=accepted: accepted.close())  # type: ignore[misc]

    async def close(self) -> None:
        """Close open connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _has_room(self, peer: str) -> bool:
        """Whether one more connection of ``peer`` is possible, perhaps in place of another one."""
        if self._peers[peer] >= self._limits.each_peer:
            return self._evict(peer)
        return sum(self._peers.values()) < self._limits.connections or self._evict(None)

    def _evict(self, peer: str | None) -> bool:
        for task, its_peer in self._headless.items():
            if peer in (None, its_peer):
                task.cancel()
                self._gone(task, its_peer)
                return True
        return False

    def _gone(self, task: asyncio.Task[None], peer: str) -> None:
        self._headless.pop(task, None)
        if task not in self._tasks:
            return  # it was closed to make room
        self._tasks.discard(task)
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]

    async def _serve(self, accepted: socket.socket) -> None:
        """One connection, until its end."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        # Between two requests, aiohttp checks the time.
        expiry = loop.call_later(self._limits.head_s, task.cancel)

        def head_came() -> None:
            expiry.cancel()
            self._headless.pop(task, None)

        connection = _Connection(self._server(), head_came)
        handshake_s = self._limits.head_s if self._context else None
        try:
            async with asyncio.timeout(self._limits.life_s):
                await loop.connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=self._context,
                    ssl_handshake_timeout=handshake_s,
                )
                await connection.closed
        except OSError:  # a failed handshake, or the end of its maximum duration
            pass
        finally:
            expiry.cancel()
            # Whatever still holds it, a transport or a handshake, notices the end.
            with suppress(OSError):
                accepted.shutdown(socket.SHUT_RDWR)
            connection.abort()


class _Connection(asyncio.Protocol):
    """Passes everything on to aiohttp, and notices when the first head is complete."""

    def __init__(self, handler: asyncio.Protocol, head_came: Callable[[], object]) -> None:
        self._handler = handler
        self._head_came: Callable[[], object] | None = head_came
        self._tail = b""
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def abort(self) -> None:
        """Drop the connection, with any unsent data."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is not a subclass
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._head_came is not None:
            self._tail += data
            if END_OF_HEAD in self._tail:
                self._head_came()
                self._head_came = None
            self._tail = self._tail[1 - len(END_OF_HEAD) :]
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._handler.connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)
