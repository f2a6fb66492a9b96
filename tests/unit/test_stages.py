"""The stages of `make test`: what is told of them, and that nothing is left of one that ends badly."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import stages
from tests.budget import Budgets
from tests.cluster import cluster, leftovers, settings
from tests.cluster.paths import REPO
from tests.cluster.processes import start_time
from tests.stages import Result, read_tests, summary

WRITTEN = """<testsuites><testsuite>
<testcase file="tests/a.py" name="test_x[1]" time="2.5"/>
<testcase file="tests/a.py" classname="tests.a.TestIt" name="test_y" time="1.0"><failure message="no"/></testcase>
<testcase file="tests/b.py" name="test_z" time="0.5"><skipped/></testcase>
</testsuite></testsuites>"""
BUDGETS = Budgets({"units": 10, "e2e": 100}, {}, {"tests/a.py": 2, "tests/b.py": 60})
# A child in a session of its own, as a server that a test starts.
STARTS_ANOTHER = """
import subprocess, sys, time
sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleeping, start_new_session=True)
print("started", flush=True)
time.sleep(600)
"""
TAKES_IT_DOWN = """
import subprocess, sys, time
server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("started", flush=True)
try:
    time.sleep(600)
finally:
    server.kill()
"""
RUNS = "import sys; from tests import stages; stages.STAGES = {'bad': [sys.argv[1:]]}; stages.run(['bad'])"


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "RESULTS", tmp_path)
    # It would take the namespaces of whoever uses the embedded cluster meanwhile.
    monkeypatch.setattr(stages, "_all_as_before", lambda *_, **__: contextlib.nullcontext())


def test_tests_are_read_with_their_time_and_their_end(tmp_path: Path) -> None:
    file, result = tmp_path / "seen.xml", Result("units")
    file.write_text(WRITTEN)
    assert read_tests(result, file) == ["tests/a.py::TestIt::test_y"]
    assert read_tests(result, tmp_path / "none.xml") == []
    assert result.tests["tests/a.py::test_x[1]"] == 2.5
    assert result.files() == {"tests/a.py": 3.5, "tests/b.py": 0.5}
    assert result.outcomes == {"passed": 1, "failure": 1, "skipped": 1}


def test_one_that_fails_and_cannot_be_taken_down_is_one_test(tmp_path: Path) -> None:
    file, result = tmp_path / "seen.xml", Result("units")
    case = '<testcase file="tests/a.py" name="test_y" time="1.0"><{0} message="no"/></testcase>'
    file.write_text(f"<testsuite>{case.format('failure')}{case.format('error')}</testsuite>")
    assert read_tests(result, file) == ["tests/a.py::test_y"]
    assert result.outcomes == {"error": 1}


def test_the_end_says_what_stages_took_and_closes_as_pytest_does() -> None:
    result = Result("units", 9.0, 15.0)
    result.tests = {f"tests/a.py::test_{n}": float(n) for n in range(30)}
    result.ends = dict.fromkeys(result.tests, "passed")
    lines = summary([result], 9.0, BUDGETS)
    assert lines[1] == "slowest 20 tests:"
    assert lines[2] == "    29.0 s  tests/a.py::test_29"
    assert "units                   9 s     15 s     10 s" in lines
    assert re.fullmatch(r"=+ 30 passed in 9\.00s =+", lines[-1])
    assert not any("warning" in line for line in lines)


def test_a_stage_over_its_budget_names_what_has_grown() -> None:
    result = Result("e2e", 130.0, 90.0)
    result.tests = {"tests/a.py::x": 40.0, "tests/b.py::y": 60.5, "tests/new.py::z": 30.0}
    lines = summary([result], 9.0, BUDGETS)
    at = lines.index("warning: e2e is over its budget (tests/budgets.toml); grown:")
    assert lines[at + 1 : at + 3] == ["  tests/a.py: 2 s -> 40 s", "  tests/new.py: 0 s -> 30 s"]
    assert "b.py" not in "".join(lines[at:])


def test_a_stage_that_fails_is_told_and_is_the_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(stages, "STAGES", {"units": [fails], "e2e": [fails]})
    assert stages.run(["units", "e2e"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (told,) = (line for line in lines if "FAILED" in line)
    assert told.startswith("units ")
    assert told.endswith("FAILED: python -c raise SystemExit(3)")
    assert re.fullmatch(r"=+ 1 failed in \S+ =+", lines[-1])


def test_those_that_share_nothing_run_at_the_same_time() -> None:
    assert stages.turns(["check", "integration-timing", "e2e-disturbs", "units", "e2e-alone"]) == [
        [["check"]],
        [["integration-timing", "units"], ["e2e-disturbs"]],
        [["e2e-alone"]],
    ]
    assert stages.turns(["integration", "e2e"]) == [[["integration"]], [["e2e"]]]
    assert stages.turns(["e2e-disturbs", "e2e"]) == [[["e2e-disturbs"]], [["e2e"]]]
    all_of_them = stages.turns(list(stages.STAGES))
    assert [turn for turn in all_of_them if len(turn) > 1] == [
        [["check", "integration"], ["image"]],
        [["integration-timing", "units", "manifests"], ["e2e-disturbs"]],
    ]
    assert sorted(name for turn in all_of_them for lane in turn for name in lane) == sorted(
        stages.STAGES
    )


def test_of_two_at_once_each_goes_to_its_end_and_both_are_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each waits for a file of the other: one after the other, the first would wait for ever."""
    waits = (
        "import pathlib, sys, time; mine, other, code = sys.argv[1:]; pathlib.Path(mine).touch()\n"
        "while not pathlib.Path(other).exists(): time.sleep(0.01)\n"
        "print('I am', mine); raise SystemExit(int(code))"
    )
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    well = [sys.executable, "-c", "print('and more')"]
    commands = {
        "integration": [[sys.executable, "-c", waits, one, other, "3"], well],
        "image": [[sys.executable, "-c", waits, other, one, "0"]],
        "e2e-alone": [well],
    }
    monkeypatch.setattr(stages, "STAGES", commands)
    assert stages.run(list(commands)) == 1
    said = capfd.readouterr().out
    assert f"integration said:\nI am {one}" in said
    assert f"image said:\nI am {other}" in said
    assert "and more" not in said, "nothing comes after"
    table = [
        line for line in said.splitlines() if re.match(r"(integration|image|e2e\S*) +\d+ s ", line)
    ]
    assert [line.split()[0] for line in table] == [
        "integration",
        "image",
    ]
    assert ["FAILED" in line for line in table] == [True, False]


