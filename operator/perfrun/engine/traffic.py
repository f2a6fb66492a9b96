"""What is under way: iterations, requests with their deadlines, connections."""

import asyncio
from time import monotonic_ns
from typing import NamedTuple, Protocol

from perfrun.api.quantities import NS_PER_S
from perfrun.api.target import HttpTarget
from perfrun.engine.errors import ErrorClass, OpenError
from perfrun.engine.http1 import Connection
from perfrun.engine.lanes import Lanes, User
from perfrun.engine.pool import Origin, Pool, Trust
from perfrun.engine.recorder import ScenarioTally, StepTally
from perfrun.engine.request import CompiledStep, origin_of


class Course(NamedTuple):
    """What an iteration runs, and where it is counted."""

    steps: list[tuple[CompiledStep, StepTally]]
    tally: ScenarioTally
    in_window: bool


class Walk(Protocol):
    """An iteration on its way, as far as it is told what happens around it."""

    def start(self, course: Course, number: int, due: int, user: User, now: int) -> None:
        """Set out; only when it is new, or spare."""

    def send_step(self, now: int) -> None:
        """Begin the step that is next: the pause before it is over."""

    def connected(self, connection: Connection, took: int) -> None:
        """A connection was opened for this iteration; ``took`` ns."""

    def not_connected(self, error: ErrorClass) -> None:
        """No connection could be opened for this iteration."""

    def timed_out(self) -> None:
        """The request's time is up."""

    def censor(self) -> None:
        """The run is over; how this iteration would have ended is not known."""


class Ended(Protocol):
    """Told when an iteration is over."""

    def __call__(self, user: User, pause: int, now: int) -> None:
        """``pause``: ns that the user thinks before it may start over; it is ``now``."""


class Traffic:
    """The requests of one run that are under way, and what they go over."""

    def __init__(self, target: HttpTarget, trust: Trust, lanes: Lanes, ended: Ended) -> None:
        self.timeout = target.timeout
        self.redirects = target.redirects
        self.take, self.give = lanes.take, lanes.give
        self.ended = ended
        self.requests: dict[Walk, int] = {}
        """Requests under way and their deadlines (monotonic ns): the same timeout for all, so the
        first is always the next to expire."""
        self.thinking: dict[Walk, asyncio.TimerHandle] = {}
        """Iterations between two steps."""
        self.spare: list[Walk] = []
        """Iterations that are over, to be used again: cheaper than a new one for each request."""
        self.first_send = self.last_send = 0
        """Of first attempts in the window, monotonic ns; 0: none yet."""
        self.exhausted: dict[str, int] = {}
        self._foreign = trust.foreign
        self._connect_timeout = target.connect_timeout
        self._connecting = self._connects = 0
        """Connections that are being opened; those that were, or could not be."""
        home = origin_of(target.url)
        self.home = Pool(home, trust.home, target.connect_timeout)
        """The connections of the target's own origin."""
        self._pools = {home: self.home}
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(self.timeout / NS_PER_S, self._sweep)

    def in_flight(self) -> int:
        """Iterations under way."""
        return len(self.requests) + len(self.thinking)

    @property
    def connections(self) -> int:
        """Connections opened so far."""
        return sum(pool.opened for pool in self._pools.values())

    def pool(self, origin: Origin) -> Pool:
        """The connections of an origin; a redirect may lead to a new one."""
        if (pool := self._pools.get(origin)) is None:
            pool = self._pools[origin] = Pool(origin, self._foreign, self._connect_timeout)
        return pool

    def connect(self, iteration: Walk, pool: Pool) -> asyncio.Task[None]:
        """Open a connection for an iteration that waits for it."""
        return self._loop.create_task(self._connect(iteration, pool))

    def has_connected(self, users: int) -> bool:
        """Whether the first connections of so many users are open, or have failed."""
        return self._connects >= users or (self._connects > 0 and not self._connecting)

    async def _connect(self, iteration: Walk, pool: Pool) -> None:
        self._connecting += 1
        try:
            connection, took = await pool.open()
        except OpenError as error:
            if error.exhausted is not None:
                self.exhausted[error.exhausted] = self.exhausted.get(error.exhausted, 0) + 1
            iteration.not_connected(error.reason)
        else:
            iteration.connected(connection, took)
        finally:
            self._connecting -= 1
            self._connects += 1

    def think(self, iteration: Walk, pause: int) -> None:
        """Go on with an iteration after ``pause`` ns."""
        self.thinking[iteration] = self._loop.call_later(pause / NS_PER_S, self._resume, iteration)

    def _resume(self, iteration: Walk) -> None:
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
