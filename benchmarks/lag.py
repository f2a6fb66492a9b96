"""How late an open load sends, seen by the server: the same method for every generator.

A server notes when it reads each request. The requests of an ideal schedule come 1/rate apart; the
k-th came ``t_k - k/rate`` after an origin that nobody knows, so the earliest one is taken for
punctual and lateness is what each came later than that. What the network and the server add is
the same for all generators.
"""

import array
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic_ns

import numpy as np
import uvloop

from benchmarks.clients import CLIENT_CORE, Command
from benchmarks.nginx import SERVER_CORE
from benchmarks.rounds import pinned
from benchmarks.table import markdown
from benchmarks.tools import available
from tests.cluster.progress import say

RATE = 2000
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


class _Clock(asyncio.Protocol):
    """Notes when each request came; one request is one read, for none is pipelined."""

    def __init__(self, seen: "array.array[int]") -> None:
        self._seen = seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        self._seen.append(monotonic_ns())
        self._transport.write(_ANSWER)  # type: ignore[attr-defined]


async def _serve() -> None:
    seen = array.array("q")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Clock(seen), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.readline)
    server.close()
    sys.stdout.buffer.write(seen.tobytes())


def lateness(
    arrivals: "np.ndarray[tuple[int], np.dtype[np.int64]]", rate: float
) -> dict[str, float]:
    """us of lateness by quantile, of arrivals (ns) at a uniform rate (1/s)."""
    arrivals = np.sort(arrivals)
    late = arrivals - np.arange(len(arrivals)) * (1e9 / rate)
    late -= late.min()
    return {str(q): float(np.quantile(late, q)) / 1000 for q in (0.5, 0.9, 0.99, 0.999)}


def compare(rounds: int, seconds: int) -> str:
    """Lateness of perfrun and vegeta at 2000/s, interleaved; a table."""
    found = available(["vegeta"])
    names = ["perfrun", *found]
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in (*names, "own")}
    for number in range(1, rounds + 1):
        for name in names:
            late, own = _once(name, seconds, found)
            seen[name].append(late)
            if own is not None:
                seen["own"].append(own)
            say(
                f"  round {number}/{rounds} {name:8} "
                f"p50 {late['0.5']:.0f} us, p99 {late['0.99']:.0f} us"
            )
    rows: list[tuple[str, ...]] = [
        ("seen by", "p50", "p90", "p99", "p99.9"),
        ("---", "--:", "--:", "--:", "--:"),
    ]
    for name, title in (
        ("perfrun", "server: perfrun"),
        ("vegeta", "server: vegeta"),
        ("own", "perfrun's own lag"),
    ):
        if seen.get(name):
            medians = [
                np.median([each[q] for each in seen[name]]) for q in ("0.5", "0.9", "0.99", "0.999")
            ]
            rows.append((title, *(f"{value:.0f} us" for value in medians)))
    title = f"### Lateness of an open load at {RATE}/s (medians of {rounds} rounds)"
    return f"{title}\n\n{markdown(rows)}"


def _once(
    name: str, seconds: int, found: dict[str, Path]
) -> tuple[dict[str, float], dict[str, float] | None]:
    server = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, sys.executable, "-m", "benchmarks.lag"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory(prefix="perfrun-bench-") as folder:
            command = _command(name, f"http://127.0.0.1:{port}/", seconds, Path(folder), found)
            output, _ = pinned(command, CLIENT_CORE, seconds)
        raw, _ = server.communicate(b"\n", timeout=30)
    finally:
        server.kill()
    own = json.loads(output.splitlines()[-1])["lag_us"] if name == "perfrun" else None
    return lateness(np.frombuffer(raw, dtype=np.int64), RATE), own


def _command(name: str, url: str, seconds: int, folder: Path, found: dict[str, Path]) -> Command:
    if name == "vegeta":
        load = [f"-rate={RATE}", f"-duration={seconds}s", f"-output={folder}/out"]
        return Command([found[name], "attack", *load], {"GOMAXPROCS": "1"}, f"GET {url}\n")
    open_load = {"open": {"rate": f"{RATE}/s", "duration": f"{seconds}s"}}
    spec = folder / "spec.json"
    spec.write_text(json.dumps({"target": {"http": {"url": url}}, "load": open_load}))
    return Command([sys.executable, "-m", "benchmarks.engine", spec])


if __name__ == "__main__":
    uvloop.run(_serve())