@pytest.mark.parametrize("name", ["integration-alone", "e2e-alone"])
def test_a_planted_failure_is_shown_as_that_of_its_stage(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    planted = tmp_path / "test_planted.py"
    planted.write_text(
        "import pytest\n@pytest.mark.alone\ndef test_planted():\n    assert 1 == 2\n"
    )
    ((*words, _folder),) = stages.STAGES[name]
    config = f"--config-file={REPO / 'pyproject.toml'}"
    command = [*words, "-p", "no:cacheprovider", config, str(planted)]
    monkeypatch.setattr(stages, "STAGES", {name: [command], "after": [command]})
    assert stages.run([name, "after"]) == 1
    lines = capfd.readouterr().out.splitlines()
    (told,) = (line for line in lines if "FAILED:" in line)
    assert told.split()[0] == name
    assert re.fullmatch(r"=+ 1 failed in \S+ =+", lines[-1])


FLAKY = """
import pathlib, pytest
@pytest.mark.parametrize("text", ["a b", "c::d[1]"])
def test_second(text):
    seen = pathlib.Path(__file__).with_name(f"seen-{len(text)}")
    assert seen.exists() or seen.touch()
def test_well():
    with pathlib.Path(__file__).with_name("well").open("a") as file:
        file.write("x")
"""


def _in(tmp_path: Path, text: str) -> list[str]:
    """A command that runs a file of tests with this text."""
    (tmp_path / "test_it.py").write_text(text)
    config = f"--config-file={REPO / 'pyproject.toml'}"
    return [*stages._pytest("-p", "no:cacheprovider", config), str(tmp_path / "test_it.py")]


def test_what_fails_at_first_is_run_again_when_the_rest_is_done_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(stages, "STAGES", {"units": [_in(tmp_path, FLAKY)]})
    assert stages.run(["units"]) == 0
    lines = capfd.readouterr().out.splitlines()
    at = lines.index("warning: failed at first, and passed when nothing else ran:")
    assert [line.partition("::")[2] for line in lines[at + 1 : at + 3]] == [
        "test_second[a b]",
        "test_second[c::d[1]]",
    ]
    assert (tmp_path / "well").read_text() == "x", "only what failed is run again"
    assert re.fullmatch(r"=+ 3 passed in \S+ =+", lines[-1])


def test_many_that_fail_are_not_run_again(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    many = f"import pytest\n@pytest.mark.parametrize('n', range({stages.MAY_FAIL + 1}))\n"
    monkeypatch.setattr(
        stages, "STAGES", {"units": [_in(tmp_path, many + "def test_it(n): assert 0")]}
    )
    assert stages.run(["units"]) == 1
    said = capfd.readouterr().out
    assert said.count("test session starts") == 1
    assert f"{stages.MAY_FAIL + 1} failed in" in said


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such signal")
def test_who_is_killed_without_a_word_leaves_what_pytest_takes_down_by_itself() -> None:
    words = [sys.executable, "-c", RUNS, sys.executable, "-c", TAKES_IT_DOWN]
    # As a shell has it that starts this in the background.
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        running = subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, ignored)
    mark = f"{running.pid}-{start_time(running.pid)}-bad"
    assert running.stdout is not None
    while running.stdout.readline() != "started\n":
        assert running.poll() is None
    assert len(leftovers.marked(stages.MARK_OF_STAGES, mark)) == 2
    running.kill()
    running.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while leftovers.marked(stages.MARK_OF_STAGES, mark):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_a_stage_that_is_interrupted(number: int) -> None:
    words = [sys.executable, "-c", RUNS, sys.executable, "-c", STARTS_ANOTHER]
    running = subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, text=True)
    mark = f"{running.pid}-{start_time(running.pid)}-bad"
    assert running.stdout is not None
    while running.stdout.readline() != "started\n":
        assert running.poll() is None
    assert len(leftovers.marked(stages.MARK_OF_STAGES, mark)) == 2
    running.send_signal(number)
    said, _ = running.communicate(timeout=60)
    assert "FAILED: python -c" in said
    assert leftovers.marked(stages.MARK_OF_STAGES, mark) == set()


