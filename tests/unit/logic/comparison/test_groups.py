"""Two groups of runs: the exact test, its interval, and what so few runs can show at all."""

import math
import random
from itertools import combinations

import pytest

from perfrun.logic.comparison.groups import ALPHA, _critical, compare_groups, least_runs


def by_enumeration(n: int, m: int) -> int | None:
    """The critical U, from every way to choose the ranks of the one group."""
    ways: dict[int, int] = {}
    for ranks in combinations(range(n + m), n):
        u = sum(ranks) - n * (n - 1) // 2
        ways[u] = ways.get(u, 0) + 1
    found, tail = None, 0
    for u in range(n * m, -1, -1):
        tail += ways.get(u, 0)
        if tail > math.comb(n + m, n) * ALPHA / 2:
            break
        found = u
    return found


@pytest.mark.parametrize("n", range(1, 8))
@pytest.mark.parametrize("m", range(1, 8))
def test_the_critical_value_is_that_of_all_arrangements(n: int, m: int):
    assert _critical(n, m) == by_enumeration(n, m)


def test_a_change_is_shown_exactly_where_the_interval_leaves_out_none():
    rng, shown = random.Random(6), 0
    for _ in range(500):
        before = [rng.gauss(0, 1) for _ in range(rng.randint(5, 9))]
        after = [rng.gauss(1.5, 1) for _ in range(rng.randint(5, 9))]
        test = compare_groups(before, after)
        assert test.low is not None and test.high is not None
        assert test.low <= test.shift <= test.high
        assert test.shown == (test.low > 0 or test.high < 0)
        shown += test.shown
    assert 50 < shown < 450


def test_groups_that_do_not_differ_are_told_to_in_at_most_one_of_a_hundred_arrangements():
    values = [float(value) for value in range(12)]
    told = [
        compare_groups(
            [values[i] for i in range(12) if i not in chosen], [values[i] for i in chosen]
        ).shown
        for chosen in combinations(range(12), 6)
    ]
    assert 0 < sum(told) <= ALPHA * len(told)


def test_a_shift_beyond_the_smallest_one_is_shown_and_one_below_is_not():
    before, after = [1.0, 2.0, 4.0, 7.0, 11.0], [1.5, 2.5, 4.5, 7.5, 11.5]
    test = compare_groups(before, after)
    assert test.smallest is not None
    aligned = [value - test.shift for value in after]
    for factor, shown in ((1.01, True), (0.99, False)):
        moved = [value + factor * test.smallest for value in aligned]
        assert compare_groups(before, moved).shown is shown


def test_five_runs_on_each_side_are_the_fewest_that_can_show_anything():
    assert least_runs() == 5
    few = compare_groups([1.0, 2.0, 3.0, 4.0], [100.0, 200.0, 300.0, 400.0])
    assert not few.shown
    assert (few.low, few.high, few.smallest) == (None, None, None)
    assert few.p == few.least_p == pytest.approx(2 / 70)


def test_equal_values_are_no_change():
    test = compare_groups([200.0] * 6, [200.0] * 6)
    assert (test.shift, test.p, test.low, test.high, test.smallest) == (0, 1, 0, 0, 0)
