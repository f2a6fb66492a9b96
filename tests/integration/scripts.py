"""Runs of scripts on this machine, with the real tools, in a folder of their own."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.measure.record import StepRecord
from perfrun.measure.report import WorkerReport
from perfrun.measure.result import RunResult

PATIENCE = 90.0


class ScriptRuns:
    """What a run starts is recognised by its folder in the environment, and by a word."""

    word: ClassVar[bytes]
    """In the command line of each process that may not outlive a run."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.raw_folder = folder / "raw"
        for name in ("tmp", "raw"):
            (folder / name).mkdir()

    def start_run(
        self, script: dict[str, Any], load: dict[str, Any], programs: Path
    ) -> "subprocess.Popen[str]":
        """Start a run of a ``target.script`` with the tool in a folder ``programs``."""
        target = {"script": {**script, "targets": [self.url.removeprefix("http://")]}}
        test = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfTest",
            "metadata": {"name": "shop"},
            "spec": {"target": target, "load": load},
        }
        (self.folder / "test.yaml").write_text(json.dumps(test))
        path = f"{programs}:{os.environ['PATH']}"
        command = [sys.executable, "-m", "perfrun.cli.main", "run", "test.yaml"]
        return subprocess.Popen(
            [*command, "--json", "run.json", "--result", "result.json"],
            cwd=self.folder,
            env={**os.environ, "PATH": path, "TMPDIR": str(self.folder / "tmp"), "COLUMNS": "160"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, process: "subprocess.Popen[str]") -> PerfRun:
        """Its run, once it has ended; it leaves no file and no process behind."""
        output, _ = process.communicate(timeout=PATIENCE)
        assert list((self.folder / "tmp").iterdir()) == [], output
        assert self.processes() == [], output
        return PerfRun.parse(json.loads((self.folder / "run.json").read_text()))

    def processes(self) -> list[int]:
        """The processes of a run that are alive."""
        found = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                environ, command = file.read_bytes(), (file.parent / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.folder).encode() in environ and self.word in command:
                found.append(int(file.parent.name))
        return found

    @property
    def report(self) -> WorkerReport:
        """What was merged; of a script."""
        result = RunResult.model_validate_json((self.folder / "result.json").read_bytes())
        assert result.report is not None
        assert result.report.script is not None
        return result.report


def is_that_of_all(step: StepRecord, values: list[float]) -> None:
    """The same population (ms), value by value, in the histogram's precision of three digits."""
    latency = step.timings["latency/success"]
    assert latency.count == len(values)
    for q in (0.5, 0.95, 0.99):
        rank = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
        assert latency.quantile(q) / 1e6 == pytest.approx(rank, rel=2e-3)
