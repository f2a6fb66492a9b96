"""pgbench: PostgreSQL's own load generator, and what it says of a run."""

import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import cores
from tests.databases import DATABASE, PASSWORD, USER, Postgres, program

WARMUP_S = 1
"""Transactions due in the first second of a paced run are left out: each client prepares then."""


class Paced(NamedTuple):
    """What one client did at a fixed rate; times in us."""

    latency: tuple[float, ...]
    """From when a transaction was due, by quantile."""
    lag: tuple[float, ...]
    """From when it was due until it was begun, by quantile."""
    cpu: float
    """Of the client, a transaction."""
    not_started: int
    """Skipped, as pgbench has it, or dropped."""


def fill(server: Postgres, rows: int) -> None:
    """Make pgbench's tables."""
    _pgbench(server, "-i", "-q", "-s", str(rows // 100_000))


def flat_out(server: Postgres, mode: str, clients: int, seconds: int) -> float:
    """Transactions a second of select-only, as fast as it can."""
    told = _pgbench(server, "-S", "-n", "-c", str(clients), "-T", str(seconds), "-M", mode)
    found = re.search(r"tps = ([0-9.]+) \(without", told)
    assert found is not None, told
    return float(found[1])


def paced(
    server: Postgres,
    script: str,
    rate: int,
    clients: int,
    seconds: int,
    quantiles: Sequence[float],
) -> Paced:
    """A script at a fixed rate, with its log; the CPU time is without that of its connections."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script").write_text(script)
        same = ("-f", "script", "-n", "-c", str(clients), "-M", "prepared")
        pace = ("--rate", str(rate), "--latency-limit", "1000", "--log", "--log-prefix=log")
        until = ("-T", str(WARMUP_S + seconds))
        _, connecting = _timed(server, *same, "-t", "1", cwd=folder)
        told, cpu = _timed(server, *same, *pace, *until, cwd=folder)
        logged = np.array(list(read_log(folder)), dtype=np.float64)
    skipped = re.search(r"skipped: (\d+)", told)
    ended, latency, lag = logged.T
    due = ended - latency
    counted = due >= due.min() + WARMUP_S * 1e6
    return Paced(
        _quantiles(latency[counted], quantiles),
        _quantiles(lag[counted], quantiles),
        (cpu - connecting) * 1e6 / len(logged),
        int(skipped[1]) if skipped else 0,
    )


def _quantiles(values: npt.NDArray[np.float64], wanted: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(one) for one in np.quantile(values, wanted))


def read_log(folder: Path) -> Iterator[tuple[int, int, int]]:
    """When each transaction ended, its latency and its lag in us; one that was skipped has none."""
    for file in folder.glob("log*"):
        for line in file.read_text().splitlines():
            _client, _number, latency, _script, second, us, lag = line.split()[:7]
            if latency.isdigit():
                yield int(second) * 1_000_000 + int(us), int(latency), int(lag)


def _timed(server: Postgres, *options: str, cwd: Path) -> tuple[str, float]:
    """What pgbench has printed, and the seconds of CPU time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = _pgbench(server, *options, cwd=cwd)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return told, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _pgbench(server: Postgres, *options: str, cwd: Path | None = None) -> str:
    where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", USER, DATABASE]
    return pinned([str(program("pgbench")), *options, *where], cwd)


def pinned(command: Sequence[str], cwd: Path | None = None) -> str:
    """What a client on its core has printed."""
    done = subprocess.run(
        ["taskset", "-c", cores.CLIENT, *command],
        env={**os.environ, "PGPASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    return done.stdout
