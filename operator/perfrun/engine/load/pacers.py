"""Which iteration is released when. A new load shape is a new pacer, never a new loop.

A pacer decides what to do at a given time. It reads no clock, sets no timer and touches no
connection; :mod:`perfrun.engine.load.pacing` does. It gives every iteration its number (unique
among all workers) and its due time. It never sees responses; it is only told when an iteration of a
user has ended. Why its answers have this form: docs/decisions/pacers-answers.md.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S, format_duration
from perfrun.api.test.load import IN_FLIGHT_PER_WORKER
from perfrun.engine.load.kind import VirtualUser
from perfrun.logic.plan.run_plan import MAX_BURST, hold_plan
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
"""Maximum decisions before the loop serves its sockets again."""
BURST_BATCH = 1000
"""Number of a burst's users that can be released at once without a stall of the loop."""
OVERDUE = NS_PER_S
"""An iteration of an open load that could not be released within this time after it was due is
dropped."""
JOINED = NS_PER_S // 100
"""A worker that starts later than this after T0 has joined mid-schedule."""
NONE = -1
"""In place of an iteration's number: the user does not start one now."""


@dataclass(slots=True)
class Release:
    """Start an iteration."""

    number: int
    due: int
    """Monotonic ns; the response time of its first step counts from here."""
    lag: int
    """ns since it should have been released."""
    user: VirtualUser
    then: int = 0
    """Nothing else is due before then (monotonic ns): saves a WaitUntil."""


@dataclass(slots=True)
class Drop:
    """An iteration was due and cannot be started."""

    number: int
    due: int
    """Monotonic ns."""


@dataclass(slots=True)
class Leave:
    """A user that has paused leaves, because its time is up."""

    user: VirtualUser


@dataclass(slots=True)
class WaitUntil:
    """Nothing is due before then."""

    time: int
    """Monotonic ns."""


@dataclass(slots=True)
class End:
    """Nothing will be released any more."""

    early: str | None = None
    """The reason, if the load ends early."""


def _unheard(user: VirtualUser, until: WaitUntil | End | None) -> None:
    """The default of ``idles``: nobody is informed."""


class Pacer(Protocol):
    """Decides what is released until the load's end, or until it is stopped.

    It decides only by its arguments. All times are monotonic ns.
    """

    batch: int = BATCH
    """Maximum decisions before the loop serves its sockets again."""
    idles: Callable[[VirtualUser, WaitUntil | End | None], None] = staticmethod(_unheard)
    """Called for a user that starts nothing now.

    WaitUntil: it pauses, and :meth:`next` must be called by then. End: it leaves, and is the first
    to find that everything has been released. None: it leaves. This is a callback, because the hot
    path of a closed load has no time for more than a number.
    """

    def user_time(self) -> int:
        """ns in which users were active until the load's end; 0 if the load has no users."""
        return 0

    def start(self, now: int) -> None:
        """Start the schedule, once, before or after T0."""

    def next(self, now: int) -> Release | Drop | Leave | WaitUntil | End:
        """What to do now. Called repeatedly, until the answer is to wait or to end."""

    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        """An iteration of ``user`` is over, who pauses for ``pause`` ns before the next one.

        Returns the number of the iteration that the user starts at once, due ``now`` and given to
        no other user; or :data:`NONE`, and calls :attr:`idles` with the reason.
        """

    def stop(self, now: int) -> Sequence[VirtualUser]:
        """Decide nothing any more. Returns the users that pause: they leave."""


class Share(NamedTuple):
    """A worker's index among all workers, and its T0 (monotonic ns)."""

    workers: int
    worker: int
    start: int

    def joins(self, now: int) -> int:
        """Since when a worker takes part that starts its schedule at ``now``."""
        return now if now - self.start > JOINED else self.start


