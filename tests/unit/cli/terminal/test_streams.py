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


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "≥5s ≤1µs a… ✔ ü 測"),
        ("ascii", ">=5s <=1us a~ + ? ?"),
        ("cp1252", ">=5s <=1µs a… + ü ?"),
    ],
)
def test_signs_that_an_encoding_lacks_are_written_in_ascii(encoding: str, written: str):
    raw = io.BytesIO()
    out = console(Output(io.TextIOWrapper(raw, encoding=encoding), "standard output"))
    out.print("≥5s ≤1µs a… ✔ ü 測")
    out.file.flush()
    assert raw.getvalue().decode(encoding) == written + "\n"
