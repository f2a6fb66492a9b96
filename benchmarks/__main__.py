"""perfrun's engine and other load generators: interleaved, in one run, as tables."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import cases, cores, lag, memory
from benchmarks.clients import CLIENTS
from benchmarks.table import Table, machine
from perfrun.worker.main import raise_descriptor_limit
from tests.cluster.tools import MissingError, program

ALL = (*cases.CASES, "lag", "memory")
PEERS = tuple(name for name in CLIENTS if name != "perfrun")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(ALL)}; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    parser.add_argument("--clients", default=",".join(PEERS), help="compare with these only")
    parser.add_argument("--minutes", type=float, default=1, help="of the case memory; aim: 10")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--require", action="store_true", help="fail where a client is missing")
    return parser


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    options.cases = options.cases or list(ALL)
    options.clients = options.clients.split(",")
    if unknown := set(options.cases) - set(ALL):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    if unknown := set(options.clients) - set(CLIENTS):
        known = ", ".join(CLIENTS)
        parser.error(f"no such client: {', '.join(sorted(unknown))}; there are {known}")
    if min(options.rounds, options.seconds) < 1 or options.minutes <= 0:
        parser.error("--rounds, --seconds and --minutes are at least 1")
    if not cores.ENOUGH:
        parser.error("two cores are needed: one for the client and one for the server")
    return options


def _table(name: str, options: argparse.Namespace) -> Table:
    chosen, rounds, seconds = options.clients, options.rounds, options.seconds
    others: dict[str, Callable[[], Table]] = {
        "lag": lambda: lag.compare(chosen, rounds, seconds, require=options.require),
        "memory": lambda: memory.compare(round(options.minutes * 60)),
    }
    if name in others:
        return others[name]()
    return cases.compare(name, chosen, rounds, seconds, require=options.require)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases one by one, and print the tables at the end; 2 where something is missing."""
    options = _options(arguments)
    raise_descriptor_limit()
    try:
        program("nginx")
        tables = {name: _table(name, options) for name in options.cases}
    except MissingError as error:
        print(error, file=sys.stderr)
        return 2
    text = "\n\n".join([*(table.markdown() for table in tables.values()), machine()])
    print(f"\n{text}")
    if options.markdown:
        options.markdown.write_text(f"{text}\n")
    if options.json:
        figures = {name: {"title": each.title, "of": each.figures} for name, each in tables.items()}
        options.json.write_text(json.dumps({"machine": machine(), **figures}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
