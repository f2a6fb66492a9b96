"""A comparison for a terminal: what was found first, then the figures."""

import string
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from perfrun.api.sentence import printable
from perfrun.api.times import parse_time
from perfrun.logic.comparison.contrast import p_text
from perfrun.logic.comparison.model import Cell, Comparison, Row, RunColumn, Shown, Statistics, Tone
from perfrun.logic.comparison.model import Group as Side
from perfrun.report.console import print_plain
from perfrun.report.steps import simple_table

_STYLES = {Tone.BETTER: "green", Tone.WORSE: "red", Tone.SAME: "dim", Tone.NEUTRAL: ""}
_MAX_NAMES = 5
_NAME = 34
"""Characters of a metric's name."""
_GAP = 3
"""Between two columns."""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print a comparison. Texts from users are never read as markup."""
    print_plain(render_comparison(comparison, width=console.width), console)


def render_comparison(comparison: Comparison, *, width: int) -> RenderableType:
    """The whole comparison, for any rich console that is ``width`` columns wide."""
    parts: list[RenderableType] = [Text(printable(comparison.title), style="bold")]
    parts += [_line(text) for text in comparison.conclusion]
    parts.append(Text())
    if comparison.grouped:
        parts += [_side(comparison.columns, side) for side in Side]
        known = [row for row in comparison.rows if row.statistics is not None]
        parts += [Text(), _groups_table(known)] if known else []
    else:
        shown = _fitting(comparison.rows, len(comparison.columns), width)
        parts += [*_legend(comparison.columns, shown), Text()]
        parts.append(_cells_table(comparison.rows, shown))
    if comparison.warnings:
        parts += [Text(), *(_line(f"! {text}") for text in comparison.warnings)]
    return Group(*parts)


def _line(text: str) -> RenderableType:
    return Padding(Text(printable(text)), (0, 0, 0, 2))


def _side(columns: Sequence[RunColumn], side: Side) -> RenderableType:
    names = [column.name for column in columns if column.group is side]
    counted = sum(column.group is side and column.counted for column in columns)
    shown = ", ".join(names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return _line(f"{side.value}: {counted} of {len(names)} runs count: {shown}{more}")


def _groups_table(rows: Sequence[Row]) -> Table:
    table = simple_table()
    table.add_column("Metric (median)", overflow="fold", max_width=_NAME)
    for head in ("Baseline", "Compared", "Change", "p"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("Shown", overflow="fold")
    for row in rows:
        found = row.statistics
        assert found is not None
        table.add_row(
            Text(printable(row.name)),
            Text(found.baseline.text),
            Text(found.compared.text),
            Text(found.change.text),
            Text(p_text(found.p) if found.p is not None else ""),
            _shown(found),
        )
    return table


def _shown(found: Statistics) -> Text:
    match found.shown:
        case Shown.DIFFERENT:
            tone = found.change.tone
            return Text(tone.value, style=_STYLES[tone])
        case Shown.NOT_SHOWN if found.change.tone is Tone.SAME:
            return Text("no change", style="dim")
        case Shown.NOT_SHOWN:
            return Text(f"no: {found.smallest} would be", style="dim")
        case Shown.TOO_FEW:
            return Text("too few runs", style="dim")


def _legend(columns: Sequence[RunColumn], shown: int) -> Iterator[RenderableType]:
    for letter, column in zip(_letters(shown), columns, strict=False):
        facts = [column.name, column.test]
        if column.started is not None:
            facts.append(f"{parse_time(column.started):%Y-%m-%d %H:%M:%S} UTC")
        facts.append(column.verdict.value if column.verdict is not None else "not done")
        yield _line(f"{letter}: {', '.join(facts)}")
    if len(columns) > shown:
        yield _line(f"no space for {len(columns) - shown} more: use --md, --html or --json")


def _cells_table(rows: Sequence[Row], shown: int) -> Table:
    table = simple_table()
    table.add_column("Metric", overflow="fold", max_width=_NAME)
    for letter in _letters(shown):
        table.add_column(letter, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(Text(printable(row.name)), *map(_figure, row.cells[:shown]))
    return table


def _figure(cell: Cell) -> Text:
    text = Text(printable(cell.text))
    if cell.change is not None:
        # Without colours: with one run each, nobody can say which is better.
        text.append(f"  {cell.change.text}", style="dim")
    return text


def _fitting(rows: Sequence[Row], columns: int, width: int) -> int:
    """The number of runs that fit, at least two."""
    room = width - min(max((len(row.name) for row in rows), default=0), _NAME)
    for shown in range(columns):
        room -= max((len(_figure(row.cells[shown]).plain) for row in rows), default=0) + _GAP
        if room < 0:
            return max(shown, 2)
    return columns


def _letters(shown: int) -> list[str]:
    return list(string.ascii_uppercase[:shown])
