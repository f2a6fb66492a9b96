"""What is under way: iterations, requests with their deadlines, connections."""

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING, Protocol

from perfrun.api.quantities import NS_PER_S
from perfrun.api.target import HttpTarget
from perfrun.engine.errors import OpenError
from perfrun.engine.lanes import Lanes, User
from perfrun.engine.pool import Origin, Pool, Security
from perfrun.engine.request import origin_of

if TYPE_CHECKING:
    from perfrun.engine.flow import Iteration


class Ended(Protocol):
    """Told when an iteration is over."""

    def __call__(self, user: User, pause: int, now: int) -> None:
        """``pause``: ns that the user thinks before it may start over; it is ``now``."""


class Traffic:
    """The requests of one run that are under way, and what they go over."""

    def __init__(self, target: HttpTarget, security: Security, lanes: Lanes, ended: Ended) -> None:
        self.timeout = target.timeout
        self.redirects = target.redirects
        self.take, self.give = lanes.take, lanes.give
        self.ended = ended
        self.requests: dict[Iteration, int] = {}
        """Requests under way and their deadlines (monotonic ns): the same timeout for all, so the
        first is always the next to expire."""
        self.thinking: dict[Iteration, asyncio.TimerHandle] = {}
        """Iterations between two steps."""
        self.first_send = self.last_send = 0
        """Of first attempts in the window, monotonic ns; 0: none yet."""
        self.exhausted: dict[str, int] = {}
        self._foreign = security._replace(server_name=None)
        self._connect_timeout = target.connect_timeout
        home = origin_of(target.url)
        secure = security if home.scheme == "https" else None
        self.home = Pool(home, secure, target.connect_timeout)
        """The connections of the target's own origin."""
        self._pools = {home: self.home}
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(self.timeout / NS_PER_S, self._sweep)

    @property
    def connections(self) -> int:
        """Connections opened so far."""
        return sum(pool.opened for pool in self._pools.values())

    def pool(self, origin: Origin) -> Pool:
        """The connections of an origin; a redirect may lead to a new one."""
        if (pool := self._pools.get(origin)) is None:
            # The server name is that of the target's certificate, and of no other.
            secure = self._foreign if origin.scheme == "https" else None
            pool = self._pools[origin] = Pool(origin, secure, self._connect_timeout)
        return pool

    def connect(self, iteration: "Iteration", pool: Pool) -> "asyncio.Task[None]":
        """Open a connection for an iteration that waits for it."""
        return self._loop.create_task(self._connect(iteration, pool))

    async def _connect(self, iteration: "Iteration", pool: Pool) -> None:
        try:
            connection, took = await pool.open()
        except OpenError as error:
            if error.exhausted is not None:
                self.exhausted[error.exhausted] = self.exhausted.get(error.exhausted, 0) + 1
            iteration.not_connected(error.reason)
        else:
            iteration.connected(connection, took)

    def think(self, iteration: "Iteration", pause: int) -> None:
        """Go on with an iteration after ``pause`` ns."""
        self.thinking[iteration] = self._loop.call_later(pause / NS_PER_S, self._resume, iteration)

    def _resume(self, iteration: "Iteration") -> None:
        del self.thinking[iteration]
        iteration.send_step(monotonic_ns())

    def _sweep(self) -> None:
        now = monotonic_ns()
        wait = self.timeout
        while self.requests:
            iteration, deadline = next(iter(self.requests.items()))
            if deadline > now:
                wait = deadline - now
                break
            iteration.timed_out()
        self._sweeper = self._loop.call_later(wait / NS_PER_S, self._sweep)

    def censor(self) -> None:
        """End everything that is under way; what it would have become is not known."""
        for iteration, timer in list(self.thinking.items()):
            timer.cancel()
            del self.thinking[iteration]
            iteration.censor()
        for iteration in list(self.requests):
            iteration.censor()

    def close(self) -> None:
        """Close all connections."""
        self._sweeper.cancel()
        for pool in self._pools.values():
            pool.close()
