"""Parts of a run as lines and small tables for any report: results of a benchmark suite,
observations, reasons of failed requests."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from perfrun.api.run.perfrun import (
    BenchmarkStatus,
    PerfRunStatus,
    RequestCounts,
    ScriptStatus,
    StepStatus,
)
from perfrun.api.test.metric import BENCHMARK
from perfrun.api.test.observe import ObservedStatus
from perfrun.logic.comparison.model import NO_FIGURE
from perfrun.report.steps import number

# If there is too little space, columns are left out from the end of this list.
_ORDER = list(BENCHMARK)
_GAP = 3
MAX_FAILURES = 5
_OF_STATUS = ("Status4xx", "Status5xx", "Check")


class FigureTable(NamedTuple):
    """Benchmarks that have the same statistics."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Mapping[str, str]]]
    """The name of each, and its figures by column."""
    head: str = "Benchmark"
    """What the names are of."""

    def fitting(self, width: int) -> list[str]:
        """The columns that fit, at least one."""
        left = width - max(len(self.head), *(len(name) for name, _ in self.rows))
        kept: list[str] = []
        for column in self.columns:
            left -= _GAP + max(len(column), *(len(figures[column]) for _, figures in self.rows))
            if left < 0 and kept:
                break
            kept.append(column)
        return kept


def figure_tables(benchmark: BenchmarkStatus) -> list[FigureTable]:
    """All results, in the order of their tool; those with the same statistics are in one table."""
    groups: dict[tuple[str, ...], list[tuple[str, Mapping[str, str]]]] = {}
    for one in benchmark.results:
        columns = tuple(sorted(one.figures, key=lambda name: _place_of(name, _ORDER)))
        groups.setdefault(columns, []).append((one.name, one.figures))
    return [FigureTable(columns, rows) for columns, rows in groups.items() if columns]


_OF_TOOL = ("avg", "min", "med", "max", "p(90)", "p(95)", "p(99)", "rate", "count", "value")


def script_tables(script: ScriptStatus | None) -> list[FigureTable]:
    """The metrics of a script's tool, those of one kind in one table, and its checks."""
    if script is None:
        return []
    tables = []
    for kind in ("Trend", "Rate", "Counter", "Gauge"):
        ours = [one for one in script.metrics if one.kind == kind and one.figures]
        # n/a: its samples are too few for the percentile.
        names = dict.fromkeys(name for one in ours for name in one.figures)
        columns = sorted(names, key=lambda name: _place_of(name, _OF_TOOL))
        rows = [(one.name, dict.fromkeys(columns, NO_FIGURE) | one.figures) for one in ours]
        if rows:
            tables.append(FigureTable(columns, rows, kind))
    checks = [
        (one.name, {"passed": number(one.passed), "failed": number(one.failed)})
        for one in script.checks
    ]
    return [*tables, FigureTable(("passed", "failed"), checks, "Check")] if checks else tables


def script_lines(script: ScriptStatus) -> list[str]:
    """What the tool is, what its times mean, and how it ended."""
    version = ", ".join(script.versions)
    files = ", ".join(one[:12] for one in script.files)
    parts = [script.tool, *([version] if version else []), *([f"files {files}"] if files else [])]
    lines = [", ".join(parts), f"clock: Tool: {script.clock}"]
    lines += [script.message] if script.message else []
    if script.left_out:
        lines.append(f"{script.left_out} more metrics and checks are not shown here")
    return lines


def _place_of(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


def command_lines(status: PerfRunStatus) -> list[str]:
    """How the command ended: its duration, its memory, and its problems."""
    benchmark, latency = status.benchmark, status.summary.latency if status.summary else None
    facts = [f"took {latency.max}"] if latency is not None and latency.max else []
    if benchmark is None:
        return facts
    facts += [f"memory at most {benchmark.memory_peak}"] if benchmark.memory_peak else []
    lines = [", ".join(facts)] if facts else []
    lines += [benchmark.message] if benchmark.message else []
    if benchmark.left_out:
        lines.append(f"{benchmark.left_out} more benchmarks are not shown here")
    return lines


def observed_lines(observed: Sequence[ObservedStatus]) -> list[str]:
    """``api: cpu.max 420m, memory.max 210Mi``; if there are no figures, the reason."""
    return [f"{one.name}: {_observed_text(one)}" for one in observed]


def _observed_text(one: ObservedStatus) -> str:
    figures = ", ".join(f"{metric} {text}" for metric, text in one.figures.items())
    if figures:
        return figures
    if one.message:
        return f"not observed: {one.message}"
    return "too few observations in the window"


def request_counts(counts: RequestCounts) -> str:
    """``sent = succeeded + failed + censored`` in words."""
    text = (
        f"{number(counts.sent)} sent: {number(counts.succeeded)} succeeded, "
        f"{number(counts.failed)} failed"
    )
    return text + (f", {number(counts.censored)} still open at the end" if counts.censored else "")


def by_count(errors: Mapping[str, int]) -> str:
    """``Timeout 1,234, Status5xx 12``: the most frequent first."""
    kinds = sorted(errors.items(), key=lambda item: -item[1])
    return ", ".join(f"{kind} {number(count)}" for kind, count in kinds)


def explained(steps: Sequence[StepStatus]) -> Iterator[str]:
    """The most frequent error classes that have a message: ``list: Timeout: ...``.

    Classes that follow from a status code are in :func:`code_rows`.
    """
    found = [
        (step.errors.get(kind, 0), f"{step.name}: {kind}: {message}")
        for step in steps
        for kind, message in step.messages.items()
        if not (step.examples and kind in _OF_STATUS)
    ]
    for _, line in sorted(found, key=lambda item: -item[0])[:MAX_FAILURES]:
        yield line


class CodeRow(NamedTuple):
    """The answers of a step with one status code."""

    step: str
    code: str
    answers: int
    example: str
    """The first failed request; empty if there was none, or if it was not kept."""


def code_rows(steps: Sequence[StepStatus]) -> list[CodeRow]:
    """Each status code of each step; empty if no answer was a failure and each step has only one
    code."""
    rows = [
        CodeRow(step.name, code, count, step.examples.get(code, ""))
        for step in steps
        for code, count in step.status_codes.items()
    ]
    telling = any(row.example for row in rows) or len(rows) > sum(
        bool(step.status_codes) for step in steps
    )
    return rows if telling else []


def code_lines(codes: Sequence[CodeRow]) -> Iterator[str]:
    """The most frequent failures by status code: ``list: 404 (7 answers): GET /x: ...``."""
    # Most answers below 400 are successes.
    rows = sorted(
        (row for row in codes if row.example),
        key=lambda row: (row.code < "400", -row.answers),
    )
    for row in rows[:MAX_FAILURES]:
        counted = "1 answer" if row.answers == 1 else f"{number(row.answers)} answers"
        yield f"{row.step}: {row.code} ({counted}): {row.example}"
