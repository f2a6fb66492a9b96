"""Who is released when. A new load shape is a new pacer, never a new loop.

A pacer gives every iteration its number (unique among all workers) and its due time. It never
looks at responses; it is only told when an iteration of a user has ended.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Iterator
from time import monotonic_ns
from typing import NamedTuple, Protocol

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S, format_duration
from perfrun.engine.load.timer import Alarm
from perfrun.engine.load.virtual_user import VirtualUser
from perfrun.logic.plan.run_plan import LONGEST_BURST
from perfrun.logic.plan.shape import (
    Shape,
    Times,
    UserSpan,
    arrivals,
    burst_share,
    share,
    user_spans,
)
from perfrun.measure.plan import RunPlan

BATCH = 64
"""Releases before the loop may serve its sockets again."""
BURST_BATCH = 1000
"""As many of a burst's users as can be released at once without a stall of the loop."""
OVERDUE = NS_PER_S
"""An open load's iteration that could not be released within this time of its due is dropped."""
JOINED = NS_PER_S // 100
"""A worker that starts later than this after T0 has joined mid-schedule."""
IN_FLIGHT_PER_WORKER = 1000
NONE = -1
"""In place of an iteration's number: the user starts none now."""


class Starter(Protocol):
    """What a pacer tells its decisions to. All times are monotonic ns."""

    def begin(self, number: int, due: int, now: int, lag: int, user: VirtualUser) -> None:
        """Start an iteration; it is ``now``, ``lag`` ns after it was to be handed over."""

    def drop(self, number: int, due: int) -> None:
        """An iteration was due and cannot be started."""

    def load_ended(self, early: str | None = None) -> None:
        """Nothing will be released any more; ``early`` is why, where it is before the plan."""


class Pacer(Protocol):
    """Releases iterations until the load's end, or until it is stopped."""

    def user_time(self) -> int:
        """ns in which users were active until the load's end; 0 where the load has none."""

    def start(self) -> None:
        """Take up the schedule."""

    def stop(self) -> None:
        """Release nothing any more."""

    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        """An iteration of ``user`` is over, who pauses for ``pause`` ns before the next one.

        The number of the iteration that the user starts at once, due ``now`` and told to nobody
        else; or :data:`NONE`: the pacer itself will begin one, later or never.
        """


class Share(NamedTuple):
    """A worker's place in the whole, and its T0 (monotonic ns)."""

    workers: int
    worker: int
    start: int


def pacer_for(plan: RunPlan, index: int, start: int, starter: Starter) -> Pacer:
    """The pacer of a worker's share of a plan; not of a capacity search, which has many loads.

    Needs a running event loop.
    """
    load, place = plan.load, Share(plan.load.workers, index, start)
    if load.burst is not None:
        requests, concurrency = burst_share(load, load.workers, index)
        return BurstPacer(starter, place, requests, concurrency)
    end = start + Shape.of(load).end
    if load.closed is not None:
        spans = user_spans(load, load.workers, index)
        return ClosedPacer(starter, place, spans, end, load.closed.think_time or 0)
    assert load.open is not None
    whole = load.open.max_in_flight or IN_FLIGHT_PER_WORKER * load.workers
    limit = max(1, share(whole, load.workers, index))
    due = arrivals(load, load.workers, index, plan.seed)
    return OpenPacer(starter, place, due, end, limit)


class OpenPacer(Pacer):
    """Releases each iteration when it is due, whether or not earlier ones are done.

    An iteration that finds ``limit`` others running, or whose time has passed by more than
    :data:`OVERDUE`, is dropped: started later it would be a burst that nobody asked for.
    """

    def __init__(
        self,
        starter: Starter,
        place: Share,
        due: Iterator[Times],
        end: int,
        limit: int,
        first: int | None = None,
    ) -> None:
        """``due`` in ns after the place's start; ``first`` is the first iteration's number, else
        the worker's own."""
        self._starter, self._place, self._end = starter, place, end
        self._due = _flat(due)
        self._free = limit
        self._number = place.worker if first is None else first
        self._alarm = Alarm(asyncio.get_running_loop(), self._wake)
        self._next = 0
        self._joined = place.start

    @property
    def next_number(self) -> int:
        """The number of the iteration that would be next."""
        return self._number

    @override
    def user_time(self) -> int:
        return 0

    @override
    def start(self) -> None:
        now = monotonic_ns()
        if now - self._place.start > JOINED:
            self._joined = now
        self._advance()
        self._alarm.at(self._next)

    @override
    def stop(self) -> None:
        self._alarm.close()

    @override
    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        self._free += 1
        user.leave()
        return NONE

    def _advance(self) -> None:
        due = next(self._due, None)
        self._next = self._end if due is None else self._place.start + due

    def _wake(self) -> None:
        starter = self._starter
        for _ in range(BATCH):
            now, due = monotonic_ns(), self._next
            if due > now:
                break
            if due >= self._end:
                self._alarm.close()
                starter.load_ended()
                return
            number, self._number = self._number, self._number + self._place.workers
            if self._free > 0 and due >= self._joined and now - due <= OVERDUE:
                self._free -= 1
                starter.begin(number, due, now, now - due, VirtualUser())
            else:
                starter.drop(number, due)
            self._advance()
        self._alarm.at(self._next)