@pytest.fixture
def cleaned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What became of the cluster. Standard input has ended, as when the stages are killed."""
    became: list[str] = []
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setattr(stages, "GRACE_S", 0.5)
    monkeypatch.setattr(cluster, "down", lambda: became.append("down"))
    kept = SimpleNamespace(kubectl=lambda *words: became.append(" ".join(words)))
    monkeypatch.setattr(cluster, "running", lambda: kept)
    return became


def test_what_a_killed_run_has_left_is_killed(
    cleaned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "recorded", lambda: None)
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    mine, other = (
        subprocess.Popen(sleeping, env={**os.environ, stages.MARK_OF_STAGES: mark})
        for mark in (f"killed-{os.getpid()}-units", f"other-{os.getpid()}-units")
    )
    # Nobody else would reap it, and a process that has ended has no environment any more.
    threading.Thread(target=mine.wait, daemon=True).start()
    try:
        stages.clean_up(f"killed-{os.getpid()}", was_up=False)
        assert mine.wait(10) == -signal.SIGKILL
        assert other.poll() is None, "of another run"
    finally:
        other.kill()
        other.wait()
    assert cleaned == [], "no cluster was there"


@pytest.mark.parametrize(
    ("in_ci", "was_up", "became"),
    [
        ("true", False, ["down"]),
        ("true", True, ["delete namespace -l perfrun.dev/e2e --wait=false"]),
        ("", False, ["delete namespace -l perfrun.dev/e2e --wait=false"]),
    ],
)
def test_the_cluster_is_put_back_as_it_was(
    in_ci: str, was_up: bool, became: list[str], cleaned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "recorded", lambda: "a cluster")
    monkeypatch.setenv("CI", in_ci)
    stages.clean_up("nobody", was_up=was_up)
    assert cleaned == became


def test_the_cluster_is_left_alone_by_stages_that_have_none(
    cleaned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "recorded", lambda: "a cluster")
    stages.clean_up("nobody", was_up=False, on_cluster=False)
    assert cleaned == []
