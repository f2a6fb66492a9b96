"""The verdict over a load, or one hold of a capacity search, by all of its objectives."""

from collections.abc import Sequence
from typing import NamedTuple

from perfrun.api.run.perfrun import RequestCounts, SloStatus, Verdict
from perfrun.api.sentence import cut
from perfrun.logic.verdict import summary as summaries
from perfrun.logic.verdict.compare import ORDER, Faults, judge_one, status_of, worst
from perfrun.logic.verdict.findings import examine
from perfrun.logic.verdict.objectives import Objective
from perfrun.logic.verdict.outcome import Judgement, RunOutcome
from perfrun.measure.report import TERMINATED


def judge_objectives(
    asked: Sequence[Objective], outcome: RunOutcome, *, ordered: bool = False
) -> Judgement:
    """The verdict over an open or closed load, a burst, or one hold of a capacity search.

    ``ordered``: it was to end before its plan, also where the outcome does not say so.
    """
    report = outcome.report
    limits = limits_of(asked)
    ordered = ordered or outcome.stopped is not None or report.breached
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
    verdict, message = overall(slos, ending_of(outcome), summary.requests)
    return Judgement(
        verdict=verdict,
        message=cut(message),
        workers=outcome.workers,
        summary=summary,
        steps=summaries.steps(outcome.plan, report, limits),
        slos=slos,
        generator=generator,
    )


class Ending(NamedTuple):
    """Why a load ended before its plan."""

    told: str
    least: Verdict
    """What the run is at least."""


def ending_of(outcome: RunOutcome) -> Ending | None:
    """Somebody's order, a condition of ``stopWhen``, or a worker's own reason."""
    report = outcome.report
    if report.breached:
        return Ending(f"stopped {report.stopped}", Verdict.WARN)
    stopped = outcome.stopped or report.stopped
    if stopped is None:
        return None
    # The load of a worker that was ended is a matter of coverage while others go on.
    told = "no worker was left" if stopped == TERMINATED else stopped
    return Ending(f"stopped ({told})", Verdict.INCONCLUSIVE)


def limits_of(asked: Sequence[Objective]) -> dict[str, list[float]]:
    """By metric, what a figure of it may not be rounded across."""
    limits: dict[str, list[float]] = {}
    for objective in asked:
        limits.setdefault(objective.metric, []).extend(objective.limits)
    return limits


def overall(
    slos: Sequence[SloStatus], ending: Ending | None, requests: RequestCounts
) -> tuple[Verdict, str]:
    """The worst of the objectives, and no better than how the load ended; and the sentence."""
    if slos:
        verdict = worst([slo.verdict for slo in slos])
        message = _told(slos, verdict)
    elif requests.succeeded:
        verdict, message = Verdict.PASS, "finished; the test sets no objectives"
        if ending is not None:
            return ending.least, ending.told
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
    missed = sum(slo.verdict in (Verdict.WARN, Verdict.FAIL) for slo in counted)
    unclear = sum(slo.verdict is Verdict.INCONCLUSIVE for slo in counted)
    if missed:
        told = f"{missed} of {len(counted)} {noun} missed"
        told += f", {unclear} inconclusive" if unclear else ""
    else:
        told = f"{unclear} of {len(counted)} {noun} inconclusive"
    # The sentence to show is the worst one's.
    first = max(counted, key=lambda slo: ORDER.index(slo.verdict))
    return f"{told}: {first.message}"
