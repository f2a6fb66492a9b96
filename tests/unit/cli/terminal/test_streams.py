"""What is printed on is as wide as whoever reads it needs."""

import io

import pytest

from perfrun.cli.terminal.streams import LOG_WIDTH, Output, console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "columns", "width"),
    [
        (io.StringIO(), None, LOG_WIDTH),
        (io.StringIO(), "70", 70),
        (Terminal(), "70", 70),
        (None, None, LOG_WIDTH),
    ],
)
def test_a_log_has_room_for_all_columns_unless_columns_says_otherwise(
    stream, columns, width, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert console(Output(stream, "standard output")).width == width
