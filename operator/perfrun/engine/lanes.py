"""Users, and over which connection each of their requests goes."""

from typing import Protocol

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.http1 import Connection
from perfrun.engine.pool import Origin, Pool

IDLE_LIMIT = 4 * NS_PER_S
"""Common servers close what was idle for 5 s; a request on such a connection would be lost."""


class User:
    """Who starts iterations: one of a closed load or a burst; of an open one, each arrival."""

    __slots__ = ("connections", "off")

    def __init__(self, off: int = 0) -> None:
        self.off = off
        """From when on it starts no more iterations, monotonic ns."""
        self.connections: dict[Origin, Connection] | None = None
        """Its own, where each user has some."""

    def leave(self) -> None:
        """Close the connections that are the user's own."""
        if self.connections:
            for connection in self.connections.values():
                connection.abandon()
            self.connections = None


class Lanes(Protocol):
    """Over which connection a request goes, and what becomes of it afterwards."""

    def take(self, pool: Pool, user: User, now: int) -> Connection | None:
        """A connection to use now; None: open one."""

    def give(self, pool: Pool, user: User, connection: Connection, now: int) -> None:
        """The response is complete and the connection is good for another request."""


class Shared(Lanes):
    """All requests share the connections, the last used one first."""

    @override
    def take(self, pool: Pool, user: User, now: int) -> Connection | None:
        idle = pool.idle
        while idle:
            connection, _ = idle.popitem()
            if connection.transport.is_closing():
                continue
            if now - connection.idle_since < IDLE_LIMIT:
                return connection
            # The last used one is too old, and so are all below it.
            connection.abandon()
            pool.close()
        return None

    @override
    def give(self, pool: Pool, user: User, connection: Connection, now: int) -> None:
        connection.idle_since = now
        pool.idle[connection] = None


class PerUser(Lanes):
    """Every user keeps connections of its own; in an open load, every iteration is a new user."""

    @override
    def take(self, pool: Pool, user: User, now: int) -> Connection | None:
        if user.connections is None:
            return None
        connection = user.connections.pop(pool.origin, None)
        if connection is None or connection.transport.is_closing():
            return None
        return connection

    @override
    def give(self, pool: Pool, user: User, connection: Connection, now: int) -> None:
        if user.connections is None:
            user.connections = {}
        user.connections[pool.origin] = connection


class PerRequest(Lanes):
    """No connection is used twice."""

    @override
    def take(self, pool: Pool, user: User, now: int) -> Connection | None:
        return None

    @override
    def give(self, pool: Pool, user: User, connection: Connection, now: int) -> None:
        connection.close()


LANES: dict[str, type[Lanes]] = {
    "Shared": Shared,
    "PerUser": PerUser,
    "PerRequest": PerRequest,
}
