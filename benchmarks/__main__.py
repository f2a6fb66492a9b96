"""``python -m benchmarks [CASE ...]``: perfrun and its peers, interleaved, as tables."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import lag, memory
from benchmarks.cases import CASES, Case
from benchmarks.clients import CLIENTS
from benchmarks.nginx import serving
from benchmarks.rounds import run_rounds
from benchmarks.table import case_table, machine
from benchmarks.tools import MissingError, available, program
from tests.cluster.progress import say

OTHERS = ("lag", "memory")


def _compare(name: str, case: Case, options: argparse.Namespace) -> str:
    say(f"{name}: {case.title}")
    wanted = [peer for peer in case.wanted if peer in options.clients]
    found = available(wanted)
    if options.require and len(found) < len(wanted):
        raise MissingError(f"{name}: not all clients could be installed")
    with serving() as target:
        job = case.job(target, options.seconds)
        able = [peer for peer in found if CLIENTS[peer].can(job)]
        results = run_rounds([CLIENTS[peer] for peer in ("perfrun", *able)], job, options.rounds)
        plain = [peer for peer in case.against_plain if peer in found]
        if plain:
            simple = replace(job, url=f"{job.url}/", scenario=False)
            results += run_rounds([CLIENTS[peer] for peer in plain], simple, options.rounds)
    return case_table(case, results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"{', '.join((*CASES, *OTHERS))}; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="peers to compare with")
    parser.add_argument("--memory-seconds", type=int, default=60, help="600 for the whole claim")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    parser.add_argument("--require", action="store_true", help="fail where a peer is missing")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases one by one, and print the tables at the end."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.clients = options.clients.split(",")
    cases = options.case or [*CASES, *OTHERS]
    if unknown := set(cases) - {*CASES, *OTHERS}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if (os.cpu_count() or 1) < 2:
        parser.error("two cores are needed: one for the client and one for the server")
    try:
        program("nginx")
        tables = [_table(name, options) for name in cases]
    except MissingError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    text = "\n\n".join([*tables, machine()])
    print(f"\n{text}")
    if options.markdown:
        options.markdown.write_text(text + "\n")
    return 0


def _table(name: str, options: argparse.Namespace) -> str:
    if name == "lag":
        return lag.compare(options.rounds, options.seconds)
    if name == "memory":
        return memory.compare(options.memory_seconds)
    return _compare(name, CASES[name], options)


if __name__ == "__main__":
    sys.exit(main())
