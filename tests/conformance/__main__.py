"""``python -m tests.conformance [CASE]``: truth, perfrun and its peers side by side."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from perfrun import __version__
from tests.cluster.progress import say
from tests.cluster.tools import available, version
from tests.conformance.cases import CASES, Case
from tests.conformance.generators import PEERS, Load, perfrun
from tests.conformance.server import BASE, serving
from tests.conformance.table import Row, as_markdown, as_table
from tests.conformance.truth import quantile, quantiles, response_times, service_times, stalled

WHY = """\
A generator that sends its next request only when the last one is answered sends almost nothing
while the server stalls, and so hardly sees the stall (coordinated omission). perfrun counts each
response time from when the request was due, and sends no matter what the server does.
"""
TOOLS = tuple(dict.fromkeys(tool for tool, _ in PEERS.values()))


def compare(case: Case, peers: Sequence[str]) -> list[Row]:
    """The truth first, then perfrun, then the peers, each with a server that is new."""
    load = Load("", case.rate, case.seconds, case.connections)
    say(f"{case.kind}: perfrun at {case.rate}/s for {case.seconds} s")
    with serving(case.kind) as server:
        said = perfrun(load.to(server.url))
        log = server.log()
    truth = quantiles(response_times(log.numbers, log.answered, said.start, case.rate))
    rows = [
        Row("truth, of perfrun's run", "", truth),
        Row("perfrun", __version__, said.quantiles, truth),
    ]
    if peers and case.kind == "stall":
        ideal = quantiles(stalled(case.rate, case.seconds, BASE))
        rows.append(Row("truth, of an ideal open load", "", ideal))
    return rows + [_peer(case, load, name) for name in peers]


def _peer(case: Case, load: Load, name: str) -> Row:
    tool, run = PEERS[name]
    say(f"{case.kind}: {name}")
    with serving(case.kind) as server:
        said = run(load.to(server.url))
        log = server.log()
    # When a peer's requests were due is not known. Where nothing waits for anything, that is
    # when the server read them; where the server stalls, the schedule that was asked for says it.
    times = service_times(log.read, log.answered)
    if case.kind == "stall":
        times = stalled(case.rate, case.seconds, round(quantile(times, 0.5)))
    return Row(name, f"{tool} {version(tool)}", said.quantiles, quantiles(times))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("case", nargs="?", default="all", choices=["all", *CASES])
    parser.add_argument(
        "--peers", default=",".join(TOOLS), help=f"of {','.join(TOOLS)} (all); or none"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    options = parser.parse_args(arguments)
    options.peers = [] if options.peers == "none" else options.peers.split(",")
    if unknown := set(options.peers) - set(TOOLS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(TOOLS)}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases, and print or write their tables."""
    options = _options(arguments)
    found = available(options.peers)
    peers = [name for name, (tool, _) in PEERS.items() if tool in found]
    cases = list(CASES.values()) if options.case == "all" else [CASES[options.case]]
    results = [(case, compare(case, peers)) for case in cases]
    console = Console()
    for case, rows in results:
        console.print(as_table(case.title, rows))
        if case.kind == "stall":
            console.print(" ".join(WHY.split()))
    if options.markdown:
        texts = [as_markdown(case.title, rows) for case, rows in results]
        options.markdown.write_text("\n\n".join(texts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
