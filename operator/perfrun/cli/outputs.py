"""The files of ``perfrun run``: looked at before the load, written before anything is printed."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfrun.api.perfrun import PerfRun
from perfrun.cli.terminal import Output
from perfrun.measure.result import RunResult
from perfrun.report.document import run_object

_STDOUT = Path("-")


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the PerfRuns and all that was measured go; None: nowhere, ``-``: standard output."""

    json_file: Path | None
    result_file: Path | None
    stdout: Output

    @property
    def takes_stdout(self) -> bool:
        """Whether one of them is standard output: the report is to go elsewhere."""
        return _STDOUT in (self.json_file, self.result_file)

    def problems(self) -> Iterator[str]:
        """Why they could not be written, found out without writing."""
        given = [("--json", self.json_file), ("--result", self.result_file)]
        places = [(option, file) for option, file in given if file is not None]
        if len(places) == 2 and _same(places[0][1], places[1][1]):
            yield f"--json and --result both name {places[0][1]}: give each a place of its own"
        for option, file in places:
            if file != _STDOUT and (reason := _unwritable(file)) is not None:
                yield f"{option} {file}: cannot be written: {reason}"

    def write(
        self, runs: Sequence[PerfRun], results: Sequence[RunResult], *, several: bool, last: bool
    ) -> Iterator[str]:
        """Write what there is so far (standard output: at the ``last`` call). Gives what failed.

        Several PerfRuns are a List, as kubectl reads one, and several results a JSON array.
        """
        if _due(self.json_file, last=last):
            objects = [run_object(run) for run in runs]
            yield from self._write(self.json_file, _list(objects) if several else objects[0])
        if _due(self.result_file, last=last):
            documents = [json.loads(result.to_bytes()) for result in results]
            yield from self._write(self.result_file, documents if several else documents[0])

    def _write(self, file: Path | None, document: object) -> Iterator[str]:
        assert file is not None
        if file == _STDOUT:
            # In ASCII: standard output may have any encoding.
            self.stdout.write(json.dumps(document, indent=2) + "\n")
            self.stdout.flush()
            return
        try:
            text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            yield f"{file}: cannot be written: {error.strerror}"


def _due(file: Path | None, *, last: bool) -> bool:
    return file is not None and (last or file != _STDOUT)


def _list(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": objects}


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _unwritable(file: Path) -> str | None:
    folder = file.absolute().parent
    if not folder.is_dir():
        return "there is no such folder"
    if file.is_dir():
        return "it is a folder"
    if file.exists():
        return None if os.access(file, os.W_OK) else "you may not write to it"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"you may not write to {folder}"
