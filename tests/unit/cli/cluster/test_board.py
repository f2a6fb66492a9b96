"""What a watched namespace comes to: lines of what changes, and rows of what is."""

import io
from datetime import UTC, datetime

from rich.console import Console

from perfrun.cli.cluster.board import Board
from perfrun.cli.cluster.feed import Away, Changed, Deleted, Listed
from perfrun.cli.cluster.watch import Screen, screen_lines
from perfrun.kube.errors import AwayError
from perfrun.kube.resources import PERF_RUNS, PERF_TESTS
from tests.unit.cli.fake_api import perftest_body, run_body

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NEXT = "2026-11-26T01:00:00Z"
DONE = run_body("api-0", phase="Done", verdict="Pass", message="3 of 3 objectives met")
RUNNING = run_body("api-1", phase="Running", progress="3s, 180 requests/s")


def listed(board: Board, tests: list, runs: list) -> list[str]:
    return board.take(Listed(PERF_TESTS, tests)) + board.take(Listed(PERF_RUNS, runs))


def test_at_first_tests_and_runs_in_progress_are_told_and_old_runs_are_not():
    tests = [perftest_body("api", nextScheduleTime=NEXT), perftest_body("manual")]
    assert listed(Board(), tests, [DONE, RUNNING]) == [
        f"api: next run at {NEXT}",
        "manual: no run is scheduled",
        "api-1: Running: 3s, 180 requests/s",
    ]


def test_only_changes_are_told_a_second_list_included():
    board = Board()
    listed(board, [perftest_body()], [RUNNING])
    assert listed(board, [perftest_body()], [RUNNING, DONE]) == [
        "api-0: Pass: 3 of 3 objectives met"
    ]
    again = run_body("api-1", phase="Running", progress="4s, 180 requests/s")
    assert board.take(Changed(PERF_RUNS, again)) == ["api-1: Running: 4s, 180 requests/s"]
    assert board.take(Changed(PERF_RUNS, again)) == []


def test_what_is_worth_knowing_of_a_test():
    board = Board()

    def told(**status) -> list[str]:
        return board.take(Changed(PERF_TESTS, perftest_body(**status)))

    trend = {"state": "Regressed", "message": "latency.p95 is 7% up"}
    assert told(conditions=[{"type": "Ready", "status": "False", "message": "no such zone"}]) == [
        "api: not ready: no such zone"
    ]
    assert told(nextScheduleTime=NEXT, trend=trend) == [
        f"api: Regressed: latency.p95 is 7% up; next run at {NEXT}"
    ]
    assert told(nextScheduleTime=NEXT, trend={"state": "Stable", "message": "as ever"}) == [
        f"api: next run at {NEXT}"
    ]
    body = perftest_body()
    body["spec"]["suspend"] = True
    assert board.take(Changed(PERF_TESTS, body)) == ["api: suspended"]


def test_what_is_deleted_is_told_but_not_the_old_runs_that_go():
    board = Board()
    listed(board, [perftest_body()], [DONE, RUNNING])
    assert board.take(Deleted(PERF_RUNS, DONE)) == []
    assert board.take(Deleted(PERF_RUNS, RUNNING)) == ["api-1: the run was deleted"]
    assert listed(board, [], []) == ["api: the test was deleted"]
    assert board.rows(NOW) == []


def test_a_server_that_is_away_and_back_is_told_once_each():
    board = Board()
    listed(board, [perftest_body()], [])
    away = Away(AwayError(0, "https://k8s does not answer"))
    assert board.take(away) == [f"{away.error}; trying again, and the runs continue"]
    assert board.take(away) == []
    assert board.away
    assert listed(board, [perftest_body()], []) == ["the API server answers again"]
    assert not board.away


def test_one_test_of_many():
    board = Board("api")
    other = run_body("other-1", test="other", phase="Running")
    assert listed(board, [perftest_body("api"), perftest_body("other")], [RUNNING, other]) == [
        "api: no run is scheduled",
        "api-1: Running: 3s, 180 requests/s",
    ]
    assert [row[0] for row in board.rows(NOW)] == ["api"]


def test_rows_are_the_runs_in_progress_and_then_the_other_tests_with_their_last_run():
    board = Board()
    queued = run_body(
        "slow-1",
        "slow",
        "2026-11-25T11:59:00Z",
        phase="Queued",
        queue={"reason": "busy", "position": 1},
    )
    ended = {
        "lastRun": "calm-1",
        "lastVerdict": "Pass",
        "lastCompletionTime": "2026-11-25T11:00:00Z",
    }
    tests = [
        perftest_body("api", nextScheduleTime=NEXT),
        perftest_body("slow"),
        perftest_body("calm", **ended),
        perftest_body("new"),
    ]
    calm = run_body("calm-1", "calm", phase="Done", verdict="Pass", message="3 of 3 objectives met")
    listed(board, tests, [RUNNING, queued, calm])
    assert board.rows(NOW) == [
        ("api", "api-1", "Running", "2h", "in 13h", "3s, 180 requests/s"),
        ("slow", "slow-1", "Queued (1)", "60s", "", "busy"),
        ("calm", "calm-1", "Pass", "60m", "", "3 of 3 objectives met"),
        ("new", "", "", "", "", "not run yet"),
    ]


def screen(height: int, width: int = 80, tests: int = 3, away: str = "") -> list[str]:
    board = Board(away=away)
    listed(board, [perftest_body(f"t{number}") for number in range(tests)], [])
    board.away = away
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    return [line.plain for line in screen_lines(board, "namespace shop", NOW, console)]


def test_a_screen_is_no_higher_than_the_terminal():
    assert screen(24)[0] == "namespace shop: 0 in progress, 3 tests, 12:00:00 UTC"
    assert screen(24, tests=1)[0] == "namespace shop: 0 in progress, 1 test, 12:00:00 UTC"
    small = screen(10, tests=50)
    assert len(small) < 10
    assert small[-1] == "and 44 more"


def test_a_screen_says_that_the_server_is_away():
    assert screen(24, away="no answer")[1] == "no answer"


def test_a_terminal_is_left_as_it_was():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    board = Board()
    with Screen(console, "namespace shop") as shown:
        shown.show(board, listed(board, [perftest_body()], [RUNNING]))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "api-1" in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")


def test_a_pipe_gets_lines_only():
    console = Console(file=io.StringIO(), width=40)
    board = Board()
    with Screen(console, "namespace shop") as shown:
        shown.show(board, ["a line that is longer than what the console takes for its width"])
        shown.show(board, [])
    assert console.file.getvalue().count("\n") == 1  # type: ignore[attr-defined]
