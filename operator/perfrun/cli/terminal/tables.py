"""Tables of any length: as wide as the terminal for a person, with tabs for a program."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from perfrun.api.run.perfrun import Verdict
from perfrun.report.console import STYLES

_GAP = 2
_NOTHING = "-"
_MIN_WIDTH = 24
"""Minimum width of the last column, if it may be cut: less of a sentence says nothing."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; those with a higher ``keep`` are left out later, and None never."""

    name: str
    keep: int | None = None
    cut: bool = False
    """Whether its texts may be cut (the last column only)."""


def print_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, in the order of ``columns``.

    Outside a terminal, tabs separate the cells: all columns, full text, no padding.
    """
    if not console.is_terminal:
        # Not with rich, which would turn the tabs into spaces.
        for row in ([column.name for column in columns], *rows):
            console.file.write("\t".join(cell or _NOTHING for cell in row) + "\n")
        console.file.flush()
        return
    for line in table_lines(columns, rows, console):
        console.print(line, soft_wrap=True)


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], console: Console
) -> list[Text]:
    """The lines of a table, at most as wide as the console; columns without room are
    named below.
    """
    width = console.width
    shown, left_out = _fitting(columns, rows, width)
    widths = [_width(columns, rows, index) for index in shown]
    last = shown[-1]
    room = max(width - sum(widths[:-1]) - _GAP * (len(widths) - 1), 1)
    if columns[last].cut:
        widths[-1] = min(widths[-1], room)
    these = [columns[index] for index in shown]
    lines = [_line([column.name for column in these], widths, these, style="bold")]
    for row in rows:
        cells = [row[index] or _NOTHING for index in shown]
        lines.append(_line(cells, widths, these))
    if left_out:
        names = ", ".join(columns[index].name for index in left_out)
        lines.append(Text(f"no space for {names}", style="dim"))
    return lines


def _line(
    cells: Sequence[str],
    widths: Sequence[int],
    columns: Sequence[Column],
    style: str = "",
) -> Text:
    line = Text(style=style)
    for index, (cell, width, column) in enumerate(zip(cells, widths, columns, strict=True)):
        text = Text(cell, style="" if style else _style(cell))
        if column.cut and text.cell_len > width:
            text.truncate(width, overflow="ellipsis")
        padding = " " * (width - text.cell_len)
        line.append(" " * _GAP if index else "")
        line.append_text(text)
        line.append(padding if index < len(cells) - 1 else "")
    return line


def _style(cell: str) -> str:
    return STYLES[Verdict(cell)] if cell in set(Verdict) else ""


def _fitting(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[int], list[int]]:
    shown = [
        index
        for index, column in enumerate(columns)
        # An empty column of remarks is left out.
        if not column.cut or any(row[index] for row in rows)
    ]
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
        widths[-1] = min(widths[-1], _MIN_WIDTH)
    return sum(widths) + _GAP * (len(shown) - 1)


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], index: int) -> int:
    cells = (Text(row[index] or _NOTHING).cell_len for row in rows)
    return max(len(columns[index].name), *cells, 0)