class UserPacer(Pacer):
    """Users that each start over when they are done, until they are off. All times in ns."""

    def __init__(self, starter: Starter, place: Share, end: int, think_time: int = 0) -> None:
        self._starter, self._start, self._end = starter, place.start, end
        self._think_time = think_time
        self._number, self._workers = place.worker, place.workers
        self._over = False
        self._joined = place.start
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, self._wake)

    @override
    def user_time(self) -> int:
        return 0

    @override
    def start(self) -> None:
        now = monotonic_ns()
        if now - self._start > JOINED:
            self._joined = now
        self._alarm.at(self._start)

    @override
    def stop(self) -> None:
        self._over = True
        self._alarm.close()

    @override
    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        pause += self._think_time
        if self._over or now + pause >= user.off:
            user.leave()
        elif pause:
            self._loop.call_later(pause / NS_PER_S, self._resume, user, now + pause)
        else:
            number, self._number = self._number, self._number + self._workers
            return number
        return NONE

    def _resume(self, user: VirtualUser, intended: int) -> None:
        now = monotonic_ns()
        if self._over or now >= user.off:
            user.leave()
        else:
            self._release(user, intended, now)

    def _release(self, user: VirtualUser, intended: int, now: int) -> None:
        number, self._number = self._number, self._number + self._workers
        # A timer of the loop may ring a moment early.
        lag = now - intended if now > intended else 0
        self._starter.begin(number, now, now, lag, user)

    @abstractmethod
    def _wake(self) -> None:
        """The alarm rang: release users, and set it again or end the load."""


class ClosedPacer(UserPacer):
    """Keeps users at work, each from its ``on`` to its ``off``."""

    def __init__(
        self, starter: Starter, place: Share, spans: list[UserSpan], end: int, think_time: int
    ) -> None:
        super().__init__(starter, place, end, think_time)
        self._spans = sorted(spans, key=lambda span: span.on)
        self._begun = 0
        self._until = end

    @override
    def user_time(self) -> int:
        since, until = self._joined - self._start, self._until - self._start
        return sum(max(0, min(span.off, until) - max(span.on, since)) for span in self._spans)

    @override
    def stop(self) -> None:
        if not self._over:
            self._until = min(monotonic_ns(), self._end)
        super().stop()

    @override
    def _wake(self) -> None:
        now = monotonic_ns()
        if now >= self._end:
            self.stop()
            self._starter.load_ended()
            return
        for _ in range(BATCH):
            if self._begun == len(self._spans):
                break
            _, on, off = self._spans[self._begun]
            on, off, now = self._start + on, self._start + off, monotonic_ns()
            if on > now:
                break
            self._begun += 1
            if now < off:
                self._release(VirtualUser(off), max(on, self._joined), now)
        more = self._begun < len(self._spans)
        self._alarm.at(self._start + self._spans[self._begun].on if more else self._end)


class BurstPacer(UserPacer):
    """Works off so many iterations with so many users, all released at T0.

    What was not started within :data:`LONGEST_BURST` is dropped, so that the worker reports
    while its coordinator still waits.
    """

    def __init__(self, starter: Starter, place: Share, requests: int, concurrency: int) -> None:
        super().__init__(starter, place, place.start + LONGEST_BURST)
        self._requests, self._waiting = requests, concurrency

    @override
    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        number = super().ended(user, pause, now)
        if number != NONE:
            self._count_one()
        return number

    @override
    def _release(self, user: VirtualUser, intended: int, now: int) -> None:
        super()._release(user, intended, now)
        self._count_one()

    def _count_one(self) -> None:
        self._requests -= 1
        if self._requests == 0:
            self.stop()
            self._starter.load_ended()

    @override
    def _wake(self) -> None:
        if monotonic_ns() >= self._end:
            self._give_up()
            return
        for _ in range(BURST_BATCH):
            if not self._waiting:
                break
            self._waiting -= 1
            self._release(VirtualUser(self._end), self._joined, monotonic_ns())
            if self._over:
                return
        self._alarm.at(1 if self._waiting else self._end)

    def _give_up(self) -> None:
        """Drop what is left, in batches: requests that are under way are still being timed."""
        self._over = True
        for _ in range(min(BURST_BATCH, self._requests)):
            number, self._number = self._number, self._number + self._workers
            self._starter.drop(number, self._end)
            self._requests -= 1
        if self._requests:
            self._alarm.at(1)
            return
        self.stop()
        self._starter.load_ended(f"the burst did not end within {format_duration(LONGEST_BURST)}")


def _flat(chunks: Iterator[Times]) -> Iterator[int]:
    for chunk in chunks:
        yield from chunk.tolist()