def pacer_for(plan: RunPlan, index: int, start: int) -> Pacer:
    """The pacer of a worker's share of a plan, but not of a capacity search, which has
    many loads.
    """
    load, place = plan.load, Share(plan.load.workers, index, start)
    if load.burst is not None:
        requests, concurrency = burst_share(load, load.workers, index)
        return BurstPacer(place, requests, concurrency)
    end = start + Shape.of(load).end
    if load.closed is not None:
        spans = user_spans(load, load.workers, index)
        return ClosedPacer(place, spans, end, load.closed.think_time or 0)
    assert load.open is not None
    whole = load.open.in_flight_limit(load.workers)
    limit = max(1, share(whole, load.workers, index))
    return OpenPacer(place, arrivals(load, load.workers, index, plan.seed), end, limit)


class OpenPacer(Pacer):
    """Releases each iteration when it is due, whether or not earlier ones are done.

    An iteration that finds ``limit`` others running, or whose time has passed by more than
    :data:`OVERDUE`, is dropped: starting it later would create a burst that is not part of the
    test.
    """

    def __init__(self, place: Share, due: Iterator[Times], end: int, limit: int) -> None:
        """``due`` in ns after the place's start."""
        self._place, self._end = place, end
        self._times = _times(due, place.start, end)
        self._free = limit
        self._number, self._workers = place.worker, place.workers
        self._due = self._joined = place.start
        self._users: list[VirtualUser] = []
        """Users that have left, to be reused: cheaper than a new one per arrival."""

    @override
    def start(self, now: int) -> None:
        self._joined = self._place.joins(now)
        self._due = next(self._times)

    @override
    def next(self, now: int) -> Release | Drop | WaitUntil | End:
        due = self._due
        if due > now:
            return WaitUntil(due)
        if due >= self._end:
            return End()
        number, self._number = self._number, self._number + self._workers
        self._due = next(self._times)
        if self._free > 0 and due >= self._joined and now - due <= OVERDUE:
            self._free -= 1
            user = self._users.pop() if self._users else VirtualUser()
            return Release(number, due, now - due, user, self._due)
        return Drop(number, due)

    @override
    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        self._free += 1
        self._users.append(user)
        self.idles(user, None)
        return NONE

    @override
    def stop(self, now: int) -> Sequence[VirtualUser]:
        return ()


class HoldPacer(OpenPacer):
    """Paces one hold of a capacity search after the other, each as a separate open load.

    The numbers of iterations continue from hold to hold. Uniform arrivals: N workers act like one.
    """

    def __init__(self, plan: RunPlan, place: Share) -> None:
        limit = share(IN_FLIGHT_PER_WORKER * place.workers, place.workers, place.worker)
        super().__init__(place, iter(()), place.start, limit)
        self._plan, self._whole, self._limit = plan, place, limit

    def hold(self, rate: float, start: int, length: int) -> None:
        """Begin a hold at ``start`` ns after T0; the one before must be over."""
        load, whole = hold_plan(self._plan, rate, length).load, self._whole
        due = arrivals(load, whole.workers, whole.worker, self._plan.seed)
        self._place = whole._replace(start=whole.start + start)
        self._end = self._place.start + length
        self._times = _times(due, self._place.start, self._end)
        self._free = self._limit


