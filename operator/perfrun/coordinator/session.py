"""One run at its barrier and while it runs: facts in, answers out. No I/O and no clock.

Times are ns of one monotonic clock, given as ``now``; T0 is also kept as the persisted time of day.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from perfrun.api.quantities import NS_PER_S
from perfrun.coordinator.errors import Conflict, Malformed
from perfrun.coordinator.live import Live, LiveMerge
from perfrun.coordinator.search import HoldSearch, NextStep
from perfrun.logic.plan.stop import StopWatch
from perfrun.logic.plan.thresholds import stop_condition
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import TERMINATED, Interval, Order, Ready, Start
from perfrun.measure.wire import ConservationError

SILENT_AFTER = 30 * NS_PER_S
"""A worker asks at least every 10 s; one that has not asked for this long is not at the barrier."""


@dataclass(frozen=True, slots=True)
class RunTrouble:
    """The problem that keeps workers from being ready, as they report it."""

    message: str
    hopeless: bool
    """Trying again will not help, according to a worker."""
    reason: str
    """The error class of the first of them."""


@dataclass(slots=True)
class _AtBarrier:
    ready: Ready
    heard: int


class RunSession:
    """What is known about a run here. The host reads it; :class:`Coordinator` feeds it."""

    def __init__(self, plan: RunPlan, *, start_deadline: int, reported: Iterable[int] = ()) -> None:
        self.plan = plan
        self.start_deadline = start_deadline
        """The barrier does not open after this (ns, monotonic)."""
        self.start: datetime | None = None
        """T0 as it was persisted; None while the barrier is closed."""
        self.setup: dict[str, str] | None = None if plan.has_setup else {}
        """The values that the setup extracted; None: not known (yet, or since a restart)."""
        self.stop_reason: str | None = None
        self.breached = False
        """The reason is a condition of ``stopWhen``."""
        self.search: HoldSearch | None = None
        """For a capacity search, once its host has provided one."""
        self.reported: set[int] = set(reported)
        """Workers whose report is stored."""
        self.terminated: set[int] = set()
        """Those whose reports said that they were ended, as far as this process knows."""
        self.cleaned = plan.cleaner in self.reported
        """The worker that only runs the teardown has reported."""
        self.reported.discard(plan.cleaner)
        self.setup_begun = False
        """Worker 0 was told to run the setup, as far as this process knows."""
        self._knows_aborts = False
        """Worker 0 has said which thresholds of its script end the load."""
        self._master: str | None = None
        """Where the master of the tool itself listens, beside worker 0."""
        self._start_at = 0
        self._barrier: dict[int, _AtBarrier] = {}
        self._identities: dict[int, str] = {}
        self._live = LiveMerge()
        self._watch = StopWatch(plan, plan.load.workers)

    # --- facts --------------------------------------------------------------------------------

    def claim(self, index: int, identity: str) -> None:
        """Let ``identity`` act as worker ``index``; the first one wins.

        Raises Malformed for an index that the run does not have, Conflict for another identity.
        """
        if index == self.plan.cleaner and self.plan.teardown:
            return  # a lost pod of its Job is replaced by another one
        if not 0 <= index < self.workers:
            raise Malformed(f"there is no worker {index}: the run has {self.workers} workers")
        if self._identities.setdefault(index, identity) != identity:
            raise Conflict(f"worker {index} of this run has already connected as another process")

    def ready(self, index: int, ready: Ready, now: int) -> None:
        """A worker is at the barrier, or says why it cannot get there.

        Raises Malformed for values that the setup of the plan does not extract.
        """
        if index == 0 and ready.setup is not None:
            if not self.plan.names_of_setup.issuperset(ready.setup):
                raise Malformed("not a Ready: setup has values that the setup steps do not extract")
            self.setup = ready.setup
        if index == 0 and ready.aborts and not self._knows_aborts:
            self._knows_aborts = True
            found = (stop_condition(one) for one in ready.aborts)
            self._watch.add([condition for condition in found if condition is not None])
        if index == 0 and ready.master is not None:
            self._master = ready.master
        self._barrier[index] = _AtBarrier(ready, now)

    def begin(self, time: datetime, at: int) -> None:
        """T0 is persisted: ``time`` of day is ``at`` on the monotonic clock."""
        self.start, self._start_at = time, at

    def interval(self, index: int, interval: Interval, now: int) -> None:
        """The progress of a worker. Raises Malformed for counts that do not add up."""
        try:
            interval.check()
        except ConservationError as error:
            raise Malformed(f"not an Interval: {error}") from error
        self._live.take(index, interval, now)
        sentence = self._watch.take(index, interval, now)
        if sentence is None:
            return
        if self.search is not None:
            self.search.cut(sentence)
        else:
            self.breach(sentence)

    def announce(self, step: NextStep) -> None:
        """A step of the capacity search is persisted."""
        assert self.search is not None
        self.search.announce(step)
        if step.hold is not None:
            self._watch.watch_only(step.hold.start, step.hold.start + step.hold.length)

    def elapsed(self, now: int) -> int:
        """ns since T0, negative before it."""
        return now - self._start_at

    def report(self, index: int, stopped: str | None, *, breached: bool) -> None:
        """A worker's report is stored; according to it the load was ``stopped``, or ended as
        planned.
        """
        if index == self.plan.cleaner:
            self.cleaned = True
            return
        self.reported.add(index)
        if stopped == TERMINATED:
            self.terminated.add(index)
        if self.search is not None:
            self.search.lose(f"worker {index} ended ({stopped or 'for an unknown reason'})")
        elif breached:
            # It was cut off, and has judged by itself: the others have to end as well.
            self.breach(stopped or "")

    def breach(self, sentence: str) -> None:
        """A condition of ``stopWhen`` is true: end the load."""
        if self.stop_reason is None:
            self.stop_reason, self.breached = sentence, True

    def stop(self, reason: str) -> None:
        """End the load, or do not start it; the first reason stands."""
        if self.stop_reason is None:
            self.stop_reason = reason

    # --- answers ------------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        """How many workers the run has."""
        return self.plan.load.workers

    @property
    def ready_count(self) -> int:
        """How many workers are, or were at T0, ready without trouble."""
        if self.start is not None:
            return self.workers
        return sum(worker.ready.trouble is None for worker in self._barrier.values())

    @property
    def admitted(self) -> frozenset[int]:
        """The workers that were admitted since this process opened the run."""
        return frozenset(self._identities)

    @property
    def arrived(self) -> int:
        """How many workers have come up, with a problem or without."""
        return len(self._barrier)

    @property
    def all_reported(self) -> bool:
        """Whether every worker's report is stored."""
        return len(self.reported) == self.workers

    def is_due(self, now: int) -> bool:
        """Whether to choose T0: all workers are ready, and nothing prevents the start."""
        return (
            self.start is None
            and self.stop_reason is None
            and now < self.start_deadline
            and self.setup is not None
            and self.ready_count == self.workers
            and self.silent(now) is None
            and self._odd_files() is None
        )

    def wants_setup(self, now: int) -> bool:
        """Whether worker 0 should run the setup now: all are ready, and nothing
        prevents the start.
        """
        return (
            self.setup is None
            and self.start is None
            and self.stop_reason is None
            and now < self.start_deadline
            and self.ready_count == self.workers
        )

    @property
    def may_start(self) -> bool:
        """Whether T0 is persisted, and everything that goes with it is known."""
        return self.start is not None and self.setup is not None

    def start_answer(self, index: int, now: int) -> Start:
        """The answer to a worker at the barrier."""
        if self.stop_reason is not None:
            return Start(stop=self.stop_reason)
        if self.start is None or self.setup is None:
            told = index == 0 and self.wants_setup(now)
            self.setup_begun |= told
            return Start(setup=told, master=self._master)
        return Start(start_in=self._start_at - now, values=self.setup)

    def cleaner_answer(self) -> Start:
        """The answer to the worker that only runs the teardown: everything that it
        needs to know.
        """
        return Start(start_in=0, values=self.setup or {})

    def order(self, index: int) -> Order:
        """The answer to an interval."""
        more = {
            "repost": index == 0 and self.setup is None,
            "others_done": len(self.reported - {index}) == self.workers - 1,
        }
        if self.stop_reason is not None:
            order = Order(stop=self.stop_reason, breached=self.breached)
        elif self.search is not None:
            order = self.search.order()
        else:
            order = Order()
        return order.model_copy(update=more)

    def trouble(self) -> RunTrouble | None:
        """The problem that keeps the load from beginning, as workers report it; None once it has
        begun.
        """
        if self.start is not None:
            return None
        if (odd := self._odd_files()) is not None:
            return RunTrouble(odd, hopeless=True, reason="ScriptDiffers")
        troubled = {
            index: worker.ready
            for index, worker in sorted(self._barrier.items())
            if worker.ready.trouble is not None
        }
        hopeless = {index: ready for index, ready in troubled.items() if ready.final}
        if not troubled:
            return None
        told = hopeless or troubled
        first = next(iter(told.values())).trouble
        return RunTrouble(_sentence(told), bool(hopeless), first.reason if first else "")

    def _odd_files(self) -> str | None:
        """The first worker whose script files are not those of the run."""
        found = {
            index: worker.ready.script_hash
            for index, worker in sorted(self._barrier.items())
            if worker.ready.script_hash is not None
        }
        expected = self.plan.script_hash or next(iter(found.values()), None)
        odd = next((index for index, its in found.items() if its != expected), None)
        if odd is None:
            return None
        others = "those of the accepted run" if self.plan.script_hash else f"worker {min(found)}'s"
        return (
            f"worker {odd}: its script files differ from {others} (SHA-256 {found[odd]}, not "
            f"{expected}): they were changed meanwhile; start another run"
        )

    def silent(self, now: int) -> tuple[int, int] | None:
        """The first worker that came up and has been silent for too long, and for how many ns."""
        for index, worker in sorted(self._barrier.items()):
            if now - worker.heard > SILENT_AFTER:
                return index, now - worker.heard
        return None

    def live(self, now: int) -> Live:
        """The progress of the load."""
        live = self._live.snapshot(now)
        return live if self.search is None else replace(live, search=self.search.view())


def _sentence(told: dict[int, Ready]) -> str:
    """The first problem, and how many more workers have one."""
    (index, ready), others = next(iter(told.items())), len(told) - 1
    assert ready.trouble is not None
    suffix = f" (and {others} more with problems)" if others else ""
    return f"worker {index}: {ready.trouble.message}{suffix}"
