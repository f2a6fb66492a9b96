"""Our HTTP/2 beside the library h2, our TLS beside uvloop's: ``python -m benchmarks.transports``.

Both clients of a case have the same driver on top and the same transport below. Rounds are
interleaved, each in a process of its own on the client's core, and nginx is the server.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from benchmarks import cores
from benchmarks.nginx import Target, serving
from benchmarks.table import Table, machine
from benchmarks.transports.drive import AT_ONCE, CONNECTIONS, IDLE, STREAMS
from tests.cluster.progress import say


@dataclass(frozen=True)
class Case:
    """One comparison: the client with our code, and the one with the library's."""

    title: str
    library: str
    url: Callable[[Target], str]
    figure: str = "cpu_us"
    unit: str = "CPU µs"


CASES = {
    "http2": Case(
        f"HTTP/2, one connection, {STREAMS} streams, the same GET each time",
        "h2",
        lambda target: f"{target.http2}/",
    ),
    "http2-varied": Case(
        f"HTTP/2, one connection, {STREAMS} streams, a path of its own for each GET",
        "h2",
        lambda target: f"{target.http2}/",
    ),
    "tls": Case(
        f"HTTP/1.1 over TLS 1.3, {CONNECTIONS} connections",
        "uvloop",
        lambda target: f"{target.tls}/",
    ),
    "tls-large": Case(
        f"HTTP/1.1 over TLS 1.3, {CONNECTIONS} connections, responses of 64 KiB",
        "uvloop",
        lambda target: f"{target.tls}/large",
    ),
    "handshakes": Case(
        f"full handshakes of TLS 1.3 with one request each, {AT_ONCE} at a time",
        "uvloop",
        lambda target: f"{target.tls}/",
    ),
    "memory": Case(
        f"memory of one of {IDLE:,} TLS connections, each after one response",
        "uvloop",
        lambda target: f"{target.tls}/",
        "kib",
        "KiB",
    ),
}
_COLUMNS = ("case", "library", "perfrun's", "library's", "unit", "ratio", "range of ratios")


def _once(name: str, client: str, url: str, seconds: float) -> float:
    argv = ["taskset", "-c", cores.CLIENT, sys.executable, "-m", "benchmarks.transports.drive"]
    done = subprocess.run(
        [*argv, name, client, url, str(seconds)], capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(f"{name} with {client} failed: {done.stderr[-2000:]}")
    figure: float = json.loads(done.stdout)[CASES[name].figure]
    return figure


def compare(name: str, target: Target, rounds: int, seconds: float) -> list[tuple[float, float]]:
    """The figure with our code and with the library's, of each round."""
    case = CASES[name]
    pairs = []
    for number in range(1, rounds + 1):
        order = ("perfrun", case.library) if number % 2 else (case.library, "perfrun")
        found = {client: _once(name, client, case.url(target), seconds) for client in order}
        pairs.append((found["perfrun"], found[case.library]))
        say(f"  {name} round {number}/{rounds}: {pairs[-1][0]:.2f}, {pairs[-1][1]:.2f} {case.unit}")
    return pairs


def row(name: str, pairs: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    """Medians, and the median and range of the rounds' ratios: above 1, ours takes less."""
    case = CASES[name]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(their / our for our, their in pairs)
    return (
        case.title,
        f"{case.library} {version(case.library)}",
        f"{ours:.2f}",
        f"{theirs:.2f}",
        case.unit,
        f"**{statistics.median(ratios):.2f}**",
        f"{ratios[0]:.2f}–{ratios[-1]:.2f}",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cases, and print their table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transports", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; default: all"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each round")
    options = parser.parse_args(arguments)
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if not cores.ENOUGH:
        parser.error("two cores are needed: one for the client and one for the server")
    rows, figures = [], []
    with serving() as target:
        for name in options.cases or CASES:
            pairs = compare(name, target, options.rounds, options.seconds)
            rows.append(row(name, pairs))
            figures.append({"case": name, "pairs": pairs})
    title = "perfrun's transports and the libraries': CPU time of one response or handshake"
    print(f"\n{Table(title, _COLUMNS, rows, figures).markdown()}\n")
    used = ", ".join(f"{name} {version(name)}" for name in ("h2", "hpack", "httptools", "uvloop"))
    print(f"{machine().partition(' Ratios')[0]} {used}.")
    print(f"Medians of {options.rounds} interleaved rounds of {options.seconds:g} s.")
    print("Ratio: the library's figure over perfrun's, of each round; above 1, perfrun's is less.")


if __name__ == "__main__":
    main()
