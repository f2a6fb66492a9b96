"""How the operator's ports are served: so many connections, each for so long, and no more.

aiohttp bounds the size of a head, and how long a connection stays idle between two requests. It
does not count connections, and a TLS handshake is none of its business: that, and the time for the
first head, is looked at here, from the moment at which a connection is accepted.
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
"""Then those that are there come to be read."""
BACKLOG = 1024
END_OF_HEAD = b"\r\n\r\n"


class PortLimits(NamedTuple):
    """What one port takes."""

    connections: int
    each_peer: int
    """Connections of one address; many workers may share one, behind a NAT."""
    head_s: float
    """For a TLS handshake, for the head of a request, and between two requests."""
    life_s: float | None
    """For a whole connection, the last byte of an answer included; None: as long as it likes."""


COORDINATOR = PortLimits(connections=4000, each_peer=2000, head_s=15.0, life_s=None)
"""Four for each of a thousand workers. A worker has something to say each second or two."""


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
    except (OSError, ValueError):  # a machine without IPv6; a port that is taken fails below too
        listener = socket.create_server(("", port), backlog=BACKLOG)
    listener.setblocking(False)
    return listener


class _Door:
    """Lets connections in. Where there is no room, the one that has waited longest for the head
    of its first request makes room; where none does, the new one is closed."""

    def __init__(
        self, server: web.Server, limits: PortLimits, context: ssl.SSLContext | None
    ) -> None:
        self._server = server
        self._limits = limits
        self._context = context
        self._peers: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._headless: dict[asyncio.Task[None], str] = {}
        """Those whose first head has not come, by age, and their peers."""

    def accept(self, listener: socket.socket) -> None:
        """Take what waits at the listener."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, address = listener.accept()
            except OSError:  # nobody is there any more, or no descriptor is left: the next time
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
            # A task that is cancelled before its first step never comes to close it.
            task.add_done_callback(lambda _, accepted=accepted: accepted.close())  # type: ignore[misc]

    async def close(self) -> None:
        """Close what is open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _has_room(self, peer: str) -> bool:
        """Whether one more of ``peer`` may be, perhaps in the place of another one."""
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
            return  # it had to make room
        self._tasks.discard(task)
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]

    async def _serve(self, accepted: socket.socket) -> None:
        """One connection, to its end."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        # Between two requests it is aiohttp's to look at the clock.
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
        except OSError:  # a handshake that failed, or too long a life
            pass
        finally:
            expiry.cancel()
            # Whatever still holds it, a transport or a handshake, sees its end.
            with suppress(OSError):
                accepted.shutdown(socket.SHUT_RDWR)
            connection.abort()


class _Connection(asyncio.Protocol):
    """Hands everything on to aiohttp, and tells when the first head is complete."""

    def __init__(self, handler: asyncio.Protocol, head_came: Callable[[], object]) -> None:
        self._handler = handler
        self._head_came: Callable[[], object] | None = head_came
        self._tail = b""
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def abort(self) -> None:
        """Drop the connection, and what was still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
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
