"""What is written where, and streams that cannot be written to."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perfrun.cli.outputs import Outputs
from perfrun.cli.terminal import Output, console
from perfrun.measure.result import RunResult
from tests.unit.coordinator.conftest import make_plan
from tests.unit.report.sample import a_run

RESULT = RunResult(plan=make_plan(), workers_planned=1, workers_reported=1)


def written(outputs: Outputs, *, several: bool) -> list[str]:
    number = 2 if several else 1
    return list(outputs.write([a_run()] * number, [RESULT] * number, several=several, last=True))


def outputs(json_file: Path | None, result_file: Path | None = None) -> tuple[Outputs, io.StringIO]:
    stream = io.StringIO()
    return Outputs(json_file, result_file, Output(stream, "standard output")), stream


def test_one_run_is_an_object_and_several_are_a_list_as_kubectl_reads_one(tmp_path: Path):
    file, results = tmp_path / "o.json", tmp_path / "r.json"
    where, _ = outputs(file, results)
    assert written(where, several=False) == []
    assert json.loads(file.read_text())["kind"] == "PerfRun"
    assert json.loads(results.read_text())["plan"]["test"] == "api"
    written(where, several=True)
    whole = json.loads(file.read_text())
    assert (whole["apiVersion"], whole["kind"]) == ("v1", "List")
    assert [item["kind"] for item in whole["items"]] == ["PerfRun", "PerfRun"]
    assert len(json.loads(results.read_text())) == 2


def test_standard_output_is_written_once_at_the_end():
    where, stream = outputs(Path("-"))
    assert where.takes_stdout
    list(where.write([a_run()], [RESULT], several=True, last=False))
    assert stream.getvalue() == ""
    written(where, several=True)
    assert json.loads(stream.getvalue())["kind"] == "List"


def test_what_cannot_be_written_is_known_before(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    for file, reason in (
        (tmp_path / "no" / "o", "there is no such folder"),
        (tmp_path / "folder", "it is a folder"),
        (Path("/proc/version"), "you may not write to it"),
    ):
        if not os.access(file, os.W_OK) or file.is_dir():
            (problem,) = outputs(file)[0].problems()
            assert problem == f"--json {file}: cannot be written: {reason}"
    assert list(outputs(tmp_path / "o")[0].problems()) == []


def test_a_file_that_fails_is_one_sentence():
    where, _ = outputs(Path("/dev/full"))
    (sentence,) = written(where, several=False)
    assert sentence == "/dev/full: cannot be written: No space left on device"


def test_no_color_means_no_escape_codes_at_all(monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    for variable, plain in (("", False), ("1", True)):
        monkeypatch.setenv("NO_COLOR", variable)
        stream = Terminal()
        console(Output(stream, "x")).print("bold", style="bold red")
        assert ("\x1b" not in stream.getvalue()) == plain


def perfrun(*arguments: object, stdout: int) -> tuple[int, str]:
    command = [sys.executable, "-m", "perfrun.cli.main", *map(str, arguments)]
    with subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True) as process:
        _, err = process.communicate(timeout=30)
    return process.returncode, err


def test_a_full_disk_is_one_sentence_and_an_error():
    with Path("/dev/full").open("w") as full:
        code, err = perfrun("version", stdout=full.fileno())
    assert (code, err) == (3, "standard output: cannot be written: No space left on device\n")


def test_a_reader_that_went_away_changes_nothing():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert perfrun("version", stdout=writing) == (0, "")
    finally:
        os.close(writing)
