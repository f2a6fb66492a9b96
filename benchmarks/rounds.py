"""Clients in turn, round after round, each pinned to one core; what they did and what it cost."""

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clients import CLIENT_CORE, Client, Command, Job, Said
from tests.cluster.progress import say

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY = 0.1
_SKIPPED = 0.25
"""Of a run at its beginning and at its end: neither start-up nor farewell is measured."""


@dataclass(frozen=True)
class Round:
    """One run of one client."""

    rate: float
    cpu: float
    """us of CPU for each request, over the middle of the run."""
    failed: int


@dataclass
class Result:
    """All rounds of one client."""

    client: Client
    rounds: list[Round] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Median requests a second."""
        return statistics.median(each.rate for each in self.rounds)

    @property
    def cpu(self) -> float:
        """Median us of CPU for each request."""
        return statistics.median(each.cpu for each in self.rounds)


class CpuClock(threading.Thread):
    """Looks at the CPU time of a process until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._stat = Path(f"/proc/{pid}/stat")
        self.seen: list[tuple[float, float]] = []

    def run(self) -> None:
        while True:
            try:
                fields = self._stat.read_text().rpartition(")")[2].split()
            except OSError:
                return
            if fields[0] == "Z":
                return
            ticks = int(fields[11]) + int(fields[12])
            self.seen.append((time.monotonic(), ticks / _TICKS))
            time.sleep(_LOOK_EVERY)

    def share(self, seconds: int) -> float:
        """CPU seconds a second in the middle of a load of ``seconds`` that ended with it."""
        end = self.seen[-1][0]
        first = next(at for at in self.seen if at[0] >= end - seconds * (1 - _SKIPPED))
        last = next(at for at in reversed(self.seen) if at[0] <= end - seconds * _SKIPPED)
        return (last[1] - first[1]) / (last[0] - first[0])


def run_rounds(clients: Sequence[Client], job: Job, rounds: int) -> list[Result]:
    """Every client ``rounds`` times, interleaved: the machine drifts, and all drift with it."""
    results = [Result(client) for client in clients]
    for number in range(1, rounds + 1):
        for result in results:
            done = _once(result.client, job)
            result.rounds.append(done)
            say(
                f"  round {number}/{rounds} {result.client.name:8} {done.rate:9,.0f}/s "
                f"{done.cpu:7.2f} us CPU a request"
                + (f", {done.failed} failed" * bool(done.failed))
            )
    return results


def _once(client: Client, job: Job) -> Round:
    with tempfile.TemporaryDirectory(prefix="perfrun-bench-") as name:
        folder = Path(name)
        command = client.command(job, folder)
        output, share = pinned(command, CLIENT_CORE, job.seconds)
        said: Said = client.read(output, job, folder)
    return Round(said.rate, share / said.rate * 1e6 if said.rate else 0.0, said.failed)


def pinned(command: Command, core: str, seconds: int) -> tuple[str, float]:
    """Run a command on one core; its output, and the CPU seconds a second that it used."""
    process = subprocess.Popen(
        ["taskset", "-c", core, *map(str, command.argv)],
        env={**os.environ, **command.env},
        stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    clock = CpuClock(process.pid)
    clock.start()
    output, errors = process.communicate(command.stdin, timeout=seconds * 3 + 60)
    clock.join()
    if process.returncode:
        raise RuntimeError(f"{command.argv[0]} failed ({process.returncode}): {errors[-2000:]}")
    return output, clock.share(seconds)
