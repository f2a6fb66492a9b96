"""Setup and teardown: steps that run once, before and after the load.

They use the same engine as the load, so that TLS, credentials, templates, checks and extraction
mean the same: each is one iteration of a scenario of that name.
"""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic_ns

from perfrun.api.test.load import Burst, Load
from perfrun.api.test.scenario import Scenario, Step
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.data.generate import mix
from perfrun.engine.errors import DataError, ErrorClass, SetupError
from perfrun.engine.load.execution import Execution
from perfrun.engine.load.kind import Kind
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import PhaseRecord

_ONCE = Load(burst=Burst(requests=1, concurrency=1))
PATIENCE_WHEN_STOPPED = 20.0
"""Seconds for the teardown of a stopped run, until requests in flight get their grace period. The
termination grace period of a worker's pod must be longer than this plus the time that its load gets
before."""
MAX_EXTRACTED_BYTES = 64 * 1024
"""Bytes that a setup may extract: all of them are sent to every worker."""
_UNKNOWN = "0"
"""Placeholder for a value that the setup will extract."""


def names_of_setup(plan: RunPlan) -> dict[str, str]:
    """The names that the setup will extract, with placeholders as values."""
    return {name: _UNKNOWN for step in plan.setup for name in step.extract}


def with_values(plan: RunPlan, values: Mapping[str, str]) -> RunPlan:
    """A plan whose variables include the values that the setup extracted."""
    return plan.model_copy(update={"variables": {**plan.variables, **values}})


class SetupTeardown:
    """Compile setup and teardown to find problems in them. Raises DataError."""

    def __init__(self, plan: RunPlan, kind: Kind) -> None:
        self._plan, self._kind = plan, kind
        self.setup_record, self.teardown_record = PhaseRecord(), PhaseRecord()
        self.extracted: dict[str, str] = {}
        """The values that the setup extracted so far."""
        self._compiled("setup", plan.setup, {})
        self._compiled("teardown", plan.teardown, names_of_setup(plan))

    async def setup(self) -> dict[str, str]:
        """Run the setup. Returns the extracted values. Raises SetupError that names the step."""
        execution, self.setup_record = await self._run("setup", self._plan.setup, {})
        self.extracted = execution.extracted if execution is not None else {}
        if trouble := _trouble(self.setup_record):
            raise SetupError(ErrorClass.CHECK, f"spec.setup: {trouble}; the load was not started")
        size = sum(len(value.encode()) for value in self.extracted.values())
        if size > MAX_EXTRACTED_BYTES:
            raise SetupError(
                ErrorClass.SIZE,
                f"spec.setup: {size} bytes were extracted, more than {MAX_EXTRACTED_BYTES}: "
                f"extract only what the steps need",
            )
        return self.extracted

    async def teardown(self, *, stopped: bool) -> str | None:
        """Run the teardown. Returns what went wrong, in words. Never raises an EngineError.

        ``stopped``: the report of a stopped run must not wait long.
        """
        steps, trouble = self._possible(self._plan.teardown)
        patience = PATIENCE_WHEN_STOPPED if stopped else None
        _, self.teardown_record = await self._run("teardown", steps, self.extracted, patience)
        return _trouble(self.teardown_record) or trouble

    def _possible(self, steps: Sequence[Step]) -> tuple[list[Step], str | None]:
        """The steps that can be sent with the extracted values, and what is wrong with the others.

        A step with a value that was not extracted is never sent, because it would undo something
        else.
        """
        possible: list[Step] = []
        trouble: str | None = None
        for step in steps:
            try:
                self._compiled("teardown", [*possible, step], self.extracted)
            except DataError as error:
                trouble = trouble or f"step {step.name} was skipped: {error.message}"
            else:
                possible.append(step)
        return possible, trouble

    def _compiled(
        self, name: str, steps: Sequence[Step], values: Mapping[str, str]
    ) -> tuple[RunPlan, list[CompiledScenario]]:
        plan = with_values(self._plan, values).model_copy(
            update={
                "scenarios": [Scenario.model_construct(name=name, weight=1, steps=list(steps))],
                "load": _ONCE,
                # Not the data of the load's first iteration again.
                "seed": mix(self._plan.seed + len(name)) >> 16,
            }
        )
        return plan, self._kind.compile(plan)

    async def _run(
        self,
        name: str,
        steps: Sequence[Step],
        values: Mapping[str, str],
        patience: float | None = None,
    ) -> tuple[Execution | None, PhaseRecord]:
        if not steps:
            return None, PhaseRecord()
        plan, scenarios = self._compiled(name, steps, values)
        execution = Execution(plan, 0, monotonic_ns(), scenarios, [0], self._kind)
        if patience is not None:
            asyncio.get_running_loop().call_later(patience, execution.stop, "the run was stopped")
        await execution.finish(None)
        report = execution.report(0.0)
        report.check()
        return execution, report.window


def _trouble(record: PhaseRecord) -> str | None:
    for step in record.steps:
        for error in step.errors:
            message = f": {step.messages[error]}" if error in step.messages else ""
            return f"step {step.step} failed with {error}{message}"
        if step.censored:
            return f"step {step.step} was interrupted before the response arrived"
    return None
