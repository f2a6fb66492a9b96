"""The verdict over a capacity search: its result, and its last hold as an ordinary load."""

from collections.abc import Sequence
from dataclasses import replace

from perfrun.api.quantities import parse_rate
from perfrun.api.run.perfrun import MAX_HOLDS, CapacityStatus, SloStatus, Verdict
from perfrun.api.sentence import cut
from perfrun.api.test.load import Capacity
from perfrun.api.test.metric import CAPACITY
from perfrun.logic.plan.capacity import Found, found, held
from perfrun.logic.plan.run_plan import hold_plan
from perfrun.logic.verdict import summary as summaries
from perfrun.logic.verdict.compare import NO_FAULTS, ObjectiveVerdict, compare, status_of, worst
from perfrun.logic.verdict.holds import of_holds
from perfrun.logic.verdict.load import (
    ending_of,
    judge_objectives,
    limits_of,
    overall,
    reading_of,
)
from perfrun.logic.verdict.objectives import Objective
from perfrun.logic.verdict.outcome import RunOutcome, RunVerdict
from perfrun.logic.verdict.readings import Reading
from perfrun.measure.record import PhaseRecord
from perfrun.measure.report import WorkerReport


def judge_search(asked: Sequence[Objective], outcome: RunOutcome) -> RunVerdict:
    """The result, and the last hold by all objectives except ``capacity``."""
    capacity, whole = outcome.plan.load.capacity, outcome.report
    assert capacity is not None
    status = CapacityStatus(holds=list(outcome.holds[:MAX_HOLDS]))
    if not 0 < whole.hold <= len(outcome.holds):
        return replace(_nothing_held(asked, outcome), capacity=status)
    result = found(capacity, held(outcome.holds))
    of_hold = _judge_last_hold(asked, outcome, whole, capacity)
    by_others = {(slo.metric, slo.of, slo.on_breach): slo for slo in of_hold.slos}
    sent = sum(step.sent for step in whole.window.steps)

    def of_search(one: Objective) -> SloStatus:
        own = one.metric == CAPACITY
        reading = _capacity(result, sent) if own else reading_of(one, outcome.plan, whole)
        return status_of(one, compare(one, reading), NO_FAULTS)

    slos = [by_others.get((one.metric, one.of, one.on_breach)) or of_search(one) for one in asked]
    limits, ending = limits_of(asked), ending_of(outcome)
    summary = summaries.summarise(outcome.plan, whole, limits)
    verdict, message = overall(slos, ending, summary.requests)
    if result.unfinished is not None:
        verdict = worst([verdict, Verdict.INCONCLUSIVE])
        if ending is None:
            message = f"uncertain, because {result.unfinished}: {message}"
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
) -> RunVerdict:
    alone = {"warmup": PhaseRecord(), "load_time": whole.window_time}
    plan = hold_plan(outcome.plan, parse_rate(outcome.holds[whole.hold - 1].rate))
    others = of_holds(asked)
    report = whole.model_copy(update=alone)
    # A hold that a stop condition cut short covers what there was of it.
    cut = whole.window_time < capacity.hold
    return judge_objectives(others, replace(outcome, plan=plan, report=report), ordered=cut)


def _nothing_held(asked: Sequence[Objective], outcome: RunOutcome) -> RunVerdict:
    """For a capacity search that ended before its first hold did."""
    message = "no hold was completed: nothing is known about the target"
    result = ObjectiveVerdict(Verdict.INCONCLUSIVE, message)
    ending = ending_of(outcome)
    return RunVerdict(
        verdict=Verdict.INCONCLUSIVE,
        message=cut(message if ending is None else f"{ending.text}: {message}"),
        workers=outcome.workers,
        slos=[status_of(objective, result, NO_FAULTS) for objective in asked],
    )


def _capacity(result: Found, sent: int) -> Reading:
    why = result.unfinished or "no higher rate was tried"
    doubt = "" if result.low == result.high else why
    return Reading(result.low, result.high, sent, doubt=doubt, shown=result.text)
