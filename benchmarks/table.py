"""The tables of a run, in Markdown: what the document quotes is what the command printed."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.rounds import Result
from benchmarks.tools import version


@dataclass(frozen=True)
class Table:
    """What came of a case."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    """So many columns from the left are words, the others are figures."""
    runs: Sequence[dict[str, Any]] = ()
    """Every single run, not rounded."""

    def markdown(self) -> str:
        """With its title."""
        rule = ["---"] * self.texts + ["--:"] * (len(self.columns) - self.texts)
        lines = (self.columns, rule, *self.rows)
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"### {self.title}\n\n{body}"

    def document(self) -> dict[str, Any]:
        """For other programs."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "runs": list(self.runs)}


_COLUMNS = (
    "client",
    "version",
    "requests/s",
    "range",
    "busy",
    "CPU us/request",
    "by rate",
    "by CPU",
    "aim",
)


def case_table(case: Case, results: Sequence[Result]) -> Table:
    """One comparison: medians, ranges, and perfrun's ratio to each of the others."""
    ours = results[0]
    rows = []
    for result in results:
        rates = [each.rate for each in result.rounds]
        row = (
            result.client.name,
            result.client.version,
            f"{result.rate:,.0f}",
            f"{min(rates):,.0f}-{max(rates):,.0f}",
            f"{result.busy:.0%}",
            f"{result.cpu:.2f}",
        )
        rows.append((*row, *_ratios(case, ours, result)))
    runs = [
        {
            "client": result.client.name,
            "round": number,
            "rate": each.rate,
            "busy": each.busy,
            "cpu_us": each.cpu,
            "failed": each.failed,
            "stolen_s": each.stolen,
        }
        for result in results
        for number, each in enumerate(result.rounds, 1)
    ]
    return Table(case.title, _COLUMNS, rows, texts=2, runs=runs)


def _ratios(case: Case, ours: Result, result: Result) -> tuple[str, str, str]:
    if result is ours:
        return "", "", ""
    aim = case.wanted.get(result.client.name, 0.0)
    by_rate = ours.rate / result.rate if result.rate else 0.0
    by_cpu = result.cpu / ours.cpu if ours.cpu else 0.0
    return f"**{by_rate:.2f}**", f"{by_cpu:.2f}", f"{aim:g}" if aim else ""


def machine(stolen: float) -> str:
    """On what this was measured; ``stolen`` is in seconds of the two cores."""
    return (
        f"nginx {version('nginx')}, Python {platform.python_version()}, "
        f"Linux {platform.release().partition('-')[0]}, {_processor()}; client and server "
        f"pinned to one core each, {stolen:.1f} s of which the hypervisor took. *by rate*: "
        "perfrun's requests a second over the other's. *by CPU*: the other's CPU time for a "
        "request over perfrun's."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
