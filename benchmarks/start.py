"""What a start costs: CPU of a command from its start to its end, with all of its processes.

``python -m benchmarks.start`` measures this checkout, and with ``--against FOLDER`` another one
beside it. The rounds are interleaved, and each starts with an empty Python.
"""

import argparse
import asyncio
import contextlib
import os
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


class Start(NamedTuple):
    """One start: seconds."""

    cpu: float
    """User and system time of the process and of those that it has waited for."""
    wall: float


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


def cases(folder: Path, port: int) -> dict[str, list[str]]:
    """The arguments of Python by what is started."""
    test, refused = folder / "burst.yaml", folder / "refused.yaml"
    test.write_text(TEST.format(port=port))
    refused.write_text(TEST.format(port=9))  # nobody listens at the port of "discard"
    perfrun = ["-m", "perfrun.cli.main"]
    return {
        "python -c pass": ["-c", "pass"],
        "perfrun --help": [*perfrun, "--help"],
        "perfrun run --help": [*perfrun, "run", "--help"],
        "perfrun validate FILE": [*perfrun, "validate", str(test)],
        "perfrun run, 100 requests": [*perfrun, "run", str(test)],
        "perfrun run, refused": [*perfrun, "run", str(refused)],
        "perfrun watch (its modules)": ["-c", "import perfrun.cli.cluster.watch"],
        "a worker (its modules)": ["-m", "perfrun.worker"],
        "a check process": ["-m", "perfrun.controller.test.check_process"],
        "the operator (its modules)": ["-c", "import perfrun.controller.__main__"],
    }


def started(arguments: Sequence[str], code: Path) -> Start:
    """Start Python with the package of the checkout ``code``, and wait for its end."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(code / "operator"), "COLUMNS": "100"}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    _, _, used = os.wait4(process.pid, 0)
    return Start(used.ru_utime + used.ru_stime, time.monotonic() - begun)


def measure(
    wanted: dict[str, list[str]], checkouts: Sequence[Path], rounds: int
) -> dict[str, list[Start]]:
    """The medians of each case, one for each checkout."""
    found: dict[tuple[str, Path], list[Start]] = {}
    for number in range(rounds + 1):
        for name, arguments in wanted.items():
            for checkout in checkouts:
                start = started(arguments, checkout)
                if number > 0:  # the first one compiles what is not compiled yet
                    found.setdefault((name, checkout), []).append(start)
    return {name: [_median(found[name, checkout]) for checkout in checkouts] for name in wanted}


def _median(starts: Sequence[Start]) -> Start:
    return Start(
        statistics.median(one.cpu for one in starts), statistics.median(one.wall for one in starts)
    )


def main() -> int:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name")
    options = parser.parse_args()
    checkouts = [*([options.against.resolve()] if options.against else []), ROOT]
    with serving() as port, tempfile.TemporaryDirectory() as folder:
        wanted = {
            name: arguments
            for name, arguments in cases(Path(folder), port).items()
            if options.only in name
        }
        found = measure(wanted, checkouts, options.rounds)
    names = ["before", "now"] if len(checkouts) > 1 else ["now"]
    print("|  |", " | ".join(f"CPU s, {one} | wall s, {one}" for one in names), "|")
    print("| :-- |", " | ".join("--: | --:" for _ in names), "|")
    for name, medians in found.items():
        print(f"| {name} |", " | ".join(f"{one.cpu:.2f} | {one.wall:.2f}" for one in medians), "|")
    return 0


if __name__ == "__main__":
    sys.exit(main())
