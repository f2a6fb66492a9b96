"""A running capacity search: one announced hold after the other, each measured separately."""

import asyncio
from collections.abc import Callable
from time import monotonic_ns

from typing_extensions import override

from perfrun.api.quantities import NS_PER_MS
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.load.execution import Execution
from perfrun.engine.load.kind import Kind
from perfrun.engine.load.pacers import HoldPacer, Share
from perfrun.logic.plan.run_plan import HOLD_GRACE
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import ConservationError, PhaseRecord, Series
from perfrun.measure.report import TERMINATED, Hold, WorkerReport

OnHold = Callable[[WorkerReport], None]

_SET_OUT = 50 * NS_PER_MS
"""Time before a hold starts in which its pacer and its tallies are created."""


class Search(Execution):
    """From T0 until the search is declared over.

    Between two holds nothing is released, and iterations that are still open are censored after a
    while, so that each hold is measured from a clean start. The recorder's window is the current
    hold's.
    """

    _pacer: HoldPacer

    def __init__(
        self,
        plan: RunPlan,
        index: int,
        start: int,
        scenarios: list[CompiledScenario],
        order: list[int],
        kind: Kind,
    ) -> None:
        super().__init__(plan, index, start, scenarios, order, kind)
        self.on_hold: OnHold | None = None
        """Called with the report of each hold that is over; must return at once."""
        self._hold: Hold | None = None
        """The last announced hold."""
        self._window: Hold | None = None
        """The hold of the window."""
        self._holding = False
        """Whether iterations of it are released."""
        self._quiet = True
        """Whether the hold of the window has been reported."""
        self._over = False
        self._cut: str | None = None
        """Why the hold of the window was ended early."""
        self._censoring: asyncio.TimerHandle | None = None
        self._late = 0
        """How late the hold of the window was started, ns."""
        self._exhausted: dict[str, int] = {}
        """How often the generator had run out of a resource before the hold."""

    @override
    def _new_pacer(self, index: int) -> HoldPacer:
        place = Share(self._plan.load.workers, index, self._start)
        return HoldPacer(self._plan, place)

    # --- orders ---------------------------------------------------------------------------------

    def hold(self, hold: Hold) -> None:
        """Start this hold next. Repeating the call changes nothing."""
        if self._over or (self._hold is not None and hold.number <= self._hold.number):
            return
        self._hold = hold
        self._later(self._start + hold.start - _SET_OUT - monotonic_ns(), self._begin_hold)

    def cut(self, reason: str, number: int) -> None:
        """A condition of ``stopWhen`` was true in the hold with that number: end it now."""
        if self._holding and self._window is not None and self._window.number == number:
            self._end_hold(reason)

    def finish_search(self, reason: str | None = None) -> None:
        """There are no more holds. With a ``reason`` the search ends early and the current hold is
        completed; otherwise it ends at once."""
        if self._over:
            return
        self._over = True
        self._stopped = self._stopped or reason
        if self._quiet:
            self._settle()
        elif reason is None:
            self._end_hold(None)

    @override
    def stop(self, reason: str, *, breached: bool = False) -> None:
        if self._done.done():
            return
        if self._stopped is None:
            self._stopped, self._breached = reason, breached
        self._over = True
        if self._quiet:
            self._settle()
        else:
            # Others may continue the hold: it must be known that this worker did not.
            self._end_hold(TERMINATED if reason == TERMINATED else None)

    @override
    def load_ended(self, early: str | None = None) -> None:
        self._end_hold(early)

    # --- one hold -----------------------------------------------------------------------------

    @override
    def _wind_up(self) -> None:
        """Nothing is released or measured before the first hold."""

    def _begin_hold(self) -> None:
        hold = self._hold
        if self._over or hold is None or hold == self._window:
            return
        if not self._quiet:
            # From a coordinator that does not know about the current hold.
            self._end_hold(None)
            self._carrier.censor()
            self._report_hold(self._window)
        if self._window is not None:
            self._recorder.turn()
            self._cycle = self._new_cycle()
        self._window, self._holding, self._quiet, self._cut = hold, True, False, None
        self._window_from = self._start + hold.start
        self._late_sends = 0
        self._late = max(0, monotonic_ns() - self._window_from)
        self._exhausted = dict(self._carrier.exhausted)
        self._heartbeat = self._new_heartbeat(lambda: True)
        self._heartbeat.start()
        self._window_closes = None
        self._open_window()
        self._pacer.hold(hold.rate, hold.start, hold.length)
        self._pacing.start()

    def _end_hold(self, reason: str | None) -> None:
        if not self._holding:
            return
        assert self._window is not None
        self._holding, self._cut = False, reason
        self._pacing.stop()
        self._end = min(monotonic_ns(), self._window_from + self._window.length)
        self._close_window()
        self._carrier.on_quiet = self._settle_hold
        if not self._carrier.in_flight():
            self._settle_hold()
        else:
            patience = min(self._plan.target.timeout, HOLD_GRACE)
            self._censoring = self._later(patience, self._carrier.censor)

    def _settle_hold(self) -> None:
        # Not in the middle of the iteration that ends last.
        self._carrier.on_quiet = None
        self._loop.call_soon(self._report_hold, self._window)

    def _report_hold(self, hold: Hold | None) -> None:
        if self._quiet or hold != self._window:
            return
        self._quiet = True
        if self._censoring is not None:
            self._censoring.cancel()
        breached = self._cut not in (None, TERMINATED)
        report = self._measured(PhaseRecord(), self._cut, breached=breached)
        try:
            report.check()
        except ConservationError as error:
            self._done.set_exception(error)
            return
        if self.on_hold is not None:
            self.on_hold(report)
        if self._over:
            self._settle()

    @override
    def _settle(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    # --- results --------------------------------------------------------------------------------

    @override
    def report(self, ceiling: float) -> WorkerReport:
        """The whole report: the last hold is the window, the earlier ones its warm-up."""
        whole = self._measured(self._recorder.earlier, self._stopped, breached=self._breached)
        whole.generator.ceiling = ceiling
        whole.series = self._intervals.series
        whole.load_time = max(0, monotonic_ns() - self._start)
        return whole

    def _measured(
        self, warmup: PhaseRecord, stopped: str | None, *, breached: bool
    ) -> WorkerReport:
        generator = self._generator(0.0)
        before = self._exhausted
        generator.exhausted = {
            what: count - before.get(what, 0) for what, count in generator.exhausted.items()
        }
        held = max(0, self._end - self._window_from)
        return WorkerReport(
            warmup=warmup,
            window=self._recorder.window.record(),
            generator=generator,
            series=Series(),
            window_time=held,
            load_time=held,
            stopped=stopped,
            breached=breached,
            forbidden=self._carrier.forbidden,
            hold=0 if self._window is None else self._window.number,
            late=self._late,
        )
