"""One run of a test on this machine: the plan of its workers, and the outcome.

Shared by ``perfrun run`` and the pytest plugin.
"""

import uuid

from perfrun.api.run.overrides import Overrides
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import PerfTest
from perfrun.local.run import BY_SIGTERM, LocalRun
from perfrun.logic.plan.names import requested_run_name
from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.run.lifecycle import Action
from perfrun.logic.verdict.judge import judge
from perfrun.logic.verdict.outcome import RunOutcome, RunVerdict, cancelled, errored, unreported
from perfrun.measure.plan import RunPlan
from perfrun.measure.result import RunResult
from perfrun.report.document import RunTimes, local_run, result_document


def new_plan(test: PerfTest) -> RunPlan:
    """The plan of a new run."""
    name, uid = test.metadata.name, str(uuid.uuid4())
    return make_plan(
        test.spec,
        uid=uid,
        namespace=test.metadata.namespace,
        test=name,
        run=requested_run_name(name, uid),
    )


def outcome_of(
    test: PerfTest, local: LocalRun, overrides: Overrides | None = None
) -> tuple[PerfRun, RunResult]:
    """The judged outcome; there is always a PerfRun, whatever happened. ``overrides``: those that
    ``test`` has in it."""
    assert local.ended is not None
    run = local_run(
        local.plan,
        judged(test, local),
        RunTimes(local.created, local.start, local.ended),
        report=local.report,
        stopped=local.stopped,
        overrides=overrides,
    )
    return run, result_document(local.plan, test.spec, run, local.report)


def judged(test: PerfTest, local: LocalRun) -> RunVerdict:
    """The outcome of a run, even without data."""
    if local.end.action is Action.FAIL:
        return errored(local.end.message, local.workers).with_untidy(local.untidy)
    if local.end.action is Action.CANCEL:
        return cancelled(local.end.message, local.workers).with_untidy(local.untidy)
    if local.report is None:
        nothing = unreported(local.workers, local.stopped, local.lost, local.holds)
        return nothing.with_untidy(local.untidy)
    outcome = RunOutcome(
        local.plan,
        local.report,
        local.workers,
        stopped=local.stopped,
        enforced=local.stopped == BY_SIGTERM,
        holds=local.holds,
        lost=local.lost,
        untidy=local.untidy,
    )
    return judge(test.spec, outcome)
