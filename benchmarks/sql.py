"""perfrun beside pgbench on one PostgreSQL: ``python -m benchmarks.sql``.

The server has one core and the client the other, in turn, round after round. First as fast as each
can (select-only), then at a fixed rate, where both count from when a transaction was due.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import cores
from tests.cluster import apt
from tests.cluster.progress import say
from tests.databases import DATABASE, PASSWORD, USER, Postgres, postgres, program

CLIENTS = 8
ROWS = 100_000
SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = $1"
QUANTILES = (0.5, 0.9, 0.99)
RATE = 2000
OTHERS = ("simple", "extended", "prepared")
"""How pgbench sends a statement; perfrun prepares it once a connection."""


class Said(NamedTuple):
    """What one client said of one round."""

    rate: float
    latency_us: tuple[float, ...] = ()
    not_started: int = 0
    """Skipped, as pgbench has it, or dropped."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8)
    options = parser.parse_args()
    if not cores.ENOUGH:
        parser.error("two cores are needed: one for the client and one for the server")
    apt.ensure(apt.DATABASE_PACKAGES)
    with postgres(cores=cores.SERVER) as server:
        _fill(server)
        _print_speeds(server, options.rounds, options.seconds)
        _print_fixed(server, options.rounds, options.seconds)


def _fill(server: Postgres) -> None:
    server.ask(f"GRANT CREATE ON SCHEMA public TO {USER}")
    _pgbench(server, "-i", "-q", "-s", str(ROWS // 100_000))
    server.ask("VACUUM ANALYZE")


def _print_speeds(server: Postgres, rounds: int, seconds: int) -> None:
    said: dict[str, list[float]] = {name: [] for name in ("perfrun", *OTHERS)}
    for number in range(rounds):
        said["perfrun"].append(_perfrun(server, _closed(seconds)).rate)
        for mode in OTHERS:
            said[mode].append(_flat_out(server, mode, seconds).rate)
        say(f"round {number + 1}: " + ", ".join(f"{k} {v[-1]:.0f}/s" for k, v in said.items()))
    print(f"Select-only, {CLIENTS} connections, {rounds} rounds of {seconds} s, medians:\n")
    print("| client | transactions/s | perfrun / it |\n| :-- | --: | --: |")
    mine = said["perfrun"]
    print(f"| perfrun | {statistics.median(mine):,.0f} | |")
    for mode in OTHERS:
        ratio = statistics.median(a / b for a, b in zip(mine, said[mode], strict=True))
        print(f"| pgbench -M {mode} | {statistics.median(said[mode]):,.0f} | {ratio:.2f} |")


def _print_fixed(server: Postgres, rounds: int, seconds: int) -> None:
    mine, its = [], []
    for _ in range(rounds):
        mine.append(_perfrun(server, _open(seconds)))
        its.append(_at_rate(server, seconds))
    print(f"\nAt {RATE}/s (Poisson), latency from when a transaction was due, medians:\n")
    print("| | perfrun | pgbench --rate -M prepared | perfrun / it |\n| :-- | --: | --: | --: |")
    for index, quantile in enumerate(QUANTILES):
        ours = [one.latency_us[index] for one in mine]
        theirs = [one.latency_us[index] for one in its]
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"| p{quantile * 100:g} | {a:.0f} us | {b:.0f} us | {ratio:.2f} |")
    print(f"| not started | {_sum(mine)} | {_sum(its)} | |")


def _sum(said: list[Said]) -> int:
    return sum(one.not_started for one in said)


def _closed(seconds: int) -> dict[str, Any]:
    return {"closed": {"users": CLIENTS, "duration": f"{seconds}s"}}


def _open(seconds: int) -> dict[str, Any]:
    # pgbench throttles with exponential gaps, too.
    return {"open": {"rate": f"{RATE}/s", "duration": f"{seconds}s", "arrivals": "Poisson"}}


def _perfrun(server: Postgres, load: dict[str, Any]) -> Said:
    secret = {"secretKeyRef": {"name": "db", "key": "dsn"}}
    sql = {"statement": SELECT, "parameters": [f"$(int(1, {ROWS}))"]}
    spec = {
        "target": {"sql": {"dsnFrom": secret, "maxConnections": CLIENTS}},
        "secrets": {"db": server.dsn()},
        "scenarios": [{"name": "s", "steps": [{"name": "select", "sql": sql}]}],
        "load": load,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(spec, file)
        file.flush()
        said = json.loads(_pinned([sys.executable, "-m", "benchmarks.engine", file.name]))
    assert not said["failed"], said
    latency = tuple(said["latency_us"][i] for i in range(len(QUANTILES)))
    return Said(said["rate"], latency, said["dropped"])


def _flat_out(server: Postgres, mode: str, seconds: int) -> Said:
    told = _pgbench(server, "-S", "-n", "-c", str(CLIENTS), "-T", str(seconds), "-M", mode)
    return Said(_tps(told))


def _at_rate(server: Postgres, seconds: int) -> Said:
    with tempfile.TemporaryDirectory() as folder:
        told = _pgbench(
            server,
            *("-S", "-n", "-c", str(CLIENTS), "-T", str(seconds), "-M", "prepared"),
            *("--rate", str(RATE), "--latency-limit", "1000", "--log", "--log-prefix=log"),
            cwd=folder,
        )
        latencies = np.array(list(_logged(Path(folder))))
    skipped = re.search(r"skipped: (\d+)", told)
    found = tuple(float(one) for one in np.quantile(latencies, QUANTILES))
    return Said(_tps(told), found, int(skipped[1]) if skipped else 0)


def _logged(folder: Path) -> Iterator[int]:
    """Latencies in us; one that was skipped has none."""
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            latency = line.split()[2]
            if latency.isdigit():
                yield int(latency)


def _tps(told: str) -> float:
    found = re.search(r"tps = ([0-9.]+) \(without", told)
    assert found is not None, told
    return float(found[1])


def _pgbench(server: Postgres, *options: str, cwd: str | None = None) -> str:
    where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", USER, DATABASE]
    return _pinned([str(program("pgbench")), *options, *where], cwd=cwd)


def _pinned(command: list[str], cwd: str | None = None) -> str:
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


if __name__ == "__main__":
    main()
