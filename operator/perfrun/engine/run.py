"""The entry to the engine: a plan and a worker's index in, a report out."""

from collections.abc import Awaitable, Callable

from perfrun.engine.kinds import kind_of
from perfrun.engine.load.capacity import OnHold, Search
from perfrun.engine.load.execution import Execution
from perfrun.engine.load.setup_teardown import SetupTeardown, names_of_setup, with_values
from perfrun.engine.record.intervals import OnInterval
from perfrun.launcher.hiding import MIN_PART
from perfrun.logic.plan.shape import scenario_order
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Order, WorkerReport
from perfrun.reach.foreign import SECRETS
from perfrun.reach.values import Values


async def tear_down(plan: RunPlan, values: Values, extracted: dict[str, str]) -> WorkerReport:
    """Run only the teardown of a plan; ``extracted`` are the values that its setup has extracted.

    Raises EngineError if nothing can be sent.
    """
    kind = kind_of(plan, values, 0)
    around = SetupTeardown(plan, kind)
    around.extracted = extracted
    try:
        await kind.renew()
        async with kind.kept_fresh():
            untidy = await around.teardown(stopped=False)
    finally:
        await kind.close()
    report = WorkerReport.of_nothing()
    report.teardown, report.untidy = around.teardown_record, untidy
    report.check()
    return report


class Engine:
    """One worker's share of a plan, compiled. Raises DataError if something cannot be resolved."""

    def __init__(self, plan: RunPlan, index: int, values: Values) -> None:
        self._plan, self._index = plan, index
        self._order = scenario_order([scenario.weight for scenario in plan.scenarios])
        self._kind = kind_of(plan, values, index)
        # What a setup extracts is not known yet; everything else that is wrong is found now.
        planned = with_values(plan, names_of_setup(plan))
        self._scenarios = self._kind.compile(planned)
        self._around = SetupTeardown(plan, self._kind)
        self._begun = False
        """Whether anything was sent that a teardown might have to undo."""
        self._stopped = Order()
        """The first request to stop."""
        self._execution: Execution | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has asked for the end of the load."""
        return self._stopped.stop is not None

    async def check(self) -> None:
        """Check that the target can be reached, without a request of the load. Raises
        EngineError."""
        await self._kind.check()

    async def close(self) -> None:
        """Release everything. No calls of the engine follow."""
        await self._kind.close()

    async def setup(self) -> dict[str, str]:
        """Run the setup, once per run. Returns the extracted values. Raises SetupError."""
        await self._kind.renew()  # the barrier may have taken longer than the lifetime of a token
        self._begun = True
        return await self._around.setup()

    def use(self, extracted: dict[str, str]) -> None:
        """Use the values that the setup extracted. Raises DataError if they cannot be sent."""
        self._around.extracted = extracted
        for value in extracted.values():
            if len(value) >= MIN_PART:  # it may be a token: reports show paths
                SECRETS.learn(value)
        plan = with_values(self._plan, extracted)
        self._scenarios = self._kind.compile(plan)

    @property
    def _tears_down(self) -> bool:
        return self._begun and self._index == 0 and bool(self._plan.teardown)

    async def teardown(self) -> str | None:
        """Run the teardown if there is anything to undo, once. Returns what went wrong, in
        words."""
        if not self._tears_down:
            return None
        self._begun = False
        return await self._around.teardown(stopped=self._stopped.stop is not None)

    async def run(
        self,
        start: int,
        on_interval: OnInterval | None = None,
        ceiling: float = 0.0,
        on_hold: OnHold | None = None,
        others: Callable[[], Awaitable[None]] | None = None,
    ) -> WorkerReport:
        """Run the load from T0 = ``start`` (monotonic ns) to its end, and report the result.

        If the start has passed, the load joins mid-schedule: what was due before is dropped and
        counted. ``on_interval`` is called each second, and ``on_hold`` with the report of each hold
        of a capacity search; both must return at once. ``ceiling`` is the result of
        :func:`selfcheck.ceiling`. ``others`` waits for the end of the other workers' load, before
        the teardown. Raises ConservationError if the counts do not add up.
        """
        shape = Execution if self._plan.load.capacity is None else Search
        execution = shape(self._plan, self._index, start, self._scenarios, self._order, self._kind)
        if isinstance(execution, Search):
            execution.on_hold = on_hold
        self._execution = execution
        if self._stopped.stop is not None:
            execution.stop(self._stopped.stop, breached=self._stopped.breached)
        else:
            self._begun = True
        async with self._kind.kept_fresh():
            await execution.finish(on_interval)
            if self._tears_down and others is not None:
                await others()
            untidy = await self.teardown()
        report = execution.report(ceiling)
        report.untidy = untidy
        self._kind.complete(report)
        report.setup, report.teardown = self._around.setup_record, self._around.teardown_record
        report.check()
        return report

    def stop(self, reason: str, *, breached: bool = False) -> None:
        """Start nothing more; iterations in progress get at most 5 s. The first reason stands.

        ``breached``: it is a condition of ``stopWhen``.
        """
        if self._stopped.stop is None:
            self._stopped = Order(stop=reason, breached=breached)
        if self._execution is not None:
            self._execution.stop(reason, breached=breached)

    def follow(self, order: Order) -> None:
        """Follow the coordinator's answer; repeated answers change nothing."""
        if order.stop is not None:
            self.stop(order.stop, breached=order.breached)
        search = self._execution
        if not isinstance(search, Search):
            return
        if order.done:
            search.finish_search()
        elif order.hold is not None:
            search.hold(order.hold)
            if order.cut is not None:
                search.cut(order.cut, order.hold.number)

    def give_up_search(self, reason: str) -> None:
        """The coordinator is lost: end a capacity search after the current hold."""
        if isinstance(self._execution, Search):
            self._execution.finish_search(reason)
