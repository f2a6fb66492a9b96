"""One running load: it starts what the pacer releases, and knows when everything has ended."""

import asyncio
import time
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.load.kind import Course, Kind, VirtualUser
from perfrun.engine.load.pacers import Pacer, pacer_for
from perfrun.engine.load.pacing import IterationStarter, Pacing
from perfrun.engine.record.health import HEARTBEAT, Sample, StallDetector, machine, sample
from perfrun.engine.record.intervals import Intervals, OnInterval
from perfrun.engine.record.recorder import Recorder, ScenarioTally
from perfrun.logic.plan.run_plan import STOP_GRACE, grace, load_end
from perfrun.logic.plan.shape import Turns, burst_share
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import LATE, GeneratorRecord
from perfrun.measure.report import WorkerReport

AnyCourse = Course[Any]


class Execution(IterationStarter):
    """A run from its T0 (monotonic ns) until nothing is in flight any more."""

    def __init__(
        self,
        plan: RunPlan,
        index: int,
        start: int,
        scenarios: list[CompiledScenario],
        order: list[int],
        kind: Kind,
    ) -> None:
        """``order`` is one cycle of scenario_order, which is slow to compute for some weights."""
        self._plan, self._start = plan, start
        self._pacer = self._new_pacer(index)
        self._pacing = Pacing(self._pacer, self)
        self._carrier = kind.carrier(
            self._pacer.ended, self._course, notes_sends=plan.load.burst is not None
        )
        self._recorder = Recorder(scenarios)
        self._window_from = start + (plan.load.warmup or 0)
        end = load_end(plan)
        self._planned_end = None if end is None else start + end
        self._scenarios, self._workers = scenarios, plan.load.workers
        self._order = Turns(order, self._workers).cycle(index)
        self._cycle = self._new_cycle()
        """The courses of the worker's iterations in turn: in the warm-up, in the window."""
        self._set_out = self._carrier.begin
        self._late_sends = 0
        self._stopped: str | None = None
        self._breached = False
        self._released = False
        self._end = start
        self._window_opens: Sample | None = None
        self._window_closes: Sample | None = None
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._timers: set[asyncio.TimerHandle] = set()
        first = (
            0 if plan.load.burst is None else burst_share(plan.load, plan.load.workers, index)[1]
        )
        self._heartbeat = self._new_heartbeat(lambda: self._carrier.has_connected(first))
        self._intervals = Intervals(self._recorder, start, self._carrier.in_flight)

    async def finish(self, on_interval: OnInterval | None) -> None:
        """Start the load, and wait until everything that was started has ended."""
        self._wind_up()
        folding = self._loop.create_task(self._fold())
        self._intervals.begin(on_interval)
        try:
            await self._done
        finally:
            folding.cancel()
            self._pacing.close()
            self._close_window()
            self._intervals.end()
            for timer in self._timers:
                timer.cancel()
            self._carrier.close()
            await asyncio.sleep(0)  # one cycle of the loop, in which closed connections disappear

    def _new_pacer(self, index: int) -> Pacer:
        return pacer_for(self._plan, index, self._start)

    def _new_heartbeat(self, settled: Callable[[], bool]) -> StallDetector:
        return StallDetector(settled, self._recorder.sent, self._carrier.in_flight)

    def _new_cycle(self) -> list[tuple[AnyCourse, AnyCourse]]:
        courses = _courses(self._scenarios, self._recorder)
        return [courses[chosen] for chosen in self._order]

    # --- what the pacer decides ---------------------------------------------------------------

    @override
    def begin(self, number: int, due: int, now: int, lag: int, user: VirtualUser) -> None:
        if lag:
            self._recorder.lag.values.append(lag)
            if lag > LATE:
                self._late_sends += 1
        self._set_out(self._course(number, due), number, due, user, now)

    @override
    def drop(self, number: int, due: int) -> None:
        self._course(number, due).tally.dropped += 1

    def _course(self, number: int, due: int) -> AnyCourse:
        cycle = self._cycle
        return cycle[number // self._workers % len(cycle)][due >= self._window_from]

    @override
    def load_ended(self, early: str | None = None) -> None:
        self._stopped = self._stopped or early
        # A burst ends with its last response: each request has its timeout, so it needs no grace.
        endless = self._planned_end is None and early is None
        self._no_more(None if endless else grace(self._plan))

    # --- its end ------------------------------------------------------------------------------

    def stop(self, reason: str, *, breached: bool = False) -> None:
        """Start nothing more. After the planned end it only shortens the grace.

        ``breached``: the reason is a condition of ``stopWhen``.
        """
        if self._done.done():
            return
        if self._stopped is None and (not self._released or self._planned_end is None):
            self._stopped, self._breached = reason, breached
        self._pacing.stop()
        self._no_more(min(grace(self._plan), STOP_GRACE))

    def _no_more(self, patience: int | None) -> None:
        if not self._released:
            self._released = True
            self._carrier.on_quiet = self._settle
            now = monotonic_ns()
            self._end = now if self._planned_end is None else min(now, self._planned_end)
            if self._planned_end is not None:
                self._close_window()
        if not self._carrier.in_flight():
            self._settle()
        elif patience is not None:
            self._later(patience, self._carrier.censor)

    def _settle(self) -> None:
        if not self._done.done():
            if self._planned_end is None:
                self._end = monotonic_ns()
            self._done.set_result(None)

    # --- timers ---------------------------------------------------------------------------------

    def _wind_up(self) -> None:
        now = monotonic_ns()
        self._later(self._start - now, self._heartbeat.start)
        self._later(self._window_from - now, self._open_window)
        if not self._released:
            self._pacing.start()

    def _later(self, delay: int, call: Callable[[], None]) -> asyncio.TimerHandle:
        timer = self._loop.call_later(max(0, delay) / NS_PER_S, call)
        self._timers.add(timer)
        return timer

    async def _fold(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT / NS_PER_S)
            self._recorder.fold_longest()

    def _open_window(self) -> None:
        self._window_opens = sample()

    def _close_window(self) -> None:
        self._heartbeat.stop()
        if self._window_opens is not None and self._window_closes is None:
            self._window_closes = sample()

    @property
    def extracted(self) -> dict[str, str]:
        """Values that the first iteration has extracted: a setup has only one."""
        return self._carrier.extracted

    # --- results --------------------------------------------------------------------------------

    def report(self, ceiling: float) -> WorkerReport:
        """Everything that was measured."""
        return WorkerReport(
            warmup=self._recorder.warmup.record(),
            window=self._recorder.window.record(),
            generator=self._generator(ceiling),
            series=self._intervals.series,
            window_time=max(0, self._end - self._window_from),
            load_time=max(0, self._end - self._start),
            stopped=self._stopped,
            breached=self._breached,
            forbidden=self._carrier.forbidden,
        )

    def _generator(self, ceiling: float) -> GeneratorRecord:
        carrier, first, last = self._carrier, self._window_opens, self._window_closes
        record = GeneratorRecord(
            lag=self._recorder.lag_histogram(),
            late_sends=self._late_sends,
            longest_stall=self._heartbeat.longest_stall,
            paused_time=self._heartbeat.paused_time,
            pauses=self._heartbeat.pauses,
            ceiling=ceiling,
            exhausted=dict(carrier.exhausted),
            first_send=max(0, carrier.first_send - self._start),
            last_send=max(0, carrier.last_send - self._start),
            started_at=[time.time() - (monotonic_ns() - self._start) / NS_PER_S],
            user_time=self._pacer.user_time(),
            connections=carrier.connections,
            machines=[machine()],
        )
        if first is not None and last is not None:
            record.cpu_time = last.cpu - first.cpu
            record.wall_time = last.at - first.at
            record.waited_time = max(0, last.waited - first.waited)
            record.stolen_time = max(0, last.stolen - first.stolen)
            record.periods = last.periods - first.periods
            # The kernel continues to count between writing the two: one more would be wrong.
            record.throttled_periods = min(last.throttled - first.throttled, record.periods)
        return record


def _courses(
    scenarios: list[CompiledScenario], recorder: Recorder
) -> list[tuple[AnyCourse, AnyCourse]]:
    only = len(scenarios) == 1
    phases = zip(scenarios, recorder.warmup.scenarios, recorder.window.scenarios, strict=True)
    return [
        (_course(scenario, warmup, stays=False), _course(scenario, window, stays=only))
        for scenario, warmup, window in phases
    ]


def _course(scenario: CompiledScenario, tally: ScenarioTally, *, stays: bool) -> AnyCourse:
    return Course(list(zip(scenario.steps, tally.steps, strict=True)), tally, stays)
