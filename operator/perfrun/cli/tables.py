"""Tables of any length: for a person as wide as the terminal, for a program with tabs."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from perfrun.api.perfrun import Verdict
from perfrun.report.console import STYLES

_GAP = 2
_NOTHING = "-"
_LEAST = 24
"""Of the last column, where it may be cut: less of a sentence says nothing."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``keep`` is higher for what is left out later, and None for never."""

    name: str
    keep: int | None = None
    right: bool = False
    cut: bool = False
    """Whether its texts may end early (the last column only)."""


def print_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, in the order of ``columns``.

    Where no person looks, tabs part the cells: all columns, whole texts, nothing to pad.
    """
    if not console.is_terminal:
        for row in ([column.name for column in columns], *rows):
            console.print(Text("\t".join(cell or _NOTHING for cell in row)), soft_wrap=True)
        return
    for line in table_lines(columns, rows, console.width):
        console.print(line, no_wrap=True, crop=False, soft_wrap=True)


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[Text]:
    """The lines of a table that is at most ``width`` wide; what has no room is named below."""
    shown, left_out = _fitting(columns, rows, width)
    widths = [_width(columns, rows, index) for index in shown]
    last = shown[-1]
    room = max(width - sum(widths[:-1]) - _GAP * (len(widths) - 1), 1)
    if columns[last].cut:
        widths[-1] = min(widths[-1], room)
    head = [columns[index].name for index in shown]
    lines = [_line(head, widths, [columns[index] for index in shown], style="bold")]
    for row in rows:
        cells = [row[index] or _NOTHING for index in shown]
        lines.append(_line(cells, widths, [columns[index] for index in shown]))
    if left_out:
        names = ", ".join(columns[index].name for index in left_out)
        lines.append(Text(f"no room for {names}", style="dim"))
    return lines


def _line(
    cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column], style: str = ""
) -> Text:
    line = Text(style=style)
    for index, (cell, width, column) in enumerate(zip(cells, widths, columns, strict=True)):
        if index:
            line.append(" " * _GAP)
        text = Text(cell, style="" if style else _style(cell))
        text.truncate(width, overflow="ellipsis" if column.cut else "ignore")
        padding = " " * (width - text.cell_len)
        if column.right:
            line.append(padding)
        line.append_text(text)
        if not column.right and index < len(cells) - 1:
            line.append(padding)
    return line


def _style(cell: str) -> str:
    return STYLES[Verdict(cell)] if cell in set(Verdict) else ""


def _fitting(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[int], list[int]]:
    shown = list(range(len(columns)))
    given_up = sorted(
        (index for index in shown if columns[index].keep is not None),
        key=lambda index: columns[index].keep or 0,
    )
    left_out: list[int] = []
    while given_up and _needed(columns, rows, shown) > width:
        index = given_up.pop(0)
        shown.remove(index)
        left_out.append(index)
    return shown, sorted(left_out)


def _needed(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    widths = [_width(columns, rows, index) for index in shown]
    if columns[shown[-1]].cut:
        widths[-1] = min(widths[-1], _LEAST)
    return sum(widths) + _GAP * (len(shown) - 1)


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], index: int) -> int:
    cells = (Text(row[index] or _NOTHING).cell_len for row in rows)
    return max(len(columns[index].name), *cells, 0)
