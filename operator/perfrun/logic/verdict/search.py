"""The verdict over a capacity search: what it found, and its last hold as the load that it was."""

from collections.abc import Sequence
from dataclasses import replace

from perfrun.api.quantities import parse_rate
from perfrun.api.run.perfrun import MOST_HOLDS, CapacityStatus, Verdict
from perfrun.api.sentence import cut
from perfrun.api.test.load import Capacity
from perfrun.api.test.metric import CAPACITY, Source
from perfrun.logic.plan.capacity import Found, found, held
from perfrun.logic.plan.run_plan import hold_plan
from perfrun.logic.verdict import summary as summaries
from perfrun.logic.verdict.compare import (
    MET,
    NO_FAULTS,
    Judged,
    allowed,
    judge_one,
    status_of,
    worst,
)
from perfrun.logic.verdict.holds import of_holds
from perfrun.logic.verdict.load import ending_of, judge_objectives, limits_of, overall
from perfrun.logic.verdict.objectives import Objective
from perfrun.logic.verdict.outcome import Judgement, RunOutcome
from perfrun.measure.record import PhaseRecord
from perfrun.measure.report import WorkerReport


def judge_search(asked: Sequence[Objective], outcome: RunOutcome) -> Judgement:
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
            if one.row.source is Source.OBSERVED
            else _judge_capacity(one, result, sent),
            NO_FAULTS,
        )
        for one in asked
    ]
    limits, ending = limits_of(asked), ending_of(outcome)
    summary = summaries.summarise(outcome.plan, whole, limits)
    verdict, message = overall(slos, ending, summary.requests)
    if result.unfinished is not None:
        verdict = worst([verdict, Verdict.INCONCLUSIVE])
        if ending is None:
            message = f"not sure, because {result.unfinished}: {message}"
    return replace(
        of_hold,
        verdict=verdict,
        message=cut(f"capacity {result.text}: {message}"),
        summary=summary.model_copy(update={CAPACITY: result.text}),
        steps=summaries.steps(outcome.plan, whole, limits),
        slos=slos,
        capacity=status,
    )


def _judge_last_hold(
    asked: Sequence[Objective], outcome: RunOutcome, whole: WorkerReport, capacity: Capacity
) -> Judgement:
    alone = {"warmup": PhaseRecord(), "load_time": whole.window_time}
    plan = hold_plan(outcome.plan, parse_rate(outcome.holds[whole.hold - 1].rate))
    others = of_holds(asked)
    report = whole.model_copy(update=alone)
    # One that was cut short by a stop condition covers what there was of it.
    cut = whole.window_time < capacity.hold
    return judge_objectives(others, replace(outcome, plan=plan, report=report), ordered=cut)


def _nothing_held(asked: Sequence[Objective], outcome: RunOutcome) -> Judgement:
    """Of a capacity search that was over before its first hold was."""
    message = "no rate was held: nothing is known of the target"
    judged = Judged(Verdict.INCONCLUSIVE, message)
    ending = ending_of(outcome)
    return Judgement(
        verdict=Verdict.INCONCLUSIVE,
        message=cut(message if ending is None else f"{ending.told}: {message}"),
        workers=outcome.workers,
        slos=[status_of(objective, judged, NO_FAULTS) for objective in asked],
    )


def _judge_capacity(objective: Objective, result: Found, sent: int) -> Judged:
    missed = Verdict.FAIL if objective.on_breach == "Fail" else Verdict.WARN
    upper, lower = objective.upper, objective.lower
    sentence = f"{objective.subject} was {result.text}, {allowed(objective)}"
    if (lower is not None and result.high < lower) or (upper is not None and result.low > upper):
        return Judged(missed, sentence, result.text, sent)
    enough = lower is None or result.low >= lower
    if enough and (upper is None or result.high <= upper):
        return Judged(Verdict.PASS, sentence, result.text, sent, ending=MET)
    why = result.unfinished or "no higher rate was tried"
    ending = f"{sentence}: not known, because {why}"
    return Judged(Verdict.INCONCLUSIVE, ending, result.text, sent)
