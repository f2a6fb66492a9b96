"""``perfrun run`` as a user runs it: real workers, a real server on 127.0.0.1, small loads."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.local.files.manifests import read_manifests
from perfrun.measure.result import RunResult
from perfrun.pytest_plugin.given import Given
from perfrun.pytest_plugin.running import Background
from tests.integration.waiting import until

PATIENCE = 40.0


@dataclass
class Target:
    """A server that counts what reaches it."""

    url: str
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Path and Authorization of each request."""
    released: threading.Event = field(default_factory=threading.Event)
    """Set: requests to /hang are answered."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment: without it each answer waits 40 ms for an acknowledgement.
    wbufsize = -1
    target: Target

    def do_GET(self) -> None:
        self.target.seen.append((self.path, self.headers.get("Authorization", "")))
        if self.path == "/hang":
            self.target.released.wait(PATIENCE)
        self.send_response(503 if self.path == "/bad" else 200)
        body = b"x" * 40 if self.path == "/x" else b"ok"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def target() -> Iterator[Target]:
    class Handler(_Handler):
        """Of this test alone."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.target = Target(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Handler.target
    Handler.target.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Cli:
    """Runs the command in a folder of its own, with temporary files in it too."""

    folder: Path

    def manifest(self, name: str, url: str, load: str, slos: str = "[]", more: str = "") -> Path:
        file = self.folder / f"{name}.yaml"
        file.write_text(
            "apiVersion: perfrun.dev/v1alpha1\nkind: PerfTest\n"
            f"metadata: {{name: {name}, namespace: shop}}\n"
            f"spec:\n  target: {{http: {{url: {url}{more}}}}}\n  load: {load}\n  slos: {slos}\n"
        )
        return file

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "perfrun.cli.main", *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(scratch), "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: object) -> tuple[int, str, str]:
        with self.start("run", *arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
            return process.returncode, out, err

    @property
    def leftovers(self) -> list[str]:
        return [entry.name for entry in (self.folder / "tmp").iterdir()]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def children(pid: int) -> list[int]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in file.read_text().split()]


