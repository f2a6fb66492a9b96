"""What a benchmark suite said of itself, as tables for any report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from perfrun.api.run.perfrun import BenchmarkStatus, PerfRunStatus
from perfrun.api.test.metric import BENCHMARK

# What does not fit is left out from the end.
_ORDER = list(BENCHMARK)
_GAP = 3


class FigureTable(NamedTuple):
    """Benchmarks that have the same statistics."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Mapping[str, str]]]
    """The name of each, and its figures by column."""

    def fitting(self, width: int) -> list[str]:
        """The columns that there is room for, at least one."""
        left = width - max(len("Benchmark"), *(len(name) for name, _ in self.rows))
        kept: list[str] = []
        for column in self.columns:
            left -= _GAP + max(len(column), *(len(figures[column]) for _, figures in self.rows))
            if left < 0 and kept:
                break
            kept.append(column)
        return kept


def figure_tables(benchmark: BenchmarkStatus) -> list[FigureTable]:
    """All results, those with the same statistics in one table; in the order of their tool."""
    groups: dict[tuple[str, ...], list[tuple[str, Mapping[str, str]]]] = {}
    for one in benchmark.results:
        columns = tuple(sorted(one.figures, key=_place))
        groups.setdefault(columns, []).append((one.name, one.figures))
    return [FigureTable(columns, rows) for columns, rows in groups.items() if columns]


def command_lines(status: PerfRunStatus) -> list[str]:
    """How the command went: how long it took, the memory it had, and what was wrong with it."""
    benchmark, latency = status.benchmark, status.summary.latency if status.summary else None
    facts = [f"took {latency.max}"] if latency is not None and latency.max else []
    if benchmark is None:
        return facts
    facts += [f"memory at most {benchmark.memory_peak}"] if benchmark.memory_peak else []
    lines = [", ".join(facts)] if facts else []
    lines += [benchmark.message] if benchmark.message else []
    if benchmark.left_out:
        lines.append(f"{benchmark.left_out} more benchmarks are not told here")
    return lines


def _place(statistic: str) -> tuple[int, str]:
    return (_ORDER.index(statistic) if statistic in _ORDER else len(_ORDER), statistic)
