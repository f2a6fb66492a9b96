"""The tables of a run, in Markdown: what the document quotes is what the command printed."""

import platform
from collections.abc import Iterable, Sequence

from benchmarks.cases import Case
from benchmarks.rounds import Result
from benchmarks.tools import version


def case_table(case: Case, results: Sequence[Result]) -> str:
    """One comparison: medians, ranges, and perfrun's ratio to each of the others."""
    ours = results[0]
    rows = [
        ("client", "version", "requests/s", "range", "CPU us/request", "by rate", "by CPU", "aim"),
        ("---", "---", "--:", "--:", "--:", "--:", "--:", "--:"),
    ]
    for result in results:
        rates = [each.rate for each in result.rounds]
        row = (
            result.client.name,
            result.client.version,
            f"{result.rate:,.0f}",
            f"{min(rates):,.0f}-{max(rates):,.0f}",
            f"{result.cpu:.2f}",
        )
        rows.append((*row, *_ratios(case, ours, result)))
    return f"### {case.title}\n\n{markdown(rows)}"


def _ratios(case: Case, ours: Result, result: Result) -> tuple[str, str, str]:
    if result is ours:
        return "", "", ""
    aim = case.wanted.get(result.client.name, 0.0)
    by_rate = ours.rate / result.rate if result.rate else 0.0
    by_cpu = result.cpu / ours.cpu if ours.cpu else 0.0
    return f"**{by_rate:.2f}**", f"{by_cpu:.2f}", f"{aim:g}" if aim else ""


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Rows as a table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """On what this was measured."""
    return (
        f"nginx {version('nginx')}, Python {platform.python_version()}, "
        f"Linux {platform.release().partition('-')[0]}, {_processor()}; client and server "
        f"pinned to one core each. Ratios are perfrun's figure over the other's: by rate, and by "
        f"CPU time for each request."
    )


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - one line of it
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
