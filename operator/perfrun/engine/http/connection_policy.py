"""Which connection a user's request uses."""

import select
from typing import Protocol, Self

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.http.cookies import Cookies
from perfrun.engine.http.link import Link
from perfrun.engine.http.pool import Origin, Pool
from perfrun.engine.load.kind import VirtualUser

IDLE_LIMIT = 4 * NS_PER_S
"""Common servers close connections that were idle for 5 s; a request on such a connection would be
lost."""
LOOK_AFTER = NS_PER_S // 10
"""A connection that was idle for this long is checked before use. Servers close none earlier."""
# Linux reports a closed half by itself, macOS as POLLHUP; Windows has none of them, nor poll().
_HUNG_UP = sum(getattr(select, name, 0) for name in ("POLLRDHUP", "POLLHUP", "POLLERR"))


class HttpUser:
    """The state of one user of an HTTP target."""

    __slots__ = ("connections", "cookies")

    def __init__(self) -> None:
        self.connections: dict[Origin, Link] = {}
        """The user's own connections, if each user has some."""
        self.cookies = Cookies()
        """The cookies that the target has set for it, if cookies are kept."""

    @classmethod
    def of(cls, user: VirtualUser) -> Self:
        """The state of a user; a new one if it has none yet."""
        state = user.state
        if not isinstance(state, cls):
            state = user.state = cls()
        return state

    def close(self) -> None:
        """Close the connections that are the user's own."""
        for connection in self.connections.values():
            connection.abandon()


class ConnectionPolicy(Protocol):
    """Which connection a request uses, and what happens to it afterwards."""

    holds: bool = False
    """Whether an iteration that continues at once would get back the connection that it returns."""

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
                # Even the last used one is too old, and so are all below it.
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
    """Every user keeps its own connections; in an open load, every iteration is a new user."""

    @override
    def take(self, pool: Pool, user: VirtualUser, now: int) -> Link | None:
        connection = HttpUser.of(user).connections.pop(pool.origin, None)
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
        HttpUser.of(user).connections[pool.origin] = connection


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

    The loop may not yet have reported a close that arrived long ago, for example if a user's think
    time is as long as the server's idle timeout.
    """
    if connection.transport.is_closing():
        return True
    if not _HUNG_UP:
        return False  # the loop reports it, a little later
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
