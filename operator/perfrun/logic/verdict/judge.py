"""The verdict of a run as a whole: its load or search, what was observed, refusals.

Objectives are compared in ``compare.py``; ``load.py`` and ``search.py`` compute the overall result.
"""

from dataclasses import replace

from perfrun.api.run.perfrun import MAX_SLOS, Verdict
from perfrun.api.sentence import cut
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.verdict import observed as observing
from perfrun.logic.verdict.benchmarks import status_of_benchmark
from perfrun.logic.verdict.compare import worst
from perfrun.logic.verdict.load import judge_objectives, limits_of
from perfrun.logic.verdict.objectives import objectives
from perfrun.logic.verdict.outcome import RunOutcome, RunVerdict, first_of
from perfrun.logic.verdict.scripts import differing_workers, status_of_script
from perfrun.logic.verdict.search import judge_search
from perfrun.measure.wire import POLICY


def judge(spec: PerfTestSpec, outcome: RunOutcome) -> RunVerdict:
    """The verdict over a run by the objectives of ``spec``. Missing data is never a pass.

    For a capacity search, the result is judged, and the last hold as an ordinary load.
    """
    asked = objectives(spec)[:MAX_SLOS]
    search = outcome.plan.load.capacity is not None
    run_verdict = judge_search(asked, outcome) if search else judge_objectives(asked, outcome)
    run_verdict = _unless_mixed(_unless_refused(run_verdict, outcome), outcome)
    sentences = [run_verdict.message]
    if outcome.report.forbidden is not None:
        sentences.append(outcome.report.forbidden)
    if outcome.lost:
        sentences.append(f"lost: {first_of(outcome.lost)}")
    limits = limits_of(asked)
    judged = replace(
        run_verdict,
        message=cut("; ".join(sentences)),
        observed=observing.statuses(outcome.plan, outcome.report, limits),
        benchmark=status_of_benchmark(outcome.report, limits),
        script=status_of_script(outcome.report),
    )
    return judged.with_untidy(outcome.untidy or outcome.report.untidy)


def _unless_refused(run_verdict: RunVerdict, outcome: RunOutcome) -> RunVerdict:
    """No pass for a load that policies kept from its target, whatever the objectives say."""
    steps = outcome.report.window.steps
    refused, sent = sum(one.errors.get(POLICY, 0) for one in steps), sum(s.sent for s in steps)
    if not refused or 2 * refused < sent:
        return run_verdict
    message = f"policies refused {refused} of {sent} requests: {run_verdict.message}"
    verdict = worst([run_verdict.verdict, Verdict.INCONCLUSIVE])
    return replace(run_verdict, verdict=verdict, message=message)


def _unless_mixed(run_verdict: RunVerdict, outcome: RunOutcome) -> RunVerdict:
    """An Error where workers did not run the same script."""
    differing = differing_workers(outcome.report)
    if differing is None:
        return run_verdict
    return replace(run_verdict, verdict=Verdict.ERROR, message=differing)
