"""The pytest plugin with real workers: the example project, event loops, and Ctrl-C."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.waiting import until

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def target() -> Iterator[tuple[str, list[str]]]:
    """An address, and the paths that were asked for there."""

    class Handler(_Handler):
        seen: list[str] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Handler.seen
    server.shutdown()
    thread.join()
    server.server_close()


@contextlib.contextmanager
def start(folder: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    (folder / "tmp").mkdir()
    process = subprocess.Popen(
        # Whoever runs these tests in the background may have them ignore the signal.
        ["env", "--default-signal=INT", sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        + [str(one) for one in arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def finished(folder: Path, *arguments: object) -> tuple[int, str]:
    with start(folder, *arguments) as process:
        out, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, out


def children(pid: int) -> list[int]:
    """Of all threads: a child belongs to the one that started it."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def leftovers(folder: Path) -> list[str]:
    return [entry.name for entry in (folder / "tmp").glob("perfrun-*")]


def test_the_example_project_runs_anywhere(tmp_path: Path) -> None:
    code, out = finished(tmp_path, ROOT / "examples" / "pytest", "--perfrun-report", "reports")
    assert code == 0, out
    assert "6 passed" in out
    told = [line.split()[1] for line in out.splitlines() if "::test_" in line and line[0] in "PWI"]
    assert [name.rpartition("::")[2] for name in told] == [
        "test_reads_meet_their_objectives:",
        "test_the_shop_meets_its_objectives:",
        "test_users_who_think_are_served_fast:",
        "test_a_burst_of_1000_breaks_nothing:",
        "test_the_limit_is_far_enough_away:",
    ]
    assert "reports are in reports" in out
    results = sorted((tmp_path / "reports").glob("*.result.json"))
    assert len(results) == 5
    assert all(json.loads(file.read_text())["report"] for file in results)
    pages = list((tmp_path / "reports").glob("*.html"))
    assert len(pages) == 5
    assert all(page.read_text().startswith("<!") for page in pages)
    assert leftovers(tmp_path) == []


def test_a_target_in_the_event_loop_of_the_test_is_served_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("""
from aiohttp import web

async def answer(request):
    return web.Response(text="ok")

async def test_it(perfrun):
    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    result = await perfrun.load_async(
        target=f"http://127.0.0.1:{runner.addresses[0][1]}/",
        load={"burst": {"requests": 100, "concurrency": 5}},
        slos=[{"metric": "successRate", "min": "100%"}],
    )
    await runner.cleanup()
    assert result.ok, result.told()
    assert result.figures.succeeded == 100
""")
    code, out = finished(tmp_path, "-o", "asyncio_mode=auto")
    assert code == 0, out
    assert leftovers(tmp_path) == []


def test_a_coroutine_may_also_wait(tmp_path: Path, target: tuple[str, list[str]]) -> None:
    url, seen = target
    (tmp_path / "test_it.py").write_text(f"""
async def test_it(perfrun):
    result = perfrun.load(target="{url}", load={{"burst": {{"requests": 20, "concurrency": 2}}}})
    perfrun.check(result)
""")
    code, out = finished(tmp_path, "-o", "asyncio_mode=auto")
    assert code == 0, out
    assert len(seen) == 20


def test_a_target_that_is_not_there_fails_the_check_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("""
def test_it(perfrun):
    result = perfrun.load(
        target="http://127.0.0.1:1",
        load={"burst": {"requests": 1, "concurrency": 1}},
    )
    assert result.verdict == "Error"
    perfrun.check(result)
""")
    code, out = finished(tmp_path)
    assert code == 1, out
    assert "default/it: Error: " in out
    assert "127.0.0.1:1 refused" in out


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_ctrl_c_ends_the_load_and_leaves_nobody_behind(
    tmp_path: Path, target: tuple[str, list[str]], kind: str
) -> None:
    url, seen = target
    call = "perfrun.load" if kind == "def" else "await perfrun.load_async"
    (tmp_path / "test_it.py").write_text(f"""
{kind} test_it(perfrun):
    {call}(target="{url}", load={{"workers": 2, "open": {{"rate": "40/s", "duration": "600s"}}}})
""")
    with start(tmp_path, "-o", "asyncio_mode=auto") as process:
        until(lambda: len(seen) >= 40, PATIENCE)
        workers = children(process.pid)
        assert len(workers) == 2
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, out
    assert all(gone(pid) for pid in workers)
    assert leftovers(tmp_path) == []
    if kind == "def":
        # It was stopped in order, and what it measured is told.
        assert "test_it.py::test_it: " in out
        assert "stopped (by Ctrl-C)" in out