def children_of_threads() -> list[int]:
    """Of this process: a child belongs to the thread that started it."""
    files = Path("/proc/self/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def is_worker(pid: int) -> bool:
    return b"perfrun.local.child" in Path(f"/proc/{pid}/cmdline").read_bytes()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_burst_that_meets_its_objectives(cli: Cli, target: Target) -> None:
    file = cli.manifest(
        "api",
        target.url + "/x",
        "{workers: 2, burst: {requests: 100, concurrency: 10}}",
        "[{metric: successRate, min: 100%}]",
    )
    code, out, err = cli.run(file, "--json", "o.json", "--result", "r.json")
    assert (code, out.splitlines()[0]) == (0, "✔ PASS  shop/api"), out + err
    assert "\x1b" not in out + err
    assert all(len(line) <= 100 for line in out.splitlines())
    assert len(target.seen) == 100
    written = json.loads((cli.folder / "o.json").read_text())
    run = PerfRun.model_validate(written)
    assert (written["kind"], run.status.verdict) == ("PerfRun", "Pass")
    assert run.status.summary is not None
    assert run.status.summary.attempts.window == 100
    assert run.status.workers is not None
    assert run.status.workers.model_dump() == {"planned": 2, "ready": 2, "reported": 2}
    result = RunResult.model_validate_json((cli.folder / "r.json").read_text())
    assert result.report is not None
    result.report.check()
    assert result.report.workers == 2
    assert cli.leftovers == []


def test_several_documents_are_run_in_turn_and_the_worst_counts(cli: Cli, target: Target) -> None:
    load = "{burst: {requests: 10, concurrency: 2}}"
    slos = "[{metric: errorRate, max: 0%, onBreach: Fail}]"
    first = cli.manifest("a", target.url + "/bad", load, slos)
    second = cli.manifest("b", target.url + "/good", load, slos)
    first.write_text(
        first.read_text() + "---\napiVersion: v1\nkind: Service\n---\n" + second.read_text()
    )
    code, out, err = cli.run(first, "--json", "o.json")
    assert code == 1, out + err
    assert [line for line in out.splitlines() if "shop/" in line] == [
        "✘ FAIL  shop/a",
        "✔ PASS  shop/b",
    ]
    assert "a.yaml:9:1: skipped: Service (v1)" in err
    assert [path for path, _ in target.seen] == ["/bad"] * 10 + ["/good"] * 10
    runs = json.loads((cli.folder / "o.json").read_text())
    assert (runs["apiVersion"], runs["kind"]) == ("v1", "List")
    assert [run["status"]["verdict"] for run in runs["items"]] == ["Fail", "Pass"]


def test_a_missed_objective_is_told_and_only_strict_makes_it_fail(cli: Cli, target: Target) -> None:
    file = cli.manifest(
        "api",
        target.url + "/bad",
        "{burst: {requests: 10, concurrency: 2}}",
        "[{metric: successRate, min: 99%}]",
    )
    code, out, _ = cli.run(file)
    assert code == 0
    assert out.splitlines()[-1].startswith("exit code 0, although 1 objective was missed: it does")
    code, out, _ = cli.run(file, "--strict")
    assert (code, out.splitlines()[0]) == (1, "▲ WARN  shop/api")
    assert "exit code" not in out
    assert "Status5xx 10" in out


@pytest.mark.flaky(reruns=3)
def test_a_target_that_refuses_connections_is_an_error_after_a_short_wait(cli: Cli) -> None:
    file = cli.manifest(
        "api",
        "http://127.0.0.1:1/",
        "{startTimeout: 6s, burst: {requests: 1, concurrency: 1}}",
    )
    code, out, err = cli.run(file, "--json", "o.json")
    assert (code, out.splitlines()[0]) == (3, "✘ ERROR  shop/api"), err
    assert "127.0.0.1:1 refused" in out
    run = PerfRun.model_validate_json((cli.folder / "o.json").read_text())
    assert (run.status.verdict, run.status.start_time) == ("Error", None)
    assert cli.leftovers == []


def test_a_port_of_this_machine_where_nobody_listens_is_told_at_once(cli: Cli) -> None:
    file = cli.manifest("api", "http://127.0.0.1:1/", "{burst: {requests: 1, concurrency: 1}}")
    code, out, err = cli.run(file)
    assert code == 3, err
    said = " ".join(out.split())
    assert "within 1.2s after they had come up (load.startTimeout: 10s waits longer)" in said
    assert "127.0.0.1:1 refused the connection" in said


def test_secrets_come_from_files(cli: Cli, target: Target) -> None:
    token = "no-uid-has-this-in-it"  # "abc" was found in a random uid now and then
    (cli.folder / "values" / "shop").mkdir(parents=True)
    (cli.folder / "values" / "shop" / "token").write_text(f"{token}\n")
    file = cli.manifest(
        "api",
        target.url,
        "{burst: {requests: 2, concurrency: 1}}",
        more=", auth: {bearer: {tokenFrom: {secretKeyRef: {name: shop, key: token}}}}",
    )
    assert cli.run(file)[0] == 2
    assert target.seen == []
    code, out, err = cli.run(file, "--secrets", "values", "--json", "o.json", "--result", "r.json")
    assert code == 0, out + err
    assert {authorization for _, authorization in target.seen} == {f"Bearer {token}"}
    told = out + err + (cli.folder / "o.json").read_text() + (cli.folder / "r.json").read_text()
    assert token not in told


def test_secrets_of_the_same_file_are_used(cli: Cli, target: Target) -> None:
    file = cli.manifest(
        "api",
        target.url,
        "{burst: {requests: 2, concurrency: 1}}",
        more=", auth: {bearer: {tokenFrom: {secretKeyRef: {name: shop, key: token}}}}",
    )
    file.write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: shop, namespace: shop}\n"
        "stringData: {token: abc}\n---\n" + file.read_text()
    )
    code, out, err = cli.run(file)
    assert code == 0, out + err
    assert {authorization for _, authorization in target.seen} == {"Bearer abc"}
    assert cli.leftovers == []


def test_json_on_standard_output_leaves_the_report_to_standard_error(
    cli: Cli, target: Target
) -> None:
    file = cli.manifest("api", target.url, "{burst: {requests: 2, concurrency: 1}}")
    code, out, err = cli.run(file, "--json", "-")
    assert code == 0, out + err
    assert PerfRun.model_validate_json(out).status.verdict == "Pass"
    assert "✔ PASS  shop/api" in err


