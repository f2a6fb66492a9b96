"""Statistics for few runs, against published tables and brute force."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.logic.trend.statistics import mann_whitney, robust_scale, shift, t_quantile


@pytest.mark.parametrize(
    ("probability", "df", "table"),
    [
        (0.95, 1, 6.314),
        (0.99, 2, 6.965),
        (0.99, 9, 2.821),
        (0.975, 10, 2.228),
        (0.995, 19, 2.861),
        (0.999, 29, 3.396),
    ],
)
def test_t_quantiles_are_those_of_the_tables(probability: float, df: int, table: float) -> None:
    assert t_quantile(probability, df) == pytest.approx(table, abs=5e-4)


def test_a_quantile_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no t quantile"):
        t_quantile(0.3, 9)


def test_three_runs_above_ten_are_the_rarest_of_all_choices() -> None:
    assert mann_whitney([11, 12, 13], range(10)) == 1 / math.comb(13, 3)


def test_runs_that_are_all_alike_show_nothing() -> None:
    assert mann_whitney([1, 1, 1], [1] * 10) == 1


values = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@given(values, values)
def test_mann_whitney_is_the_count_over_all_choices(fresh: list[int], baseline: list[int]) -> None:
    everything = [*fresh, *baseline]
    ranks = [
        sum(other < one for other in everything) + (sum(o == one for o in everything) + 1) / 2
        for one in everything
    ]
    seen = sum(ranks[: len(fresh)])
    sums = [sum(chosen) for chosen in itertools.combinations(ranks, len(fresh))]
    assert mann_whitney(fresh, baseline) == sum(s >= seen for s in sums) / len(sums)


def test_a_shift_is_the_median_of_all_differences() -> None:
    assert shift([5, 6, 100], [1, 2]) == 4.5


def test_two_levels_are_no_small_spread() -> None:
    # The median absolute deviation alone would be 0.
    assert robust_scale([1.0] * 6 + [2.0] * 4) > 0.2
