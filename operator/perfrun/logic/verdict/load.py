"""The verdict over a load, or one hold of a capacity search, by all of its objectives."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from perfrun.api.run.perfrun import MAX_SLOS, RequestCounts, SloStatus, Verdict
from perfrun.api.sentence import cut
from perfrun.api.test.metric import TIMINGS, Metric, MetricSource
from perfrun.logic.plan.run_plan import load_end, planned
from perfrun.logic.plan.shape import NS
from perfrun.logic.verdict import summary as summaries
from perfrun.logic.verdict.benchmarks import measured
from perfrun.logic.verdict.compare import ORDER, Faults, compare, status_of, worst
from perfrun.logic.verdict.findings import examine
from perfrun.logic.verdict.objectives import Objective, out_of_reach, share
from perfrun.logic.verdict.observed import observed
from perfrun.logic.verdict.outcome import RunOutcome, RunVerdict
from perfrun.logic.verdict.own_delays import LowRate, Miss, PageMiss, SlowMiss
from perfrun.logic.verdict.readings import NoReading, Reading, Scope, read, scope
from perfrun.logic.verdict.scripts import judged_thresholds
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import TERMINATED, WorkerReport
from perfrun.measure.wire import TIMEOUT

FLOOR_SLACK = 0.99
"""Tolerance of an open load's floor: arrivals at the edges of a window must not decide."""


_NAMED = 10
"""Steps that a sentence names."""


def judge_objectives(
    asked: Sequence[Objective], outcome: RunOutcome, *, ordered: bool = False
) -> RunVerdict:
    """The verdict over an open or closed load, a burst, or one hold of a capacity search.

    ``ordered``: it was ended early on purpose, even if the outcome does not say so.
    """
    report = outcome.report
    limits = limits_of(asked)
    ordered = ordered or outcome.stopped is not None or report.breached
    generator = None
    if outcome.plan.target.benchmark is None:  # otherwise its own tool measures, not the worker
        generator = examine(outcome.plan, report, outcome.workers, ordered=ordered)
    findings = generator.findings if generator is not None else []
    faults = Faults(findings, report.generator)
    judged = [
        *((one, reading_of(one, outcome.plan, report)) for one in asked),
        *judged_thresholds(outcome.plan, report),
    ]
    slos = [status_of(one, compare(one, found), faults) for one, found in judged]
    summary = summaries.summarise(outcome.plan, report, limits)
    verdict, message = overall(slos, ending_of(outcome), summary.requests)
    return RunVerdict(
        verdict=verdict,
        message=cut(message),
        workers=outcome.workers,
        summary=summary,
        steps=summaries.steps(outcome.plan, report, limits),
        slos=worst_of(slos),
        generator=generator,
    )


def worst_of(slos: Sequence[SloStatus]) -> list[SloStatus]:
    """Those that a status has room for: all, or without the last ones that were met."""
    more = len(slos) - MAX_SLOS
    kept = [one for one in slos if one.verdict is not Verdict.PASS]
    met = [one for one in slos if one.verdict is Verdict.PASS]
    return list(slos) if more <= 0 else [*kept, *met][:MAX_SLOS]


def reading_of(objective: Objective, plan: RunPlan, report: WorkerReport) -> Reading | NoReading:
    """What a report says about an objective, whatever measured it."""
    row = objective.row
    if row.source is MetricSource.OBSERVED:
        return observed(objective.metric, objective.of, plan, report)
    if row.source is MetricSource.BENCHMARK:
        return measured(objective.metric, objective.of, report)
    if row.floor and objective.lower is not None:
        reason = _not_applicable(objective, plan)
        if reason is not None:
            return NoReading(reason, applicable=False)
    part = scope(plan, report.window, objective.of, report.window_time)
    if plan.target.script is not None and not part.steps and objective.of:
        return NoReading(f"has no samples: {_names_of(report)}")
    found = read(objective.metric, part)
    if isinstance(found, NoReading):
        return found
    unknown = part.sum.censored + part.sum.errors.get(TIMEOUT, 0)
    return replace(
        found,
        note=_of_journeys(row, part) + _by_clock(row, plan),
        doubt="" if found.known else f"{unknown} requests timed out or were open at the end",
        nearly=row.floor and _nearly(objective, found, plan, report, part),
        miss=_miss(objective, found, plan, part),
    )


def _miss(objective: Objective, measured: Reading, plan: RunPlan, part: Scope) -> Miss | None:
    """What the generator may have contributed to a miss; None if it cannot be the reason."""
    row = objective.row
    if plan.target.script is not None:
        return None  # the worker beside the tool delays none of its requests
    if objective.upper is not None and measured.low > objective.upper:
        if row.family in TIMINGS:
            steps = len(part.steps) if part.journeys and row.journey else 1
            samples = part.distribution(row.family).whole
            return SlowMiss(samples, row.statistic, objective.upper, row.waits + steps - 1)
        if row.source is MetricSource.PAGE and row.waits:
            samples = part.sum.measures[row.family]
            return PageMiss(SlowMiss(samples, row.statistic, objective.upper, row.waits))
        return None
    if objective.row.floor and objective.lower is not None:
        unfinished = part.sum.censored + part.sum.errors.get(TIMEOUT, 0)
        unfinished += sum(scenario.dropped for scenario in part.scenarios)
        count = part.reached(row)
        needed = FLOOR_SLACK * objective.lower * part.window / NS
        return LowRate(count, needed, unfinished, open=plan.load.open is not None)
    return None