def test_a_reader_that_goes_away_changes_neither_verdict_nor_files(
    cli: Cli, target: Target
) -> None:
    file = cli.manifest(
        "api",
        target.url + "/bad",
        "{burst: {requests: 2, concurrency: 1}}",
        "[{metric: errorRate, max: 0%, onBreach: Fail}]",
    )
    with cli.start("run", file, "--json", "o.json") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 1
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    run = PerfRun.model_validate_json((cli.folder / "o.json").read_text())
    assert run.status.verdict == "Fail"


def test_ctrl_c_while_perfrun_is_still_loading_is_quiet(cli: Cli) -> None:
    interrupted = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "perfrun.cli.commands":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from perfrun.cli.main import main
main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", interrupted], stderr=subprocess.PIPE, text=True
    ) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "")


def test_a_second_ctrl_c_waits_for_nobody_and_more_change_nothing(cli: Cli, target: Target) -> None:
    file = cli.manifest(
        "api", target.url + "/hang", "{workers: 2, closed: {users: 4, duration: 60s}}"
    )
    with cli.start("run", file) as process:
        until(lambda: len(target.seen) == 4, PATIENCE)
        workers = children(process.pid)
        assert process.stderr is not None
        told = iter(process.stderr.readline, "")
        next(line for line in told if "in flight 4" in line)
        process.send_signal(signal.SIGINT)
        waiting = next(line for line in told if line.startswith("stopping (by Ctrl-C)"))
        assert "waiting up to 5s for 4 open requests" in waiting
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        while process.poll() is None and time.monotonic() - begin < PATIENCE:
            # Who presses it again while everything is ended, and while Python ends.
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        out, err = process.communicate(timeout=PATIENCE)
        assert time.monotonic() - begin < 2.5
    assert process.returncode == 130, out + err
    assert "lost" not in out + err
    assert all(gone(pid) for pid in workers)
    assert cli.leftovers == []


def test_ctrl_c_reports_what_was_measured_and_leaves_nobody_behind(
    cli: Cli, target: Target
) -> None:
    file = cli.manifest(
        "api",
        target.url,
        "{workers: 2, open: {rate: 40/s, duration: 60s}}",
        "[{metric: errorRate, max: 1%}]",
    )
    with cli.start("run", file, "--json", "o.json") as process:
        until(lambda: len(target.seen) >= 40, PATIENCE)
        workers = children(process.pid)
        assert len(workers) == 2
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert out.splitlines()[0] == "? INCONCLUSIVE  shop/api"
    assert "stopped (by Ctrl-C)" in out
    assert "stopping (by Ctrl-C)" in err
    assert all(gone(pid) for pid in workers)
    assert cli.leftovers == []
    run = PerfRun.model_validate_json((cli.folder / "o.json").read_text())
    assert run.status.summary is not None
    assert run.status.summary.attempts.window == len(target.seen)
    assert run.status.stopped == "by Ctrl-C"


