"""One run until it is done: what is said of it, and what comes of it."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from perfrun.cli.cluster.feed import Away, Changed, Deleted, Failed, Listed
from perfrun.cli.cluster.following import AWAY_S, Following, NotThereError, Telling, follow
from perfrun.cli.terminal.exits import Exit, FailOn
from perfrun.kube.errors import AwayError, KubeError
from perfrun.kube.resources import PERF_RUNS
from tests.unit.cli.cluster.test_feed import event
from tests.unit.cli.fake_api import FakeApi, run_body
from tests.unit.cli.fixtures_cluster import cluster_of

RUNNING = Changed(PERF_RUNS, run_body(phase="Running", progress="3s, 180 requests/s"))
NOTHING = Listed(PERF_RUNS, [])


def console(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=60, force_terminal=terminal, highlight=False)


def followed(
    *changes: Any, patience: float = 0.0, fail_on: FailOn = FailOn.FAIL
) -> tuple[Any, list[str]]:
    """What they come to, one a second, and the lines that were printed."""
    out = console()
    code = None
    with Telling(out) as telling:
        following = Following("api-1", telling, fail_on=fail_on, started=0, patience=patience)
        for second, change in enumerate(changes, 1):
            code = following.take(change, float(second))
    return code, out.file.getvalue().splitlines()  # type: ignore[attr-defined]


def done(verdict: str, message: str = "it is over") -> Changed:
    return Changed(PERF_RUNS, run_body(phase="Done", verdict=verdict, message=message))


@pytest.mark.parametrize(
    ("verdict", "fail_on", "code"),
    [
        ("Pass", FailOn.INCONCLUSIVE, Exit.OK),
        ("Warn", FailOn.FAIL, Exit.OK),
        ("Warn", FailOn.INCONCLUSIVE, Exit.MISSED),
        ("Fail", FailOn.FAIL, Exit.MISSED),
        ("Fail", FailOn.ERROR, Exit.OK),
        ("Error", FailOn.FAIL, Exit.ERROR),
        ("Splendid", FailOn.FAIL, Exit.ERROR),  # of a newer operator: no success that is known
    ],
)
def test_the_verdict_decides(verdict: str, fail_on: FailOn, code: Exit):
    ended, lines = followed(RUNNING, done(verdict), fail_on=fail_on)
    assert ended is code
    assert lines == ["Running: 3s, 180 requests/s", f"{verdict}: it is over"]


def test_each_state_is_told_once():
    queued = Changed(PERF_RUNS, run_body(phase="Queued", queue={"reason": "busy", "position": 2}))
    created = Changed(PERF_RUNS, run_body())
    ended, lines = followed(created, created, queued, queued, None, RUNNING, RUNNING)
    assert ended is None
    assert lines == [
        "Created: in progress",
        "Queued, place 2: busy",
        "Running: 3s, 180 requests/s",
    ]


def test_a_run_that_no_operator_looks_at_is_given_up():
    created = Changed(PERF_RUNS, run_body())
    assert followed(created, None, None, RUNNING, patience=3)[1][-1].startswith("Running")
    with pytest.raises(NotThereError):
        followed(created, None, None, None, patience=3)
    assert followed(created, None, None, None)[0] is None


def test_a_run_that_is_not_there_has_its_time_to_come():
    assert followed(NOTHING, None, RUNNING, patience=30)[1] == ["Running: 3s, 180 requests/s"]
    with pytest.raises(NotThereError):
        followed(NOTHING, *[None] * 31, patience=30)
    with pytest.raises(NotThereError):
        followed(NOTHING)


def test_a_run_that_is_deleted_is_an_error_with_a_sentence():
    for gone in (Deleted(PERF_RUNS, run_body()), NOTHING):
        ended, lines = followed(RUNNING, gone)
        assert (ended, lines[-1]) == (Exit.ERROR, "the run was deleted")


def test_a_server_that_is_away_is_told_and_waited_for_but_not_for_ever():
    away = Away(AwayError(0, "https://k8s does not answer: refused"))
    ended, lines = followed(RUNNING, away, away, RUNNING, done("Pass"))
    assert ended is Exit.OK
    assert lines[1] == f"{away.error}; the run continues, and perfrun still waits for it"
    assert len(lines) == 4
    with pytest.raises(KubeError, match="refused"):
        followed(RUNNING, *[away] * int(AWAY_S + 2))


def test_being_away_at_first_is_not_taken_for_a_run_that_is_not_there():
    away = Away(AwayError(0, "no answer"))
    assert followed(away, *[None] * 40, NOTHING, RUNNING, patience=60)[0] is None


def test_a_refusal_is_raised():
    with pytest.raises(KubeError, match="may not"):
        followed(Failed(KubeError(403, "may not")))


def test_control_characters_do_not_reach_the_terminal():
    _, lines = followed(done("Fail", "a\x1b[2Jb\r\nc"))
    assert lines == ["Fail: a [2Jb  c"]


def test_on_a_terminal_a_phase_keeps_its_last_line_and_the_rest_is_in_place():
    out = console(terminal=True)
    with Telling(out) as telling:
        for text, phase in (
            ("Starting: a", "Starting"),
            ("Running: 1s", "Running"),
            ("Running: 2s", "Running"),
            ("Pass: fine", ""),
        ):
            telling.show(text, phase)
    said = out.file.getvalue()  # type: ignore[attr-defined]
    kept = [line for line in ("Starting: a", "Running: 2s", "Pass: fine") if f"{line}\n" in said]
    assert kept == ["Starting: a", "Running: 2s", "Pass: fine"]
    assert "Running: 1s\n" not in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")


def test_follow_reads_a_list_and_a_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    over = event("MODIFIED", "9", run_body(phase="Done", verdict="Pass", message="fine"))
    running = run_body(phase="Running", progress="1s")
    api = FakeApi({"perfruns": [running]}, events={"perfruns": [[over]]})
    out = console()
    with cluster_of(api, tmp_path, monkeypatch) as cluster:
        assert follow(cluster, "api-1", out, fail_on=FailOn.FAIL) is Exit.OK
    assert out.file.getvalue() == "Running: 1s\nPass: fine\n"  # type: ignore[attr-defined]
