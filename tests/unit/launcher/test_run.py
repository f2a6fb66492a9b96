"""The launcher of commands, as the program that it is: what it runs, tells, and leaves behind."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import perfrun
from perfrun.launcher import run as program
from perfrun.measure import command
from perfrun.measure.command import CommandEnd, CommandOrder

PROGRAM = Path(perfrun.__file__).parent / "launcher" / "run.py"
PATIENCE = 20.0
MIB = 1024 * 1024


def start(folder: Path, *argv: str, **order: Any) -> "subprocess.Popen[bytes]":
    """The launcher, with a command to run at once."""
    (folder / command.START).write_bytes(CommandOrder(argv=list(argv), **order).to_bytes())
    return launch(folder)


def launch(folder: Path) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-I", "-S", str(PROGRAM), str(folder)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def end(launcher: "subprocess.Popen[bytes]", folder: Path) -> CommandEnd:
    launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 0
    return CommandEnd.model_validate_json((folder / command.DONE).read_bytes())


def ended(folder: Path, *argv: str, **order: Any) -> CommandEnd:
    return end(start(folder, *argv, **order), folder)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_it_tells_code_output_and_environment(tmp_path: Path) -> None:
    code = "import os, sys; print('out', os.environ['GIVEN']); print('err', file=sys.stderr); sys.exit(3)"
    launcher = start(tmp_path, *python(code), env={"GIVEN": "value"})
    output, _ = launcher.communicate(timeout=PATIENCE)
    found = CommandEnd.model_validate_json((tmp_path / command.DONE).read_bytes())
    assert (found.code, found.signal, found.missing, found.stopped) == (3, None, None, False)
    assert sorted(found.tail.split("\n")) == ["", "err", "out value"]
    assert sorted(output.splitlines()) == [b"err", b"out value"]  # all of it is in the log too


def test_peak_memory_is_that_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "large").mkdir()
    small = ended(tmp_path / "small", *python("pass")).peak
    large = ended(tmp_path / "large", *python(f"held = b'x' * (200 * {MIB})")).peak
    assert 5 * MIB < small < 30 * MIB
    assert 195 * MIB < large - small < 205 * MIB


def test_peak_memory_is_that_of_the_largest_process_it_waited_for(tmp_path: Path) -> None:
    large = " ".join([sys.executable, "-I", "-S", "-c", f"\"held = b'x' * (100 * {MIB})\""])
    found = ended(tmp_path, "sh", "-c", f"{large}; true")
    assert 100 * MIB < found.peak < 130 * MIB


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    found = ended(tmp_path, "/no/such")
    assert found.missing == "/no/such: No such file or directory"
    assert found.failure == "it could not be started: /no/such: No such file or directory"


def test_one_that_may_not_be_run_too(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    assert ended(tmp_path, str(tmp_path / "text")).failure is not None
    (tmp_path / "text").chmod(0o755)
    assert "Exec format error" in str(ended(tmp_path, str(tmp_path / "text")).failure)


def test_a_signal_is_told_by_its_name(tmp_path: Path) -> None:
    found = ended(tmp_path, "sh", "-c", "echo last; kill -SEGV $$")
    assert (found.code, found.signal, found.failure) == (None, "SIGSEGV", "SIGSEGV: last")
    (tmp_path / "second").mkdir()
    killed = ended(tmp_path / "second", "sh", "-c", "kill -KILL $$")
    assert "because memory ran out" in str(killed.failure)


def test_a_signal_without_a_name_is_told_by_its_number(tmp_path: Path) -> None:
    found = ended(tmp_path, "sh", "-c", "echo last; kill -40 $$")
    assert (found.code, found.signal, found.failure) == (None, "signal 40", "signal 40: last")


def test_only_the_end_of_a_long_output_is_kept_and_all_of_it_taken(tmp_path: Path) -> None:
    found = ended(tmp_path, *python("for n in range(200_000): print('line', n)"))
    assert found.code == 0
    assert found.last_words.endswith(" | line 199999")
    assert len(found.tail) == program.MAX_TAIL


def test_values_that_are_secret_are_not_told(tmp_path: Path) -> None:
    order = {"env": {"TOKEN": "s3cret\n", "OPEN": "told"}, "hidden": ["TOKEN", "NOT_SET"]}
    found = ended(tmp_path, "sh", "-c", "echo $TOKEN $OPEN", **order)
    assert found.tail == "*** told\n"


@pytest.mark.parametrize(
    ("secret", "script", "told"),
    [
        ("line-one\nline-two\n", "printf %s \"$S\" | sed 's/^/  /'", "  ***\n  ***\n"),
        ("line-one\n\nab\nline-two", "echo key: line-two; echo ab", "key: ***\nab\n"),
        ("line-one\nline-two", 'echo "<$S>"', "<***>\n"),
        ("ab", "echo cab", "c***\n"),
        ("abab", "echo ababab", "***\n"),
        ("  padded  \n", "echo xpaddedx", "x***x\n"),
        (" \n \n", "echo a b", "a b\n"),
    ],
)
def test_no_line_of_a_secret_value_is_told(
    tmp_path: Path, secret: str, script: str, told: str
) -> None:
    order = {"env": {"S": secret}, "hidden": ["S"]}
    assert ended(tmp_path, "sh", "-c", script, **order).tail == told


def test_secret_values_that_overlap_leave_nothing_of_each_other(tmp_path: Path) -> None:
    order = {"env": {"A": "abcdef", "B": "efghijkl"}, "hidden": ["A", "B"]}
    assert ended(tmp_path, "echo", "<abcdefghijkl>", **order).tail == "<***>\n"


def test_a_secret_value_is_hidden_where_the_output_is_cut(tmp_path: Path) -> None:
    value = "".join(f"{number:05}" for number in range(1200))  # larger than what is told
    order = {"env": {"S": value}, "hidden": ["S"]}
    (tmp_path / "long").mkdir()
    assert ended(tmp_path / "long", "sh", "-c", "echo $S", **order).tail == "***\n"
    # Its last part alone would be in what is told; so it is where much that is hidden comes after.
    script = "echo $S; for n in $(seq 1000); do echo short; done; echo $S; seq 900"
    found = ended(tmp_path, "sh", "-c", script, env=order["env"], hidden=["S"])
    assert found.tail.startswith("***\n1\n2\n")
    for cut in (4084, 4090, 4095, 4096, 4097):
        folder = tmp_path / str(cut)
        folder.mkdir()
        text = ended(
            folder,
            *python(f"print('s3cret-value' * 2 + '.' * {cut}, end='')"),
            env={"S": "s3cret-value"},
            hidden=["S"],
        ).tail
        assert set(text) <= set("*.")


def test_what_is_hidden_makes_the_end_no_longer_than_may_be_told(tmp_path: Path) -> None:
    code = python(f"print('x' * {program.MAX_TAIL * 2})")
    found = ended(tmp_path, *code, env={"S": "x"}, hidden=["S"])
    assert (len(found.tail), found.code) == (program.MAX_TAIL, 0)


def test_nothing_is_left_of_what_has_left_its_group(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = (
        "import os, time\n"
        "if os.fork(): time.sleep(0.3); os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(1000)"
    )
    ended(tmp_path, *python(code))
    assert not lives(int(pid.read_text()))


def test_stop_ends_a_command_and_one_that_does_not_listen(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    launcher = start(
        tmp_path, "sh", "-c", f"trap 'echo bye; exit 7' TERM; touch {ready}; sleep 60 & wait"
    )
    until(ready.exists)
    (tmp_path / command.STOP).touch()
    found = end(launcher, tmp_path)
    assert (found.code, found.stopped, found.last_words) == (7, True, "bye")

    deaf = tmp_path / "deaf"
    deaf.mkdir()
    ready = deaf / "ready"
    launcher = start(deaf, "sh", "-c", f"trap '' TERM; touch {ready}; while :; do sleep 0.1; done")
    until(ready.exists)
    (deaf / command.STOP).touch()
    began = time.monotonic()
    found = end(launcher, deaf)
    assert (found.signal, found.stopped) == ("SIGKILL", True)
    assert program.TERM_SECONDS <= time.monotonic() - began < program.TERM_SECONDS + 5


def test_a_command_that_is_never_started_is_no_news(tmp_path: Path) -> None:
    launcher = launch(tmp_path)
    until((tmp_path / command.LAUNCHER).exists)
    (tmp_path / command.STOP).touch()
    launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 0
    assert not (tmp_path / command.DONE).exists()


def test_signals_are_the_workers_to_take_and_its_end_ends_everything(tmp_path: Path) -> None:
    worker = os.open(tmp_path / command.WORKER, os.O_RDWR | os.O_CREAT)
    fcntl.flock(worker, fcntl.LOCK_EX)
    pid = tmp_path / "pid"
    launcher = start(tmp_path, "sh", "-c", f"echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 1000")
    until(pid.exists)
    launcher.send_signal(signal.SIGTERM)
    launcher.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert launcher.poll() is None
    assert lives(int(pid.read_text()))
    os.close(worker)  # as the kernel does when it dies
    assert end(launcher, tmp_path).stopped
    assert not lives(int(pid.read_text()))


@pytest.mark.parametrize("hindrance", ["mkfifo", "ln -s outside", "touch"])
def test_what_lies_where_the_end_is_written_does_not_hinder_it(
    tmp_path: Path, hindrance: str
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    script = f"cd {tmp_path}; {hindrance} done.new; exit 3"
    assert ended(tmp_path, "sh", "-c", script).code == 3
    assert outside.read_text() == "kept"


@pytest.mark.flaky(reruns=3)
def test_processes_that_fork_for_ever_hold_it_up_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a new child whenever it looks, and always something to read."""
    one = program.Command(str(tmp_path), program.WorkerLock(str(tmp_path)), [], {}, [])
    monkeypatch.setattr(program, "children", lambda: [os.posix_spawn("/bin/true", ["true"], {})])
    monkeypatch.setattr(one, "copy", lambda *_: True)
    began = time.monotonic()
    one.sweep(0)
    assert program.SWEEP_SECONDS <= time.monotonic() - began < program.SWEEP_SECONDS + 2


