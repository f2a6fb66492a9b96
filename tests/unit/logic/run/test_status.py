"""The status of a run: what each transition changes, and its conditions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from perfrun.api.metadata import MAX_CONDITIONS, Condition
from perfrun.api.run.perfrun import (
    CapacityStatus,
    HoldStatus,
    PerfRun,
    PerfRunStatus,
    Phase,
    QueueStatus,
    ResultRef,
    Verdict,
    WorkerCounts,
)
from perfrun.logic.run import status as transition
from perfrun.logic.run.facts import JobState, RunFacts
from perfrun.logic.run.status import done, done_conditions, open_conditions
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
def test_a_run_in_progress_is_reconciling(phase: Phase) -> None:
    found = {c.type: (c.status, c.reason) for c in open_conditions(phase, [], NOW, 1)}
    assert found == {"Complete": ("False", phase.value), "Reconciling": ("True", phase.value)}


def test_the_next_phase_keeps_since_when_a_run_is_in_progress() -> None:
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


FACTS = RunFacts(
    phase=Phase.STARTING,
    now=NOW,
    accepted=EARLIER,
    start_timeout=60 * 1000 * MS,
    planned=3,
    job=JobState.ACTIVE,
    launched=True,
    ready=1,
    reported=frozenset({2}),
)


def a_run(status: PerfRunStatus, generation: int = 1) -> PerfRun:
    about = {"name": "api-1", "generation": generation}
    run = PerfRun.parse({"metadata": about, "spec": {"testRef": {"name": "api"}}})
    return run.model_copy(update={"status": status})


def reasons(status: PerfRunStatus) -> dict[str, str]:
    return {condition.type: condition.reason for condition in status.conditions}


def test_a_run_passes_through_its_phases() -> None:
    place = QueueStatus(reason="shop:80 is under load", position=1)
    accepted = transition.frozen("shop-1", "shop:80", "key", workers=3)
    queued = accepted.updated(transition.queued(a_run(PerfRunStatus()), EARLIER, place))
    assert (queued.phase, queued.queue, queued.target) == (Phase.QUEUED, place, "shop:80")
    assert queued.workers == WorkerCounts(planned=3)

    starting = queued.updated(transition.starting(a_run(queued), EARLIER))
    assert (starting.phase, starting.queue, starting.turns) == (Phase.STARTING, None, 1)
    assert starting.accepted_time == starting.turn_time == "2026-11-22T00:00:00Z"

    launched = starting.updated(transition.waiting("pulls")).updated(transition.launched("pr-1"))
    assert (launched.job, launched.progress, launched.message) == ("pr-1", None, None)

    running = launched.updated(transition.running(a_run(launched), NOW, 3))
    assert (running.phase, running.start_time) == (Phase.RUNNING, "2026-11-23T00:00:00Z")
    assert running.workers == WorkerCounts(planned=3, ready=3)

    facts = replace(FACTS, phase=Phase.RUNNING, now=NOW + timedelta(seconds=9))
    collecting = running.updated(transition.collecting(a_run(running), facts))
    assert (collecting.phase, collecting.load_end_time) == (
        Phase.COLLECTING,
        "2026-11-23T00:00:09Z",
    )
    for status in (queued, starting, running, collecting):
        assert status.phase is not None
        assert status.observed_generation == 1
        assert reasons(status) == dict.fromkeys(("Complete", "Reconciling"), status.phase.value)


def test_a_run_that_gives_its_turn_back_keeps_when_it_was_accepted() -> None:
    before = PerfRunStatus(
        phase=Phase.STARTING,
        accepted_time="2026-11-22T00:00:00Z",
        turns=1,
        job="pr-1",
        launch_error="quota",
        progress="waits",
    )
    queued = before.updated(transition.requeued(a_run(before, 2), FACTS, "no node has room"))
    assert (queued.phase, queued.observed_generation) == (Phase.QUEUED, 2)
    assert (queued.job, queued.launch_error, queued.progress) == (None, None, None)
    assert queued.message == "no node has room"
    assert queued.queue == QueueStatus(reason="no node has room", position=1)
    assert queued.start_deadline == "2026-11-22T00:01:00Z"
    again = queued.updated(transition.starting(a_run(queued), NOW))
    assert (again.turns, again.accepted_time) == (2, "2026-11-22T00:00:00Z")
    assert again.turn_time == "2026-11-23T00:00:00Z"


def test_progress_is_the_message_only_before_the_load_and_ready_workers_stay_so() -> None:
    run = a_run(PerfRunStatus(workers=WorkerCounts(planned=3, ready=2)))
    starts = transition.progress(run, FACTS, "x" * 5000)
    assert starts.message == starts.progress
    assert starts.workers == WorkerCounts(planned=3, ready=2, reported=1)
    loads = transition.progress(run, replace(FACTS, phase=Phase.RUNNING), "12s")
    assert loads.model_fields_set == {"progress", "workers"}


def test_the_end_of_a_run_takes_back_what_was_passing() -> None:
    before = PerfRunStatus(
        phase=Phase.STARTING,
        queue=QueueStatus(reason="shop:80 is under load", position=1),
        progress="1 of 2 workers",
        launch_error="quota",
        revision="api-1",
        result=ResultRef(sha256="of another try"),
    )
    changes = done(before, 7, NOW, cancelled("stopped", ONE))
    after = before.updated(changes)
    assert (after.phase, after.verdict, after.observed_generation) == (
        Phase.DONE,
        Verdict.INCONCLUSIVE,
        7,
    )
    assert (after.queue, after.progress, after.launch_error, after.result) == (None,) * 4
    assert after.revision == "api-1"
    gone = {name for name, value in changes.as_patch().items() if value is None}
    assert gone == {"queue", "progress", "launchError", "result"}


def test_the_end_leaves_what_a_capacity_search_has_found() -> None:
    found = CapacityStatus(holds=[HoldStatus(rate="400/s", outcome="Met")])
    before = PerfRunStatus(phase=Phase.RUNNING, capacity=found)
    assert before.updated(done(before, 1, NOW, errored("lost", ONE))).capacity == found


def test_conditions_of_others_leave_room_for_ours() -> None:
    others = [
        Condition(type=f"Other{n}", status="True", reason="Is") for n in range(MAX_CONDITIONS)
    ]
    after = done(PerfRunStatus(conditions=others), 1, NOW, errored("lost", ONE))
    assert len(after.conditions) == MAX_CONDITIONS
    assert reasons(after).keys() >= {"Complete", "SLOMet", "Stalled"}


def test_files_that_only_workers_can_read_are_known_in_the_end() -> None:
    one, other = "1" * 64, "2" * 64
    before = PerfRunStatus(comparison_key="abc")
    after = transition.identified(before, [one])
    assert after.script_hash == one
    assert after.comparison_key not in (None, "abc")
    assert transition.identified(before, [other]).comparison_key != after.comparison_key
    known = PerfRunStatus(comparison_key="abc", script_hash=one)
    for status, files in ((known, [other]), (before, []), (before, [one, other])):
        assert transition.identified(status, files).model_fields_set == set()
