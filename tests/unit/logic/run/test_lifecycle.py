"""How a run goes on: the table of decisions, and the law that no run waits without an end."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.api.run.perfrun import Phase
from perfrun.logic.run.facts import CleanUp, JobState, RunFacts, WorkerFacts
from perfrun.logic.run.lifecycle import (
    FOUND_AGAIN_WITHIN,
    HEARD_WITHIN,
    LAST_REPORTS_S,
    LAST_TEARDOWN_S,
    LOAD_STEP_S,
    MAX_TURNS,
    REFUSED_FOR,
    STEP_S,
    Action,
    any_alive,
    collecting_deadline,
    decide,
    stop_deadline,
    waiting_for,
)
from perfrun.logic.run.losses import leaves_undone, untidy
from tests.unit.logic.facts import NOW, QUOTA, SECURITY, UNDER_WAY, S, at, facts, pod, refused

UNSCHEDULED: dict[str, Any] = {
    "workers": [pod(0), replace(pod(1, problem="Unschedulable: 0/1 nodes"), scheduled=False)],
    "now": at(30),
    "wanted": True,
    "unscheduled_for": 30 * S,
}

STARTING: list[tuple[str, dict[str, Any], Action, str]] = [
    ("nothing was created yet", {"launched": False, "job": JobState.ABSENT}, Action.LAUNCH, ""),
    ("created before the operator was killed, not noted", {"launched": False}, Action.LAUNCH, ""),
    (
        "what cannot be created is tried until the timeout",
        {"launched": False, "launch_error": "the webhook is away", "now": at(59)},
        Action.LAUNCH,
        "",
    ),
    (
        "it could not be created in time",
        {"launched": False, "launch_error": "the webhook is away", "now": at(60)},
        Action.FAIL,
        "could not be created within 60s (load.startTimeout): the webhook is away",
    ),
    (
        "the operator was not running for all of the start",
        {"launched": False, "now": at(61)},
        Action.FAIL,
        "the operator was not running",
    ),
    (
        "its pods have no node, and nobody else waits: it keeps its turn",
        {**UNSCHEDULED, "wanted": False},
        Action.WAIT,
        "worker 1 (pr-x-1-abcde): Unschedulable: 0/1 nodes",
    ),
    (
        "its pods have no node, and somebody waits: not before the time that it may wait",
        {**UNSCHEDULED, "now": at(29.9)},
        Action.WAIT,
        "Unschedulable",
    ),
    (
        "its pods have no node while somebody waits: the turn goes back",
        UNSCHEDULED,
        Action.REQUEUE,
        "1 of 2 workers' pods were not scheduled within 30s (limits.unscheduledFor) while runs of "
        "other namespaces waited, so it returned to the queue: worker 1 (pr-x-1-abcde): Unschedulable: 0/1",
    ),
    (
        "in a later turn the time counts from that one",
        {**UNSCHEDULED, "turn": at(10), "turns": 2},
        Action.WAIT,
        "Unschedulable",
    ),
    (
        "its Job cannot be created while somebody waits",
        {**UNSCHEDULED, "workers": (), "launched": False, "launch_error": "the webhook is away"},
        Action.REQUEUE,
        "2 of 2 workers' pods were not scheduled within 30s",
    ),
    (
        "the last of its turns",
        {**UNSCHEDULED, "turns": MAX_TURNS},
        Action.FAIL,
        f"even in the last of its {MAX_TURNS} turns: worker 1 (pr-x-1-abcde): Unschedulable",
    ),
    (
        "startTimeout runs over all turns",
        {**UNSCHEDULED, "now": at(60), "turn": at(20), "turns": 2},
        Action.FAIL,
        "worker 1 (pr-x-1-abcde): Unschedulable: 0/1 nodes; not all workers were ready within 60s",
    ),
    (
        "all pods have nodes, and are slow: the turn is kept",
        {**UNSCHEDULED, "workers": [pod(0), pod(1)]},
        Action.WAIT,
        "0 of 2 workers are ready",
    ),
    ("workers come up", {"ready": 1}, Action.WAIT, "1 of 2 workers are ready"),
    (
        "stopped before anything was created",
        {"launched": False, "stop": "spec.stop was set"},
        Action.CANCEL,
        "stop",
    ),
    ("stopped while workers come up", {"stop": "spec.stop was set"}, Action.CANCEL, "spec.stop"),
    (
        "a stop wins over a worker's complaint",
        {"stop": "spec.stop was set", "fatal": "no"},
        Action.CANCEL,
        "stop",
    ),
    (
        "a worker says that it is hopeless",
        {"fatal": "Secret x is missing"},
        Action.FAIL,
        "Secret x",
    ),
    ("its Job was deleted", {"job": JobState.ABSENT}, Action.FAIL, "Job was deleted"),
    (
        "a worker died",
        {"workers": [pod(1, dead=True, problem="OOMKilled")]},
        Action.FAIL,
        "worker 1 (pr-x-1-abcde): OOMKilled",
    ),
    (
        "a worker ended well, too early",
        {"workers": [pod(0, dead=True)]},
        Action.FAIL,
        "without a message",
    ),
    (
        "the Job ended and its pods are gone",
        {"job": JobState.FINISHED},
        Action.FAIL,
        "its Job ended",
    ),
    ("the last moment before the timeout", {"now": at(59.9)}, Action.WAIT, "0 of 2"),
    (
        "the timeout, nobody knows why",
        {"now": at(60)},
        Action.FAIL,
        "within 60s (load.startTimeout)",
    ),
    (
        "the timeout, with the pod's reason",
        {"now": at(61), "workers": [pod(1, problem="Unschedulable: 0/1 nodes")]},
        Action.FAIL,
        "worker 1 (pr-x-1-abcde): Unschedulable",
    ),
    (
        "a quota has no room: it may free up",
        {"refusal": refused(QUOTA, 50), "workers": [pod(0)]},
        Action.WAIT,
        "1 of 2 workers' pods were not created: " + QUOTA,
    ),
    (
        "the timeout, with the quota's words",
        {"now": at(61), "refusal": refused(QUOTA)},
        Action.FAIL,
        f"2 of 2 workers' pods were not created: {QUOTA}; not all workers were ready within 60s (",
    ),
    (
        "Pod Security has refused just now",
        {"refusal": refused(SECURITY, REFUSED_FOR.total_seconds())},
        Action.WAIT,
        SECURITY,
    ),
    (
        "Pod Security refuses for good",
        {"refusal": refused(SECURITY, REFUSED_FOR.total_seconds() + 0.1)},
        Action.FAIL,
        "2 of 2 workers' pods were not created: " + SECURITY,
    ),
    (
        "the timeout, with the worker's trouble",
        {"now": at(61), "trouble": "shop refuses"},
        Action.FAIL,
        "shop refuses",
    ),
    (
        "on one machine, a worker that is up has trouble",
        {"now": at(12.9), "trouble": "shop refuses", "troubled_since": at(3)},
        Action.WAIT,
        "shop refuses",
    ),
    (
        "on one machine, it has had it for too long",
        {"now": at(13), "trouble": "shop refuses", "troubled_since": at(3)},
        Action.FAIL,
        "shop refuses; not all workers were ready within 10s after they had come up",
    ),
    (
        "on one machine nobody listens, which a second try may change",
        {
            "now": at(4.1),
            "trouble": "127.0.0.1:9 refused the connection",
            "troubled_since": at(3),
            "nobody_listens": True,
        },
        Action.WAIT,
        "127.0.0.1:9 refused the connection",
    ),
    (
        "on one machine still nobody listens",
        {
            "now": at(4.2),
            "trouble": "127.0.0.1:9 refused the connection",
            "troubled_since": at(3),
            "nobody_listens": True,
        },
        Action.FAIL,
        "127.0.0.1:9 refused the connection; not all workers were ready within 1.2s after they had "
        "come up (load.startTimeout: 10s waits longer)",
    ),
    (
        "a worker ended and has no pod",
        {"workers": [WorkerFacts("", 1, dead=True, problem="it was ended by SIGKILL")]},
        Action.FAIL,
        "a worker ended before the load started: worker 1: it was ended by SIGKILL",
    ),
]

RUNNING: list[tuple[str, dict[str, Any], Action, str]] = [
    ("under load", {}, Action.WAIT, ""),
    ("a part has reported", {"reported": frozenset({1})}, Action.WAIT, ""),
    ("all have reported", {"reported": frozenset({0, 1})}, Action.JUDGE, ""),
    (
        "one has reported, the other is dead",
        {"reported": frozenset({0}), "workers": [pod(1, dead=True)]},
        Action.JUDGE,
        "",
    ),
    (
        "one has reported and ended, the other goes on",
        {"reported": frozenset({0}), "workers": [pod(0, dead=True)]},
        Action.WAIT,
        "",
    ),
    (
        "a dead pod whose index is not known is no worker",
        {"reported": frozenset({0}), "workers": [pod(-1, dead=True)]},
        Action.WAIT,
        "",
    ),
    (
        "all are dead, none has reported, and a side car keeps the Job active",
        {"workers": [pod(0, dead=True), pod(1, dead=True)]},
        Action.COLLECT,
        "all workers have ended",
    ),
    ("the Job has ended", {"job": JobState.FINISHED}, Action.COLLECT, "Job"),
    ("the Job was deleted", {"job": JobState.ABSENT}, Action.COLLECT, "Job"),
    ("the load is over", {"load_end": NOW}, Action.COLLECT, "load is over"),
    ("just before the load is over", {"load_end": at(0.1)}, Action.WAIT, ""),
    ("a burst takes longer than it may", {"report_deadline": NOW}, Action.COLLECT, "longer"),
    (
        "its start was lost: there is no end to wait for",
        {"report_deadline": None},
        Action.COLLECT,
        "longer",
    ),
]

COLLECTING: list[tuple[str, dict[str, Any], Action, str]] = [
    ("reports are missing", {"reported": frozenset({1})}, Action.WAIT, "1 of 2 workers"),
    ("all are there", {"reported": frozenset({0, 1})}, Action.JUDGE, ""),
    (
        "the rest is dead",
        {"reported": frozenset({0}), "workers": [pod(1, dead=True)]},
        Action.JUDGE,
        "",
    ),
    (
        "a report in progress of dead workers is waited for",
        {"workers": [pod(0, dead=True), pod(1, dead=True)]},
        Action.WAIT,
        "2 of 2",
    ),
    (
        "the time is over, with a part",
        {"reported": frozenset({1}), "report_deadline": NOW},
        Action.JUDGE,
        "the deadline for reports has passed",
    ),
    (
        "reports that do not travel are not waited for",
        {"workers": [pod(0, dead=True), pod(1, dead=True)], "reports_travel": False},
        Action.JUDGE,
        "has passed",
    ),
    (
        "one that lives may still hand its report in",
        {"workers": [pod(0, dead=True)], "reports_travel": False},
        Action.WAIT,
        "2 of 2",
    ),
    ("the time is over, with nothing", {"report_deadline": NOW}, Action.JUDGE, "has passed"),
    ("no deadline was kept", {"report_deadline": None}, Action.JUDGE, "has passed"),
]


FIRST_KILLED = [pod(0, killed=True), pod(1)]
ALL_KILLED = [pod(0, killed=True), pod(1, killed=True)]
OVER = {"reported": frozenset({1}), "workers": FIRST_KILLED}
UNDER_WAY_YET = CleanUp(at(30), JobState.ACTIVE)
LOST = "worker 0 was lost: waiting for its replacement to run the teardown"
TEARDOWN: list[tuple[str, Phase, dict[str, Any], Action, str]] = [
    ("worker 0 is killed, others go on", Phase.RUNNING, {"workers": FIRST_KILLED}, Action.WAIT, ""),
    ("those have reported", Phase.RUNNING, OVER, Action.COLLECT, "that are alive have reported"),
    ("and that was noted", Phase.COLLECTING, OVER, Action.CLEAN_UP, ""),
    (
        "all were killed, and a report of theirs may be in progress",
        Phase.COLLECTING,
        {"workers": ALL_KILLED},
        Action.WAIT,
        "2 of 2",
    ),
    (
        "it was not",
        Phase.COLLECTING,
        {"workers": ALL_KILLED, "report_deadline": NOW},
        Action.CLEAN_UP,
        "",
    ),
    (
        "it was noted, not created",
        Phase.COLLECTING,
        {**OVER, "clean_up": CleanUp(at(30))},
        Action.CLEAN_UP,
        "",
    ),
    ("it runs", Phase.COLLECTING, {**OVER, "clean_up": UNDER_WAY_YET}, Action.WAIT, LOST),
    (
        "its pod has no place",
        Phase.COLLECTING,
        {**OVER, "clean_up": CleanUp(at(30), JobState.ACTIVE, "Unschedulable: no")},
        Action.WAIT,
        "(Unschedulable: no)",
    ),
    (
        "it has reported",
        Phase.COLLECTING,
        {**OVER, "clean_up": UNDER_WAY_YET, "cleaned": True},
        Action.JUDGE,
        "",
    ),
    (
        "it ended without a report",
        Phase.COLLECTING,
        {**OVER, "clean_up": CleanUp(at(30), JobState.FINISHED)},
        Action.JUDGE,
        "",
    ),
    (
        "its time is over",
        Phase.COLLECTING,
        {**OVER, "clean_up": CleanUp(NOW, JobState.ACTIVE)},
        Action.JUDGE,
        "",
    ),
    (
        "its time is over before it was created",
        Phase.COLLECTING,
        {**OVER, "clean_up": CleanUp(NOW)},
        Action.JUDGE,
        "",
    ),
    (
        "worker 0 has done it, and was killed then",
        Phase.COLLECTING,
        {"reported": frozenset({0, 1}), "workers": ALL_KILLED},
        Action.JUDGE,
        "",
    ),
    (
        "worker 0 ended by itself, its report was lost",
        Phase.COLLECTING,
        {"reported": frozenset({1}), "workers": [pod(0, dead=True)]},
        Action.JUDGE,
        "",
    ),
    (
        "worker 0 lives, and nobody hears of it",
        Phase.COLLECTING,
        {"reported": frozenset({1}), "workers": [pod(0)], "report_deadline": NOW},
        Action.JUDGE,
        "",
    ),
    (
        "the Job was deleted and nobody has reported",
        Phase.COLLECTING,
        {"job": JobState.ABSENT, "report_deadline": NOW},
        Action.CLEAN_UP,
        "",
    ),
    ("killed in the setup", Phase.STARTING, {"workers": FIRST_KILLED}, Action.CLEAN_UP, ""),
    (
        "killed in the setup, and that was undone",
        Phase.STARTING,
        {"workers": FIRST_KILLED, "clean_up": UNDER_WAY_YET, "cleaned": True},
        Action.FAIL,
        "a worker ended before the load started",
    ),
    (
        "the setup has failed",
        Phase.STARTING,
        {"fatal": "no", "workers": [pod(0)]},
        Action.FAIL,
        "no",
    ),
    (
        "stopped in the setup",
        Phase.STARTING,
        {"stop": "spec.stop was set", "workers": [pod(0)]},
        Action.CANCEL,
        "spec.stop",
    ),
]


@pytest.mark.parametrize(
    ("phase", "changes", "action", "says"), [pytest.param(*row[1:], id=row[0]) for row in TEARDOWN]
)
def test_what_a_run_did_is_undone_before_its_end(
    phase: Phase, changes: dict[str, Any], action: Action, says: str
) -> None:
    usual = {} if phase is Phase.STARTING else {"report_deadline": at(30)}
    decision = decide(facts(phase, undoes=True, **{**usual, **changes}))
    assert (decision.action, says in decision.message) == (action, True), decision


def test_without_a_teardown_nobody_waits_for_one() -> None:
    assert decide(facts(Phase.RUNNING, **OVER)).action is Action.JUDGE
    assert decide(facts(Phase.COLLECTING, **OVER, report_deadline=at(30))).action is Action.JUDGE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"clean_up": CleanUp(NOW, JobState.ACTIVE)},
            "did not run the teardown: it did not end in time",
        ),
        ({"clean_up": CleanUp(NOW, problem="quota")}, "did not run the teardown: quota"),
        ({"clean_up": UNDER_WAY_YET, "cleaned": True}, None),
        ({"undoes": False}, None),
    ],
)
def test_why_something_is_left_is_told(changes: dict[str, Any], said: str | None) -> None:
    told = untidy(facts(Phase.COLLECTING, **{"undoes": True, **OVER, **changes}))
    assert (told or "").endswith(said or "")
    assert (told is None) == (said is None)


def rows() -> list[Any]:
    tables = ((Phase.STARTING, STARTING), (Phase.RUNNING, RUNNING), (Phase.COLLECTING, COLLECTING))
    return [
        pytest.param(phase, changes, action, says, id=f"{phase}: {case}")
        for phase, table in tables
        for case, changes, action, says in table
    ]


@pytest.mark.parametrize(("phase", "changes", "action", "says"), rows())
def test_decision(phase: Phase, changes: dict[str, Any], action: Action, says: str) -> None:
    usual = {} if phase is Phase.STARTING else {"report_deadline": at(30)}
    decision = decide(facts(phase, **{**usual, **changes}))
    assert (decision.action, says in decision.message) == (action, True), decision


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.DONE])
def test_nothing_is_decided_about_runs_that_are_not_in_progress(phase: Phase) -> None:
    with pytest.raises(ValueError, match=phase.value):
        decide(facts(phase))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrived": 0}, "2 of 2 workers have not connected"),
        ({"arrived": 1, "ready": 1}, "1 of 2 workers have not connected"),
        ({"ready": 2, "in_setup": True}, "worker 0 has not finished the setup"),
        ({"ready": 2, "silent": (0, 599 * S)}, "worker 0 was ready, but has been silent for 599s"),
        ({"ready": 2}, "all workers were ready, but the start could not be recorded in time"),
        ({"ready": 1}, "1 of 2 workers are ready"),
        ({"arrived": 1, "trouble": "worker 0: shop refuses"}, "worker 0: shop refuses"),
    ],
)
def test_what_is_missing_is_told_when_the_deadline_passes(
    changes: dict[str, Any], message: str
) -> None:
    late = decide(facts(Phase.STARTING, now=at(60), **changes))
    assert (late.action, late.message) == (
        Action.FAIL,
        f"{message}; not all workers were ready within 60s (load.startTimeout)",
    )


def test_what_keeps_a_run_waiting_is_told_by_the_most_telling_thing() -> None:
    starting = facts(Phase.STARTING, trouble="shop refuses", workers=[pod(0), pod(1, problem="no")])
    assert waiting_for(starting) == "worker 1 (pr-x-1-abcde): no"
    assert waiting_for(facts(Phase.STARTING, trouble="shop refuses")) == "shop refuses"


@pytest.mark.parametrize(
    ("running", "listening", "heard", "told"),
    [
        pytest.param(0, 0, set(), True, id="it runs, and was never heard"),
        pytest.param(0, 0, {1}, False, id="it was heard"),
        pytest.param(0, 0, {0}, True, id="another one was heard"),
        pytest.param(None, 0, set(), False, id="it does not run yet"),
        pytest.param(1, 0, set(), False, id="it has only just started"),
        pytest.param(0, 1, set(), False, id="the operator has only just started"),
    ],
)
def test_worker_that_cannot_reach_the_coordinator_is_told_with_where_to_look(
    running: float | None, listening: float, heard: set[int], told: bool
) -> None:
    starting = facts(
        Phase.STARTING,
        now=NOW + HEARD_WITHIN + timedelta(seconds=0.5),
        workers=[replace(pod(1), running_since=None if running is None else at(running))],
        listening_since=at(listening),
        admitted=frozenset(heard),
        coordinator="perfrun-coordinator.perfrun.svc:8443",
        trouble="2 of 2 workers have not connected",
    )
    sentence = (
        "worker 1 (pr-x-1-abcde) is running, but has not reached the coordinator "
        "perfrun-coordinator.perfrun.svc:8443: check the egress NetworkPolicies of its namespace"
    )
    assert waiting_for(starting) == (sentence if told else starting.trouble)


@pytest.mark.parametrize(
    ("alive", "planned", "expected"),
    [
        (True, 60, 60),  # workers live: they get what the plan gives them
        (True, 1, LAST_REPORTS_S),  # and never less than a last moment
        (False, 60, LAST_REPORTS_S),  # workers are gone: only what is in progress
    ],
)
def test_how_long_reports_are_waited_for(alive: bool, planned: float, expected: float) -> None:
    dead = [] if alive else [pod(0, dead=True), pod(1, dead=True)]
    late = facts(Phase.RUNNING, report_deadline=at(planned), workers=dead)
    assert collecting_deadline(late) == at(expected)


@pytest.mark.parametrize(
    ("planned", "undoes", "expected"),
    [(None, False, LAST_REPORTS_S), (600, True, LAST_TEARDOWN_S), (5, True, 5)],
)
def test_a_load_that_is_stopped_is_waited_for_no_longer_than_before(
    planned: float | None, undoes: bool, expected: float
) -> None:
    deadline = None if planned is None else at(planned)
    stopped = facts(Phase.RUNNING, report_deadline=deadline, undoes=undoes)
    assert stop_deadline(stopped) == at(expected)


@pytest.mark.parametrize(
    ("exit_code", "undone"),
    [(0, False), (1, False), (2, False), (143, False), (137, True), (139, True), (None, True)],
)
def test_who_ends_by_itself_has_cleaned_up(exit_code: int | None, undone: bool) -> None:
    assert leaves_undone(exit_code) is undone


def test_workers_of_a_deleted_job_get_time_for_their_teardown() -> None:
    gone = facts(Phase.RUNNING, job=JobState.ABSENT, report_deadline=at(600))
    assert collecting_deadline(gone) == at(LAST_REPORTS_S)
    assert collecting_deadline(replace(gone, undoes=True)) == at(LAST_TEARDOWN_S)


@pytest.mark.parametrize(
    ("job", "dead", "alive"),
    [
        (JobState.ACTIVE, [], True),
        (JobState.ACTIVE, [1], True),
        (JobState.ACTIVE, [0, 1], False),
        (JobState.ACTIVE, [1, 1], True),  # an index that has had two pods
        (JobState.ACTIVE, [1, 7], True),  # no worker of this run
        (JobState.FINISHED, [], False),
        (JobState.ABSENT, [], False),
    ],
)
def test_who_may_still_report(job: JobState, dead: list[int], alive: bool) -> None:
    pods = [pod(index, dead=True) for index in dead]
    assert any_alive(facts(Phase.RUNNING, job=job, workers=pods)) is alive


pods = st.builds(
    pod,
    st.integers(-1, 2),
    dead=st.booleans(),
    problem=st.none() | st.just("OOMKilled"),
    killed=st.booleans(),
)
clean_ups = st.builds(CleanUp, st.integers(0, 7200).map(at), st.sampled_from(JobState))
any_facts = st.builds(
    facts,
    st.sampled_from(UNDER_WAY),
    now=st.integers(0, 7200).map(at),
    start_timeout=st.integers(0, 3600).map(lambda seconds: seconds * S),
    planned=st.integers(1, 3),
    job=st.sampled_from(JobState),
    launched=st.booleans(),
    workers=st.lists(pods, max_size=3),
    refusal=st.none() | st.builds(refused, st.sampled_from([QUOTA, SECURITY]), st.just(5.0)),
    ready=st.integers(0, 3),
    reported=st.frozensets(st.integers(0, 2)),
    fatal=st.none() | st.just("hopeless"),
    trouble=st.none() | st.just("trouble"),
    arrived=st.integers(0, 3),
    in_setup=st.booleans(),
    silent=st.none() | st.just((0, 40 * S)),
    stop=st.none() | st.just("spec.stop was set"),
    stopped=st.booleans(),
    load_end=st.none() | st.integers(0, 7200).map(at),
    report_deadline=st.none() | st.integers(0, 7200).map(at),
    troubled_since=st.none() | st.integers(0, 7200).map(at),
    reports_travel=st.booleans(),
    undoes=st.booleans(),
    cleaned=st.booleans(),
    clean_up=st.none() | clean_ups,
)


@settings(max_examples=500)
@given(any_facts)
def test_no_run_waits_without_an_end(some: RunFacts) -> None:
    later = RunFacts(**{**some.__dict__, "now": at(7201)})
    assert decide(later).action not in (Action.WAIT, Action.LAUNCH)
    if later.clean_up is not None:
        assert decide(later).action is not Action.CLEAN_UP


@given(any_facts)
def test_who_waits_says_when_to_look_again_and_that_is_soon(some: RunFacts) -> None:
    decision = decide(some)
    if decision.action is Action.WAIT:
        assert decision.wake is not None
        assert 0 < decision.wake <= (LOAD_STEP_S if some.phase is Phase.RUNNING else STEP_S)


def test_a_wait_under_load_ends_with_the_load() -> None:
    later = {"report_deadline": at(30)}
    assert decide(facts(Phase.RUNNING, load_end=at(3), **later)).wake == 3
    assert decide(facts(Phase.RUNNING, load_end=at(29), **later)).wake == LOAD_STEP_S
    assert decide(facts(Phase.RUNNING, report_deadline=at(2))).wake == 2


@given(any_facts)
def test_a_load_is_stopped_once_and_then_goes_on_to_its_end(some: RunFacts) -> None:
    asked = decide(some).action is Action.STOP
    assert asked is (some.phase is Phase.RUNNING and some.stop is not None and not some.stopped)
    assert decide(replace(some, stopped=True)).action is not Action.STOP


@given(any_facts)
def test_only_a_verdict_waits_for_what_is_observed(some: RunFacts) -> None:
    decision, unsettled = decide(some), decide(replace(some, settled=False))
    if decision.action is Action.JUDGE:
        assert (unsettled.action, unsettled.wake) == (Action.WAIT, STEP_S)
        assert unsettled.message == "waiting for the last metrics"
    else:
        assert unsettled == decision


@given(any_facts)
def test_only_a_load_that_began_is_judged_and_only_one_that_did_not_is_cancelled(
    some: RunFacts,
) -> None:
    action = decide(some).action
    began = some.phase is not Phase.STARTING
    assert action in (
        {Action.WAIT, Action.STOP, Action.COLLECT, Action.CLEAN_UP, Action.JUDGE}
        if began
        else {Action.WAIT, Action.LAUNCH, Action.CLEAN_UP, Action.FAIL, Action.CANCEL}
    )


@pytest.mark.parametrize(
    ("job", "since", "expected"),
    [
        pytest.param(JobState.ACTIVE, at(-5), Action.WAIT, id="it-has-only-just-come-back"),
        pytest.param(JobState.ACTIVE, NOW - FOUND_AGAIN_WITHIN, Action.JUDGE, id="it-waited-long"),
        pytest.param(JobState.ACTIVE, None, Action.JUDGE, id="it-was-never-away"),
        pytest.param(JobState.FINISHED, at(-5), Action.JUDGE, id="nobody-is-left-to-report"),
    ],
)
def test_after_an_outage_workers_are_given_time_to_hand_in_what_they_have(
    job: JobState, since: datetime | None, expected: Action
) -> None:
    past = facts(
        Phase.COLLECTING, job=job, listening_since=since, report_deadline=at(-1), load_end=at(-60)
    )
    assert decide(past).action is expected


@pytest.mark.parametrize("phase", UNDER_WAY)
def test_workers_of_different_images_are_an_error_in_each_phase(phase: Phase) -> None:
    first, second = (replace(pod(index), image=f"k6@sha256:{index}") for index in range(2))
    decision = decide(facts(phase, workers=[first, second]))
    assert decision.action is Action.FAIL
    assert decision.message.startswith(
        "worker 0 (pr-x-0-abcde) runs the image k6@sha256:0, and worker 1 (pr-x-1-abcde) k6@sha256:1: "
    )
    same = [first, replace(second, image=first.image)]
    assert decide(facts(phase, workers=same)).action is not Action.FAIL
    starts = [first, replace(second, image="")]
    assert decide(facts(phase, workers=starts)).action is not Action.FAIL
