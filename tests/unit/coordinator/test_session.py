"""The barrier as a state machine, without a server."""

from datetime import timedelta

import pytest

from perfrun.api.test.scenario import Extraction, Step
from perfrun.coordinator.errors import Conflict, Malformed
from perfrun.coordinator.session import SILENT_AFTER, RunSession, RunTrouble
from perfrun.measure.histogram import Histogram
from perfrun.measure.report import Interval, Ready, Start
from perfrun.measure.script import ToolThreshold
from tests.unit.coordinator.conftest import NOW, S, in_trouble, make_plan


def session(workers: int = 2) -> RunSession:
    return RunSession(make_plan(workers), start_deadline=600 * S)


def test_the_start_is_due_once_every_worker_is_ready():
    run = session()
    run.ready(0, Ready(), S)
    assert not run.is_due(S)
    run.ready(1, Ready(), S)
    assert run.is_due(S)


def test_trouble_keeps_the_barrier_shut_until_it_is_gone():
    run = session()
    run.ready(0, Ready(), S)
    run.ready(1, in_trouble(), S)
    assert not run.is_due(S)
    assert run.ready_count == 1
    run.ready(1, Ready(), 2 * S)
    assert run.is_due(2 * S)


def test_passing_trouble_is_told_as_long_as_it_lasts_and_is_not_hopeless():
    run = session()
    assert run.trouble() is None
    run.ready(1, in_trouble("shop refuses connections"), S)
    assert run.trouble() == RunTrouble("worker 1: shop refuses connections", False, "Connect")
    run.ready(1, Ready(), 2 * S)
    assert run.trouble() is None


def test_final_trouble_wins_over_passing_trouble():
    run = session(3)
    run.ready(0, in_trouble("slow"), S)
    run.ready(1, in_trouble("there is no Secret shop with a key token", final=True), S)
    trouble = run.trouble()
    assert trouble is not None
    assert trouble.hopeless
    assert trouble.message == "worker 1: there is no Secret shop with a key token"


def scripted(workers: int, script_hash: str | None = None) -> RunSession:
    plan = make_plan(workers).model_copy(update={"script_hash": script_hash})
    return RunSession(plan, start_deadline=600 * S)


ONE, OTHER = "1" * 64, "2" * 64


@pytest.mark.parametrize(
    ("accepted", "told"),
    [
        (None, f"worker 1: its script files differ from worker 0's (SHA-256 {OTHER}, not {ONE}): "),
        (ONE, "worker 1: its script files differ from those of the accepted run (SHA-256 "),
        (OTHER, "worker 0: its script files differ from those of the accepted run (SHA-256 "),
    ],
)
def test_workers_with_other_script_files_do_not_start(accepted, told):
    run = scripted(2, accepted)
    run.ready(0, Ready(script_hash=ONE), S)
    run.ready(1, Ready(script_hash=OTHER), S)
    assert not run.is_due(S)
    trouble = run.trouble()
    assert trouble is not None
    assert trouble.hopeless
    assert trouble.message.startswith(told)


@pytest.mark.parametrize("accepted", [None, ONE])
def test_workers_with_the_same_script_files_start(accepted):
    run = scripted(2, accepted)
    for index in range(2):
        run.ready(index, Ready(script_hash=ONE), S)
    assert run.trouble() is None
    assert run.is_due(S)


def test_every_worker_is_told_where_worker_0s_master_listens():
    run = session()
    assert run.start_answer(1, S).master is None
    run.ready(1, Ready(master="10.0.0.9:1"), S)
    assert run.start_answer(1, S).master is None, "only worker 0 has it"
    run.ready(0, Ready(master="10.0.0.7:5557"), S)
    run.ready(0, Ready(), S)
    assert run.start_answer(1, S).master == "10.0.0.7:5557"


@pytest.mark.parametrize(
    ("ready", "silent"),
    [([], None), ([0], (0, 599 * S)), ([0, 1], (0, 599 * S)), ([1], (1, 599 * S))],
)
def test_who_came_up_and_who_has_been_silent_since_is_known(ready, silent):
    run = session()
    for index in ready:
        run.ready(index, Ready(), S)
    assert run.arrived == len(ready)
    assert run.silent(2 * S) is None
    assert run.silent(600 * S) == silent


def test_a_worker_that_fell_silent_does_not_stand_at_the_barrier():
    run = session()
    run.ready(0, Ready(), 0)
    run.ready(1, Ready(), SILENT_AFTER + 1)
    assert not run.is_due(SILENT_AFTER + 1)
    run.ready(0, Ready(), SILENT_AFTER + 2)
    assert run.is_due(SILENT_AFTER + 2)


def test_the_barrier_does_not_open_after_the_deadline():
    run = session(1)
    run.ready(0, Ready(), 600 * S)
    assert not run.is_due(600 * S)


def test_time_until_t0_is_counted_at_the_moment_of_answering():
    run = session()
    run.begin(NOW, 10 * S)
    assert run.start_answer(0, 9 * S).start_in == S
    assert run.start_answer(0, 12 * S).start_in == -2 * S
    assert run.trouble() is None
    assert run.start == NOW


