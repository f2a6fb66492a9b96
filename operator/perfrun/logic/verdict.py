"""The verdict: objectives against measurements, and what the generator's faults leave of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from perfrun.api.load import Capacity
from perfrun.api.metadata import Condition
from perfrun.api.metric import OBSERVED
from perfrun.api.observe import ObservedStatus
from perfrun.api.perfrun import (
    MOST_HOLDS,
    MOST_SLOS,
    BenchmarkStatus,
    CapacityStatus,
    GeneratorStatus,
    HoldStatus,
    RequestCounts,
    SloStatus,
    StepStatus,
    Summary,
    Verdict,
    WorkerCounts,
)
from perfrun.api.perftest import PerfTestSpec
from perfrun.api.quantities import parse_rate
from perfrun.logic import observing
from perfrun.logic import summary as summaries
from perfrun.logic.benchmarking import status_of_benchmark
from perfrun.logic.capacity import found, held
from perfrun.logic.findings import examine
from perfrun.logic.judging import (
    MESSAGE,
    NO_FAULTS,
    ORDER,
    Faults,
    Judged,
    judge_capacity,
    judge_one,
    status_of,
    worst,
)
from perfrun.logic.objectives import Objective, objectives
from perfrun.logic.plan import hold_plan
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import PhaseRecord
from perfrun.measure.report import TERMINATED, WorkerReport


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to, before it is judged."""

    plan: RunPlan
    report: WorkerReport
    """All workers' reports merged."""
    workers: WorkerCounts
    stopped: str | None = None
    """Who ended the load before its plan, or why."""
    holds: Sequence[HoldStatus] = ()
    """Of a capacity search, as they were judged."""
    lost: Sequence[str] = ()
    """Which workers were lost and how, a sentence each, where that is known."""
    untidy: str | None = None
    """Why nobody has run the teardown."""


@dataclass(frozen=True)
class Judgement:
    """What a user reads of a finished run."""

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
    untidy: str | None = None
    """What went wrong with the teardown. It says nothing about the service."""

    def with_untidy(self, untidy: str | None) -> "Judgement":
        """The same, and that the teardown failed where it did: what is left is the user's to
        know."""
        if untidy is None:
            return self
        message = f"{self.message}; the teardown failed: {untidy}"[:MESSAGE]
        return replace(self, message=message, untidy=untidy[:MESSAGE])


def judge(spec: PerfTestSpec, outcome: RunOutcome) -> Judgement:
    """The verdict over a run by the objectives of ``spec``. No data is never a pass.

    Of a capacity search, what was found is judged, and the last hold as the load that it was.
    """
    asked = objectives(spec)[:MOST_SLOS]
    search = outcome.plan.load.capacity is not None
    judgement = _judge_search(asked, outcome) if search else judge_objectives(asked, outcome)
    said = [judgement.message]
    if outcome.report.forbidden is not None:
        said.append(outcome.report.forbidden)
    if outcome.lost:
        said.append(f"lost: {_first(outcome.lost)}")
    limits = _limits(asked)
    told = replace(
        judgement,
        message="; ".join(said)[:MESSAGE],
        observed=observing.statuses(outcome.plan, outcome.report, limits),
        benchmark=status_of_benchmark(outcome.report, limits),
    )
    return told.with_untidy(outcome.untidy or outcome.report.untidy)


def judge_objectives(asked: Sequence[Objective], outcome: RunOutcome) -> Judgement:
    """The verdict over an open or closed load, a burst, or one hold of a capacity search."""
    report = outcome.report
    limits = _limits(asked)
    ordered = outcome.stopped is not None or report.breached
    generator = None
    if outcome.plan.target.benchmark is None:  # else its own tool measures, and not the worker
        generator = examine(outcome.plan, report, outcome.workers, ordered=ordered)
    findings = generator.findings if generator is not None else []
    slos = [
        status_of(
            objective,
            judge_one(objective, outcome.plan, report),
            Faults(findings, report.generator),
        )
        for objective in asked
    ]
    summary = summaries.summarise(outcome.plan, report, limits)
    verdict, message = _overall(slos, _ending(outcome), summary.requests)
    return Judgement(
        verdict=verdict,
        message=message[:MESSAGE],
        workers=outcome.workers,
        summary=summary,
        steps=summaries.steps(outcome.plan, report, limits),
        slos=slos,
        generator=generator,
    )


