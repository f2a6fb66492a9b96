"""How a run in progress is shown."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from perfrun.api.test.load import Load
from perfrun.cli.terminal.progress import ProgressView
from perfrun.coordinator.live import Live, WorkerLive
from perfrun.coordinator.search import SearchView
from perfrun.local.run import STOP_SECONDS, Progress
from perfrun.logic.plan.capacity import Bracket
from perfrun.logic.plan.run_plan import STOP_GRACE
from tests.unit.coordinator.conftest import S, make_plan

POSTED = (WorkerLive(0, 1, 0),)
RUNNING = Live(
    elapsed=S // 2,
    in_flight=3,
    sent=40,
    succeeded=35,
    failed=2,
    dropped=1,
    rate=74.0,
    errors={"Timeout": 2},
    recent={"p50": 1e6, "p95": 5e6, "p99": 9e6},
    workers=POSTED,
)


def shown(*states: Progress, terminal: bool = False, width: int = 80) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, highlight=False)
    with ProgressView(console) as view:
        for state in states:
            view(state)
    return file.getvalue()


def progress(live: Live | None = None, **more) -> Progress:
    known = {"waiting": None, "ready": 2, "reported": 0, "stopping": None, **more}
    return Progress(plan=make_plan(2), live=live or Live(), **known)


def test_plain_lines_say_a_state_once():
    starting = progress(waiting="starting", ready=0)
    refused = progress(waiting="worker 0: shop refuses connections", ready=1)
    assert shown(starting, starting, refused, refused) == (
        "0/2 workers ready: starting\n1/2 workers ready: worker 0: shop refuses connections\n"
    )


def test_a_plain_line_of_a_load_in_progress():
    assert shown(progress(RUNNING)) == (
        "0s/1s  answers/s 74  in flight 3  failed 2 (5.41%)  dropped 1  p95 5ms\n"
    )


def test_nothing_is_said_before_the_first_interval():
    assert shown(progress()) == ""


def test_lines_come_at_most_once_a_second():
    assert shown(*[progress(RUNNING)] * 20).count("\n") == 1


def test_a_stop_is_told_at_once_and_once():
    stopping = progress(RUNNING, stopping="by Ctrl-C")
    text = shown(progress(RUNNING), stopping, stopping)
    assert text.splitlines()[1:] == [
        "stopping (by Ctrl-C): waiting up to 5s for 3 open requests; press Ctrl-C again to "
        "end at once"
    ]


def test_a_load_until_stopped_says_that_ctrl_c_is_its_planned_end():
    shape = {"rate": "10/s", "duration": "UntilStopped", "maxDuration": "60s"}
    plan = make_plan(2).model_copy(update={"load": Load.model_validate({"open": shape})})
    live = Live(elapsed=5 * S, sent=50, succeeded=50, workers=POSTED)
    line = shown(replace(progress(live), plan=plan), width=120)
    assert line.startswith("5s until Ctrl-C (at most 60s)  load 10/s  ")


def test_the_collection_is_told_when_the_load_is_over():
    over = Live(elapsed=2 * S, sent=10, succeeded=10, workers=POSTED)
    assert "1s/1s (collecting: 1/2)" in shown(progress(over, reported=1))


def test_a_terminal_gets_a_bar_and_is_left_clean():
    text = shown(progress(RUNNING), terminal=True)
    for part in ("shop/api", "━", "answers/s", "errors: Timeout 2"):
        assert part in text


@pytest.mark.parametrize("width", [40, 60, 120])
def test_figures_are_left_out_where_there_is_no_room_and_never_cut(width):
    line = shown(progress(RUNNING), width=width).rstrip("\n")
    assert len(line) <= width
    assert line.startswith("0s/1s  ")
    assert "  answers/s 74  " in line
    assert "failed 2 (5.41%)" in line
    assert ("p50" in line) == (width == 120)
    screen = shown(progress(RUNNING), terminal=True, width=width)
    lines = [Text.from_ansi(line).plain for line in screen.splitlines()]
    assert max(len(line.rstrip()) for line in lines) <= width


def test_the_wait_after_a_stop_is_the_one_that_the_engine_keeps_to():
    assert STOP_SECONDS * S == STOP_GRACE


def test_a_search_shows_its_hold_and_its_bracket():
    load = {"capacity": {"from": "100/s", "to": "900/s", "hold": "30s"}}
    plan = make_plan(2)
    plan = plan.model_copy(update={"load": Load.model_validate(load)})
    live = replace(RUNNING, search=SearchView(4, 283.0, Bracket(200, 400, False, True)))
    state = replace(progress(live), plan=plan)
    line = shown(state, width=120)
    assert line.startswith("0s: hold 4 at 283/s, between 200/s and 400/s  answers/s 74")
    assert "hold 4 at 283/s" in shown(state, terminal=True, width=120)


@pytest.mark.parametrize(
    ("load", "seconds", "said"),
    [
        ({"open": {"rate": "300/s", "duration": "1h"}}, 90, "90s/60m00s  load 300/s  "),
        ({"open": {"rate": "300/s", "duration": "3h"}}, 4000, "66m40s/3h00m  load 300/s  "),
        ({"warmup": "10s", "open": {"rate": "1/s", "duration": "1m"}}, 5, "5s/70s (warm-up)  load"),
        ({"closed": {"stages": [{"users": 20, "ramp": "10s"}]}}, 5, "5s/10s  load 10 users  "),
        ({"closed": {"users": 2, "duration": "5m"}}, 120, "2m00s/5m00s  load 2 users  "),
        ({"burst": {"requests": 40, "concurrency": 4}}, 1, "37/40  answers/s"),
    ],
)
def test_the_clock_and_what_is_asked_for(load, seconds, said):
    plan = make_plan(1).model_copy(update={"load": Load.model_validate(load)})
    state = replace(progress(replace(RUNNING, elapsed=seconds * S)), plan=plan)
    assert shown(state, width=120).startswith(said)


def test_a_line_names_the_most_frequent_error_where_there_is_room():
    assert shown(progress(RUNNING), width=200).rstrip().endswith("p99 9ms  errors Timeout")
    several = replace(RUNNING, errors={"DNS": 1, "Timeout": 2})
    assert "errors Timeout 2 and others" in shown(progress(several), width=200)


def test_of_several_tests_it_says_which():
    file = io.StringIO()
    with ProgressView(Console(file=file, width=80), "2 of 5") as view:
        view(progress(waiting="starting", ready=0))
        view(progress(RUNNING))
    assert file.getvalue().splitlines()[:2] == ["2 of 5: shop/api", "0/2 workers ready: starting"]


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert shown(progress(RUNNING), terminal=True).startswith("0s/1s  answers/s 74  ")
