"""Scripts of Locust and JMeter under ``perfrun run``, with the real tools: what they send, what is
merged, how they end.

The raw samples come from the scripts themselves, which write them as the tool has them.
"""

import csv
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfrun.measure.report import WorkerReport
from tests.cluster.tools import program
from tests.conformance.server import Running, serving
from tests.integration.scripts import PATIENCE, ScriptRuns, is_that_of_all
from tests.integration.waiting import until

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


class Scripts(ScriptRuns):
    """Runs a script with its tool on the PATH."""

    word = b"perfrun"

    def __init__(self, folder: Path, server: Running) -> None:
        super().__init__(folder, server.url)
        self.server = server

    def start(
        self, tool: str, script: str, args: list[str], workers: int = 2
    ) -> "subprocess.Popen[str]":
        entry = "locustfile.py" if tool == "Locust" else "plan.jmx"
        (self.folder / entry).write_text(script)
        given = {"URL": self.url, "RAW": str(self.raw_folder)}
        env = [{"name": name, "value": value} for name, value in given.items()]
        target = {"tool": tool, "entry": entry, "args": args, "env": env}
        load = {"workers": workers, "maxDuration": "60s"}
        return self.start_run(target, load, program(tool.lower()).parent)

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


def are_those_of_all(report: WorkerReport, raw: dict[str, list[float]]) -> None:
    steps = {step.step: step for step in report.window.steps}
    assert set(steps) == set(NAMES)
    for name, values in raw.items():
        assert len(values) > 20
        is_that_of_all(steps[name], values)


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
    are_those_of_all(report, scripts.raw(0, 1))


def test_a_stop_ends_locust_in_good_order(scripts: Scripts) -> None:
    process = scripts.start("Locust", LOCUSTFILE, ["-u", "4", "-r", "40"])
    until(lambda: scripts.server.seen() > 20, PATIENCE)
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
    are_those_of_all(report, scripts.raw(1, 0))


def test_a_stop_ends_jmeter_in_good_order_and_leaves_no_virtual_machine(scripts: Scripts) -> None:
    args = ["-Jperfrun.threads=4", f"-Jport={scripts.server.url.rpartition(':')[2]}"]
    args += [f"-Jraw={scripts.raw_folder}"]
    process = scripts.start("JMeter", plan(loops=-1), args, workers=1)
    until(lambda: scripts.server.seen() > 20, PATIENCE)
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
