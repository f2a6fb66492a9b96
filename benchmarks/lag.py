"""How late an open load sends, seen by the server: the same method for every generator.

A server notes when it reads each request. The requests of an ideal schedule come 1/rate apart; the
k-th came ``t_k - k/rate`` after an origin that nobody knows, so the earliest one is taken for
punctual, and lateness is what each came later than that. What the network and the server add is
the same for all generators. The origin is a minimum over all requests: for one early request all
others look later, so this is an upper bound.
"""

import array
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from time import monotonic_ns
from typing import cast

import numpy as np
import numpy.typing as npt
import uvloop

from benchmarks import cores
from benchmarks.clients import Command, engine
from benchmarks.engine import QUANTILES
from benchmarks.rounds import pinned
from benchmarks.table import Table
from perfrun.api.quantities import NS_PER_S
from tests.cluster.progress import say
from tests.cluster.tools import available, program

RATE = 2000
"""Requests a second."""
OWN = "perfrun's own lag"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
_COLUMNS = ("seen by", "p50", "p90", "p99", "p99.9", "aim")
_AIM = "p50 60 us, p99 500 us"


def compare(chosen: Collection[str], rounds: int, seconds: int, *, require: bool) -> Table:
    """Lateness of perfrun and vegeta, interleaved. Raises MissingError as available()."""
    say(f"lag: an open load of {RATE}/s")
    peers = available([name for name in ("vegeta",) if name in chosen], require=require)
    seen: dict[str, list[list[float]]] = {}
    for number in range(1, rounds + 1):
        for name in ("perfrun", *peers):
            for who, late in _once(name, seconds).items():
                seen.setdefault(who, []).append(late)
                say(f"  round {number}/{rounds} {who:17} p50 {late[0]:.0f} us, p99 {late[2]:.0f}")
    rows, figures = [], []
    for who, each in seen.items():
        medians = np.median(each, axis=0)
        aim = _AIM if who == OWN else ""
        rows.append((who, *(f"{value:.0f} us" for value in medians), aim))
        figures.append({"seen_by": who, "quantiles": QUANTILES, "us": each})
    title = f"Lateness of an open load at {RATE}/s, medians of {rounds} rounds of {seconds} s"
    return Table(title, _COLUMNS, rows, figures)


def lateness(arrivals: npt.NDArray[np.int64], rate: float) -> list[float]:
    """us of lateness at each of QUANTILES, of arrivals (ns) at a uniform rate (1/s)."""
    late = np.sort(arrivals) - np.arange(len(arrivals)) * (NS_PER_S / rate)
    return [float(us) for us in np.quantile(late - late.min(), QUANTILES) / 1000]


def _once(name: str, seconds: int) -> dict[str, list[float]]:
    """us of lateness at each of QUANTILES, by who has seen it."""
    server = subprocess.Popen(
        ["taskset", "-c", cores.SERVER, sys.executable, "-m", "benchmarks.lag"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
        with tempfile.TemporaryDirectory(prefix="perfrun-bench-") as folder:
            output, _ = pinned(_command(name, url, seconds, Path(folder)), seconds)
        raw, _ = server.communicate(b"\n", timeout=30)
    finally:
        server.kill()
        server.wait()
    arrivals = np.frombuffer(raw, dtype=np.int64)
    if len(arrivals) != RATE * seconds:
        say(f"  {name} sent {len(arrivals)} of {RATE * seconds} requests")
    late = {f"server: {name}": lateness(arrivals, RATE)}
    if name == "perfrun":
        late[OWN] = json.loads(output)["lag_us"]
    return late


def _command(name: str, url: str, seconds: int, folder: Path) -> Command:
    if name == "vegeta":
        load = [f"-rate={RATE}", f"-duration={seconds}s", f"-output={folder}/out"]
        argv: list[str | Path] = [program(name), "attack", *load]
        return Command(argv, {"GOMAXPROCS": "1"}, f"GET {url}\n")
    open_load = {"open": {"rate": f"{RATE}/s", "duration": f"{seconds}s"}}
    return engine({"target": {"http": {"url": url}}, "load": open_load}, folder)


class _Clock(asyncio.Protocol):
    """Notes when each request came; one request is one read, for none is pipelined."""

    def __init__(self, seen: "array.array[int]") -> None:
        self._note = seen.append

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, _data: bytes) -> None:
        self._note(monotonic_ns())
        self._write(_ANSWER)


async def _serve() -> None:
    """Serve until a line comes from stdin; then write all times of arrival to stdout, as int64."""
    seen = array.array("q")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Clock(seen), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.readline)
    server.close()
    sys.stdout.buffer.write(seen.tobytes())


if __name__ == "__main__":
    uvloop.run(_serve())