def errored(message: str, workers: WorkerCounts) -> Judgement:
    """The judgement over a run that never measured: it could not start, or was refused."""
    return Judgement(Verdict.ERROR, message[:MESSAGE], workers)


def cancelled(message: str, workers: WorkerCounts) -> Judgement:
    """The judgement over a run that was asked to end before its load began."""
    return Judgement(Verdict.INCONCLUSIVE, message[:MESSAGE], workers)


def unreported(
    workers: WorkerCounts,
    stopped: str | None,
    lost: Sequence[str] = (),
    holds: Sequence[HoldStatus] = (),
) -> Judgement:
    """The judgement over a load that began and on which nobody has reported.

    An Error; Inconclusive where it was ended by order, as ``stopped`` says. The other arguments are
    as in :class:`RunOutcome`.
    """
    message = f"none of {workers.planned} workers reported"
    if lost:
        message += f": {_first(lost)}"
    told = errored(message, workers)
    if stopped is not None:
        told = cancelled(f"stopped ({stopped}): {message}", workers)
    return replace(told, capacity=CapacityStatus(holds=list(holds[:MOST_HOLDS])) if holds else None)


def conditions(
    judgement: Judgement,
    previous: Sequence[Condition],
    now: datetime,
    generation: int | None = None,
) -> list[Condition]:
    """The conditions of a finished PerfRun: Complete and SLOMet, and what else there was before.

    ``last_transition_time`` is ``now`` where a status changes, else what it was.
    """
    complete = "Error" if judgement.verdict is Verdict.ERROR else "Finished"
    status, reason = _slo_met(judgement)
    fresh = [
        Condition(type="Complete", status="True", reason=complete, message=judgement.message),
        Condition(type="SLOMet", status=status, reason=reason, message=judgement.message),
    ]
    before = {condition.type: condition for condition in previous}
    others = [old for old in previous if old.type not in ("Complete", "SLOMet")]
    return others + [
        condition.model_copy(
            update={
                "observed_generation": generation,
                "last_transition_time": _transition(before.get(condition.type), condition, now),
            }
        )
        for condition in fresh
    ]


def _slo_met(judgement: Judgement) -> tuple[str, str]:
    match judgement.verdict:
        case Verdict.PASS:
            return ("True", "ObjectivesMet") if judgement.slos else ("Unknown", "NoObjectives")
        case Verdict.WARN | Verdict.FAIL:
            return "False", "ObjectiveMissed"
        case Verdict.ERROR:
            return "Unknown", "Error"
        case _:
            return "Unknown", "Inconclusive"


def _transition(before: Condition | None, after: Condition, now: datetime) -> datetime:
    if before is None or before.status != after.status or before.last_transition_time is None:
        return now
    return before.last_transition_time


# --- the whole run ----------------------------------------------------------------------------


def _nothing_held(asked: Sequence[Objective], outcome: RunOutcome) -> Judgement:
    """Of a capacity search that was over before its first hold was."""
    message = "no rate was held: nothing is known of the target"
    judged = Judged(Verdict.INCONCLUSIVE, message)
    ending = _ending(outcome)
    return Judgement(
        verdict=Verdict.INCONCLUSIVE,
        message=(message if ending is None else f"{ending.told}: {message}")[:MESSAGE],
        workers=outcome.workers,
        slos=[status_of(objective, judged, NO_FAULTS) for objective in asked],
    )