def test_a_stop_before_t0_is_the_answer_at_the_barrier_and_the_first_reason_stands():
    run = session()
    run.stop("spec.stop was set")
    run.stop("replaced")
    assert run.start_answer(0, S).stop == "spec.stop was set"
    assert run.order(0).stop == "spec.stop was set"
    run.ready(0, Ready(), S)
    run.ready(1, Ready(), S)
    assert not run.is_due(S)


def test_the_first_identity_of_an_index_wins():
    run = session()
    run.claim(0, "pod-a")
    run.claim(0, "pod-a")
    with pytest.raises(Conflict, match="worker 0"):
        run.claim(0, "pod-b")


def test_an_index_that_the_run_does_not_have_is_refused():
    with pytest.raises(Malformed, match="the run has 2 workers"):
        session().claim(2, "pod-a")


def test_reports_from_before_a_restart_count():
    run = RunSession(make_plan(2), start_deadline=600 * S, reported=[1])
    assert not run.all_reported
    run.report(0, None, breached=False)
    assert run.all_reported


def test_after_t0_all_workers_count_as_ready():
    run = session()
    run.begin(NOW + timedelta(seconds=1), S)
    assert run.ready_count == 2


def with_setup(workers: int = 2) -> RunSession:
    """A session whose run has a setup."""
    plan = make_plan(workers).model_copy(
        update={"setup": [Step(name="login", extract={"token": Extraction(header="X-Token")})]}
    )
    return RunSession(plan, start_deadline=100 * S)


def test_worker_0_runs_the_setup_once_all_are_ready_and_all_start_with_what_it_found():
    session = with_setup()
    session.ready(0, Ready(), 0)
    assert not session.start_answer(0, 0).setup
    session.ready(1, Ready(), 0)
    assert session.start_answer(0, 0).setup
    assert not session.start_answer(1, 0).setup
    assert not session.is_due(0)
    session.ready(0, Ready(setup={"token": "t"}), 1)
    assert session.is_due(1)
    session.begin(NOW, 5)
    for index in (0, 1):
        assert session.start_answer(index, 2) == Start(start_in=3, values={"token": "t"})


def test_a_new_coordinator_asks_worker_0_again_and_lets_late_workers_wait():
    session = with_setup()
    session.begin(NOW, 5)
    assert session.start_answer(1, 2) == Start()
    assert session.order(0).repost
    assert not session.order(1).repost
    session.ready(0, Ready(setup={"token": "t"}), 3)
    assert session.start_answer(1, 4) == Start(start_in=1, values={"token": "t"})
    assert not session.order(0).repost


def test_a_setup_that_does_not_end_is_known():
    session = with_setup(1)
    session.ready(0, Ready(), 0)
    assert (session.setup, session.trouble()) == (None, None)


def with_teardown(reported: tuple[int, ...] = ()) -> RunSession:
    """A session of two workers whose run has a setup and a teardown."""
    around = {
        "setup": [Step(name="login", extract={"token": Extraction(header="X-Token")})],
        "teardown": [Step(name="bye")],
    }
    plan = make_plan(2).model_copy(update=around)
    return RunSession(plan, start_deadline=100 * S, reported=reported)


def test_the_worker_that_cleans_up_is_told_what_the_setup_found_and_counts_for_no_load():
    session = with_teardown()
    assert session.cleaner_answer() == Start(start_in=0)
    session.ready(0, Ready(setup={"token": "t"}), 1)
    session.claim(2, "pod-a")
    session.claim(2, "pod-b")  # the one before it was lost
    assert session.cleaner_answer() == Start(start_in=0, values={"token": "t"})
    session.report(2, None, breached=False)
    assert session.cleaned
    assert session.reported == set()


def test_its_report_from_before_a_restart_is_no_workers():
    session = with_teardown(reported=(1, 2))
    assert session.cleaned
    assert session.reported == {1}


def test_the_setup_has_begun_once_worker_0_was_told():
    session = with_teardown()
    for index in (0, 1):
        session.ready(index, Ready(), 0)
    assert not session.setup_begun
    session.start_answer(1, 0)
    assert not session.setup_begun
    session.start_answer(0, 0)
    assert session.setup_begun


def test_a_threshold_that_aborts_ends_the_load_for_all_workers():
    run = scripted(2)
    aborts = [
        ToolThreshold(metric="http_req_failed", source="rate<0.5", abort=True, delay=2 * S),
        ToolThreshold(metric="checks", source="rate>0.9", abort=True),
    ]
    run.ready(0, in_trouble("k6 is not ready yet"), S)
    run.ready(0, Ready(aborts=aborts), S)
    run.ready(0, Ready(aborts=aborts), 2 * S)  # it is the same worker, asking again
    run.ready(1, Ready(), 2 * S)
    run.begin(NOW, 3 * S)
    for second in (1, 2):
        for index in (0, 1):
            run.interval(index, failing(second), (3 + second) * S)
    assert run.breached
    assert run.stop_reason == "after 2s: errorRate was 100% for 2s, above 50%"


def failing(second):
    return Interval(
        sequence=second,
        elapsed=second * S,
        in_flight=0,
        planned=10 * second,
        started=10 * second,
        dropped=0,
        sent=10 * second,
        succeeded=0,
        failed=10 * second,
        errors={"Status5xx": 10 * second},
        latency=Histogram(),
    )