def _of_journeys(row: Metric, part: Scope) -> str:
    """That the latency of a scenario is not a latency of its steps."""
    if not (part.journeys and row.journey and len(part.steps) > 1):
        return ""
    return f" for the whole journey of its {len(part.steps)} steps"


def _names_of(report: WorkerReport) -> str:
    """The requests that a script made instead of the one that an objective names."""
    names = list(dict.fromkeys(step.step for step in report.window.steps))
    if not names:
        return "the script made no request"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"the script made no such request; it made {', '.join(names[:_NAMED])}{more}"


def _by_clock(row: Metric, plan: RunPlan) -> str:
    """That a time is not perfrun's."""
    script = plan.target.script
    return f" by the clock of {script.tool}" if script and row.family in TIMINGS else ""


def _not_applicable(objective: Objective, plan: RunPlan) -> str | None:
    """Why a floor is not judged in this load, if it is not."""
    if plan.load.burst is not None:
        return "is not judged in a burst, which lasts as long as its responses take"
    # A search must not lower the rate until a floor no longer applies.
    if plan.load.open is None or plan.load.capacity is not None:
        if objective.from_class is None:
            return None
        return f"of class {objective.from_class} is judged in open loads only"
    return out_of_reach(plan.load, plan.scenarios, objective)


def _nearly(
    objective: Objective, found: Reading, plan: RunPlan, report: WorkerReport, part: Scope
) -> bool:
    """Whether an open load that is below its floor met 99% of it, or of what was planned if that is
    less.

    A capacity search plans no rate, so its result has to be enough.
    """
    if plan.load.open is None or plan.load.capacity is not None:
        return False
    end = load_end(plan)
    if end is None or objective.lower is None or found.high >= objective.lower:
        return False
    until = end if report.stopped is None else min(report.load_time, end)
    iterations = planned(plan, until) - planned(plan, plan.load.warmup or 0)
    due = iterations * share(plan.scenarios, objective.metric, objective.of)
    return part.reached(objective.row) >= FLOOR_SLACK * min(objective.lower * part.window / NS, due)


class Ending(NamedTuple):
    """Why a load ended before its plan."""

    text: str
    least: Verdict
    """The mildest verdict that the run can have."""


def ending_of(outcome: RunOutcome) -> Ending | None:
    """Somebody's order, a condition of ``stopWhen``, or a worker's own reason."""
    report = outcome.report
    if report.breached:
        return Ending(f"stopped {report.stopped}", Verdict.WARN)
    stopped = outcome.stopped or report.stopped
    if stopped is None:
        return None
    asked = outcome.stopped is not None and not outcome.enforced
    if asked and outcome.plan.load.until_stopped:
        return Ending(f"stopped as planned ({outcome.stopped})", Verdict.PASS)
    # If a worker is ended while others continue, that is a matter of coverage.
    reason = "no worker was left" if stopped == TERMINATED else stopped
    return Ending(f"stopped ({reason})", Verdict.INCONCLUSIVE)


def limits_of(asked: Sequence[Objective]) -> dict[str, list[float]]:
    """By metric, the limits across which a figure of it may not be rounded."""
    limits: dict[str, list[float]] = {}
    for objective in asked:
        limits.setdefault(objective.metric, []).extend(objective.limits)
    return limits


def overall(
    slos: Sequence[SloStatus], ending: Ending | None, requests: RequestCounts
) -> tuple[Verdict, str]:
    """The worst of the objectives, limited by how the load ended; and the sentence."""
    if slos:
        verdict = worst([slo.verdict for slo in slos])
        message = _message(slos, verdict)
    elif requests.succeeded:
        verdict, message = Verdict.PASS, "finished; the test has no objectives"
        if ending is not None:
            return ending.least, ending.text
    else:
        what = (
            f"none of {requests.sent} requests succeeded"
            if requests.sent
            else "no request was sent"
        )
        verdict, message = Verdict.INCONCLUSIVE, f"{what}, and the test has no objectives"
    if ending is None:
        return verdict, message
    return worst([verdict, ending.least]), f"{ending.text}: {message}"


def _message(slos: Sequence[SloStatus], verdict: Verdict) -> str:
    counted = [slo for slo in slos if slo.verdict is not Verdict.NOT_APPLICABLE]
    if not counted:
        return f"no objective applies to this load: {slos[0].message}"
    noun = "objective" if len(counted) == 1 else "objectives"
    if verdict is Verdict.PASS:
        return f"{len(counted)} of {len(counted)} {noun} met"
    missed = sum(slo.verdict in (Verdict.WARN, Verdict.FAIL) for slo in counted)
    unclear = sum(slo.verdict is Verdict.INCONCLUSIVE for slo in counted)
    if missed:
        counts = f"{missed} of {len(counted)} {noun} missed"
        counts += f", {unclear} inconclusive" if unclear else ""
    else:
        counts = f"{unclear} of {len(counted)} {noun} inconclusive"
    # The sentence to show is the worst objective's.
    first = max(counted, key=lambda slo: ORDER.index(slo.verdict))
    return f"{counts}: {first.message}"
