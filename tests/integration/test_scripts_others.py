"""Scripts of Locust and JMeter under ``perfrun run``, with the real tools: what they send, what is
merged, how they end.

The raw samples come from the scripts themselves, which write them as the tool has them.
"""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.measure.report import WorkerReport
from perfrun.measure.result import RunResult
from tests.cluster.tools import program
from tests.conformance.server import Running, serving

PATIENCE = 90.0

LOCUSTFILE = """
import os
from locust import FastHttpUser, constant, events, task

@events.request.add_listener
def keep(name, response_time, **_):
    with open(f"{os.environ['RAW']}/{os.getpid()}.csv", "a") as file:
        file.write(f"{name},{response_time}\\n")

class Reader(FastHttpUser):
    host = os.environ["URL"]
    wait_time = constant(0.02)

    @task(3)
    def read(self):
        self.client.get("/1", name="read")

    @task
    def find(self):
        with self.client.get("/2", name="find", catch_response=True) as answer:
            if answer.text != "ok\\n":
                answer.failure("not found")
"""
NAMES = ("read", "find")
SAMPLER = """
<HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="{name}">
  <stringProp name="HTTPSampler.domain">127.0.0.1</stringProp>
  <stringProp name="HTTPSampler.port">${{__P(port)}}</stringProp>
  <stringProp name="HTTPSampler.path">/{name}</stringProp>
  <stringProp name="HTTPSampler.method">GET</stringProp>
  <elementProp name="HTTPsampler.Arguments" elementType="Arguments">
    <collectionProp name="Arguments.arguments"/>
  </elementProp>
</HTTPSamplerProxy><hashTree/>"""
PLAN = """<?xml version="1.0" encoding="UTF-8"?>
<jmeterTestPlan version="1.2" properties="5.0" jmeter="5.6.3"><hashTree>
<TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="plan"/><hashTree>
<ThreadGroup guiclass="ThreadGroupGui" testclass="ThreadGroup" testname="readers">
  <stringProp name="ThreadGroup.num_threads">${{__P({threads},1)}}</stringProp>
  <stringProp name="ThreadGroup.ramp_time">0</stringProp>
  <elementProp name="ThreadGroup.main_controller" elementType="LoopController">
    <boolProp name="LoopController.continue_forever">false</boolProp>
    <stringProp name="LoopController.loops">{loops}</stringProp>
  </elementProp>
</ThreadGroup><hashTree>{first}
<TransactionController guiclass="TransactionControllerGui" testclass="TransactionController"
  testname="visit"><boolProp name="TransactionController.parent">false</boolProp>
</TransactionController><hashTree>{second}</hashTree></hashTree>
<ResultCollector guiclass="SimpleDataWriter" testclass="ResultCollector" testname="raw">
  <objProp><name>saveConfig</name><value class="SampleSaveConfiguration">
    <time>true</time><label>true</label></value></objProp>
  <stringProp name="filename">${{__P(raw)}}/${{__P(perfrun.index)}}.csv</stringProp>
</ResultCollector><hashTree/>
</hashTree></hashTree></jmeterTestPlan>"""


def plan(loops: int, threads: str = "perfrun.threads") -> str:
    first, second = (SAMPLER.format(name=name) for name in NAMES)
    return PLAN.format(threads=threads, loops=loops, first=first, second=second)


class Scripts:
    """Runs a script in a folder of its own, with its tool on the PATH."""

    def __init__(self, folder: Path, server: Running) -> None:
        self.folder, self.server = folder, server
        self.raw_folder = folder / "raw"
        for name in ("tmp", "raw"):
            (folder / name).mkdir()

    def start(
        self, tool: str, script: str, args: list[str], workers: int = 2, more: str = ""
    ) -> "subprocess.Popen[str]":
        (self.folder / "script").write_text(script)
        host = self.server.url.removeprefix("http://")
        env = [{"name": "URL", "value": self.server.url}]
        env += [{"name": "RAW", "value": str(self.raw_folder)}]
        (self.folder / "test.yaml").write_text(
            "apiVersion: perfrun.dev/v1alpha1\nkind: PerfTest\nmetadata: {name: shop}\nspec:\n"
            f'  target: {{script: {{tool: {tool}, entry: {self._entry(tool)}, targets: ["{host}"],\n'
            f"    args: {json.dumps(args)}, env: {json.dumps(env)}{more}}}}}\n"
            f"  load: {{workers: {workers}, maxDuration: 60s}}\n"
        )
        (self.folder / "script").rename(self.folder / self._entry(tool))
        path = f"{program(tool.lower()).parent}:{os.environ['PATH']}"
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

    @staticmethod
    def _entry(tool: str) -> str:
        return "locustfile.py" if tool == "Locust" else "plan.jmx"

    def end(self, process: "subprocess.Popen[str]") -> PerfRun:
        """Its run, once it has ended; it leaves no file and no process behind."""
        output, _ = process.communicate(timeout=PATIENCE)
        assert list((self.folder / "tmp").iterdir()) == [], output
        assert self.processes() == [], output
        return PerfRun.parse(json.loads((self.folder / "run.json").read_text()))

    def processes(self) -> list[int]:
        """Everything that was started for this folder, but for the command itself."""
        found = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                environ, command = file.read_bytes(), (file.parent / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.folder).encode() in environ and b"perfrun" in command:
                found.append(int(file.parent.name))
        return found

    @property
    def report(self) -> WorkerReport:
        result = RunResult.model_validate_json((self.folder / "result.json").read_bytes())
        assert result.report is not None
        return result.report

    def raw(self, label: int, took: int) -> dict[str, list[float]]:
        """The durations (ms) by name, by the numbers of their columns."""
        found: dict[str, list[float]] = {name: [] for name in NAMES}
        for file in self.raw_folder.iterdir():
            for row in csv.reader(file.read_text().splitlines()):
                if row[label] in found:
                    found[row[label]].append(float(row[took]))
        return found


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    with serving("bimodal") as server:
        yield Scripts(tmp_path, server)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def is_that_of_all(report: WorkerReport, raw: dict[str, list[float]]) -> None:
    """The same population, value by value, in the histogram's precision of three digits."""
    steps = {step.step: step for step in report.window.steps}
    assert set(steps) == set(NAMES)
    for name, values in raw.items():
        latency = steps[name].timings["latency/success"]
        assert latency.count == len(values) > 20
        for q in (0.5, 0.95, 0.99):
            rank = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
            assert latency.quantile(q) / 1e6 == pytest.approx(rank, rel=2e-3)


