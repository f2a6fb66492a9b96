"""Rows as JMeter 5.6.3 writes them to its log of results; the file was written by a plan with every
kind of failure, a redirect, and both kinds of transactions."""

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.engine.script.tools.jmeter_samples import JMeterDecoder
from tests.unit.engine.script.tools.rows import Rows, read

WRITTEN = (Path(__file__).parent / "data/jmeter.csv").read_bytes()
GOOD = b"1796075483001,272,ok,200,OK,users 1-1,true,,47,1,1\n"


def decoded(*data: bytes, asserts: bool = True) -> Rows:
    return read(partial(JMeterDecoder, asserts=asserts), *data)


def test_every_sampler_has_its_step_class_and_status() -> None:
    rows = decoded(WRITTEN)
    assert rows.unread == 0
    assert rows.counts == {
        ("ok", "", 200): 1,
        ("five", "Status5xx", 503): 1,
        ('four, "quoted"', "Status4xx", 404): 1,
        ("two\nlines", "", 200): 1,
        ("slow", "Timeout", 0): 1,
        ("reset", "Reset", 0): 1,
        ("garbage", "Protocol", 0): 1,
        ("redirect", "", 200): 1,
        ("refused", "Connect", 0): 1,
        ("dns", "DNS", 0): 1,
        ("tls", "Connect", 0): 1,
        ("assert", "Check", 200): 1,
        ("ünï", "", 200): 1,
        ("in", "", 200): 1,
        ("in2", "", 200): 1,
        ("in3", "Status5xx", 500): 1,
    }
    assert {scenario for scenario, *_ in rows.durations} == {"my, group"}
    assert rows.said["assert", "Check"] == (
        'Test failed: text expected to contain /not "there", at\nall/'
    )


def test_a_redirect_is_one_request_with_two_attempts() -> None:
    assert dict(decoded(WRITTEN).more) == {("my, group", "redirect"): 1}


def test_transactions_are_no_requests() -> None:
    rows = decoded(WRITTEN)
    assert rows.values["Trend transaction{label:tx}"] == [8.0]
    assert rows.values["Trend transaction{label:parent}"] == [87.0]


def test_assertions_are_checks_of_their_sampler_if_the_plan_has_any() -> None:
    rows = decoded(WRITTEN)
    assert rows.checks["assertions of assert"] == [0, 1]
    assert rows.checks["assertions of ok"] == [1, 0]
    assert not decoded(WRITTEN, asserts=False).checks


def test_times_are_those_of_the_row() -> None:
    rows = decoded(GOOD)
    assert rows.durations["users", "ok", "", 200] == [272_000_000]
    assert rows.last == 1796075483273 * 10**6
    assert (rows.received, rows.active) == (47, [1])


@given(st.integers(1, len(WRITTEN) - 1))
def test_a_cut_anywhere_changes_nothing(cut: int) -> None:
    assert decoded(WRITTEN[:cut], WRITTEN[cut:]).durations == decoded(WRITTEN).durations


@pytest.mark.parametrize(
    "bad",
    [
        b"rubbish\n",
        b"\x00\xff\xfe,,,,,,,,,,,,\n",
        b"\n",
        b",,,,,,,,,,\n",
        GOOD.replace(b"272", b"-272"),
        GOOD.replace(b"272", b"1" * 5000),
        GOOD.replace(b"true", b"yes"),
        GOOD.replace(b",47", b""),
        GOOD.replace(b"1796075483001", b"now"),
        GOOD.replace(b"1796075483001", "１796075483001".encode()),
    ],
    ids=lambda bad: bad[:40].decode(errors="replace"),
)
def test_what_is_no_row_is_counted_and_those_around_it_are_read(bad: bytes) -> None:
    rows = decoded(GOOD, bad, GOOD)
    assert (rows.unread, rows.sent) == (1, 2)


def test_variables_of_the_plan_may_follow() -> None:
    assert decoded(GOOD.replace(b"\n", b',"of mine",7\n')).sent == 1


def test_a_message_that_looks_like_a_row_is_none() -> None:
    quoted = GOOD.replace(b"OK", b'"OK\n' + GOOD + b'"')
    rows = decoded(quoted)
    assert (rows.sent, rows.unread) == (1, 0)


def test_after_a_quote_without_an_end_the_next_beginning_of_a_row_counts() -> None:
    """As where the first half of a row was shed."""
    rows = decoded(b'half of a message""",users 1-1,true,,47,1,1\n' + GOOD * 200)
    assert rows.unread == 1
    assert rows.sent == 200


def test_a_row_without_its_end_is_counted() -> None:
    assert decoded(GOOD, GOOD[:-1]).unread == 1
    assert decoded(GOOD, GOOD.replace(b"OK", b'"OK')).unread == 1


def test_a_step_named_like_a_part_of_another_thread_is_a_step() -> None:
    other = GOOD.replace(b"ok", b"ok-1").replace(b"1-1", b"1-2")
    later = GOOD.replace(b"ok", b"ok-2").replace(b"1796075483001", b"1796075489001")
    assert {step for _, step, *_ in decoded(GOOD, other, later).durations} == {"ok", "ok-1", "ok-2"}
