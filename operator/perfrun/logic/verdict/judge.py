"""The verdict: objectives against measurements, and what the generator's faults leave of it."""

from dataclasses import replace

from perfrun.api.run.perfrun import MOST_SLOS, Verdict
from perfrun.api.sentence import cut
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.verdict import observed as observing
from perfrun.logic.verdict.benchmarks import status_of_benchmark
from perfrun.logic.verdict.compare import worst
from perfrun.logic.verdict.load import judge_objectives, limits_of
from perfrun.logic.verdict.objectives import objectives
from perfrun.logic.verdict.outcome import Judgement, RunOutcome, first_of
from perfrun.logic.verdict.search import judge_search


def judge(spec: PerfTestSpec, outcome: RunOutcome) -> Judgement:
    """The verdict over a run by the objectives of ``spec``. No data is never a pass.

    Of a capacity search, what was found is judged, and the last hold as the load that it was.
    """
    asked = objectives(spec)[:MOST_SLOS]
    search = outcome.plan.load.capacity is not None
    judgement = judge_search(asked, outcome) if search else judge_objectives(asked, outcome)
    judgement = _unless_refused(judgement, outcome)
    said = [judgement.message]
    if outcome.report.forbidden is not None:
        said.append(outcome.report.forbidden)
    if outcome.lost:
        said.append(f"lost: {first_of(outcome.lost)}")
    limits = limits_of(asked)
    told = replace(
        judgement,
        message=cut("; ".join(said)),
        observed=observing.statuses(outcome.plan, outcome.report, limits),
        benchmark=status_of_benchmark(outcome.report, limits),
    )
    return told.with_untidy(outcome.untidy or outcome.report.untidy)


_REFUSED = "Policy"
"""The class of errors of requests that a policy has refused."""


def _unless_refused(judgement: Judgement, outcome: RunOutcome) -> Judgement:
    """No pass for a load that policies have kept from its target, whatever the objectives say."""
    steps = outcome.report.window.steps
    refused, sent = sum(one.errors.get(_REFUSED, 0) for one in steps), sum(s.sent for s in steps)
    if not refused or 2 * refused < sent:
        return judgement
    message = f"policies refused {refused} of {sent} requests: {judgement.message}"
    verdict = worst([judgement.verdict, Verdict.INCONCLUSIVE])
    return replace(judgement, verdict=verdict, message=message)