def test_workers_of_locust_share_the_users_and_their_requests_are_those_of_the_server(
    scripts: Scripts,
) -> None:
    run = scripts.end(scripts.start("Locust", LOCUSTFILE, ["-u", "9", "-r", "90", "-t", "3s"]))
    assert (run.status.phase, run.status.verdict) == ("Done", "Pass")
    report = scripts.report
    assert report.script is not None
    assert (report.script.versions, report.script.unreadable) == (["locust 2.47.0"], 0)
    assert report.script.failures == []
    # 9 users in all, and not 9 for each worker.
    assert report.script.vus_max == 9
    assert report.window.attempts == scripts.server.seen()
    is_that_of_all(report, scripts.raw(0, 1))


def test_a_stop_ends_locust_in_good_order(scripts: Scripts) -> None:
    process = scripts.start("Locust", LOCUSTFILE, ["-u", "4", "-r", "40"])
    until(lambda: scripts.server.seen() > 20)
    process.send_signal(signal.SIGINT)
    run = scripts.end(process)
    assert run.status.stopped == "by Ctrl-C"
    assert scripts.report.script is not None
    assert scripts.report.script.failures == []
    assert scripts.report.window.attempts == scripts.server.seen()


def test_threads_of_jmeter_are_divided_and_their_requests_are_those_of_the_server(
    scripts: Scripts,
) -> None:
    port = scripts.server.url.rpartition(":")[2]
    args = ["-Jperfrun.threads=3", f"-Jport={port}", f"-Jraw={scripts.raw_folder}"]
    run = scripts.end(scripts.start("JMeter", plan(loops=15), args))
    assert (run.status.phase, run.status.verdict) == ("Done", "Pass")
    report = scripts.report
    assert report.script is not None
    assert (report.script.versions, report.script.unreadable) == (["jmeter 5.6.3"], 0)
    assert report.script.failures == []
    assert report.window.attempts == scripts.server.seen() == 3 * 15 * 2
    assert report.script.vus_max == 3
    assert report.script.metrics["transaction{label:visit}"].samples == 3 * 15
    is_that_of_all(report, scripts.raw(1, 0))


def test_a_stop_ends_jmeter_in_good_order_and_leaves_no_virtual_machine(scripts: Scripts) -> None:
    args = ["-Jperfrun.threads=4", f"-Jport={scripts.server.url.rpartition(':')[2]}"]
    args += [f"-Jraw={scripts.raw_folder}"]
    process = scripts.start("JMeter", plan(loops=-1), args, workers=1)
    until(lambda: scripts.server.seen() > 20)
    process.send_signal(signal.SIGINT)
    run = scripts.end(process)
    assert run.status.stopped == "by Ctrl-C"
    assert scripts.report.script is not None
    assert scripts.report.script.failures == []
    assert scripts.report.window.attempts == scripts.server.seen()


@pytest.mark.parametrize(
    ("tool", "script", "workers", "message"),
    [
        (
            "Locust",
            "nothing()",
            2,
            "Locust: it could not run the locustfile (exit code 1): ",
        ),
        ("JMeter", "no plan", 1, "JMeter: it could not run the plan (exit code 1): "),
        (
            "JMeter",
            plan(1, threads="threads").replace("perfrun.", ""),
            2,
            "the plan plan.jmx does not use the property perfrun.threads",
        ),
    ],
    ids=["broken locustfile", "broken plan", "plan without a share"],
)
def test_a_script_that_cannot_run_says_why(
    scripts: Scripts, tool: str, script: str, workers: int, message: str
) -> None:
    run = scripts.end(scripts.start(tool, script, [], workers))
    assert run.status.verdict == "Error"
    assert message in (run.status.message or "")
    assert scripts.server.seen() == 0
