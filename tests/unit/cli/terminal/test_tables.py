"""Tables for a terminal and for a pipe."""

import io

import pytest
from rich.console import Console

from perfrun.cli.terminal.tables import Column, print_table, table_lines

COLUMNS = (
    Column("NAME"),
    Column("P95", keep=2),
    Column("REASON", keep=1),
    Column("NOTE", keep=0, cut=True),
)
ROWS = [
    ("api", "1.2ms", "Scheduled", "a sentence that goes on for a while"),
    ("a-longer-name", "", "Change", ""),
]


def console(width: int = 80, *, terminal: bool) -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    return Console(file=file, width=width, force_terminal=terminal, no_color=True, highlight=False)


def lines(width: int, rows: list = ROWS) -> list[str]:
    shown = table_lines(COLUMNS, rows, console(width, terminal=True))
    return [line.plain for line in shown]


def test_a_pipe_gets_tabs_and_everything():
    out = console(20, terminal=False)
    print_table(out, COLUMNS, ROWS)
    out.file.flush()
    assert out.file.buffer.getvalue().decode() == (  # type: ignore[attr-defined]
        "NAME\tP95\tREASON\tNOTE\n"
        "api\t1.2ms\tScheduled\ta sentence that goes on for a while\n"
        "a-longer-name\t-\tChange\t-\n"
    )


def test_a_wide_terminal_gets_columns():
    assert lines(80) == [
        "NAME           P95    REASON     NOTE",
        "api            1.2ms  Scheduled  a sentence that goes on for a while",
        "a-longer-name  -      Change     -",
    ]


def test_the_last_column_is_cut_before_another_is_left_out():
    assert lines(60)[1] == "api            1.2ms  Scheduled  a sentence that goes on fo…"


@pytest.mark.parametrize("width", [14, 25, 40, 60, 200])
def test_nothing_is_wider_than_the_terminal_and_what_is_left_out_is_named(width: int):
    head, *rows = lines(width)
    shown = head.split()
    left_out = [column.name for column in COLUMNS if column.name not in shown]
    if left_out:
        assert rows.pop() == f"no space for {', '.join(left_out)}"
    assert max(map(len, [head, *rows])) <= width


def test_remarks_that_nobody_has_made_need_no_column():
    assert lines(80, [("api", "1ms", "Change", "")])[0] == "NAME  P95  REASON"


def test_wide_characters_are_counted_as_they_are_shown():
    assert lines(80, [("測試", "1ms", "Change", "x"), ("test", "1ms", "Change", "x")]) == [
        "NAME  P95  REASON  NOTE",
        "測試  1ms  Change  x",
        "test  1ms  Change  x",
    ]


def test_a_verdict_has_its_colour_and_its_word():
    out = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    print_table(out, (Column("VERDICT"),), [("Pass",), ("Passing",)])
    assert "\x1b[32mPass\x1b[0m\nPassing\n" in out.file.getvalue()  # type: ignore[attr-defined]


def test_a_text_is_never_read_as_markup():
    out = Console(file=io.StringIO(), width=80, force_terminal=False)
    print_table(out, (Column("NAME"),), [("[red]x[/red]",)])
    assert "[red]x[/red]" in out.file.getvalue()  # type: ignore[attr-defined]
