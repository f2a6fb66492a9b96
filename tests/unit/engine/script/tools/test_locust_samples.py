"""Rows as the listener writes them; the file was written by Locust 2.47, by a test of its two
clients against a server that fails in every way."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.engine.script.tools.locust_samples import LocustDecoder, class_of
from tests.unit.engine.script.tools.rows import Rows, read

WRITTEN = (Path(__file__).parent / "data/locust.jsonl").read_bytes()
GOOD = ["request", 1796076127.5, 15.25, "GET", "list", 200, 3, "", ""]


def decoded(*data: bytes) -> Rows:
    return read(LocustDecoder, *data)


def row(**changed: object) -> bytes:
    names = ("kind", "at", "took", "method", "name", "status", "received", "names", "said")
    return (
        json.dumps([changed.get(n, v) for n, v in zip(names, GOOD, strict=True)]).encode() + b"\n"
    )


def test_every_request_has_its_step_class_and_status() -> None:
    rows = decoded(WRITTEN)
    assert rows.unread == 0
    assert rows.counts == {
        ("GET /ok", "", 200): 2,
        ('na"me,\nwith break', "", 200): 2,
        ("GET /503", "Status5xx", 503): 2,
        ("GET /404", "Status4xx", 404): 2,
        ("GET /slow", "Timeout", 0): 2,
        ("GET /reset", "Reset", 0): 2,
        ("GET /garbage", "Protocol", 0): 2,
        ("GET /redirect", "", 200): 2,
        ("GET /", "Connect", 0): 1,
        ("GET http://127.0.0.1:48199/", "Connect", 0): 1,
        ("GET /", "DNS", 0): 1,
        ("GET http://no.such.invalid/", "DNS", 0): 1,
        ("GET https://127.0.0.1:48100/tls", "", 200): 1,
        ("GET /tls", "Timeout", 0): 1,
        ("caught", "Check", 200): 2,
        ("forgiven", "", 503): 2,
        ("x" * 200, "", 200): 2,
    }
    assert {scenario for scenario, *_ in rows.durations} == {"script"}
    assert rows.said["caught", "Check"] == "not good"
    assert rows.values["Counter user_errors"] == [1.0]
    assert set(rows.active) == {2}


def test_times_are_those_of_the_event() -> None:
    rows = decoded(row(), row(took=0.001, at=1796076128))
    assert rows.durations["script", "list", "", 200] == [15_250_000, 1000]
    assert rows.last == 1796076128 * 10**9
    assert rows.received == 6


@given(st.integers(1, len(WRITTEN) - 1))
def test_a_cut_anywhere_changes_nothing(cut: int) -> None:
    assert decoded(WRITTEN[:cut], WRITTEN[cut:]).durations == decoded(WRITTEN).durations


@pytest.mark.parametrize(
    "bad",
    [
        b"rubbish\n",
        b"\x00\xff\xfe\n",
        b"\n",
        b"[]\n",
        b"{}\n",
        b"7\n",
        b'"request"\n',
        b"[" * 60_000 + b"\n",
        b"1" * 10_000 + b"\n",
        row(kind="other"),
        row(at="now"),
        row(at=float("nan")),
        row(took=float("inf")),
        row(at=1e300),
        row(at=-1),
        row(name=7),
        row(name=None),
        row(status="200"),
        row(status=True),
        row(names=["Timeout"]),
        row(names="E", said=7),
        b'["users",1.0,"two"]\n',
        b'["request",1]\n',
    ],
    ids=lambda bad: bad[:40].decode(errors="replace"),
)
def test_what_is_no_row_is_counted_and_those_around_it_are_read(bad: bytes) -> None:
    rows = decoded(row(), bad, row())
    assert (rows.unread, rows.sent) == (1, 2)


def test_a_row_without_its_end_is_counted() -> None:
    assert decoded(row(), row()[:-1]).unread == 1


@pytest.mark.parametrize(
    ("names", "status", "expected"),
    [
        ("ConnectTimeout ConnectionError Timeout RequestException OSError Exception", 0, "Connect"),
        ("SSLError ConnectionError RequestException OSError Exception", 0, "TLS"),
        ("TimeoutError OSError Exception RetriesExceeded ConnectionError Exception", 0, "Timeout"),
        ("AssertionError Exception", 0, "Check"),
        ("CatchResponseError Exception", 503, "Status5xx"),
        ("OwnError Exception", 0, "OwnError"),
        ("OwnError Exception", 200, "OwnError"),
    ],
)
def test_class_of_exceptions(names: str, status: int, expected: str) -> None:
    assert class_of(names.split(" "), status) == expected
