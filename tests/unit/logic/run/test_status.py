"""The status of a run: its conditions while it is under way, and its end."""

from datetime import UTC, datetime

import pytest

from perfrun.api.metadata import Condition
from perfrun.api.run.perfrun import PerfRunStatus, Phase, QueueStatus, Verdict, WorkerCounts
from perfrun.logic.run.status import done_conditions, done_status, open_conditions
from perfrun.logic.verdict.outcome import RunVerdict, cancelled, errored
from tests.unit.logic.build import MS, judged, report, spec, step

P95 = {"metric": "latency.p95", "max": "500ms"}
FAST = [400 * MS] * 1000
SLOW = [600 * MS] * 1000
NOW, EARLIER = datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
ONE = WorkerCounts(planned=1)


@pytest.mark.parametrize(
    ("run_verdict", "complete", "slo_met"),
    [
        (judged(spec(slos=[P95]), report(step(FAST))), "Finished", ("True", "ObjectivesMet")),
        (judged(spec(slos=[P95]), report(step(SLOW))), "Finished", ("False", "ObjectiveMissed")),
        (judged(spec(), report(step(FAST))), "Finished", ("Unknown", "NoObjectives")),
        (judged(spec(slos=[P95]), report(step([]))), "Finished", ("Unknown", "Inconclusive")),
        (cancelled("stopped before its load began", ONE), "Finished", ("Unknown", "Inconclusive")),
        # Complete is True after an error, too: a run that cannot go on is done.
        (errored("the image cannot be pulled", ONE), "Error", ("Unknown", "Error")),
    ],
)
def test_conditions(run_verdict: RunVerdict, complete: str, slo_met: tuple[str, str]) -> None:
    done, met, *_ = done_conditions(run_verdict, [], NOW, 3)
    assert (done.type, done.status, done.reason) == ("Complete", "True", complete)
    assert (met.type, met.status, met.reason) == ("SLOMet", *slo_met)
    assert {done.message, met.message} == {run_verdict.message}
    assert {done.last_transition_time, met.last_transition_time} == {NOW}
    assert done.observed_generation == 3


def test_a_condition_keeps_its_time_while_its_status_does_not_change() -> None:
    def old(kind: str, status: str) -> Condition:
        return Condition(type=kind, status=status, reason="Was", last_transition_time=EARLIER)

    missed = judged(spec(slos=[P95]), report(step(SLOW)))
    before = [old("Complete", "False"), old("SLOMet", "False"), old("Other", "True")]
    after = {condition.type: condition for condition in done_conditions(missed, before, NOW, 3)}
    assert after["SLOMet"].last_transition_time == EARLIER
    assert after["SLOMet"].reason == "ObjectiveMissed"
    assert after["Complete"].last_transition_time == NOW
    assert after["Other"] == before[2]


@pytest.mark.parametrize(
    "phase", [phase for phase in Phase if phase is not Phase.DONE], ids=lambda phase: phase.value
)
def test_a_run_under_way_is_reconciling(phase: Phase) -> None:
    found = {c.type: (c.status, c.reason) for c in open_conditions(phase, [], NOW, 1)}
    assert found == {"Complete": ("False", phase.value), "Reconciling": ("True", phase.value)}


def test_the_next_phase_keeps_since_when_a_run_is_under_way() -> None:
    before = open_conditions(Phase.QUEUED, [], EARLIER, 1)
    after = open_conditions(Phase.STARTING, before, NOW, 1)
    assert {c.last_transition_time for c in after} == {EARLIER}
    assert {c.reason for c in after} == {"Starting"}


@pytest.mark.parametrize(
    ("run_verdict", "stalled"),
    [
        (judged(spec(slos=[P95]), report(step(FAST))), None),
        # A miss that only warns is for nobody to mend before things can go on.
        (judged(spec(slos=[P95]), report(step(SLOW))), None),
        (judged(spec(slos=[{**P95, "onBreach": "Fail"}]), report(step(SLOW))), "ObjectiveMissed"),
        (cancelled("stopped before its load began", ONE), None),
        (errored("the image cannot be pulled", ONE), "Error"),
    ],
    ids=["Pass", "Warn", "Fail", "Inconclusive", "Error"],
)
def test_a_finished_run_is_stalled_only_where_somebody_has_to_act(
    run_verdict: RunVerdict, stalled: str | None
) -> None:
    before = open_conditions(Phase.RUNNING, [], EARLIER, 1)
    after = {c.type: c.reason for c in done_conditions(run_verdict, before, NOW, 1)}
    assert after.get("Stalled") == stalled
    assert "Reconciling" not in after


def test_the_end_of_a_run_takes_back_what_was_passing() -> None:
    before = PerfRunStatus(
        phase=Phase.STARTING,
        queue=QueueStatus(reason="shop:80 is under load", position=1),
        progress="1 of 2 workers",
        launch_error="quota",
        revision="api-1",
    )
    after = done_status(before, cancelled("stopped", ONE), NOW, 7)
    assert (after.phase, after.verdict, after.observed_generation) == (
        Phase.DONE,
        Verdict.INCONCLUSIVE,
        7,
    )
    assert (after.queue, after.progress, after.launch_error) == (None, None, None)
    assert after.revision == "api-1"
