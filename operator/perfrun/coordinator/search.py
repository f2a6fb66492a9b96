"""A capacity search over all workers: the holds that they are given, and their reports.

Facts in, answers out, as in ``session``; the coordinator judges, persists and then announces. Times
are ns after T0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from perfrun.api.quantities import NS_PER_US, format_rate, parse_rate
from perfrun.api.run.perfrun import HoldStatus
from perfrun.api.test.load import Capacity
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.times import format_moment, parse_time
from perfrun.logic.plan.capacity import Bracket, HoldOutcome, bracket, held, next_rate
from perfrun.logic.plan.run_plan import HOLD_GRACE, HOLD_LEAD, HOLD_REPORTS
from perfrun.logic.verdict.holds import begun, ended, hold_objectives, judge_hold
from perfrun.logic.verdict.objectives import Objective
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Hold, Order, WorkerReport

AGAIN = "the operator was restarted during this hold: it is repeated"


@dataclass(frozen=True, slots=True)
class SearchView:
    """The progress of a search, for people."""

    hold: int
    """Number of the current hold; 0: none was announced yet."""
    rate: float
    """Rate of that hold."""
    bracket: Bracket

    def line(self) -> str:
        """``hold 5 at 800/s, between 400/s and 1600/s``."""
        if not self.hold:
            return "before the first hold"
        low, high = self.bracket.low, self.bracket.high
        line = f"hold {self.hold} at {format_rate(self.rate)}"
        if high is not None:
            return f"{line}, between {format_rate(low)} and {format_rate(high)}"
        return f"{line}, at least {format_rate(low)}" if low else line


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to persist and then announce: a hold, or None for the end."""

    holds: list[HoldStatus]
    hold: Hold | None


def search_of(
    plan: RunPlan, spec: PerfTestSpec, holds: Sequence[HoldStatus] = ()
) -> "HoldSearch | None":
    """The search of a plan; None if it has another load."""
    if plan.load.capacity is None:
        return None
    return HoldSearch(plan, hold_objectives(spec), holds)


class HoldSearch:
    """The holds of one run. ``holds`` are those that an earlier process persisted."""

    def __init__(
        self, plan: RunPlan, asked: Sequence[Objective], holds: Sequence[HoldStatus] = ()
    ) -> None:
        assert plan.load.capacity is not None
        self._plan, self._asked = plan, list(asked)
        self._capacity: Capacity = plan.load.capacity
        self.holds = list(holds)
        self._hold: Hold | None = None
        self._cut: str | None = None
        self._done = False
        self._lost: str | None = None
        self._came: set[int] = set()
        self.merged: WorkerReport | None = None
        """Reports of the current hold so far."""
        self.room = 0
        """Approximate size of its histograms, in bytes."""

    # --- facts --------------------------------------------------------------------------------

    def awaits(self, index: int, report: WorkerReport) -> bool:
        """Whether it is a report of the current hold; other reports are useless."""
        return (
            self._hold is not None
            and self._lost is None
            and report.hold == self._hold.number
            and index not in self._came
        )

    def take(self, index: int, report: WorkerReport, merged: WorkerReport, room: int) -> None:
        """A report has arrived, and ``merged`` contains all of them; ignored if its hold is over by
        now.

        ``room``: bytes that the histograms of ``merged`` take.
        """
        if not self.awaits(index, report):
            return
        self.merged, self.room = merged, room
        self._came.add(index)
        if report.breached:
            self.cut(report.stopped or "")
        elif report.stopped is not None:
            self.lose(f"worker {index} ended ({report.stopped})")

    def cut(self, reason: str) -> None:
        """A stop condition was true: end the current hold."""
        if self._hold is not None and self._cut is None:
            self._cut = reason

    def lose(self, why: str) -> None:
        """A worker is lost, so the search has failed; the first reason is kept."""
        self._forget_reports()
        if not self._done:
            self._lost = self._lost or why

    def _forget_reports(self) -> None:
        self.merged, self.room = None, 0

    # --- answers ------------------------------------------------------------------------------

    def order(self) -> Order:
        """The answer to a worker."""
        return Order(hold=self._hold, cut=self._cut, done=self._done)

    def view(self) -> SearchView:
        """The progress."""
        rate = parse_rate(self.holds[-1].rate) if self.holds else 0.0
        return SearchView(len(self.holds), rate, bracket(held(self.holds)))

    def is_due(self, now: int) -> bool:
        """Whether the next step is due (``now`` in ns after T0)."""
        if self._done:
            return False
        if self._hold is None or self._lost is not None:
            return True
        return self._is_whole or now > self._reports_until

    @property
    def _is_whole(self) -> bool:
        return len(self._came) == self._plan.load.workers

    @property
    def _reports_until(self) -> int:
        assert self._hold is not None
        return self._hold.start + self._hold.length + HOLD_GRACE + HOLD_REPORTS

    def judged(self) -> list[HoldStatus]:
        """All holds, with the current one judged by the reports so far. Slow: call it in a
        thread."""
        if not self.holds or self.holds[-1].outcome is not None:
            return self.holds
        last = self.holds[-1]
        if self._hold is None:
            again = {"outcome": HoldOutcome.REPEATED.value, "message": AGAIN}
            return [*self.holds[:-1], last.model_copy(update=again)]
        rate = self._hold.rate
        merged = self.merged  # whoever loses the search meanwhile removes it
        if merged is not None and self._is_whole and self._lost is None:
            return [
                *self.holds[:-1],
                ended(last, judge_hold(self._asked, self._plan, rate, merged)),
            ]
        lost = {"outcome": HoldOutcome.LOST.value, "message": self._lost or self._silence()}
        return [*self.holds[:-1], last.model_copy(update=lost)]

    def _silence(self) -> str:
        silent = sorted(set(range(self._plan.load.workers)) - self._came)
        others = f" (and {len(silent) - 1} more)" if len(silent) > 1 else ""
        return f"worker {silent[0]}{others} did not report this hold"

    def step(self, holds: list[HoldStatus], start_time: datetime, now: int) -> NextStep:
        """The next step after the judged ``holds``: the next hold begins some time after
        ``now``."""
        rate = next_rate(self._capacity, held(holds))
        if rate is None or self._lost is not None:
            return NextStep(holds, None)
        start = now + HOLD_LEAD
        if self._hold is None and holds:
            # Workers may still be in a hold that an earlier process announced.
            begun_at = parse_time(holds[-1].start_time or "") - start_time
            before = begun_at // timedelta(microseconds=1) * NS_PER_US
            start = max(start, before + self._capacity.hold + HOLD_GRACE + HOLD_LEAD)
        start -= start % NS_PER_US
        time = start_time + timedelta(microseconds=start // NS_PER_US)
        hold = Hold(number=len(holds) + 1, rate=rate, start=start, length=self._capacity.hold)
        return NextStep([*holds, begun(rate, format_moment(time))], hold)

    def announce(self, step: NextStep) -> None:
        """A step is persisted: from now on it is the answer to workers."""
        self.holds = step.holds
        self._cut = None
        self._forget_reports()
        self._came = set()
        if step.hold is None:
            self._done = True
        else:
            self._hold = step.hold
