"""Targets that are benchmark suites: a command that runs once, and whose results are read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S, format_exact_duration
from perfrun.api.test.commands.benchmark import BenchmarkTarget
from perfrun.engine.awaited.carrier import AwaitedCarrier
from perfrun.engine.awaited.sessions import ConnectionLimits, Done, Session, Speaker
from perfrun.engine.benchmark.results import read_results
from perfrun.engine.command import LOST, PATIENCE, CommandFolder, ResultsError
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.errors import EngineError, ErrorClass
from perfrun.engine.load.kind import Carrier, Courses, Ended, Kind
from perfrun.logic.plan.commands import rendered
from perfrun.measure.benchmark import MAX_TROUBLE, BenchmarkRecord
from perfrun.measure.command import CommandEnd, CommandOrder
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.reach.foreign import foreign
from perfrun.reach.values import Values

_SLACK = 0.1
"""Seconds: the step's clock starts a little before ours."""


class CommandStep:
    """The only step: everything about it is in the plan."""

    def __init__(self, name: str) -> None:
        self.name, self.think_time = name, 0

    def render(self, number: int, values: dict[str, str]) -> None:
        """There are no templates: the command runs once."""


class BenchmarkKind(Kind):
    """The command, run by its launcher. Raises DataError if there is no launcher."""

    def __init__(self, plan: RunPlan, values: Values) -> None:
        target = plan.target.the_benchmark
        self._place = CommandFolder(values.command_folder("spec.target.benchmark"))
        self._place.enter()
        self._timeout = target.timeout
        told = rendered(target, plan.variables, str(self._place.results))
        order = CommandOrder(argv=told.argv, env=told.env, hidden=told.hidden)
        self._command = CommandSession(self._place, order, target)

    @override
    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        return [
            CompiledScenario(one.name, [CommandStep(step.name) for step in one.steps])
            for one in plan.scenarios
        ]

    @override
    async def check(self) -> None:
        """The launcher is ready: the image was found and runs."""
        if not self._place.has_launcher():
            raise EngineError(ErrorClass.CONNECT, "the launcher of the command has not started yet")

    @override
    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._command.finish()

    @override
    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        limits = ConnectionLimits("PerRequest", 1, self._timeout)
        return AwaitedCarrier(
            _Starter(self._command), limits, ended, course, notes_sends=notes_sends
        )

    @override
    def complete(self, report: WorkerReport) -> None:
        report.benchmark = self._command.record


class _Starter(Speaker[CommandStep]):
    """There is no connection: opening prepares the command, which is not started yet."""

    def __init__(self, command: "CommandSession") -> None:
        self._command = command

    @override
    async def open(self) -> Session[CommandStep]:
        return self._command


class CommandSession(Session[CommandStep]):
    """The single run of the command."""

    def __init__(self, place: CommandFolder, order: CommandOrder, target: BenchmarkTarget) -> None:
        self._place, self._order, self._target = place, order, target
        self._began = False
        self.record = BenchmarkRecord(failure="it was not run", trouble="the command was not run")

    @override
    async def perform(self, step: CommandStep, request: Any, values: dict[str, str]) -> Done:
        self._began = True
        self._place.start(self._order)
        began = monotonic()
        try:
            end = await self._place.ended()
        except asyncio.CancelledError:
            in_time = monotonic() - began + _SLACK < self._target.timeout / NS_PER_S
            limit = format_exact_duration(self._target.timeout)
            self._report(
                None,
                "it was stopped" if in_time else f"it was still running after {limit} (timeout)",
            )
            raise
        if end is None:
            self._report(None, LOST)
            return Done(ErrorClass.KILLED, message=LOST)
        return await self._judge(end)

    async def _judge(self, end: CommandEnd) -> Done:
        failure = end.failure
        self._report(end, failure)
        try:
            found, left = await asyncio.to_thread(
                read_results, self._place.results, self._target.results
            )
        except ResultsError as error:
            self.record.trouble = foreign(str(error), MAX_TROUBLE)
            if failure is None:
                return Done(ErrorClass.RESULTS, message=str(error))
        else:
            self.record.benchmarks, self.record.left_out = found, left
            self.record.trouble = None
        if failure is not None:
            return Done(ErrorClass.KILLED if end.signal else ErrorClass.EXIT, message=failure)
        return Done()

    def _report(self, end: CommandEnd | None, failure: str | None) -> None:
        self.record = BenchmarkRecord(
            memory_peak=end.peak if end is not None else None,
            failure=None if failure is None else foreign(failure, MAX_TROUBLE),
            trouble="the results have not been read",
        )

    @override
    def is_usable(self) -> bool:
        return False

    @override
    def abandon(self) -> None:
        self._place.stop()

    async def finish(self) -> None:
        """Stop the command if it still runs, and wait for its end, so that nothing is left
        behind."""
        self._place.stop()
        await self._place.left(PATIENCE)
        end = self._place.end()
        if self._began and end is not None and end.stopped:
            message = f"; its last output: {end.last_words}" if end.last_words else ""
            self.record.memory_peak = end.peak
            self.record.failure = foreign(f"{self.record.failure}{message}", MAX_TROUBLE)
