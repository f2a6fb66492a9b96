"""``python -m tests.conformance [stall|all]``: truth, perfrun and its peers side by side."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.tools import available, version
from perfrun import __version__
from tests.cluster.progress import say
from tests.conformance.generators import PEERS, Load, Said, perfrun
from tests.conformance.server import DELAYS, MS, STALL, STALL_AFTER, serving
from tests.conformance.truth import QUANTILES, error, quantiles, response_times, stalled

RATE, SECONDS = 200, 6
Figures = Mapping[float, float]


def compare(kind: str, peers: Sequence[str]) -> list[tuple[str, Figures]]:
    """Percentiles (ns) by who says them: the truth first, then perfrun, then the peers."""
    say(f"{kind}: perfrun at {RATE}/s for {SECONDS} s")
    with serving(kind) as server:
        said = perfrun(Load(server.url, RATE, SECONDS))
        log = server.log()
    times = response_times(log.numbers, log.answered, said.start, RATE)
    rows: list[tuple[str, Figures]] = [
        ("truth, for perfrun's run", quantiles(times)),
        (f"perfrun {__version__}", said.quantiles),
    ]
    if peers and kind == "stall":
        ideal = stalled(RATE, SECONDS, int(0.3 * MS))
        rows.append(("truth, for an ideal open load", quantiles(ideal)))
    for name in peers:
        tool, run = PEERS[name]
        say(f"{kind}: {name}")
        with serving(kind) as server:
            rows.append((f"{name} ({tool} {version(tool)})", _one(run, server.url).quantiles))
    return rows


def _one(run: object, url: str) -> Said:
    assert callable(run)
    said = run(Load(url, RATE, SECONDS))
    assert isinstance(said, Said)
    return said


def as_table(title: str, rows: Sequence[tuple[str, Figures]]) -> Table:
    """For a terminal."""
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for q in QUANTILES:
        table.add_column(f"p{q * 100:g}", justify="right")
    for name, figures in rows:
        table.add_row(name, *(_shown(figures.get(q)) for q in QUANTILES))
    return table


def as_markdown(title: str, rows: Sequence[tuple[str, Figures]]) -> str:
    """For a document, with perfrun's error."""
    lines = [f"### {title}", "", "| | " + " | ".join(f"p{q * 100:g}" for q in QUANTILES) + " |"]
    lines.append("| --- " + "| --: " * len(QUANTILES) + "|")
    for name, figures in rows:
        cells = " | ".join(_shown(figures.get(q)) for q in QUANTILES)
        lines.append(f"| {name} | {cells} |")
    (_, truth), (_, ours) = rows[:2]
    errors = " | ".join(f"{error(ours[q], truth[q]) * 100:+.2f}%" for q in QUANTILES)
    lines.append(f"| **perfrun's error** | {errors} |")
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value / MS:,.2f} ms"


TITLES = {
    "stall": f"A server that stalls for {STALL} s, {STALL_AFTER:g} s after the first request",
    "constant": "Every answer takes 50 ms",
    "bimodal": "Nine answers of ten take 40 ms, one takes 200 ms",
    "tail": "A heavy tail: lognormal around 40 ms, at most 1 s",
}
WHY = """\
A generator that sends its next request only when the last one is answered sends almost nothing
while the server stalls, and so hardly sees the stall (coordinated omission). perfrun counts each
response time from when the request was due, and sends no matter what the server does.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases, and print or write their tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("case", nargs="?", default="all", choices=["all", *TITLES])
    parser.add_argument("--peers", default="all", help="all, none, or tools: k6,vegeta")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    options = parser.parse_args(arguments)
    wanted = {tool for tool, _ in PEERS.values()}
    if options.peers != "all":
        wanted &= set(options.peers.split(","))
    found = available(sorted(wanted))
    peers = [name for name, (tool, _) in PEERS.items() if tool in found]
    kinds = list(TITLES) if options.case == "all" else [options.case]
    results = {kind: compare(kind, peers if kind == "stall" else []) for kind in kinds}
    console = Console()
    for kind, rows in results.items():
        console.print(as_table(TITLES[kind], rows))
    if "stall" in results:
        console.print(" ".join(WHY.split()))
    if options.markdown:
        texts = [as_markdown(TITLES[kind], rows) for kind, rows in results.items()]
        options.markdown.write_text("\n\n".join(texts) + "\n")
    return 0


assert set(TITLES) < set(DELAYS)
if __name__ == "__main__":
    sys.exit(main())
