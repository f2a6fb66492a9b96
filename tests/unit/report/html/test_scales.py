"""Axes: what their ticks say, and where values are."""

import pytest

from perfrun.report.html.scales import (
    Scale,
    beyond,
    clock,
    count_axis,
    duration_axis,
    percentile_axis,
    range_axis,
    tick_duration,
    tick_number,
    time_axis,
)
from tests.unit.logic.build import MS, S


def labels(scale: Scale) -> list[str]:
    return [tick.label for tick in scale.ticks]


def test_counts_begin_at_0_and_end_above_the_highest():
    axis = count_axis(1000, tick_number)
    assert labels(axis) == ["0", "500", "1,000", "1,500"]
    assert (axis.at(0), axis.at(1500), axis.at(750)) == (0, 1, 0.5)


def test_durations_near_each_other_are_linear_from_0():
    axis = duration_axis([2 * MS, 20 * MS])
    assert not axis.logarithmic
    assert labels(axis) == ["0", "10ms", "20ms", "30ms"]


def test_durations_far_apart_are_logarithmic():
    axis = duration_axis([2 * MS, 2 * S])
    assert axis.logarithmic
    assert labels(axis)[0] == "2ms"
    assert labels(axis)[-1] == "2s"
    assert axis.at(20 * MS) == pytest.approx(1 / 3)


def test_over_many_decades_only_they_are_labelled():
    assert labels(duration_axis([1000, 100 * S])) == [
        "1us", "10us", "100us", "1ms", "10ms", "100ms", "1s", "10s", "100s",
    ]  # fmt: skip


@pytest.mark.parametrize("values", [[], [0.0], [5.0], [3600 * S]])
def test_any_durations_give_an_axis(values: list[float]):
    axis = duration_axis(values)
    assert len(axis.ticks) >= 2
    assert all(0 <= axis.at(value) <= 1 for value in values)


@pytest.mark.parametrize(
    ("end", "first", "last", "count"),
    [
        (0, "0s", "1s", 2),
        (10 * S, "0s", "10s", 6),
        (330 * S, "0s", "5m", 6),
        (7200 * S, "0s", "2h", 9),
        (30 * 86400 * S, "0s", "672h", 8),
    ],
)
def test_time_has_few_round_ticks(end: int, first: str, last: str, count: int):
    axis = time_axis(end)
    assert (labels(axis)[0], labels(axis)[-1], len(axis.ticks)) == (first, last, count)


def test_percentiles_go_as_far_as_there_are_samples():
    assert labels(percentile_axis(5)) == ["0%", "50%", "90%"]
    assert labels(percentile_axis(2000)) == ["0%", "50%", "90%", "99%", "99.9%"]
    axis = percentile_axis(1000)
    assert axis.at(beyond(0.9)) == pytest.approx(1 / 3)
    assert axis.at(beyond(0.99)) == pytest.approx(2 / 3)


def test_a_range_does_not_begin_at_0():
    axis = range_axis(28 * MS, 31 * MS, tick_duration)
    assert labels(axis) == ["28ms", "29ms", "30ms", "31ms"]
    assert axis.at(28 * MS) > 0


def test_a_range_of_one_value_has_it_in_the_middle():
    assert range_axis(5, 5, tick_number).at(5) == pytest.approx(0.5)
    assert range_axis(0, 0, tick_number).at(0) == pytest.approx(0.5)


def test_what_lies_outside_is_held_at_the_edge():
    axis = count_axis(10, tick_number)
    assert (axis.at(-5), axis.at(1e9)) == (0, 1)


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0s"), (1.5 * S, "1.5s"), (60 * S, "1m"), (3661 * S, "1h 1m 1s"), (90 * S, "1m 30s")],
)
def test_a_clock_is_read_by_people(ns: float, text: str):
    assert clock(ns) == text
