"""One objective against what was measured, and what the generator's faults leave of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from perfrun.api.run.perfrun import Finding, SloStatus, Verdict
from perfrun.api.sentence import cut
from perfrun.api.test.metric import TIMINGS, Metric, Source
from perfrun.api.test.slo import format_measured
from perfrun.logic.plan.run_plan import load_end, planned
from perfrun.logic.plan.shape import NS
from perfrun.logic.verdict.benchmarks import measured as measured_by_benchmark
from perfrun.logic.verdict.objectives import Objective, out_of_reach, share
from perfrun.logic.verdict.observed import observed
from perfrun.logic.verdict.own_delays import LowRate, Miss, PageMiss, SlowMiss
from perfrun.logic.verdict.readings import Figure, NoFigure, Scope, figure, scope
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import GeneratorRecord
from perfrun.measure.report import WorkerReport

FLOOR_SLACK = 0.99
"""Of an open load's floor: arrivals at the edges of a window must not decide."""
MET = ": met"
ORDER = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.FAIL)


@dataclass(frozen=True)
class Judged:
    """What one objective came to, before the generator's faults are weighed."""

    verdict: Verdict
    sentence: str
    measured: str | None = None
    samples: int = 0
    miss: Miss | None = None
    """A miss that delays of the generator itself may explain."""
    ending: str = ""
    """How the sentence ends where no fault of the generator says otherwise: ``: met``."""


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of Pass < Inconclusive < Warn < Fail; NotApplicable does not count.

    Inconclusive where none counts.
    """
    counted = [verdict for verdict in verdicts if verdict in ORDER]
    return max(counted, key=ORDER.index, default=Verdict.INCONCLUSIVE)


class Faults(NamedTuple):
    """What is wrong with the generator, and its record, which says how much."""

    findings: Sequence[Finding]
    record: GeneratorRecord

    def against(self, objective: Objective, judged: Judged) -> Finding | None:
        """The first finding that takes a verdict back, if any does."""
        if judged.verdict is Verdict.PASS:
            return next((f for f in self.findings if _undermines(f, objective)), None)
        if judged.verdict not in (Verdict.WARN, Verdict.FAIL):
            return None
        inflating = [f for f in self.findings if f.effect == "Inflating"]
        miss = judged.miss
        if not inflating or miss is None or not miss.explained_by(inflating, self.record):
            return None
        # One may be enough; else it takes all of them, and the first is named.
        alone = (f for f in inflating if miss.explained_by([f], self.record))
        return next(alone, inflating[0])


NO_FAULTS = Faults((), GeneratorRecord.empty())


def _undermines(finding: Finding, objective: Objective) -> bool:
    """Whether a met objective is in doubt because less load was put on than was planned."""
    if finding.effect != "UnderLoading":
        return False
    # What was reached and what was dropped are facts, whatever was not sent.
    return finding.type != "Dropped" or not objective.row.fact


def status_of(objective: Objective, judged: Judged, faults: Faults) -> SloStatus:
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
        message=cut(judged.sentence + judged.ending),
    )


def _tainted(objective: Objective, judged: Judged, faults: Faults) -> Judged:
    """What the generator's own faults leave of a verdict."""
    found = faults.against(objective, judged)
    if found is None:
        return judged
    ending = f", but this proves nothing: {found.message}"
    return replace(judged, verdict=Verdict.INCONCLUSIVE, ending=ending)


def judge_one(objective: Objective, plan: RunPlan, report: WorkerReport) -> Judged:
    if objective.row.source is Source.OBSERVED:
        return _judge_observed(objective, plan, report)
    if objective.row.source is Source.BENCHMARK:
        return _judge_benchmark(objective, report)
    part = scope(plan, report.window, objective.of, report.window_time)
    measured = figure(objective.metric, part)
    if objective.row.floor and objective.lower is not None:
        reason = _not_applicable(objective, plan)
        if reason is not None:
            return Judged(Verdict.NOT_APPLICABLE, f"{objective.subject} {reason}")
    if isinstance(measured, NoFigure):
        told = "unsupported" if measured.unsupported else None
        sentence = f"{objective.subject} {measured.reason}"
        return Judged(Verdict.INCONCLUSIVE, sentence, told, measured.samples)
    text = measured.text(objective.metric, objective.limits)
    what = _of_journeys(objective.row, part)
    sentence = f"{objective.subject} was {text}{what}, {allowed(objective)}"
    verdict, ending = _against_limits(objective, measured, plan, report, part)
    miss = None if ending else _miss(objective, measured, plan, part)
    return Judged(verdict, sentence, text, measured.samples, miss, ending)


