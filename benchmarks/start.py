"""What a start costs: CPU of a command from its start to its end, with all of its processes.

``python -m benchmarks.start`` measures this checkout, and with ``--against FOLDER`` another one
beside it. The rounds are interleaved, and each starts with an empty Python.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TEST = """\
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: burst}}
spec:
  target: {{http: {{url: "http://127.0.0.1:{port}/"}}}}
  load: {{burst: {{requests: 100, concurrency: 10}}}}
  slos:
  - {{metric: successRate, min: 100%}}
  - {{metric: latency.p95, max: 500ms}}
"""


class Case(NamedTuple):
    """What is started: the arguments of Python, and how it ends."""

    arguments: list[str]
    code: int = 0


class Start(NamedTuple):
    """One start: seconds."""

    cpu: float
    """User and system time of the process and of those that it has waited for."""
    wall: float
    right: bool
    """It ended as it should: another checkout may not have the command."""


class _Answers(asyncio.Protocol):
    """A server that answers whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """A small HTTP server in a thread of this process, whose time counts for no start: its port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(_Answers, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


def cases(folder: Path, port: int, closed: int) -> dict[str, Case]:
    """By name. At ``port`` the server of :func:`serving` listens, at ``closed`` nobody."""
    test, refused = folder / "burst.yaml", folder / "refused.yaml"
    test.write_text(TEST.format(port=port))
    refused.write_text(TEST.format(port=closed))
    perfrun = ["-m", "perfrun.cli.main"]
    quick = [*perfrun, "quick", "-n", "100", "-c", "10", f"http://127.0.0.1:{port}/"]
    return {
        "python -c pass": Case(["-c", "pass"]),
        "perfrun --help": Case([*perfrun, "--help"]),
        "perfrun run --help": Case([*perfrun, "run", "--help"]),
        "perfrun validate FILE": Case([*perfrun, "validate", str(test)]),
        "perfrun quick -n 100": Case(quick),
        "perfrun run, 100 requests": Case([*perfrun, "run", str(test)]),
        "perfrun run, refused": Case([*perfrun, "run", str(refused)], code=3),
        "perfrun watch (its modules)": Case(["-c", "import perfrun.cli.cluster.watch"]),
        "a worker (its modules)": Case(["-m", "perfrun.local.child"], code=2),
        "a check process": Case(["-m", "perfrun.controller.test.check_process"]),
        "the operator (its modules)": Case(["-c", "import perfrun.controller.__main__"]),
    }


def started(case: Case, checkout: Path) -> Start:
    """Start Python with the package of a checkout, and wait for its end."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(checkout / "operator"),
        "COLUMNS": "100",
    }
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *case.arguments],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begun
    return Start(used.ru_utime + used.ru_stime, wall, process.returncode == case.code)


def measure(
    wanted: dict[str, Case], checkouts: Sequence[Path], rounds: int
) -> dict[str, list[Start]]:
    """The medians of each case, one for each checkout."""
    found: dict[tuple[str, Path], list[Start]] = {}
    for number in range(rounds + 1):
        for name, case in wanted.items():
            for checkout in checkouts:
                start = started(case, checkout)
                if number > 0:  # the first one compiles what is not compiled yet
                    found.setdefault((name, checkout), []).append(start)
    return {name: [_median(found[name, checkout]) for checkout in checkouts] for name in wanted}


def _median(starts: Sequence[Start]) -> Start:
    cpu, wall = (statistics.median(one[index] for one in starts) for index in (0, 1))
    return Start(cpu, wall, all(one.right for one in starts))


def _cells(start: Start) -> str:
    return f"{start.cpu:.2f} | {start.wall:.2f}" if start.right else "n/a | n/a"


def main() -> int:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name")
    options = parser.parse_args()
    checkouts = [*([options.against.resolve()] if options.against else []), ROOT]
    with serving() as port, tempfile.TemporaryDirectory() as folder, socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # and never listens
        known = cases(Path(folder), port, unheard.getsockname()[1])
        wanted = {name: case for name, case in known.items() if options.only in name}
        found = measure(wanted, checkouts, options.rounds)
    names = ["before", "now"] if len(checkouts) > 1 else ["now"]
    print("|  |", " | ".join(f"CPU s, {one} | wall s, {one}" for one in names), "|")
    print("| :-- |", " | ".join("--: | --:" for _ in names), "|")
    for name, medians in found.items():
        print(f"| {name} |", " | ".join(_cells(one) for one in medians), "|")
    return 0


if __name__ == "__main__":
    sys.exit(main())
