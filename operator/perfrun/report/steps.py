"""The table of a run's steps in a terminal and in Markdown: the columns that fit, and notes.

The HTML page has its own table, in ``html/templates/run.html.j2``.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from perfrun.api.quantities import AT_LEAST, parse_duration, parse_percent
from perfrun.api.run.perfrun import LatencyStatus, StepStatus, Summary
from perfrun.logic.comparison.model import NO_FIGURE
from perfrun.measure.wire import TIMEOUT

_LEFT_OUT = ("p50", "avg", "p99", "max")
"""The columns that are dropped first if there is no space."""
_STATISTICS = ("avg", "p50", "p95", "p99", "max")
ALL = "all steps"
_MAX_STEPS = 30
_NAME = 12
"""This many characters of a step's name are worth more than another column."""
_GAP = 3
_INTEGER = re.compile(r"[0-9]+")

Row = dict[str, str]
"""By column, in order; the first is the name."""


def steps_table(summary: Summary, steps: Sequence[StepStatus], width: int) -> RenderableType:
    """Rate, errors and latencies of each step, at most ``width`` columns wide."""
    rows = step_rows(summary, steps)
    shown, left_out = _fitting(rows, width)
    room = max(width - _needed(rows, shown[1:]) - _GAP, 1)
    table = simple_table()
    for index, column in enumerate(shown):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for index, row in enumerate(rows):
        name, *figures = (row[column] for column in shown)
        if len(name) > room:
            name = name[: room - 1] + "…"
        bold = len(steps) != 1 and index == 0
        table.add_row(*map(Text, (name, *figures)), style="bold" if bold else None)
    notes = step_notes(summary, steps, left_out)
    return Group(table, *(Text(note, style="dim") for note in notes))


def simple_table() -> Table:
    """A table in the style of the report: one line below the head, and nothing else."""
    return Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style="bold",
        padding=(0, 1),
        collapse_padding=False,
    )


def number(count: int) -> str:
    """``1,234``."""
    return f"{count:,}"


def worst_first(steps: Sequence[StepStatus]) -> list[StepStatus]:
    """By error rate, then by response time: p95, or max if there is no p95."""

    def badness(step: StepStatus) -> tuple[float, float]:
        latency = step.latency or LatencyStatus()
        slow = next((text for text in (latency.p95, latency.max) if text is not None), None)
        return (
            _value(parse_percent, step.error_rate),
            _value(parse_duration, slow),
        )

    return sorted(steps, key=badness, reverse=True)


def _value(parse: Callable[[str], float], text: str | None) -> float:
    """The figure as a number; for a lower bound, the bound. No figure counts as less than any
    figure."""
    try:
        return -1.0 if text is None else parse(text.removeprefix(AT_LEAST))
    except ValueError:  # the file may have been written by somebody else
        return -1.0


def named(steps: Sequence[StepStatus]) -> list[tuple[str, StepStatus]]:
    """The steps by their names in a report, the worst first."""
    several = len({step.scenario for step in steps}) > 1
    return [
        (f"{step.scenario}/{step.name}" if several else step.name, step)
        for step in worst_first(steps)
    ]


def step_rows(summary: Summary, steps: Sequence[StepStatus]) -> list[Row]:
    """All steps together, then the thirty worst steps, the worst first."""
    whole = [] if len(steps) == 1 else [_row(ALL, summary)]
    return whole + [_row(name, step) for name, step in named(steps)[:_MAX_STEPS]]


def _row(name: str, part: Summary | StepStatus) -> Row:
    latency = part.latency or LatencyStatus()
    figures = {its: figure(getattr(latency, its)) for its in _STATISTICS}
    return {
        "Step": name,
        "Rate": _grouped(part.throughput),
        "Errors": part.error_rate or NO_FIGURE,
        **figures,
    }


def _fitting(rows: Sequence[Row], width: int) -> tuple[list[str], list[str]]:
    """The columns that fit, and those that do not."""
    shown = list(rows[0])
    least = min(_NAME, _width(rows, shown[0]))
    left_out: list[str] = []
    for column in _LEFT_OUT:
        if least + _GAP + _needed(rows, shown[1:]) <= width:
            break
        shown.remove(column)
        left_out.append(column)
    return shown, left_out


def _needed(rows: Sequence[Row], columns: Sequence[str]) -> int:
    return sum(_width(rows, column) for column in columns) + _GAP * (len(columns) - 1)


def _width(rows: Sequence[Row], column: str) -> int:
    return max(len(column), *(len(row[column]) for row in rows))


def step_notes(
    summary: Summary, steps: Sequence[StepStatus], left_out: Sequence[str] = ()
) -> Iterator[str]:
    """Notes on what the table of steps leaves out, and on what its figures include."""
    if len(steps) > _MAX_STEPS:
        yield f"and {len(steps) - _MAX_STEPS} more steps with fewer errors, or faster"
    yield from figure_notes(summary, steps)
    if left_out:
        yield f"no space for {', '.join(left_out)}"


def figure_notes(
    summary: Summary, steps: Sequence[StepStatus], statistics: Sequence[str] = _STATISTICS
) -> Iterator[str]:
    """Notes on missing figures of a table with these columns, and on what the other figures
    include."""
    parts: list[Summary | StepStatus] = [summary, *steps]
    if any(_lacking(part.latency, statistics) for part in parts):
        yield f"{NO_FIGURE}: too few samples beyond that percentile"
    if any(part.latency is None for part in parts):
        yield f"{NO_FIGURE}: no request that succeeded, timed out or was still open"
    requests = summary.requests
    seen = requests.succeeded + requests.censored + summary.errors.get(TIMEOUT, 0)
    if seen < requests.sent:
        yield (
            "latency includes successes, timeouts and requests that were still open: "
            f"{number(seen)} of {number(requests.sent)} requests"
        )


def figure(text: str | None) -> str:
    """A figure of the status, ``n/a`` where there is none."""
    return NO_FIGURE if text is None else text


def _lacking(latency: LatencyStatus | None, statistics: Sequence[str]) -> bool:
    lacking = latency.unsupported or [] if latency is not None else []
    return any(one.statistic in statistics for one in lacking)


def _grouped(rate: str) -> str:
    """``12,345.6/s`` for ``12345.6/s``: the same separators as counts in the report."""
    return _INTEGER.sub(lambda digits: number(int(digits[0])), rate, count=1)
