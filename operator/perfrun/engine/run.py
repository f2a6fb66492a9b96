"""The door to the engine: a plan and a worker's index in, a report out."""

from perfrun.engine.execution import Execution
from perfrun.engine.pool import Pool
from perfrun.engine.progress import OnInterval
from perfrun.engine.request import compile_scenarios, origin_of
from perfrun.engine.tls import trust
from perfrun.engine.values import Values
from perfrun.logic.shape import scenario_order
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport


class Engine:
    """One worker's share of a plan, compiled. Raises DataError for what cannot be resolved."""

    def __init__(self, plan: RunPlan, index: int, values: Values) -> None:
        self._plan, self._index = plan, index
        self._target = plan.target.the_http
        self._scenarios = compile_scenarios(plan, values)
        self._order = scenario_order([scenario.weight for scenario in plan.scenarios])
        self._trust = trust(self._target, values)
        self._stop_reason: str | None = None
        self._execution: Execution | None = None

    async def check(self) -> None:
        """Reach the target: DNS, TCP and TLS, no request. Raises OpenError."""
        origin = origin_of(self._target.url)
        connection, _ = await Pool(origin, self._trust.home, self._target.connect_timeout).open()
        connection.close()

    async def run(
        self, start: int, on_interval: OnInterval | None = None, ceiling: float = 0.0
    ) -> WorkerReport:
        """Run the load from T0 = ``start`` (monotonic ns) to its end, and say what came of it.

        A start that has passed joins mid-schedule: what was due before is dropped and counted.
        ``on_interval`` is called each second and must return at once. ``ceiling`` is what
        :func:`selfcheck.ceiling` found. Raises ConservationError if the counts do not add up.
        """
        execution = Execution(
            self._plan, self._index, start, self._scenarios, self._order, self._trust
        )
        self._execution = execution
        if self._stop_reason is not None:
            execution.stop(self._stop_reason)
        await execution.finish(on_interval)
        report = execution.report(ceiling)
        report.check()
        return report

    def stop(self, reason: str) -> None:
        """Start nothing more; what runs gets at most 5 s. The first reason stands."""
        self._stop_reason = self._stop_reason or reason
        if self._execution is not None:
            self._execution.stop(self._stop_reason)
