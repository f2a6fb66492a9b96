"""Benchmark suites under ``perfrun run``: a real one of pytest-benchmark, and all that can go wrong
with a command. What the worker and the launcher do is what they do in a pod, too."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from perfrun.api.run.perfrun import PerfRun
from tests.integration.waiting import until

EXAMPLE = Path(__file__).parents[2] / "examples" / "benchmark"
PATIENCE = 60.0
MIB = 1024 * 1024


@dataclass
class Suite:
    """Runs a test of a benchmark in a folder of its own."""

    folder: Path

    def manifest(self, *command: str, slos: Any = (), variables: Any = (), **target: Any) -> Path:
        benchmark = {"image": "registry.example/suite:1", "command": list(command), **target}
        benchmark.setdefault("results", "PytestBenchmark")
        spec = {"target": {"benchmark": benchmark}, "slos": list(slos)}
        document = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfTest",
            "metadata": {"name": "suite", "namespace": "shop"},
            "spec": {**spec, "variables": dict(variables)},
        }
        file = self.folder / "suite.yaml"
        file.write_text(yaml.safe_dump(document))
        return file

    def python(self, code: str, **more: Any) -> Path:
        return self.manifest(sys.executable, "-c", code, **more)

    def start(self, file: Path, *options: str, **env: str) -> "subprocess.Popen[str]":
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "perfrun.cli.main", "run", file, "--json", "run.json", *options],
            cwd=self.folder,
            env={**_own_environment(), "TMPDIR": str(scratch), "COLUMNS": "160", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, file: Path, *options: str, **env: str) -> tuple[PerfRun, str]:
        """The run, and what was printed. Nothing of it is left behind."""
        with self.start(file, *options, **env) as process:
            out, err = process.communicate(timeout=PATIENCE)
        written = json.loads((self.folder / "run.json").read_text())
        assert list((self.folder / "tmp").iterdir()) == []
        return PerfRun.parse(written), out + err


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def errors(run: PerfRun) -> dict[str, int]:
    assert run.status.summary is not None
    return run.status.summary.errors


def message(run: PerfRun) -> str:
    assert run.status.benchmark is not None
    return run.status.benchmark.message or ""


def _own_environment() -> dict[str, str]:
    """Without what tells pytest-benchmark that it runs beside others: it would measure nothing."""
    return {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_XDIST")}


PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull)
MEAN = {"metric": "mean", "of": "test_sort"}
QUICK = "--benchmark-max-time=0.1"


def test_the_example_meets_its_objectives_and_a_planted_slowdown_does_not(suite: Suite) -> None:
    document = yaml.safe_load((EXAMPLE / "benchmark.yaml").read_text())
    target = document["spec"]["target"]["benchmark"]
    here = ["--rootdir", str(EXAMPLE), str(EXAMPLE / "benchmarks"), QUICK]
    command = [*PYTEST, *here, "--benchmark-json", "$(results)"]
    file = suite.manifest(*command, slos=document["spec"]["slos"], timeout=target["timeout"])

    run, told = suite.run(file)
    assert run.status.verdict == "Pass", told
    assert "the command runs as it is installed here, not in registry.example/suite:1" in told
    assert run.status.benchmark is not None
    names = [one.name for one in run.status.benchmark.results]
    assert names == ["test_sort", "test_totals[100]", "test_totals[5000]"]
    assert set(run.status.benchmark.results[0].figures) == {
        *("min", "max", "mean", "stddev", "median", "q1", "q3", "iqr", "ops", "rounds"),
    }
    assert "test_totals[100]" in told

    slow, told = suite.run(file, SLOWER_BY_MS="25")
    assert slow.status.verdict == "Warn", told
    missed = [slo for slo in slow.status.slos if slo.verdict == "Warn"]
    assert [(slo.metric, slo.of) for slo in missed] == [("mean", "test_sort")]
    assert "mean of test_sort was 2" in missed[0].message  # 25 ms and what it took before


def test_a_suite_that_fails_is_no_pass_and_says_how(suite: Suite) -> None:
    (suite.folder / "test_it.py").write_text(
        "def test_fast(benchmark):\n    benchmark(lambda: 1)\ndef test_bad():\n    assert False\n"
    )
    command = [*PYTEST, QUICK, "--benchmark-json", "$(results)", str(suite.folder)]
    slos = [
        {"metric": "mean", "of": "test_fast", "max": "1s"},
        {"metric": "errorRate", "max": "0%"},
    ]
    run, _ = suite.run(suite.manifest(*command, slos=slos))
    assert [slo.verdict for slo in run.status.slos] == ["Inconclusive", "Warn"]
    assert errors(run) == {"Exit": 1}
    assert message(run).startswith("exit code 1: ")
    assert "1 failed, 1 passed" in message(run)


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("pass", "Results", "the command did not write $(results)"),
        ("import os; open(os.environ['PERFRUN_RESULTS'], 'w').write('x')", "Results", "not JSON"),
        (
            "import os; os.symlink('/etc/hostname', os.environ['PERFRUN_RESULTS'])",
            "Results",
            "symbolic links",
        ),
        (
            "import os; open(os.environ['PERFRUN_RESULTS'], 'w').truncate(1 << 30)",
            "Results",
            "larger than the 64 MiB",
        ),
        ("import sys; sys.exit('no database')", "Exit", "exit code 1: no database"),
        ("import os; os.kill(os.getpid(), 9)", "Killed", "killed by SIGKILL"),
    ],
    ids=["nothing", "rubbish", "link", "gigabyte", "exit", "killed"],
)
def test_what_goes_wrong_is_told(suite: Suite, code: str, error: str, said: str) -> None:
    run, _ = suite.run(suite.python(code, slos=[{**MEAN, "max": "1s"}]))
    assert (run.status.verdict, errors(run)) == ("Inconclusive", {error: 1})
    assert said in message(run)
    (slo,) = run.status.slos
    assert said in slo.message


def test_a_program_that_is_not_there_is_named(suite: Suite) -> None:
    run, _ = suite.run(suite.manifest("no-such-program"))
    assert errors(run) == {"Exit": 1}
    assert message(run) == "it could not be started: no-such-program: No such file or directory"


def test_the_peak_memory_is_the_commands(suite: Suite) -> None:
    code = f"held = b'x' * (200 * {MIB})"
    run, _ = suite.run(suite.python(code, slos=[{"metric": "memory.peak", "max": "1Gi"}]))
    assert run.status.benchmark is not None
    peak = run.status.benchmark.memory_peak
    assert peak is not None
    assert 200 < float(peak.removesuffix("Mi")) < 240


def test_a_command_that_takes_too_long_is_ended_and_listens_to_no_signal(suite: Suite) -> None:
    pid = suite.folder / "pid"
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"open({str(pid)!r}, 'w').write(str(os.getpid())); print('working', flush=True);"
        "time.sleep(1000)"
    )
    run, _ = suite.run(suite.python(code, timeout="1s", slos=[{**MEAN, "max": "1s"}]))
    assert errors(run) == {"Timeout": 1}
    assert message(run) == "it was still running after 1s (timeout); its last output: working"
    assert [slo.verdict for slo in run.status.slos] == ["Inconclusive"]
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_ctrl_c_ends_the_whole_of_it(suite: Suite) -> None:
    pids = suite.folder / "pids"
    code = (
        "import os, subprocess, time; child = subprocess.Popen(['sleep', '1000']);"
        f"open({str(pids)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}');"
        f"os.rename({str(pids)!r} + '.new', {str(pids)!r}); time.sleep(1000)"
    )
    with suite.start(suite.python(code)) as process:
        until(pids.exists, PATIENCE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    run = PerfRun.parse(json.loads((suite.folder / "run.json").read_text()))
    assert (run.status.verdict, run.status.stopped) == ("Inconclusive", "by Ctrl-C")
    for pid in pids.read_text().split():
        assert not Path(f"/proc/{pid}").exists()
    assert list((suite.folder / "tmp").iterdir()) == []


def test_a_second_ctrl_c_does_so_at_once(suite: Suite) -> None:
    pid = suite.folder / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    with suite.start(suite.python(code)) as process:
        until(lambda: pid.exists() and pid.read_text(), PATIENCE)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert time.monotonic() - began < 4
    until(lambda: not Path(f"/proc/{pid.read_text()}").exists(), PATIENCE)


def test_secrets_reach_the_command_and_are_not_told(suite: Suite) -> None:
    (suite.folder / "secrets" / "shop").mkdir(parents=True)
    (suite.folder / "secrets" / "shop" / "token").write_text("s3cret")
    source = {"secretKeyRef": {"name": "shop", "key": "token"}}
    code = 'import os, sys; sys.exit(f\'refused: {os.environ["TOKEN"]} {os.environ["SIZE"]}\')'
    file = suite.python(
        code,
        variables={"size": "large"},
        env=[{"name": "TOKEN", "valueFrom": source}, {"name": "SIZE", "value": "$(size)"}],
    )
    run, told = suite.run(file, "--secrets", str(suite.folder / "secrets"))
    assert message(run) == "exit code 1: refused: *** large"
    assert "s3cret" not in told + (suite.folder / "run.json").read_text()