class UserPacer(Pacer):
    """Users that start over when they are done, until their time is up. All times in ns."""

    def __init__(self, place: Share, end: int, think_time: int = 0) -> None:
        self._place, self._end = place, end
        self._think_time = think_time
        self._number, self._workers = place.worker, place.workers
        self._over = False
        self._joined = place.start
        self._resting: list[tuple[int, int, VirtualUser]] = []
        """A heap of users that pause: until when, order of arrival, user."""
        self._rests = 0

    @override
    def start(self, now: int) -> None:
        self._joined = self._place.joins(now)

    @override
    def next(self, now: int) -> Release | Drop | Leave | WaitUntil | End:
        if self._resting and self._resting[0][0] <= now:
            intended, _, user = heappop(self._resting)
            return Leave(user) if now >= user.off else self._release(user, intended, now)
        decided = self._next(now)
        if isinstance(decided, WaitUntil) and self._resting:
            return WaitUntil(min(decided.time, self._resting[0][0]))
        return decided

    @override
    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        pause += self._think_time
        if self._over or now + pause >= user.off:
            self.idles(user, None)
        elif pause:
            self._rests += 1
            heappush(self._resting, (now + pause, self._rests, user))
            self.idles(user, WaitUntil(now + pause))
        else:
            number, self._number = self._number, self._number + self._workers
            return number
        return NONE

    @override
    def stop(self, now: int) -> Sequence[VirtualUser]:
        self._over = True
        resting, self._resting = self._resting, []
        return [user for _, _, user in resting]

    def _release(self, user: VirtualUser, intended: int, now: int) -> Release:
        number, self._number = self._number, self._number + self._workers
        return Release(number, now, now - intended, user)

    @abstractmethod
    def _next(self, now: int) -> Release | Drop | WaitUntil | End:
        """What to do now, apart from users that pause."""


class ClosedPacer(UserPacer):
    """Keeps users active, each from its ``on`` to its ``off``."""

    def __init__(self, place: Share, spans: list[UserSpan], end: int, think_time: int) -> None:
        super().__init__(place, end, think_time)
        start = place.start
        self._spans = sorted((start + span.on, start + span.off) for span in spans)
        self._begun = 0
        self._until = end

    @override
    def user_time(self) -> int:
        since, until = self._joined, self._until
        return sum(max(0, min(off, until) - max(on, since)) for on, off in self._spans)

    @override
    def stop(self, now: int) -> Sequence[VirtualUser]:
        if not self._over:
            self._until = min(now, self._end)
        return super().stop(now)

    @override
    def _next(self, now: int) -> Release | WaitUntil | End:
        if now >= self._end:
            return End()
        while self._begun < len(self._spans):
            on, off = self._spans[self._begun]
            if on > now:
                return WaitUntil(on)
            self._begun += 1
            if now < off:
                return self._release(VirtualUser(off), max(on, self._joined), now)
        return WaitUntil(self._end)


class BurstPacer(UserPacer):
    """Runs a number of iterations with a number of users, all released at T0.

    Iterations not started within :data:`MAX_BURST` are dropped, so that the worker reports while
    its coordinator still waits.
    """

    batch = BURST_BATCH

    def __init__(self, place: Share, requests: int, concurrency: int) -> None:
        super().__init__(place, place.start + MAX_BURST)
        self._requests, self._waiting = requests, concurrency
        self._early: str | None = None

    @override
    def next(self, now: int) -> Release | Drop | Leave | WaitUntil | End:
        if not self._requests:
            self._over = True
            return End(self._early)
        return super().next(now)

    @override
    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        if not self._requests and not self._over:
            self._over = True
            self.idles(user, End(self._early))
            return NONE
        number = super().ended(user, pause, now)
        if number != NONE:
            self._requests -= 1
        return number

    @override
    def _release(self, user: VirtualUser, intended: int, now: int) -> Release:
        self._requests -= 1
        return super()._release(user, intended, now)

    @override
    def _next(self, now: int) -> Release | Drop | WaitUntil | End:
        if now >= self._end:
            return self._give_up()
        if not self._waiting:
            return WaitUntil(self._end)
        if now < self._place.start:
            return WaitUntil(self._place.start)
        self._waiting -= 1
        return self._release(VirtualUser(self._end), self._joined, now)

    def _give_up(self) -> Drop:
        """Drop the rest; requests in flight are still timed."""
        self._over = True
        self._early = f"the burst did not end within {format_duration(MAX_BURST)}"
        self._requests -= 1
        number, self._number = self._number, self._number + self._workers
        return Drop(number, self._end)


def _times(due: Iterator[Times], start: int, end: int) -> Iterator[int]:
    """The due times of iterations (monotonic ns), and then the end forever."""
    for chunk in due:
        yield from (chunk + start).tolist()
    while True:
        yield end
