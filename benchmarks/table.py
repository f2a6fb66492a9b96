"""The tables of a run: Markdown for readers, the same figures as JSON for programs."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rounds import Result
from tests.cluster.tools import version

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """What came of one case."""

    title: str
    columns: Row
    rows: list[Row]
    figures: list[dict[str, Any]]
    """What the rows tell, unrounded."""

    def markdown(self) -> str:
        """The first column to the left, figures to the right."""
        rules = (":--", *["--:"] * (len(self.columns) - 1))
        lines = [f"| {' | '.join(row)} |" for row in (self.columns, rules, *self.rows)]
        return "\n".join([f"### {self.title}", "", *lines])


_COLUMNS = (
    "client",
    "version",
    "requests/s",
    "range",
    "failed",
    "CPU us/request",
    "by rate",
    "by CPU",
    "aim",
)


def comparison(title: str, results: Sequence[Result], aims: Mapping[str, float | None]) -> Table:
    """Medians, ranges, and the ratio of the first client, which is perfrun, to each other one."""
    ours = results[0]
    rows: list[Row] = []
    figures = []
    for result in results:
        rates = [each.rate for each in result.rounds]
        by_rate, by_cpu = ours.rate / result.rate, result.cpu / ours.cpu
        aim = aims.get(result.client.name)
        ratios = (f"**{by_rate:.2f}**", f"{by_cpu:.2f}", f"{aim:g}" if aim else "")
        rows.append(
            (
                result.client.name,
                result.client.version,
                f"{result.rate:,.0f}",
                f"{min(rates):,.0f}-{max(rates):,.0f}",
                str(result.failed),
                f"{result.cpu:.2f}",
                *(("", "", "") if result is ours else ratios),
            )
        )
        figures.append(
            {
                "client": result.client.name,
                "version": result.client.version,
                "rates": rates,
                "cpu_us": [each.cpu for each in result.rounds],
                "failed": result.failed,
                "ratio_by_rate": by_rate,
                "ratio_by_cpu": by_cpu,
                "aim": aim,
            }
        )
    return Table(title, _COLUMNS, rows, figures)


def machine() -> str:
    """On what this was measured, and how the ratios are to be read."""
    return (
        f"nginx {version('nginx')}, Python {platform.python_version()}, "
        f"Linux {platform.release().partition('-')[0]}, {_processor()}; client and server "
        f"pinned to one core each. Ratios are of medians: by rate, perfrun's over the other's; "
        f"by CPU, the other's CPU time for a request over perfrun's."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
