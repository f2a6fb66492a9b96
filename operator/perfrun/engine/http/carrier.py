"""Everything in flight: iterations, requests with their deadlines, connections."""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S
from perfrun.api.test.target import HttpTarget, Retries
from perfrun.engine.errors import ErrorClass, OpenError
from perfrun.engine.http.connection_policy import ConnectionPolicy
from perfrun.engine.http.pool import Origin, Pool, Trust
from perfrun.engine.http.protocols import version_of
from perfrun.engine.http.request import CompiledStep, origin_of
from perfrun.engine.load.kind import Carrier, Course, Courses, Ended, VirtualUser
from perfrun.engine.load.timer import Deadline
from perfrun.measure.report import MAX_FORBIDDEN
from perfrun.reach.foreign import foreign

if TYPE_CHECKING:
    from perfrun.engine.http.iteration import Iteration


class HttpCarrier(Carrier):
    """The requests of one run that are in flight, and their connections."""

    def __init__(
        self,
        target: HttpTarget,
        trust: Trust,
        policy: ConnectionPolicy,
        iteration: "Callable[[HttpCarrier], Iteration]",
        ended: Ended,
        course: Courses,
        *,
        notes_sends: bool = False,
    ) -> None:
        """``notes_sends``: whether to record when iterations send first, as for a burst."""
        self.timeout = target.timeout
        self.redirects = target.redirects
        retries = target.retries or Retries()
        self.retries = retries.limit
        self.again_after = frozenset(retries.errors if retries.limit else ())
        """Error classes that are retried."""
        self.cookies, self.compression = target.cookies, target.compression
        self.take, self.give = policy.take, policy.give
        self._iteration = iteration
        self.ended, self.course = ended, course
        self.all: list[Iteration] = []
        """All iterations, in flight or spare."""
        self.spare: list[Iteration] = []
        """Finished iterations, to be reused: cheaper than a new one per request."""
        self.thinking: dict[Iteration, asyncio.TimerHandle] = {}
        """Iterations between two steps."""
        self.on_quiet: Callable[[], None] | None = None
        self.notes_sends = notes_sends
        self.prepares = notes_sends or target.cookies
        """Whether something has to be done before an attempt is sent."""
        self.first_send = self.last_send = 0
        self.exhausted: dict[str, int] = {}
        self.forbidden: str | None = None
        self._foreign, self._fence = trust.foreign, trust.fence
        self._connecting = self._connects = 0
        """Connections that are being opened; connections that were opened, or could not be."""
        home = origin_of(target.url)
        self.version = version_of(target)
        """How requests are written, and the pools that they use."""
        self.home = self.version.pool(home, trust.home, trust.fence)
        """The connections of the target's own origin."""
        self.held = self.home if policy.holds else None
        """Pools whose connections stay with an iteration that continues at once."""
        self._pools = {home: self.home}
        self._loop = asyncio.get_running_loop()
        self._deadline = Deadline(self.timeout, self.all)

    @override
    def begin(
        self, course: Course[CompiledStep], number: int, due: int, user: VirtualUser, now: int
    ) -> None:
        spare = self.spare
        iteration = spare.pop() if spare else self._iteration(self)
        iteration.start(course, number, due, user, now)

    @override
    def in_flight(self) -> int:
        return len(self.all) - len(self.spare)

    def retire(self, iteration: "Iteration") -> None:
        """An iteration is over; it may be reused."""
        iteration.begun = 0
        self.spare.append(iteration)
        if self.on_quiet is not None and not self.in_flight():
            self.on_quiet()

    @property
    @override
    def connections(self) -> int:
        return sum(pool.opened for pool in self._pools.values())

    @property
    @override
    def extracted(self) -> dict[str, str]:
        return self.all[0].values if self.all else {}

    def pool(self, origin: Origin) -> Pool:
        """The connections of an origin; a redirect may lead to a new one."""
        if (pool := self._pools.get(origin)) is None:
            pool = self._pools[origin] = self.version.pool(origin, self._foreign, self._fence)
        return pool

    def connect(self, iteration: "Iteration", pool: Pool) -> asyncio.Task[None]:
        """Open a connection for an iteration that waits for it."""
        return self._loop.create_task(self._connect(iteration, pool))

    def soon(self, call: Callable[[str], None], message: str) -> asyncio.Handle:
        """Call with a message in the next cycle of the loop."""
        return self._loop.call_soon(call, message)

    def note_send(self, now: int) -> None:
        """An iteration sends for the first time."""
        self.last_send = now
        if not self.first_send:
            self.first_send = now

    @override
    def has_connected(self, users: int) -> bool:
        return self._connects >= users or (self._connects > 0 and not self._connecting)

    async def _connect(self, iteration: "Iteration", pool: Pool) -> None:
        self._connecting += 1
        try:
            opened = await pool.open()
        except OpenError as error:
            if error.exhausted is not None:
                self.exhausted[error.exhausted] = self.exhausted.get(error.exhausted, 0) + 1
            if error.reason is ErrorClass.POLICY:
                self.forbidden = self.forbidden or foreign(error.message, MAX_FORBIDDEN)
            iteration.not_connected(ErrorClass(error.reason))
        else:
            iteration.connected(opened)
        finally:
            self._connecting -= 1
            self._connects += 1

    def think(self, iteration: "Iteration", pause: int) -> None:
        """Continue an iteration after ``pause`` ns."""
        iteration.begun = 0
        self.thinking[iteration] = self._loop.call_later(pause / NS_PER_S, self._resume, iteration)

    def _resume(self, iteration: "Iteration") -> None:
        del self.thinking[iteration]
        iteration.send_step(monotonic_ns())

    @override
    def censor(self) -> None:
        for iteration, timer in list(self.thinking.items()):
            timer.cancel()
            del self.thinking[iteration]
            iteration.censor()
        for iteration in list(self.all):
            if iteration.begun:
                iteration.censor()

    @override
    def close(self) -> None:
        self._deadline.close()
        for pool in self._pools.values():
            pool.close()
