"""Users, and over which connection each of their requests goes."""

from typing import Protocol

from typing_extensions import override

from perfrun.engine.http1 import Connection
from perfrun.engine.pool import Origin, Pool


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

    def take(self, pool: Pool, user: User) -> Connection | None:
        """A connection to use now; None: open one."""

    def give(self, pool: Pool, user: User, connection: Connection, now: int) -> None:
        """The response is complete and the connection is good for another request."""


class Shared(Lanes):
    """All requests share the pool."""

    @override
    def take(self, pool: Pool, user: User) -> Connection | None:
        return pool.take()

    @override
    def give(self, pool: Pool, user: User, connection: Connection, now: int) -> None:
        pool.give(connection, now)


class PerUser(Lanes):
    """Every user keeps connections of its own; in an open load, every iteration is a new user."""

    @override
    def take(self, pool: Pool, user: User) -> Connection | None:
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
    def take(self, pool: Pool, user: User) -> Connection | None:
        return None

    @override
    def give(self, pool: Pool, user: User, connection: Connection, now: int) -> None:
        connection.close()


LANES: dict[str, type[Lanes]] = {
    "Shared": Shared, "PerUser": PerUser, "PerRequest": PerRequest,
}  # fmt: skip
