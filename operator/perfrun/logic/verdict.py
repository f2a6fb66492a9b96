"""The verdict: objectives against measurements, and what the generator's faults leave of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from perfrun.api.metadata import Condition
from perfrun.api.metric import METRICS, Kind
from perfrun.api.perfrun import (
    MOST_SLOS,
    Finding,
    GeneratorStatus,
    RequestCounts,
    SloStatus,
    StepStatus,
    Summary,
    Verdict,
    WorkerCounts,
)
from perfrun.api.perftest import PerfTestSpec
from perfrun.logic import summary as summaries
from perfrun.logic.figures import Figure, NoFigure, Scope, figure, scope
from perfrun.logic.findings import examine, explains
from perfrun.logic.objectives import FLOORED, Objective, objectives, out_of_reach, share
from perfrun.logic.plan import load_end, planned
from perfrun.logic.shape import NS
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import GeneratorRecord
from perfrun.measure.report import WorkerReport

FLOOR_SLACK = 0.99
"""Of an open load's floor: arrivals at the edges of a window must not decide."""

_MESSAGE = 2048
_ORDER = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.FAIL)
_FACTS = ("dropped", "throughput", "transactions")
_TAINTED_KINDS = (Kind.DURATION, Kind.RATE)


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to, before it is judged."""

    plan: RunPlan
    report: WorkerReport | None
    """All workers' reports merged; None: no worker reported."""
    workers: WorkerCounts
    stopped: str | None = None
    """Who ended the load before its plan, or why."""


@dataclass(frozen=True)
class Judgement:
    """What a user reads of a finished run."""

    verdict: Verdict
    message: str
    workers: WorkerCounts
    summary: Summary | None = None
    steps: list[StepStatus] = field(default_factory=list)
    slos: list[SloStatus] = field(default_factory=list)
    generator: GeneratorStatus | None = None


@dataclass(frozen=True)
class _Judged:
    """What one objective came to, before the generator's faults are weighed."""

    verdict: Verdict
    sentence: str
    measured: str | None = None
    samples: int = 0
    excess: float = 0.0
    """By how many ns a duration missed its upper limit."""


def judge(spec: PerfTestSpec, outcome: RunOutcome) -> Judgement:
    """The verdict over a run by the objectives of ``spec``. No data is never a pass."""
    report = outcome.report
    asked = objectives(spec)[:MOST_SLOS]
    if report is None:
        return _nothing_reported(asked, outcome)
    limits: dict[str, list[float]] = {}
    for objective in asked:
        limits.setdefault(objective.metric, []).extend(objective.limits)
    ordered = outcome.stopped is not None
    generator = examine(outcome.plan, report, outcome.workers, ordered=ordered)
    slos = [
        _status(
            objective,
            _judge_one(objective, outcome.plan, report),
            _Faults(generator.findings, report.generator),
        )
        for objective in asked
    ]
    summary = summaries.summarise(outcome.plan, report, limits)
    stopped = outcome.stopped or report.stopped
    verdict, message = _overall(slos, stopped, summary.requests)
    return Judgement(
        verdict=verdict,
        message=message[:_MESSAGE],
        workers=outcome.workers,
        summary=summary,
        steps=summaries.steps(outcome.plan, report, limits),
        slos=slos,
        generator=generator,
    )


def errored(message: str, workers: WorkerCounts) -> Judgement:
    """The judgement over a run that never measured: it could not start, or was refused."""
    return Judgement(Verdict.ERROR, message[:_MESSAGE], workers)


