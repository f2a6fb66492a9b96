"""The result of one hold of a capacity search: the run's own judge, with the hold as a load."""

from collections.abc import Sequence
from typing import NamedTuple

from perfrun.api.quantities import NS_PER_MS, format_duration, format_rate
from perfrun.api.run.perfrun import HoldStatus, Verdict, WorkerCounts
from perfrun.api.sentence import cut
from perfrun.api.test.metric import CAPACITY, MetricSource
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.plan.capacity import HoldOutcome
from perfrun.logic.plan.run_plan import hold_plan
from perfrun.logic.verdict.load import judge_objectives
from perfrun.logic.verdict.objectives import Objective, objectives
from perfrun.logic.verdict.outcome import RunOutcome, RunVerdict
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport

MAX_LATE = 10 * NS_PER_MS
"""A worker that starts a hold this late has dropped a part of it."""
MAX_TEXT = 512
"""Length limit of a hold's sentence: a status contains dozens of them."""


class HoldVerdict(NamedTuple):
    """A hold's outcome, the sentence for it, and the verdict that it follows from."""

    outcome: HoldOutcome
    message: str
    run_verdict: RunVerdict


def hold_objectives(spec: PerfTestSpec) -> list[Objective]:
    """The objectives that every hold has to meet.

    They do not include the objective of the search; floors, because a hold below one says nothing
    about those above it; and observed things, which are judged over the whole search.
    """
    return [one for one in of_holds(objectives(spec)) if not one.row.floor]


def of_holds(asked: Sequence[Objective]) -> list[Objective]:
    """The objectives by which a hold can be judged."""
    return [
        one
        for one in asked
        if one.metric != CAPACITY and one.row.source is not MetricSource.OBSERVED
    ]


def judge_hold(
    asked: Sequence[Objective], plan: RunPlan, rate: float, report: WorkerReport
) -> HoldVerdict:
    """What the merged reports of all workers say about a hold at ``rate``.

    The search must not go above a rate that was not really generated, for whatever reason; if the
    target was too slow for it, the hold is missed.
    """
    planned = plan.load.workers
    workers = WorkerCounts(planned=planned, ready=planned, reported=report.workers)
    run_verdict = judge_objectives(asked, RunOutcome(hold_plan(plan, rate), report, workers))
    if report.stopped is not None:
        outcome = HoldOutcome.MISSED if report.breached else HoldOutcome.LOST
        return HoldVerdict(outcome, cut(f"stopped {report.stopped}", MAX_TEXT), run_verdict)
    if report.late > MAX_LATE:
        # Iterations dropped for this reason are neither the target's fault nor a limit of the
        # generator's.
        why = (
            f"a worker learned of it {format_duration(report.late)} after its start: the hold "
            "is repeated"
        )
        return HoldVerdict(HoldOutcome.REPEATED, why, run_verdict)
    outcome, message = _outcome(run_verdict)
    return HoldVerdict(outcome, cut(message, MAX_TEXT), run_verdict)


def _outcome(run_verdict: RunVerdict) -> tuple[HoldOutcome, str]:
    if run_verdict.verdict in (Verdict.WARN, Verdict.FAIL):
        return HoldOutcome.MISSED, run_verdict.message
    findings = run_verdict.generator.findings if run_verdict.generator else []
    for finding in findings:
        if finding.type == "Dropped":
            return HoldOutcome.MISSED, finding.message
    for finding in findings:
        if finding.effect == "UnderLoading":
            return HoldOutcome.UNCLEAR, finding.message
    if run_verdict.verdict is Verdict.PASS:
        return HoldOutcome.MET, run_verdict.message
    return HoldOutcome.UNCLEAR, run_verdict.message


def begun(rate: float, start_time: str) -> HoldStatus:
    """A hold that is announced to the workers, as it appears in a status."""
    return HoldStatus(rate=format_rate(rate, [rate]), start_time=start_time)


def ended(hold: HoldStatus, hold_verdict: HoldVerdict) -> HoldStatus:
    """The same hold, judged."""
    summary = hold_verdict.run_verdict.summary
    figures: dict[str, str | None] = {}
    if summary is not None:
        figures = {
            "throughput": summary.throughput,
            "error_rate": summary.error_rate,
            "p95": summary.latency.p95 if summary.latency else None,
        }
    known = {"outcome": hold_verdict.outcome.value, "message": hold_verdict.message}
    return hold.model_copy(update={**known, **figures})
