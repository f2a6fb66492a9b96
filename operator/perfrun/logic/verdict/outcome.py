"""The outcome of a run, and the verdict over it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from perfrun.api.run.perfrun import (
    MAX_HOLDS,
    BenchmarkStatus,
    CapacityStatus,
    GeneratorStatus,
    HoldStatus,
    PerfRunStatus,
    ScriptStatus,
    SloStatus,
    StepStatus,
    Summary,
    Verdict,
    WorkerCounts,
)
from perfrun.api.sentence import cut
from perfrun.api.test.observe import ObservedStatus
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of a run, before it is judged."""

    plan: RunPlan
    report: WorkerReport
    """All workers' reports merged."""
    workers: WorkerCounts
    stopped: str | None = None
    """Who ended the load before its plan, or why."""
    enforced: bool = False
    """Whether nobody asked for that end: a policy suspended all runs, the next scheduled run took
    the place of this one, or its process had to end."""
    holds: Sequence[HoldStatus] = ()
    """The judged holds of a capacity search."""
    lost: Sequence[str] = ()
    """Which workers were lost and how, a sentence each, if that is known."""
    untidy: str | None = None
    """Why the teardown was not run."""


@dataclass(frozen=True)
class RunVerdict:
    """What a user reads about a finished run."""

    verdict: Verdict
    message: str
    workers: WorkerCounts
    summary: Summary | None = None
    steps: list[StepStatus] = field(default_factory=list)
    slos: list[SloStatus] = field(default_factory=list)
    observed: list[ObservedStatus] = field(default_factory=list)
    generator: GeneratorStatus | None = None
    capacity: CapacityStatus | None = None
    benchmark: BenchmarkStatus | None = None
    script: ScriptStatus | None = None
    untidy: str | None = None
    """What went wrong with the teardown. It says nothing about the service."""
    reason: str = ""
    """The reason of the condition Complete, if it says more than the verdict."""

    def as_status(self) -> PerfRunStatus:
        """The fields of the status that it sets; unknown ones keep their values."""
        named = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "reason"}
        return PerfRunStatus(**{name: value for name, value in named.items() if value is not None})

    def with_untidy(self, untidy: str | None) -> "RunVerdict":
        """The same, with the failure of the teardown if it failed: users need to know
        what is left.
        """
        if untidy is None:
            return self
        message = cut(f"{self.message}; the teardown failed: {untidy}")
        return replace(self, message=message, untidy=cut(untidy))


TURN_DID_NOT_COME = ("QueueExpired", "TooManyRuns", "Superseded")
"""Reasons for a run that ended in the queue, from which nothing can be learned about the service.
"""


def turn_did_not_come(reason: str, message: str) -> RunVerdict:
    """The verdict over a run that ended in the queue; ``reason`` is one of TURN_DID_NOT_COME.

    An Error, or Inconclusive where a newer run of the test takes its place.
    """
    verdict = Verdict.INCONCLUSIVE if reason == "Superseded" else Verdict.ERROR
    return RunVerdict(verdict, cut(message), WorkerCounts(planned=0), reason=reason)


def errored(message: str, workers: WorkerCounts) -> RunVerdict:
    """The verdict over a run that never measured: it could not start, or was refused."""
    return RunVerdict(Verdict.ERROR, cut(message), workers)


def cancelled(message: str, workers: WorkerCounts) -> RunVerdict:
    """The verdict over a run that was asked to end before its load began."""
    return RunVerdict(Verdict.INCONCLUSIVE, cut(message), workers)


def unreported(
    workers: WorkerCounts,
    stopped: str | None,
    lost: Sequence[str] = (),
    holds: Sequence[HoldStatus] = (),
) -> RunVerdict:
    """The verdict over a load that began and that no worker reported on.

    An Error, or Inconclusive if it was ended on purpose, as ``stopped`` says. The other arguments
    are as in :class:`RunOutcome`.
    """
    message = f"none of {workers.planned} workers reported"
    if lost:
        message += f": {first_of(lost)}"
    verdict = errored(message, workers)
    if stopped is not None:
        verdict = cancelled(f"stopped ({stopped}): {message}", workers)
    return replace(
        verdict, capacity=CapacityStatus(holds=list(holds[:MAX_HOLDS])) if holds else None
    )


def first_of(lost: Sequence[str]) -> str:
    """The first of the sentences about lost workers, and how many more there are."""
    return f"{lost[0]} (and {len(lost) - 1} more)" if len(lost) > 1 else lost[0]