def _miss(objective: Objective, measured: Figure, plan: RunPlan, part: Scope) -> Miss | None:
    """What the generator may have made of a miss; None where it can be no reason for it."""
    row = objective.row
    if objective.upper is not None and measured.low > objective.upper:
        if row.family in TIMINGS:
            steps = len(part.steps) if part.journeys and row.journey else 1
            samples = part.distribution(row.family).whole
            return SlowMiss(samples, row.statistic, objective.upper, row.waits + steps - 1)
        if row.source is Source.PAGE and row.waits:
            samples = part.sum.measures[row.family]
            return PageMiss(SlowMiss(samples, row.statistic, objective.upper, row.waits))
        return None
    if objective.row.floor and objective.lower is not None:
        unfinished = part.sum.censored + part.sum.errors.get("Timeout", 0)
        unfinished += sum(scenario.dropped for scenario in part.scenarios)
        count = part.reached(row)
        needed = FLOOR_SLACK * objective.lower * part.window / NS
        return LowRate(count, needed, unfinished, open=plan.load.open is not None)
    return None


def _of_journeys(row: Metric, part: Scope) -> str:
    """That the latency of a scenario is no latency of its steps."""
    if not (part.journeys and row.journey and len(part.steps) > 1):
        return ""
    return f" for the whole journey of its {len(part.steps)} steps"


def _judge_observed(objective: Objective, plan: RunPlan, report: WorkerReport) -> Judged:
    found = observed(objective.metric, objective.of, plan, report)
    if isinstance(found, NoFigure):
        sentence = f"{objective.subject} {found.reason}"
        return Judged(Verdict.INCONCLUSIVE, sentence, None, found.samples)
    text = format_measured(objective.metric, found.value, objective.limits)
    sentence = f"{objective.subject} was {text}{found.note}, {allowed(objective)}"
    upper, lower = objective.upper, objective.lower
    if (upper is not None and found.value > upper) or (lower is not None and found.value < lower):
        missed = Verdict.FAIL if objective.on_breach == "Fail" else Verdict.WARN
        return Judged(missed, sentence, text, found.samples)
    if found.unseen is not None:
        sentence = f"{sentence}: not known, because {found.unseen}"
        return Judged(Verdict.INCONCLUSIVE, sentence, text, found.samples)
    return Judged(Verdict.PASS, sentence, text, found.samples, ending=MET)


def _judge_benchmark(objective: Objective, report: WorkerReport) -> Judged:
    """What the tool says, as it says it. A command that failed may not have measured all: what it
    met is not known then, and what it missed stands."""
    found = measured_by_benchmark(objective.metric, objective.of, report)
    if isinstance(found, NoFigure):
        return Judged(Verdict.INCONCLUSIVE, f"{objective.subject} {found.reason}")
    text = found.text(objective.metric, objective.limits)
    sentence = f"{objective.subject} was {text}, {allowed(objective)}"
    upper, lower = objective.upper, objective.lower
    if (upper is not None and found.low > upper) or (lower is not None and found.high < lower):
        missed = Verdict.FAIL if objective.on_breach == "Fail" else Verdict.WARN
        return Judged(missed, sentence, text, found.samples)
    failure = report.benchmark.failure if report.benchmark is not None else None
    if failure is not None:
        told = f"{sentence}: not known, because the command failed: {failure}"
        return Judged(Verdict.INCONCLUSIVE, told, text, found.samples)
    return Judged(Verdict.PASS, sentence, text, found.samples, ending=MET)


def _against_limits(
    objective: Objective, measured: Figure, plan: RunPlan, report: WorkerReport, part: Scope
) -> tuple[Verdict, str]:
    """The verdict over a figure, and how its sentence ends."""
    missed = Verdict.FAIL if objective.on_breach == "Fail" else Verdict.WARN
    upper, lower = objective.upper, objective.lower
    if upper is not None and measured.low > upper:
        return missed, ""
    if lower is not None and measured.high < lower:
        if objective.row.floor and _nearly(objective, plan, report, part):
            return Verdict.PASS, f"{MET}, within 1% of what the load could give"
        return missed, ""
    known = (upper is None or measured.high <= upper) and (lower is None or measured.low >= lower)
    if known:
        return Verdict.PASS, MET
    unknown = part.sum.censored + part.sum.errors.get("Timeout", 0)
    return Verdict.INCONCLUSIVE, (
        f": not known, because {unknown} requests timed out or were open at the end"
    )


def allowed(objective: Objective) -> str:
    """The limits of an objective in words."""
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
    # A search must not lower the rate until a floor does not apply any more.
    if plan.load.closed is not None or plan.load.capacity is not None:
        if objective.from_class is None:
            return None
        return f"of class {objective.from_class} is judged in open loads only"
    return out_of_reach(plan.load, plan.scenarios, objective)


def _nearly(objective: Objective, plan: RunPlan, report: WorkerReport, part: Scope) -> bool:
    """Whether an open load met 99% of its floor, or of what was planned where that is less.

    A capacity search plans no rate: what it found has to be enough.
    """
    end = load_end(plan)
    if plan.load.open is None or plan.load.capacity is not None:
        return False
    if end is None or objective.lower is None:
        return False
    until = end if report.stopped is None else min(report.load_time, end)
    iterations = planned(plan, until) - planned(plan, plan.load.warmup or 0)
    due = iterations * share(plan.scenarios, objective.metric, objective.of)
    return part.reached(objective.row) >= FLOOR_SLACK * min(objective.lower * part.window / NS, due)
