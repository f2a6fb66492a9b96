"""perfrun beside pgbench on one PostgreSQL: ``python -m benchmarks.sql``.

The server has one core and the client the other, in turn, round after round. First as fast as each
can (select-only), then at fixed rates, where both count from when a transaction was due. pgbench
opens its connections before it starts; perfrun does in its warm-up.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks import cores
from benchmarks.pgbench import WARMUP_S, Paced, fill, flat_out, paced, pinned
from tests.cluster import apt
from tests.cluster.progress import say
from tests.databases import USER, Postgres, postgres

CLIENTS, PACED_CLIENTS = 8, 32
ROWS = 100_000
SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = $1"
SLOW = "SELECT abalance FROM pgbench_accounts, pg_sleep(0.005) WHERE aid = $1"
QUANTILES = (0.5, 0.9, 0.99)
RATES = (100, 500, 1000, 2000)
SAMPLES = 1000
"""That a round has at least: ten beyond the p99."""
OTHERS = ("simple", "extended", "prepared")
"""How pgbench sends a statement; perfrun prepares it once a connection."""


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", choices=("speed", "rates"))
    options = parser.parse_args()
    if not cores.ENOUGH:
        parser.error("two cores are needed: one for the client and one for the server")
    apt.ensure(apt.DATABASE_PACKAGES)
    with postgres(cores=cores.SERVER) as server:
        server.ask(f"GRANT CREATE ON SCHEMA public TO {USER}")
        fill(server, ROWS)
        server.ask("VACUUM ANALYZE")
        if options.only != "rates":
            _print_speeds(server, options.rounds, options.seconds)
        if options.only != "speed":
            _print_rates(server, "Select-only", SELECT, options.rounds, options.seconds)
            _print_rates(server, "A statement of 5 ms", SLOW, options.rounds, options.seconds)


def _print_speeds(server: Postgres, rounds: int, seconds: int) -> None:
    said: dict[str, list[float]] = {name: [] for name in ("perfrun", *OTHERS)}
    for number in range(rounds):
        said["perfrun"].append(_perfrun(server, SELECT, _closed(seconds), CLIENTS)["rate"])
        for mode in OTHERS:
            said[mode].append(flat_out(server, mode, CLIENTS, seconds))
        say(f"round {number + 1}: " + ", ".join(f"{k} {v[-1]:.0f}/s" for k, v in said.items()))
    print(f"Select-only, {CLIENTS} connections, {rounds} rounds of {seconds} s, medians:\n")
    print("| client | transactions/s | perfrun / it |\n| :-- | --: | --: |")
    mine = said["perfrun"]
    print(f"| perfrun | {statistics.median(mine):,.0f} | |")
    for mode in OTHERS:
        ratio = statistics.median(a / b for a, b in zip(mine, said[mode], strict=True))
        print(f"| pgbench -M {mode} | {statistics.median(said[mode]):,.0f} | {ratio:.2f} |")


class Round(NamedTuple):
    """What both have said, one after the other."""

    mine: Paced
    its: Paced


def _print_rates(server: Postgres, title: str, statement: str, rounds: int, seconds: int) -> None:
    done: dict[int, list[Round]] = {rate: [] for rate in RATES}
    for number in range(rounds):
        for rate in RATES:
            lasts = max(seconds, SAMPLES // rate)
            mine = _mine(server, statement, rate, lasts)
            script = f"\\set aid random(1, {ROWS})\n{statement.replace('$1', ':aid')};\n"
            its = paced(server, script, rate, PACED_CLIENTS, lasts, QUANTILES)
            done[rate].append(Round(mine, its))
        say(f"{title}: round {number + 1}")
    names = [f"p{quantile * 100:g}" for quantile in QUANTILES]
    print(f"\n{title} at fixed rates (Poisson), {PACED_CLIENTS} connections, {rounds} rounds;")
    print(
        "medians of perfrun / pgbench --rate -M prepared (of their ratios), us from the due time:\n"
    )
    print(f"| rate | {' | '.join(names)} | lag p50 | lag p99 | CPU us/transaction | not started |")
    print("| --: " * (len(names) + 5) + "|")
    for rate, said in done.items():
        figures = [_beside(said, _of("latency", i)) for i in range(len(QUANTILES))]
        figures += [_beside(said, _of("lag", i)) for i in (0, len(QUANTILES) - 1)]
        figures.append(_beside(said, lambda one: one.cpu))
        lost = sum(one.mine.not_started for one in said), sum(one.its.not_started for one in said)
        print(f"| {rate}/s | {' | '.join(figures)} | {lost[0]} / {lost[1]} |")


def _of(times: str, index: int) -> Callable[[Paced], float]:
    return lambda one: float(getattr(one, times)[index])


def _beside(said: list[Round], figure: Callable[[Paced], float]) -> str:
    """Medians of both, and of their ratio within a round."""
    mine, its = [figure(one.mine) for one in said], [figure(one.its) for one in said]
    ratio = statistics.median(a / b for a, b in zip(mine, its, strict=True))
    return f"{statistics.median(mine):.0f} / {statistics.median(its):.0f} ({ratio:.2f})"


def _mine(server: Postgres, statement: str, rate: int, seconds: int) -> Paced:
    said = _perfrun(server, statement, _open(rate, seconds), PACED_CLIENTS)
    # Of the quantiles that the engine's benchmark has, in its order.
    count = len(QUANTILES)
    latency, lag = tuple(said["latency_us"][:count]), tuple(said["lag_us"][:count])
    return Paced(latency, lag, said["cpu_us"], said["dropped"])


def _closed(seconds: int) -> dict[str, Any]:
    return {"closed": {"users": CLIENTS, "duration": f"{seconds}s"}}


def _open(rate: int, seconds: int) -> dict[str, Any]:
    # pgbench throttles with exponential gaps, too.
    shape = {"rate": f"{rate}/s", "duration": f"{seconds}s", "arrivals": "Poisson"}
    return {"warmup": f"{WARMUP_S}s", "open": shape}


def _perfrun(
    server: Postgres, statement: str, load: dict[str, Any], connections: int
) -> dict[str, Any]:
    secret = {"secretKeyRef": {"name": "db", "key": "dsn"}}
    sql = {"statement": statement, "parameters": [f"$(int(1, {ROWS}))"]}
    spec = {
        "target": {"sql": {"dsnFrom": secret, "maxConnections": connections}},
        "secrets": {"db": server.dsn()},
        "scenarios": [{"name": "s", "steps": [{"name": "select", "sql": sql}]}],
        "load": load,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(spec, file)
        file.flush()
        said: dict[str, Any] = json.loads(
            pinned([sys.executable, "-m", "benchmarks.engine", file.name])
        )
    assert not said["failed"], said
    return said


if __name__ == "__main__":
    main()
