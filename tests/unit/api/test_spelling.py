"""What a misspelled word was meant to be."""

import pytest

from perfrun.api.spelling import meant

SETTINGS = ("load.scale", "load.rate", "load.users", "load.open.rate", "load.closed.users")


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("regoin", ("user", "region"), "region"),
        ("load.open.rat", SETTINGS, "load.open.rate"),
        ("load.usres", SETTINGS, "load.users"),
        ("rate", SETTINGS, "load.rate"),
        ("read", ("Read", "Write"), "Read"),
        ("retry", ("retries",), "retries"),
        ("sent", ("send",), "send"),
    ],
)
def test_a_misspelled_word_is_known(word, known, expected):
    assert meant(word, known) == [expected]


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("load.foo", SETTINGS),
        ("load.closed.hold", SETTINGS),
        ("availability", ("capacity",)),
        ("latency.median", ("latency.min", "latency.max")),
        ("tests", ("target", "steps")),
        ("", SETTINGS),
        ("slos", SETTINGS),
    ],
)
def test_no_word_is_guessed_that_has_little_to_do_with_it(word, known):
    assert meant(word, known) == []


def test_a_word_in_another_case_is_that_word_alone():
    assert meant("LATENCY.P95", ("latency.p99", "latency.p95"), most=3) == ["latency.p95"]


def test_several_are_as_many_as_are_wanted():
    known = ("latency.p99", "latency.p95", "latency.p90", "latency.p50")
    assert meant("latency.p9", known, most=2) == ["latency.p99", "latency.p95"]