def test_workers_that_do_not_heed_a_stop_are_ended_and_named(
    cli: Cli, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfrun.logic.run.lifecycle.LAST_REPORTS_S", 0.5)
    load = "{workers: 2, open: {rate: 40/s, duration: 60s}}"
    (manifest,) = read_manifests([str(cli.manifest("api", target.url, load))])
    assert manifest.test is not None
    run = Background(Given(manifest.test, {}))
    run.start()
    until(lambda: len(target.seen) >= 40, PATIENCE)
    stuck = min(pid for pid in children_of_threads() if is_worker(pid))
    os.kill(stuck, signal.SIGSTOP)
    run.stop("by the test")
    run.wait()
    reported, lost = run.outcome()
    assert gone(stuck)
    status = reported.run.status
    assert (status.verdict, status.stopped) == ("Inconclusive", "by the test")
    assert status.workers is not None
    assert status.workers.reported == 1
    (sentence,) = lost
    assert re.fullmatch("worker [01]: it took too long and was stopped", sentence)


def test_ctrl_c_before_the_load_begins(cli: Cli) -> None:
    file = cli.manifest("api", "http://127.0.0.1:1/", "{burst: {requests: 1, concurrency: 1}}")
    with cli.start("run", file) as process:
        until(lambda: children(process.pid), PATIENCE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert "before the load started" in out
    assert cli.leftovers == []


def test_a_worker_that_dies_is_a_finding_and_the_run_goes_on(cli: Cli, target: Target) -> None:
    file = cli.manifest(
        "api",
        target.url,
        "{workers: 2, open: {rate: 40/s, duration: 4s}}",
        "[{metric: errorRate, max: 1%}]",
    )
    with cli.start("run", file, "--json", "o.json") as process:
        until(lambda: len(target.seen) >= 20, PATIENCE)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    assert re.search("note: lost: worker [01]: it was ended by SIGKILL", err)
    status = PerfRun.model_validate_json((cli.folder / "o.json").read_text()).status
    assert status.verdict == "Inconclusive"
    assert status.workers is not None
    assert status.workers.reported == 1
    assert status.generator is not None
    assert "Coverage" in [finding.type for finding in status.generator.findings]


@pytest.mark.parametrize(
    ("workers", "verdict", "told"),
    [
        (2, "Pass", "1 of 1 objective met; lost: "),
        (1, "Inconclusive", "stopped (no worker was left)"),
    ],
)
def test_a_worker_that_is_ended_is_named_and_only_told_where_the_test_says_so(
    cli: Cli, target: Target, workers: int, verdict: str, told: str
) -> None:
    file = cli.manifest(
        "api",
        target.url,
        f"{{workers: {workers}, open: {{rate: 40/s, duration: 4s}}, onWorkerLoss: Continue}}",
        "[{metric: errorRate, max: 1%}]",
    )
    with cli.start("run", file, "--json", "o.json") as process:
        until(lambda: len(target.seen) >= 20, PATIENCE)
        os.kill(children(process.pid)[0], signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    status = PerfRun.model_validate_json((cli.folder / "o.json").read_text()).status
    assert status.verdict == verdict
    assert status.workers is not None
    assert status.workers.reported == workers
    assert status.message is not None
    assert status.message.startswith(told)
    lost = (
        r"lost: worker \d: it was stopped by a signal \(its measurements before that are counted\)$"
    )
    assert re.search(lost, status.message)
    assert re.search(f"(?m)^note: {lost}", err)


def test_a_load_that_nobody_reported_on_is_an_error(cli: Cli, target: Target) -> None:
    file = cli.manifest("api", target.url, "{open: {rate: 40/s, duration: 30s}}")
    with cli.start("run", file) as process:
        until(lambda: len(target.seen) >= 20, PATIENCE)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out.splitlines()[0]) == (3, "✘ ERROR  shop/api"), out + err
    assert "none of 1 workers reported: worker 0: it was ended by SIGKILL" in out
    assert "Next" in out


def test_workers_do_not_outlive_a_killed_perfrun(cli: Cli, target: Target) -> None:
    file = cli.manifest("api", target.url, "{workers: 2, open: {rate: 40/s, duration: 30s}}")
    with cli.start("run", file) as process:
        until(lambda: len(target.seen) >= 20, PATIENCE)
        workers = children(process.pid)
        process.kill()
        process.communicate(timeout=PATIENCE)
    until(lambda: all(gone(pid) for pid in workers), PATIENCE)
    assert len(cli.leftovers) == 1
    assert cli.run(cli.manifest("b", target.url, "{burst: {requests: 1, concurrency: 1}}"))[0] == 0
    assert cli.leftovers == []


def test_worker_inside_of_a_regular_expression_does_not_outlive_a_killed_perfrun(
    cli: Cli, target: Target
) -> None:
    """It heeds no signal that Python would have to handle: it never comes to that."""
    file = cli.manifest("api", target.url, "{burst: {requests: 1, concurrency: 1}}")
    step = '{name: get, http: {path: /x}, extract: {t: {regex: "(x+x+)+y"}}}'
    file.write_text(f"{file.read_text()}  scenarios: [{{name: s, steps: [{step}]}}]\n")
    with cli.start("run", file) as process:
        until(lambda: len(target.seen) >= 1, PATIENCE)
        (worker,) = children(process.pid)
        until(lambda: _cpu_seconds(worker) > 1.5, PATIENCE)
        process.kill()
        process.communicate(timeout=PATIENCE)
    until(lambda: gone(worker), PATIENCE)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