def _judge_search(asked: Sequence[Objective], outcome: RunOutcome) -> Judgement:
    """What was found, and the last hold by all objectives but ``capacity``."""
    capacity, whole = outcome.plan.load.capacity, outcome.report
    assert capacity is not None
    status = CapacityStatus(holds=list(outcome.holds[:MOST_HOLDS]))
    if not 0 < whole.hold <= len(outcome.holds):
        return replace(_nothing_held(asked, outcome), capacity=status)
    result = found(capacity, held(outcome.holds))
    of_hold = _judge_last_hold(asked, outcome, whole, capacity)
    by_others = {(slo.metric, slo.of, slo.on_breach): slo for slo in of_hold.slos}
    sent = sum(step.sent for step in whole.window.steps)
    slos = [
        by_others.get((one.metric, one.of, one.on_breach))
        or status_of(
            one,
            judge_one(one, outcome.plan, whole)
            if one.metric in OBSERVED
            else judge_capacity(one, result, sent),
            NO_FAULTS,
        )
        for one in asked
    ]
    limits, ending = _limits(asked), _ending(outcome)
    summary = summaries.summarise(outcome.plan, whole, limits)
    verdict, message = _overall(slos, ending, summary.requests)
    if result.unfinished is not None:
        verdict = worst([verdict, Verdict.INCONCLUSIVE])
        if ending is None:
            message = f"not sure, because {result.unfinished}: {message}"
    return replace(
        of_hold,
        verdict=verdict,
        message=f"capacity {result.text}: {message}"[:MESSAGE],
        summary=summary.model_copy(update={"capacity": result.text}),
        steps=summaries.steps(outcome.plan, whole, limits),
        slos=slos,
        capacity=status,
    )


def _judge_last_hold(
    asked: Sequence[Objective], outcome: RunOutcome, whole: WorkerReport, capacity: Capacity
) -> Judgement:
    # A hold that was cut short by a stop condition covers what there was of it.
    alone = {
        "warmup": PhaseRecord(),
        "load_time": whole.window_time,
        "breached": whole.window_time < capacity.hold,
    }
    plan = hold_plan(outcome.plan, parse_rate(outcome.holds[whole.hold - 1].rate))
    others = [one for one in asked if one.metric != "capacity" and one.metric not in OBSERVED]
    report = whole.model_copy(update=alone)
    return judge_objectives(others, replace(outcome, plan=plan, report=report))


class _Ending(NamedTuple):
    """Why a load ended before its plan."""

    told: str
    least: Verdict
    """What the run is at least."""


def _ending(outcome: RunOutcome) -> _Ending | None:
    """Somebody's order, a condition of ``stopWhen``, or a worker's own reason."""
    report = outcome.report
    if report.breached:
        return _Ending(f"stopped {report.stopped}", Verdict.WARN)
    stopped = outcome.stopped or report.stopped
    if stopped is None:
        return None
    # The load of a worker that was ended is a matter of coverage while others go on.
    told = "no worker was left" if stopped == TERMINATED else stopped
    return _Ending(f"stopped ({told})", Verdict.INCONCLUSIVE)


def _first(lost: Sequence[str]) -> str:
    return f"{lost[0]} (and {len(lost) - 1} more)" if len(lost) > 1 else lost[0]


def _limits(asked: Sequence[Objective]) -> dict[str, list[float]]:
    """By metric, what a figure of it may not be rounded across."""
    limits: dict[str, list[float]] = {}
    for objective in asked:
        limits.setdefault(objective.metric, []).extend(objective.limits)
    return limits


def _overall(
    slos: Sequence[SloStatus], ending: _Ending | None, requests: RequestCounts
) -> tuple[Verdict, str]:
    if slos:
        verdict = worst([slo.verdict for slo in slos])
        message = _told(slos, verdict)
    elif requests.succeeded:
        verdict, message = Verdict.PASS, "finished; the test sets no objectives"
    else:
        what = (
            f"none of {requests.sent} requests succeeded" if requests.sent else "nothing was sent"
        )
        verdict, message = Verdict.INCONCLUSIVE, f"{what}, and the test sets no objectives"
    if ending is None:
        return verdict, message
    return worst([verdict, ending.least]), f"{ending.told}: {message}"


def _told(slos: Sequence[SloStatus], verdict: Verdict) -> str:
    counted = [slo for slo in slos if slo.verdict is not Verdict.NOT_APPLICABLE]
    if not counted:
        return f"no objective applies to this load: {slos[0].message}"
    noun = "objective" if len(counted) == 1 else "objectives"
    if verdict is Verdict.PASS:
        return f"{len(counted)} of {len(counted)} {noun} met"
    bad = [slo for slo in counted if slo.verdict in (Verdict.WARN, Verdict.FAIL)]
    word = "missed" if bad else "inconclusive"
    bad = bad or [slo for slo in counted if slo.verdict is Verdict.INCONCLUSIVE]
    # The sentence to show is the worst one's.
    first = max(bad, key=lambda slo: ORDER.index(slo.verdict))
    return f"{len(bad)} of {len(counted)} {noun} {word}: {first.message}"
