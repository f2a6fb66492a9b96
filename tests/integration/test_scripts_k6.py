"""Scripts of k6 under ``perfrun run``, with the real k6: what it sends, what is merged, how it ends.

The raw rows come from a second output of each k6, which a program in its place adds.
"""

import csv
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.measure.record import StepRecord
from tests.cluster.tools import program
from tests.integration.scripts import PATIENCE, ScriptRuns, is_that_of_all
from tests.integration.waiting import until

_IN_ITS_PLACE = """#!/bin/sh
[ "$1" = run ] || exec {k6} "$@"
for argument; do case "$argument" in json=*) fifo="${{argument#json=}}";; esac; done
{before}
exec {k6} "$@" --out "csv={folder}/raw-$$.csv"
"""


class Served(BaseHTTPRequestHandler):
    """Counts what it answers, by path."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    log: "Counter[str]"

    def do_GET(self) -> None:
        self.log[self.path] += 1
        if self.path == "/slow":
            time.sleep(0.03)
        self.send_response(503 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Scripts(ScriptRuns):
    """Runs a script with k6 from a folder of its own on the PATH."""

    word = b"--paused"

    def __init__(self, folder: Path, url: str, log: "Counter[str]") -> None:
        super().__init__(folder, url)
        self.log = log
        (folder / "bin").mkdir()
        self.place("true")

    def place(self, before: str) -> None:
        """Put a program in the place of k6 that does something before."""
        text = _IN_ITS_PLACE.format(k6=program("k6"), folder=self.raw_folder, before=before)
        (self.folder / "bin" / "k6").write_text(text)
        (self.folder / "bin" / "k6").chmod(0o755)

    def start(self, script: str, workers: int) -> "subprocess.Popen[str]":
        (self.folder / "script.js").write_text(script)
        env = [{"name": "URL", "value": self.url}]
        target = {"tool": "k6", "entry": "script.js", "env": env}
        load = {"workers": workers, "maxDuration": "30s"}
        return self.start_run(target, load, self.folder / "bin")

    def run(self, script: str, workers: int = 1) -> PerfRun:
        return self.end(self.start(script, workers))

    def raw(self) -> dict[str, list[float]]:
        """The durations (ms) of each name, of all workers, as k6 wrote them itself."""
        found: dict[str, list[float]] = {}
        for file in self.raw_folder.glob("raw-*.csv"):
            for row in csv.DictReader(file.read_text().splitlines()):
                in_load = row["group"] not in ("::setup", "::teardown")
                if row["metric_name"] == "http_req_duration" and in_load:
                    found.setdefault(row["name"], []).append(float(row["metric_value"]))
        return found


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    class Handler(Served):
        log = Counter()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Scripts(tmp_path, f"http://127.0.0.1:{server.server_port}", Handler.log)
    server.shutdown()
    thread.join()
    server.server_close()


DIVIDED = """
import http from 'k6/http';
import { check } from 'k6';
const url = __ENV.URL;
export const options = { scenarios: {
  steady: { executor: 'constant-arrival-rate', rate: 50, duration: '2s', preAllocatedVUs: 10,
            exec: 'steady' },
  ramp: { executor: 'ramping-vus', startVUs: 0, stages: [{ target: 5, duration: '1s' },
          { target: 5, duration: '1s' }], gracefulRampDown: '1s', exec: 'ramp' },
  shared: { executor: 'shared-iterations', vus: 5, iterations: 23, exec: 'shared' },
}, thresholds: { 'http_req_duration{name:slow}': ['p(95)<500'] } };
export function setup() { http.get(`${url}/setup`); return { path: '/steady' }; }
export function steady(data) {
  check(http.get(url + data.path, { tags: { name: 'steady' } }), { ok: (r) => r.status === 200 });
}
export function ramp() { http.get(`${url}/slow`, { tags: { name: 'slow' } }); }
export function shared() { http.get(`${url}/bad`, { tags: { name: 'bad' } }); }
export function teardown(data) { http.get(`${url}/teardown${data.path}`); }
"""


@pytest.mark.parametrize("workers", [2, 5])
def test_workers_together_are_one_k6_and_their_percentiles_those_of_all_rows(
    scripts: Scripts, workers: int
) -> None:
    run = scripts.run(DIVIDED, workers)
    assert run.status.phase == "Done"
    report = scripts.report
    assert report.script is not None
    steps: dict[str, StepRecord] = {step.step: step for step in report.window.steps}

    # What one instance does: 50/s for 2 s, and 23 iterations; each request is in the server's log.
    assert abs(steps["steady"].sent - 100) <= 1
    assert steps["bad"].sent == 23
    assert steps["bad"].errors == {"Status5xx": 23}
    served = {"steady": "/steady", "slow": "/slow", "bad": "/bad"}
    assert {name: steps[name].attempts for name in served} == {
        name: scripts.log[path] for name, path in served.items()
    }
    assert (scripts.log["/setup"], scripts.log["/teardown/steady"]) == (1, 1)
    assert report.script.vus_max <= 20
    assert report.script.checks["ok"].passed == steps["steady"].sent
    assert len(report.generator.started_at) == workers
    assert report.generator.start_skew < 1e9

    raw = scripts.raw()
    for name in ("steady", "slow"):
        is_that_of_all(steps[name], raw[name])
    slow = report.script.metrics["http_req_duration{name:slow}"]
    assert slow.samples == len(raw["slow"])
    assert slow.total == pytest.approx(sum(raw["slow"]))


LONG = """
import http from 'k6/http';
export const options = { vus: 2, duration: '60s' };
export default function () { http.get(`${__ENV.URL}/slow`, { tags: { name: 'slow' } }); }
export function teardown() { http.get(`${__ENV.URL}/teardown`); }
"""


def test_a_stop_ends_k6_in_good_order_and_keeps_what_was_measured(scripts: Scripts) -> None:
    process = scripts.start(LONG, 2)
    until(lambda: scripts.log["/slow"] > 20, PATIENCE)
    process.send_signal(signal.SIGINT)
    run = scripts.end(process)
    assert run.status.stopped == "by Ctrl-C"
    report = scripts.report
    assert report.script is not None
    assert report.script.failures == []
    # Requests that the stop cut off were seen by the server, and have no row.
    sent = sum(step.attempts for step in report.window.steps)
    assert sent <= scripts.log["/slow"] <= sent + 2
    assert scripts.log["/teardown"] == 1


def test_a_k6_that_is_killed_and_rows_that_are_rubbish_have_their_reasons(scripts: Scripts) -> None:
    scripts.place('(yes rubbish | head -c 4000000 > "$fifo") &')
    process = scripts.start(LONG, 1)
    until(lambda: scripts.log["/slow"] > 20, PATIENCE)
    for pid in scripts.processes():
        os.kill(pid, signal.SIGKILL)
    scripts.end(process)
    report = scripts.report
    assert report.script is not None
    [failure] = report.script.failures
    assert failure.startswith("k6: it was killed by SIGKILL, for example because memory ran out")
    assert report.script.unreadable + report.script.shed >= 499_000
    assert report.window.attempts > 0


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "import http from 'k6/http'; nothing();",
            "the script raised an exception (exit code 107)",
        ),
        (
            "export const options = { vus: 2, iterations: 2 };\nexport function setup() { throw new Error('no data today'); }\n"
            "export default function () {}",
            "the setup of the script failed: ",
        ),
        (
            "export const options = { scenarios: { few: { executor: 'constant-vus', vus: 1,"
            " duration: '1s' } } };\nexport default function () {}",
            "scenario few (constant-vus) has only 1 to share among 2 workers",
        ),
    ],
)
def test_a_script_that_cannot_run_says_why(scripts: Scripts, script: str, message: str) -> None:
    run = scripts.run(script, 2)
    assert run.status.verdict == "Error"
    assert message in (run.status.message or "")
    assert scripts.log == {}


def test_a_tool_that_is_missing_is_named(scripts: Scripts) -> None:
    (scripts.folder / "bin" / "k6").write_text("#!/nowhere/at/all\n")
    run = scripts.run("export default function () {}")
    missing = "k6: it could not be started: k6: No such file or directory"
    assert missing in (run.status.message or "")
