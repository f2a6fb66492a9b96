"""The page of two or more runs side by side, or of two groups of runs.

For groups, each metric has a strip with a point for each run, to show how much they vary.
"""

from collections.abc import Iterator, Sequence

from perfrun.api.test.metric import Notation
from perfrun.api.test.slo import format_measured
from perfrun.logic.comparison.contrast import p_text
from perfrun.logic.comparison.model import (
    Comparison,
    Group,
    Reported,
    Row,
    RunColumn,
    Shown,
    Statistics,
    Tone,
)
from perfrun.report.console import MARKS
from perfrun.report.html import facts
from perfrun.report.html.charts import Chart, ChartLine, DataRow
from perfrun.report.html.distribution import MAX_CURVES, of_runs
from perfrun.report.html.page import render
from perfrun.report.html.scales import Scale, Tick, range_axis, tick_duration, tick_number
from perfrun.report.html.svg import clean

MAX_STRIPS = 8
_LEVELS = {Group.BASELINE: 0.72, Group.COMPARED: 0.28}
_LEFT_OUT = "×"
_MARKS = {Group.BASELINE: "○", Group.COMPARED: "●"}
_STYLES = {Group.BASELINE: "s0 solid", Group.COMPARED: "s1 solid"}
_ORDER = (Shown.DIFFERENT, Shown.NOT_SHOWN, Shown.TOO_FEW)
TONES: dict[Tone, str] = {
    Tone.BETTER: "✔",
    Tone.WORSE: "▲",
    Tone.SAME: "=",
    Tone.NEUTRAL: "≠",
}


def comparison_page(runs: Sequence[Reported], comparison: Comparison) -> str:
    """A comparison as a self-contained HTML page; ``runs`` are the runs of its columns."""
    first, *others = comparison.conclusion or ("nothing was compared",)
    return render(
        "comparison.html.j2",
        None,
        "≠",
        comparison=comparison,
        marks=MARKS,
        tones=TONES,
        facts=facts,
        p_text=p_text,
        shown=Shown,
        headline=first,
        others=others,
        charts=list(_charts(runs, comparison)),
        missing=_missing(runs, comparison),
    )


def _charts(runs: Sequence[Reported], comparison: Comparison) -> Iterator[Chart]:
    yield from strips(comparison)
    if len(runs) <= MAX_CURVES:
        yield from of_runs(_named(runs, comparison))


def _named(runs: Sequence[Reported], comparison: Comparison) -> list[tuple[str, Reported]]:
    return [(column.name, one) for column, one in zip(comparison.columns, runs, strict=True)]


def _missing(runs: Sequence[Reported], comparison: Comparison) -> str | None:
    """The runs whose distribution is not drawn, and why."""
    if len(runs) > MAX_CURVES:
        return f"The chart shows the distributions of at most {MAX_CURVES} runs."
    names = [
        name
        for name, one in _named(runs, comparison)
        if one.result is None or one.result.report is None
    ]
    if not names:
        return None
    return f"The chart does not show {', '.join(names)}: the full result is no longer kept."


def strips(comparison: Comparison) -> Iterator[Chart]:
    """First the metrics that differ, then those that have objectives; at most eight."""
    rows = [row for row in comparison.rows if row.statistics is not None]
    rows.sort(key=lambda row: (_ORDER.index(_of(row).shown), not row.objective, row.of != ""))
    drawn = [row for row in rows if len({cell.value for cell in row.cells} - {None}) > 1]
    for number, row in enumerate(drawn[:MAX_STRIPS]):
        yield _strip(f"strip-{number}", row, comparison.columns)


def _of(row: Row) -> Statistics:
    assert row.statistics is not None
    return row.statistics


def _strip(key: str, row: Row, columns: Sequence[RunColumn]) -> Chart:
    points = [
        (column, cell.value)
        for column, cell in zip(columns, row.cells, strict=True)
        if cell.value is not None
    ]
    values = [value for _, value in points]
    x = _axis(row.kind, min(values), max(values))
    return Chart(
        key=key,
        title=clean(row.name, 80),
        unit=f"of each run, with the medians of the groups; {row.direction.value}",
        summary=_of(row).sentence,
        x=x,
        y=Scale(0, 1, tuple(Tick(level, group.value) for group, level in _LEVELS.items())),
        x_title="",
        columns=("run", "group", row.name),
        rows=[
            DataRow(
                value, (column.name, _group_text(column), format_measured(row.metric, value, []))
            )
            for column, value in sorted(points, key=lambda point: point[1])
        ],
        lines=[line for group in Group for line in _group(group, points, _of(row))],
        notes=[_of(row).sentence],
        height=84,
        read=False,
    )


def _group(
    group: Group, points: Sequence[tuple[RunColumn, float]], statistics: Statistics
) -> Iterator[ChartLine]:
    level = _LEVELS[group]
    side = statistics.baseline if group is Group.BASELINE else statistics.compared
    counted, left_out = (
        [
            (value, level)
            for column, value in points
            if (column.group, column.counted) == (group, it)
        ]
        for it in (True, False)
    )
    median = [(side.median, level - 0.2), (side.median, level + 0.2)]
    yield ChartLine("", [median], _STYLES[group], "", _MARKS[group], counted)
    yield ChartLine("", [], _STYLES[group], "", _LEFT_OUT, left_out)


def _group_text(column: RunColumn) -> str:
    return column.group.value if column.counted else f"{column.group.value}, left out (×)"


def _axis(kind: Notation, low: float, high: float) -> Scale:
    match kind:
        case Notation.DURATION:
            return range_axis(low, high, tick_duration)
        case Notation.PERCENT:
            return range_axis(low, high, lambda ratio: f"{ratio * 100:.6g}%")
        case _:
            return range_axis(low, high, tick_number)
