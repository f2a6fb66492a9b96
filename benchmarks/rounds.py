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
from typing import NamedTuple

import numpy as np

from benchmarks import cores
from benchmarks.clients import Client, Command, Job
from tests.cluster.progress import say

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY = 0.05


class Look(NamedTuple):
    """What a process had used at a moment."""

    at: float
    """Monotonic seconds."""
    used: float
    """CPU seconds since its start, of all its threads, user and system."""


@dataclass(frozen=True)
class Round:
    """One run of one client."""

    rate: float
    """Requests that succeeded, per second."""
    cpu: float
    """us of CPU for each of them."""
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

    @property
    def failed(self) -> int:
        """Requests that failed in all rounds."""
        return sum(each.failed for each in self.rounds)


def run_rounds(work: Sequence[tuple[Client, Job]], rounds: int) -> list[Result]:
    """Every client ``rounds`` times, interleaved: the machine drifts, and all drift with it."""
    results = [Result(client) for client, _ in work]
    for number in range(1, rounds + 1):
        for result, (client, job) in zip(results, work, strict=True):
            done = _once(client, job)
            result.rounds.append(done)
            say(
                f"  round {number}/{rounds} {client.name:8} {done.rate:9,.0f}/s "
                f"{done.cpu:7.2f} us CPU a request"
                + (f", {done.failed} failed" if done.failed else "")
            )
    return results


def _once(client: Client, job: Job) -> Round:
    with tempfile.TemporaryDirectory(prefix="perfrun-bench-") as name:
        folder = Path(name)
        output, used = pinned(client.command(job, folder), job.seconds)
        said = client.read(output, job, folder)
    if not said.rate:
        raise RuntimeError(f"{client.name} had no success: {output[-1000:]}")
    return Round(said.rate, used / (said.rate * job.seconds) * 1e6, said.failed)


def pinned(command: Command, seconds: int) -> tuple[str, float]:
    """Run a command on the client's core; its output, and the CPU seconds of its load.

    Raises RuntimeError when it fails, with its last words.
    """
    process = subprocess.Popen(
        ["taskset", "-c", cores.CLIENT, *map(str, command.argv)],
        env={**os.environ, **command.env},
        stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watch = _Watch(process.pid)
    watch.start()
    try:
        output, errors = process.communicate(command.stdin, timeout=seconds * 3 + 60)
    finally:
        process.kill()
        process.wait()
        watch.join()
    if process.returncode:
        raise RuntimeError(f"{command.argv[0]} failed ({process.returncode}): {errors[-2000:]}")
    return output, busiest(watch.looks, seconds)


def busiest(looks: Sequence[Look], seconds: float) -> float:
    """CPU seconds in the busiest stretch of ``seconds``.

    That is the load: what goes before it (imports, compilation) and what comes after it (the
    report) is some work, too, but of no stretch as long.
    """
    at, used = (np.array(column) for column in zip(*looks, strict=True))
    begins = at[at <= at[-1] - seconds]
    if not len(begins):
        return float(used[-1] - used[0])
    spent = np.interp(begins + seconds, at, used) - np.interp(begins, at, used)
    return float(spent.max())


class _Watch(threading.Thread):
    """Looks at the CPU time of a process until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._stat = Path(f"/proc/{pid}/stat")
        self.looks = [Look(time.monotonic(), 0.0)]

    def run(self) -> None:
        while True:
            try:
                # The name of the program, in parentheses, may hold blanks: see proc(5).
                state, *fields = self._stat.read_text().rpartition(")")[2].split()
            except OSError:
                return
            if state == "Z":
                return
            ticks = int(fields[10]) + int(fields[11])
            self.looks.append(Look(time.monotonic(), ticks / _TICKS))
            time.sleep(_LOOK_EVERY)
