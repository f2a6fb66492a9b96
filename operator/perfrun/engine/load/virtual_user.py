"""Users, and over which connection each of their requests goes."""

import select
from collections.abc import Callable
from typing import Any, Protocol

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.http.cookies import Cookies
from perfrun.engine.http.link import Link
from perfrun.engine.http.pool import Origin, Pool

IDLE_LIMIT = 4 * NS_PER_S
"""Common servers close what was idle for 5 s; a request on such a connection would be lost."""
LOOK_AFTER = NS_PER_S // 10
"""Idle for so long, a connection is looked at before it is used. Servers close none earlier."""
_HUNG_UP = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class VirtualUser:
    """Who starts iterations: one of a closed load or a burst; of an open one, each arrival."""

    __slots__ = ("connections", "cookies", "let_go", "off", "session")

    def __init__(self, off: int = 0) -> None:
        self.off = off
        """From when on it starts no more iterations, monotonic ns."""
        self.connections: dict[Origin, Link] | None = None
        """Its own, where each user has some."""
        self.cookies: Cookies | None = None
        """What the target has set for it, where cookies are kept."""
        self.session: Any = None
        """Its own, of a target that is awaited."""
        self.let_go: Callable[[], None] | None = None
        """Lets go of that."""

    def leave(self) -> None:
        """Close the connections that are the user's own."""
        if self.let_go is not None:
            self.let_go()
            self.session = self.let_go = None
        if self.connections:
            for connection in self.connections.values():
                connection.abandon()
            self.connections = None


class ConnectionPolicy(Protocol):
    """Over which connection a request goes, and what becomes of it afterwards."""

    holds: bool = False
    """Whether an iteration that goes on at once would take the connection that it gives back."""

    def take(self, pool: Pool, user: VirtualUser, now: int) -> Link | None:
        """A connection to use now; None: open one."""

    def give(self, pool: Pool, user: VirtualUser, connection: Link, now: int) -> None:
        """The response is complete and the connection is good for another request."""


class Shared(ConnectionPolicy):
    """All requests share the connections, the last used one first."""

    holds = True

    @override
    def take(self, pool: Pool, user: VirtualUser, now: int) -> Link | None:
        idle = pool.idle
        while idle:
            connection, _ = idle.popitem()
            age = now - connection.idle_since
            if age < LOOK_AFTER:  # the hot path
                if not connection.transport.is_closing():
                    return connection
            elif age >= IDLE_LIMIT:
                # The last used one is too old, and so are all below it.
                connection.abandon()
                pool.close()
            elif not _has_hung_up(connection):
                return connection
        return None

    @override
    def give(self, pool: Pool, user: VirtualUser, connection: Link, now: int) -> None:
        connection.idle_since = now
        pool.idle[connection] = None


class PerUser(ConnectionPolicy):
    """Every user keeps connections of its own; in an open load, every iteration is a new user."""

    @override
    def take(self, pool: Pool, user: VirtualUser, now: int) -> Link | None:
        if user.connections is None:
            return None
        connection = user.connections.pop(pool.origin, None)
        if connection is None:
            return None
        age = now - connection.idle_since
        if age < LOOK_AFTER:
            return None if connection.transport.is_closing() else connection
        if age >= IDLE_LIMIT:
            connection.abandon()
            return None
        return None if _has_hung_up(connection) else connection

    @override
    def give(self, pool: Pool, user: VirtualUser, connection: Link, now: int) -> None:
        connection.idle_since = now
        if user.connections is None:
            user.connections = {}
        user.connections[pool.origin] = connection


class PerRequest(ConnectionPolicy):
    """No connection is used twice."""

    @override
    def take(self, pool: Pool, user: VirtualUser, now: int) -> Link | None:
        return None

    @override
    def give(self, pool: Pool, user: VirtualUser, connection: Link, now: int) -> None:
        connection.close()


def _has_hung_up(connection: Link) -> bool:
    """Whether the server has closed a connection, which is then abandoned.

    The loop may not have come round to telling of a close that has long arrived, as when a user's
    think time is as long as the server's patience.
    """
    if connection.transport.is_closing():
        return True
    poll = select.poll()
    poll.register(connection.transport.get_extra_info("socket").fileno(), _HUNG_UP)
    if not poll.poll(0):
        return False
    connection.abandon()
    return True


CONNECTION_POLICIES: dict[str, type[ConnectionPolicy]] = {
    "Shared": Shared,
    "PerUser": PerUser,
    "PerRequest": PerRequest,
}
