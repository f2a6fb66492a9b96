"""Coarse histograms: as true as they say, and the same in whichever order they are merged."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perfrun.measure.histogram import Histogram
from perfrun.measure.sketch import MAX_BUCKETS, MAX_COUNT, Sketch

US, MS, HOUR = 1_000, 1_000_000, 3_600_000_000_000


def histogram(values: list[int]) -> Histogram:
    whole = Histogram()
    whole.fold(values)
    return whole


durations = st.one_of(
    st.integers(0, 30 * US), st.integers(0, 100 * MS), st.integers(0, HOUR), st.just(2 * HOUR)
)
samples = st.lists(durations, max_size=50)
sketches = st.builds(lambda values: Sketch.of(histogram(values)), samples)


@settings(max_examples=60, deadline=None)
@given(samples.filter(len), st.floats(0, 1))
@example([1_499], 0.5)
@example([300, 400], 1.0)
@example([0], 0.0)
@example([HOUR, 2 * HOUR], 0.5)
def test_every_quantile_is_within_two_per_cent_of_the_fine_histogram_s(
    values: list[int], q: float
) -> None:
    fine = histogram(values)
    coarse = Sketch.of(fine)
    assert coarse.quantile(q) == pytest.approx(fine.quantile(q), rel=0.02)
    assert (coarse.count, coarse.least, coarse.greatest) == (len(values), min(values), max(values))


@settings(max_examples=60, deadline=None)
@given(sketches, sketches)
def test_adding_to_an_empty_sketch_leaves_the_other_one_alone(first: Sketch, more: Sketch) -> None:
    before, whole = first.model_copy(deep=True), Sketch()
    for sketch in (first, more):
        whole.add(sketch)
    assert first == before


def test_of_many_samples_too() -> None:
    values = np.random.default_rng(7).lognormal(0, 1.5, 100_000) * 20 * MS
    fine = histogram(values.astype(np.int64).tolist())
    coarse = Sketch.of(fine)
    assert len(coarse.buckets) < 700
    for q in (0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0):
        assert coarse.quantile(q) == pytest.approx(fine.quantile(q), rel=0.01)


def test_without_samples_there_are_no_quantiles() -> None:
    nothing = Sketch.of(Histogram())
    assert (nothing.count, nothing.quantile(0.5), nothing) == (0, None, Sketch())


def test_the_buckets_are_those_of_the_formula() -> None:
    assert Sketch.of(histogram([US])).buckets == [0]
    assert Sketch.of(histogram([MS, MS, HOUR])).model_dump() == {
        "buckets": [348, MAX_BUCKETS - 1],
        "counts": [2, 1],
        "least": MS,
        "greatest": HOUR,
    }


@settings(max_examples=40, deadline=None)
@given(samples, samples)
def test_merged_sketches_are_the_sketch_of_all_samples(one: list[int], two: list[int]) -> None:
    parts = Sketch.of(histogram(one)), Sketch.of(histogram(two))
    before = [part.to_bytes() for part in parts]
    assert Sketch.merged(parts) == Sketch.of(histogram(one + two))
    assert [part.to_bytes() for part in parts] == before


@settings(max_examples=40, deadline=None)
@given(sketches, sketches, sketches)
def test_merging_is_associative_and_commutative(a: Sketch, b: Sketch, c: Sketch) -> None:
    assert Sketch.merged([Sketch.merged([a, b]), c]) == Sketch.merged([c, Sketch.merged([b, a])])


@settings(max_examples=40, deadline=None)
@given(sketches)
def test_it_comes_back_from_its_bytes_unchanged(sketch: Sketch) -> None:
    assert Sketch.model_validate_json(sketch.to_bytes()) == sketch


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"buckets": [1, 2], "counts": [1]}, "different numbers of buckets and counts"),
        ({"buckets": [2, 1], "counts": [1, 1]}, "not in ascending order"),
        ({"buckets": [1, 1], "counts": [1, 1]}, "not in ascending order"),
        ({"buckets": [-1], "counts": [1]}, "greater than or equal to 0"),
        ({"buckets": [MAX_BUCKETS], "counts": [1]}, f"less than {MAX_BUCKETS}"),
        ({"buckets": [1], "counts": [0]}, "greater than or equal to 1"),
        ({"buckets": [1], "counts": [MAX_COUNT + 1]}, "less than or equal to"),
        ({"buckets": [1], "counts": [0.5]}, "valid integer"),
        ({"buckets": "12", "counts": [1]}, "valid list"),
        ({"buckets": list(range(5000)), "counts": [1] * 5000}, f"at most {MAX_BUCKETS}"),
        ({"least": 2, "greatest": 1}, "least value is above"),
        ({"least": -1}, "greater than or equal to 0"),
        ({"more": 1}, "Extra inputs"),
    ],
)
def test_anything_else_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Sketch.model_validate(wrong)
