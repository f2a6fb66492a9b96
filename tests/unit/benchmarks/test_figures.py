"""Medians, ratios, CPU time and lateness, from runs that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.clients import CLIENTS
from benchmarks.lag import lateness
from benchmarks.rounds import Look, Result, Round, busiest
from benchmarks.table import Table, comparison
from benchmarks.transports.__main__ import row


def result(name: str, *rounds: tuple[float, float]) -> Result:
    return Result(CLIENTS[name], [Round(rate, cpu, 0) for rate, cpu in rounds])


def test_ratios_are_of_medians_and_above_one_where_perfrun_is_better(monkeypatch):
    monkeypatch.setattr("benchmarks.clients.version", lambda _: "1")
    ours = result("perfrun", (100.0, 10.0), (400.0, 10.0), (200.0, 10.0))
    theirs = result("wrk", (50.0, 20.0), (100.0, 30.0), (900.0, 40.0))
    table = comparison("a case", [ours, theirs], {"wrk": 1.0})
    assert table.figures[1]["ratio_by_rate"] == pytest.approx(2.0)
    assert table.figures[1]["ratio_by_cpu"] == pytest.approx(3.0)
    assert table.rows[1][-3:] == ("**2.00**", "3.00", "1")


def test_a_table_has_a_cell_for_each_column():
    table = Table("title", ("a", "b"), [("x", "1")], [])
    assert table.markdown() == "### title\n\n| a | b |\n| :-- | --: |\n| x | 1 |"


def test_cpu_time_is_that_of_the_load_and_not_of_what_surrounds_it():
    # A second of imports at half a core, two of load on all of it, one of a quiet farewell.
    spans = [(1.0, 0.5), (2.0, 1.0), (1.0, 0.1)]
    at, used, looks = 0.0, 0.0, [Look(0.0, 0.0)]
    for seconds, share in spans:
        for _ in range(round(seconds * 20)):
            at, used = at + 0.05, used + 0.05 * share
            looks.append(Look(at, used))
    assert busiest(looks, 2.0) == pytest.approx(2.0)


def test_a_process_that_was_shorter_than_its_load_counts_whole():
    assert busiest([Look(0.0, 0.0), Look(1.0, 0.7)], 2.0) == pytest.approx(0.7)


@given(st.integers(0, 10**15), st.sampled_from([500, 1000, 2000]))
def test_a_punctual_generator_is_never_late_wherever_it_starts(start, rate):
    arrivals = start + np.arange(1000) * (10**9 // rate)
    assert lateness(arrivals, rate) == pytest.approx([0.0] * 4)


def test_lateness_is_counted_from_the_most_punctual_request():
    arrivals = np.arange(100) * 1_000_000 + 50_000
    arrivals[:5] -= 50_000  # the origin: 50 us before all the others
    assert lateness(arrivals, 1000)[0] == pytest.approx(50.0)


def test_the_ratio_of_transports_is_of_each_round_and_above_one_where_ours_takes_less():
    *_, ours, theirs, unit, ratio, spread = row("tls", [(1.0, 2.0), (2.0, 3.0), (4.0, 4.0)])
    assert (ours, theirs, unit) == ("2.00", "3.00", "CPU µs")
    assert (ratio, spread) == ("**1.50**", "1.00–2.00")
