"""The times of several scheduled tests together: which runs wait for others, and which wait in
vain.

It goes from one moment at which something happens to the next, and asks the same questions about
each run as the operator: the concurrency policy of its test, and admission.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from perfrun.api.test.perftest import PerfTest
from perfrun.logic.schedule.admission import Admission
from perfrun.logic.schedule.policy import Policies
from perfrun.logic.schedule.queues import Queues
from perfrun.logic.schedule.upcoming import Pending, ScheduledTest, Upcoming, clock

MAX_REACH = timedelta(days=1)
"""Period before the requested time: what others do earlier than that is ignored."""


def forecast(
    tests: Sequence[PerfTest], policies: Policies, now: datetime, count: int
) -> list[list[Upcoming]]:
    """The next ``count`` times after ``now`` of each test, in order; none without a schedule.

    The tests have to be accepted by :func:`perfrun.logic.accept.spec.check`.
    """
    lines = {
        index: ScheduledTest(test, policies.of(test.metadata.namespace), now)
        for index, test in enumerate(tests)
        if test.spec.schedule is not None
    }
    found: dict[ScheduledTest, list[Upcoming]] = {}
    for group in _groups(lines.values(), together=policies.capped):
        found |= _Walk(group, count).run()
    return [found[lines[index]] if index in lines else [] for index in range(len(tests))]


def _groups(lines: Iterable[ScheduledTest], *, together: bool) -> list[list[ScheduledTest]]:
    """Tests that may have to wait for each other: by target, or all of them if runs are limited."""
    groups: dict[str, list[ScheduledTest]] = {}
    for line in lines:
        groups.setdefault("" if together else line.target, []).append(line)
    return list(groups.values())


class _Walk:
    """The tests of a group on their way through time."""

    def __init__(self, lines: list[ScheduledTest], count: int) -> None:
        self._lines = lines
        self._count = count
        self._found: dict[ScheduledTest, list[Upcoming]] = {line: [] for line in lines}
        self._waiting: list[Pending] = []
        self._running: list[Pending] = []
        self._queues = Queues()
        self._by_namespace = {line.policies.namespace: line for line in lines}
        reach = max(line.length for line in lines) + max(line.limit for line in lines)
        self._reach = min(reach, MAX_REACH)

    def run(self) -> dict[ScheduledTest, list[Upcoming]]:
        """Continue until everything requested is known."""
        while (short := self._short()) or self._asked_for_wait():
            if short and not self._asked_for_wait():
                self._skip(min(line.next for line in short if line.next) - self._reach)
            self._step(self._moment())
        return self._found

    def _short(self) -> list[ScheduledTest]:
        """The tests of which more times are requested."""
        return [
            line
            for line in self._lines
            if line.next is not None and len(self._found[line]) < self._count
        ]

    def _asked_for_wait(self) -> bool:
        return any(run.asked for run in self._waiting)

    def _skip(self, moment: datetime) -> None:
        """Skip what finished tests do before ``moment``."""
        for line in self._lines:
            full = len(self._found[line]) == self._count
            if full and line.next is not None and line.next < moment:
                line.skip_to(moment)

    def _moment(self) -> datetime:
        """When something happens next."""
        pending = [run.wakes for run in (*self._waiting, *self._running)]
        return min([*pending, *(line.next for line in self._lines if line.next is not None)])

    def _step(self, now: datetime) -> None:
        for run in [run for run in self._running if run.wakes <= now]:
            self._running.remove(run)
            self._queues.drop(*run.me.key)
        for line in self._lines:
            while line.next is not None and line.next <= now:
                self._create(line, now)
        self._admit(now)

    def _create(self, line: ScheduledTest, now: datetime) -> None:
        one, asked = line.take(), len(self._found[line]) < self._count
        if asked:
            self._found[line].append(one)
        active = [run for run in (*self._running, *self._waiting) if run.line is line]
        if line.refused is not None:
            one.fail(*line.refused)
        elif active and line.schedule.concurrency_policy == "Forbid":
            before = _of(active[0])
            one.fail("StillActive", f"missed: {before}, and concurrencyPolicy is Forbid")
        else:
            if line.schedule.concurrency_policy == "Replace":
                self._stop(active, one)
            run = Pending(line, one, asked, line.contender(one), now)
            self._waiting.append(run)
            self._queues.put(run.me)

    def _stop(self, active: list[Pending], one: Upcoming) -> None:
        for run in active:
            self._queues.drop(*run.me.key)
            if run in self._running:
                self._running.remove(run)
                one.notes.append(f"{_of(run)}: it is stopped first (concurrencyPolicy Replace)")
            else:
                self._waiting.remove(run)
                after = f"the run of {clock(one.tick, run.one.tick)} takes its place before that"
                run.one.fail("Replaced", f"{run.blocked}; {after} (concurrencyPolicy Replace)")

    def _admit(self, now: datetime) -> None:
        """Start the runs whose turn it is, and give up those that are too late."""
        for run in self._waiting:
            run.look(now)
        rules = {name: line.rules(now) for name, line in self._by_namespace.items()}
        admission = Admission(self._queues, rules.__getitem__)
        while chosen := admission.next_ones(1):  # each start changes whose turn is next
            self._start(next(run for run in self._waiting if run.me == chosen[0]), now)
        for run in sorted(self._waiting, key=lambda one: one.me.order):
            run.blocked = admission.place(run.me, now, run.line.limit).reason
            if now >= run.expires:
                self._waiting.remove(run)
                self._queues.drop(*run.me.key)
                run.expire()

    def _start(self, run: Pending, now: datetime) -> None:
        self._waiting.remove(run)
        run.start(now)
        self._queues.put(run.me)
        if run.wakes > now:
            self._running.append(run)
        else:
            self._queues.drop(*run.me.key)  # nobody knows how long it takes


def _of(run: Pending) -> str:
    doing = "is still in progress" if run.me.turn is not None else "still waits for its turn"
    return f"the run of {run.one.tick:%H:%M} {doing}"