def test_the_end_of_a_worker_is_seen_whatever_the_command_does_to_its_file(tmp_path: Path) -> None:
    for name, change in {"removed": "rm worker", "replaced": "rm worker; touch worker"}.items():
        folder = tmp_path / name
        folder.mkdir()
        worker = os.open(folder / command.WORKER, os.O_RDWR | os.O_CREAT)
        fcntl.flock(worker, fcntl.LOCK_EX)
        launcher = start(folder, "sh", "-c", f"cd {folder}; {change}; touch ready; sleep 1000")
        until((folder / "ready").exists)
        time.sleep(0.2)
        assert launcher.poll() is None  # that its file is gone does not end it
        os.close(worker)
        assert end(launcher, folder).stopped


def test_both_sides_have_the_same_names() -> None:
    source = PROGRAM.read_text()
    for name in (command.START, command.STOP, command.DONE, command.WORKER, command.LAUNCHER):
        assert f'folder}}/{name}"' in source
    end_of = json.loads(
        CommandEnd(missing=None, code=0, signal=None, stopped=False, peak=1, tail="").to_bytes()
    )
    assert all(f'"{name}": ' in source for name in end_of)


def test_commands_before_it_leave_what_they_wrote(tmp_path: Path) -> None:
    before = [list(python("print('first')")), list(python("import os; print(os.environ['A'])"))]
    found = ended(tmp_path, *python("print('last')"), before=before, env={"A": "second"})
    assert (found.code, found.tail) == (0, "last\n")
    assert (tmp_path / "before-0").read_text() == "first\n"
    assert (tmp_path / "before-1").read_text() == "second\n"


def test_nothing_more_is_started_after_one_that_fails(tmp_path: Path) -> None:
    code = "import sys; print('half'); print('why', file=sys.stderr); sys.exit(4)"
    touched = tmp_path / "touched"
    main = python(f"open({str(touched)!r}, 'w')")
    found = ended(tmp_path, *main, before=[list(python(code))])
    assert (found.code, found.tail) == (4, "why\n")
    assert not touched.exists()
    assert not (tmp_path / "before-0").exists()