def cancelled(message: str, workers: WorkerCounts) -> Judgement:
    """The judgement over a run that was asked to end before its load began."""
    return Judgement(Verdict.INCONCLUSIVE, message[:_MESSAGE], workers)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of Pass < Inconclusive < Warn < Fail; NotApplicable does not count.

    Inconclusive where none counts.
    """
    counted = [verdict for verdict in verdicts if verdict in _ORDER]
    return max(counted, key=_ORDER.index, default=Verdict.INCONCLUSIVE)


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


def _nothing_reported(asked: Sequence[Objective], outcome: RunOutcome) -> Judgement:
    message = f"none of {outcome.workers.planned} workers reported: nothing is known of the load"
    if outcome.stopped is not None:
        message = f"stopped ({outcome.stopped}): {message}"
    judged = _Judged(Verdict.INCONCLUSIVE, "no worker reported")
    return Judgement(
        verdict=Verdict.INCONCLUSIVE,
        message=message[:_MESSAGE],
        workers=outcome.workers,
        slos=[_status(objective, judged, NO_FAULTS) for objective in asked],
    )


def _overall(
    slos: Sequence[SloStatus], stopped: str | None, requests: RequestCounts
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
    if stopped is None:
        return verdict, message
    return worst([verdict, Verdict.INCONCLUSIVE]), f"stopped ({stopped}): {message}"


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
    first = max(bad, key=lambda slo: _ORDER.index(slo.verdict))
    return f"{len(bad)} of {len(counted)} {noun} {word}: {first.message}"


# --- one objective ----------------------------------------------------------------------------


class _Faults(NamedTuple):
    """What is wrong with the generator, and its record, which says how much."""

    findings: Sequence[Finding]
    record: GeneratorRecord

    def against(self, objective: Objective, judged: _Judged) -> Finding | None:
        """The first finding that takes a verdict back, if any does."""
        if judged.verdict is Verdict.PASS:
            return next((f for f in self.findings if _undermines(f, objective)), None)
        if judged.verdict not in (Verdict.WARN, Verdict.FAIL):
            return None
        if METRICS[objective.metric] not in _TAINTED_KINDS:
            return None
        return next((f for f in self.findings if self._excuses(f, judged)), None)

    def _excuses(self, finding: Finding, judged: _Judged) -> bool:
        return finding.effect == "Inflating" and explains(finding, judged.excess, self.record)


NO_FAULTS = _Faults((), GeneratorRecord.empty())


def _undermines(finding: Finding, objective: Objective) -> bool:
    """Whether a met objective is in doubt because less load was put on than was planned."""
    if finding.effect != "UnderLoading":
        return False
    # What was reached and what was dropped are facts, whatever was not sent.
    return finding.type != "Dropped" or objective.metric not in _FACTS


def _status(objective: Objective, judged: _Judged, faults: _Faults) -> SloStatus:
    judged = _tainted(objective, judged, faults)
    return SloStatus(
        metric=objective.metric,
        of=objective.of,
        max=objective.max,
        min=objective.min,
        on_breach=objective.on_breach,
        measured=judged.measured,
        samples=judged.samples,
        verdict=judged.verdict,
        message=judged.sentence[:_MESSAGE],
    )


def _tainted(objective: Objective, judged: _Judged, faults: _Faults) -> _Judged:
    """What the generator's own faults leave of a verdict."""
    found = faults.against(objective, judged)
    if found is None:
        return judged
    sentence = f"{judged.sentence}; inconclusive, because {found.message}"
    return replace(judged, verdict=Verdict.INCONCLUSIVE, sentence=sentence)


def _judge_one(objective: Objective, plan: RunPlan, report: WorkerReport) -> _Judged:
    part = scope(plan, report.window, objective.of, report.window_time)
    measured = figure(objective.metric, part)
    if objective.metric in FLOORED and objective.lower is not None:
        reason = _not_applicable(objective, plan)
        if reason is not None:
            return _Judged(Verdict.NOT_APPLICABLE, f"{objective.subject} {reason}")
    if isinstance(measured, NoFigure):
        told = "unsupported" if measured.unsupported else None
        sentence = f"{objective.subject} {measured.reason}"
        return _Judged(Verdict.INCONCLUSIVE, sentence, told, measured.samples)
    text = measured.text(objective.metric, objective.limits)
    sentence = f"{objective.subject} was {text}, {_allowed(objective)}"
    verdict, ending = _against_limits(objective, measured, plan, report, part)
    excess = 0.0
    if METRICS[objective.metric] is Kind.DURATION and objective.upper is not None:
        excess = measured.low - objective.upper
    return _Judged(verdict, sentence + ending, text, measured.samples, excess)


def _against_limits(
    objective: Objective, measured: Figure, plan: RunPlan, report: WorkerReport, part: Scope
) -> tuple[Verdict, str]:
    """The verdict over a figure, and how its sentence ends."""
    missed = Verdict.FAIL if objective.on_breach == "Fail" else Verdict.WARN
    upper, lower = objective.upper, objective.lower
    if upper is not None and measured.low > upper:
        return missed, ""
    if lower is not None and measured.high < lower:
        if objective.metric in FLOORED and _nearly(objective, plan, report, part):
            return Verdict.PASS, ": met, within 1% of what the load could give"
        return missed, ""
    known = (upper is None or measured.high <= upper) and (lower is None or measured.low >= lower)
    if known:
        return Verdict.PASS, ": met"
    unknown = part.sum.censored + part.sum.errors.get("Timeout", 0)
    return Verdict.INCONCLUSIVE, (
        f": not known, because {unknown} requests timed out or were open at the end"
    )


def _allowed(objective: Objective) -> str:
    limits = []
    if objective.max is not None:
        limits.append(f"at most {objective.max} allowed")
    if objective.min is not None:
        limits.append(f"at least {objective.min} required")
    return " and ".join(limits)


def _not_applicable(objective: Objective, plan: RunPlan) -> str | None:
    """Why a floor is not judged in this load, if it is not."""
    if plan.load.burst is not None:
        return "is not judged in a burst: it lasts as long as its responses take"
    if plan.load.closed is not None:
        if objective.from_class is None:
            return None
        return f"of class {objective.from_class} is judged in open loads only"
    return out_of_reach(plan.load, plan.scenarios, objective)


def _nearly(objective: Objective, plan: RunPlan, report: WorkerReport, part: Scope) -> bool:
    """Whether an open load met 99% of its floor, or of what was planned where that is less."""
    end = load_end(plan)
    if plan.load.open is None or end is None or objective.lower is None:
        return False
    until = end if report.stopped is None else min(report.load_time, end)
    iterations = planned(plan, until) - planned(plan, plan.load.warmup or 0)
    due = iterations * share(plan.scenarios, objective.metric, objective.of)
    count = part.succeeded if objective.metric == "throughput" else part.finished
    return count >= FLOOR_SLACK * min(objective.lower * part.window / NS, due)
