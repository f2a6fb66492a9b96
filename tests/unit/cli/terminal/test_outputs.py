"""What is written where, and streams that cannot be written to."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perfrun.cli.terminal import forms
from perfrun.cli.terminal.forms import Runs
from perfrun.cli.terminal.outputs import Outputs, write_whole
from perfrun.cli.terminal.streams import Output, console
from perfrun.logic.comparison.model import Reported
from perfrun.measure.result import RunResult
from tests.unit.coordinator.conftest import make_plan
from tests.unit.report.sample import a_run

RESULT = RunResult(plan=make_plan())
FORMS = (forms.JSON, forms.RESULT, forms.HTML, forms.JUNIT, forms.MARKDOWN)


def outputs(*files: Path | str | None, stream: Any = None) -> Outputs[Runs]:
    """For JSON, result, HTML, JUnit and Markdown, as far as given."""
    stdout = Output(stream or io.StringIO(), "standard output")
    return Outputs(stdout, list(zip(FORMS, files, strict=False)))


def written(where: Outputs[Runs], number: int = 1, *, last: bool = True) -> list[str]:
    several = number > 1
    runs = [Reported(a_run(), RESULT)] * number
    return list(where.write(Runs(runs, several), several=several, last=last))


def test_one_run_is_an_object_and_several_are_a_list_as_kubectl_reads_one(tmp_path: Path):
    file, results = tmp_path / "o.json", tmp_path / "r.json"
    where = outputs(file, results)
    assert written(where) == []
    assert json.loads(file.read_text())["kind"] == "PerfRun"
    assert json.loads(results.read_text())["plan"]["test"] == "api"
    written(where, 2)
    whole = json.loads(file.read_text())
    assert (whole["apiVersion"], whole["kind"]) == ("v1", "List")
    assert [item["kind"] for item in whole["items"]] == ["PerfRun", "PerfRun"]
    assert len(json.loads(results.read_text())) == 2


def test_every_form_is_written_to_its_place(tmp_path: Path):
    files = [tmp_path / name for name in ("o.json", "r.json", "p.html", "j.xml", "s.md")]
    assert written(outputs(*files)) == []
    _, _, page, suites, summary = (file.read_text() for file in files)
    assert page.lower().startswith("<!doctype html>")
    assert suites.startswith("<?xml ")
    assert summary.startswith("### ")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(one.name for one in files)


def test_standard_output_is_written_once_at_the_end():
    stream = io.StringIO()
    where = outputs(Path("-"), stream=stream)
    assert where.takes_stdout
    written(where, 2, last=False)
    assert stream.getvalue() == ""
    written(where, 2)
    assert json.loads(stream.getvalue())["kind"] == "List"


def test_documents_are_utf8_whatever_standard_output_is():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    assert written(outputs(None, None, None, None, Path("-"), stream=stream)) == []
    assert raw.getvalue().decode("utf-8").startswith("### ▲ Warn")


def test_a_page_for_each_of_several_runs_goes_into_a_folder(tmp_path: Path):
    folder = tmp_path / "pages"
    where = outputs(None, None, folder)
    assert list(where.problems(several=True)) == []
    assert written(where, 2) == []
    assert [file.name for file in folder.iterdir()] == ["api-under-load-rab3de4fgh5.html"]
    assert list(where.problems()) == []
    assert written(where) == []


def test_one_page_for_several_runs_is_refused_before_they_run(tmp_path: Path):
    (tmp_path / "file").touch()
    for place in (Path("-"), tmp_path / "file"):
        (problem,) = outputs(None, None, place).problems(several=True)
        assert problem.endswith("cannot be written: each run has its own page: give a folder")


def test_what_cannot_be_written_is_known_before(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    for file, reason in (
        (tmp_path / "no" / "o", "there is no such folder"),
        (tmp_path / "folder", "it is a folder: give the name of a file"),
        (Path("/proc/version"), "you may not write to it"),
    ):
        if not os.access(file, os.W_OK) or file.is_dir():
            (problem,) = outputs(file).problems()
            assert problem == f"--json {file}: cannot be written: {reason}"
    assert list(outputs(tmp_path / "o").problems()) == []


def test_a_slash_at_the_end_names_a_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    folder = f"{tmp_path}/new/"
    where = outputs(None, None, folder)
    assert list(where.problems()) == []
    assert written(where) == []
    assert [file.name for file in (tmp_path / "new").iterdir()] == [
        "api-under-load-rab3de4fgh5.html"
    ]
    for number, file, reason in (
        (0, folder, "it is a folder: give the name of a file"),
        (0, f"{tmp_path}/none/", "it is a folder: give the name of a file"),
        (2, f"{tmp_path}/file/", "it is a file, and not a folder"),
        (2, f"{tmp_path}/no/new/", "there is no such folder"),
    ):
        (problem,) = outputs(*[None] * number, file).problems()
        assert problem.endswith(f" cannot be written: {reason}")


def test_one_place_is_not_given_to_two_forms(tmp_path: Path):
    same = outputs(tmp_path / "o", None, None, tmp_path / "folder" / ".." / "o")
    (tmp_path / "folder").mkdir()
    (problem,) = same.problems()
    assert problem.startswith("--json and --junit both write to ")


def test_a_file_that_fails_is_one_sentence_and_the_others_are_written(tmp_path: Path):
    (sentence,) = written(outputs(Path("/dev/full"), tmp_path / "r.json"))
    assert sentence == "/dev/full: cannot be written: No space left on device"
    assert (tmp_path / "r.json").exists()


def test_a_file_is_replaced_as_a_whole_with_its_permissions_and_through_its_link(tmp_path: Path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    before = file.stat().st_ino
    write_whole(link, "new")
    assert (file.read_text(), link.is_symlink()) == ("new", True)
    assert (file.stat().st_mode & 0o777, file.stat().st_ino != before) == (0o640, True)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "link"]


def test_what_was_there_stays_where_the_new_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "file"
    file.write_text("old")

    def fails(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, "new")
    assert (file.read_text(), [one.name for one in tmp_path.iterdir()]) == ("old", ["file"])


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
