"""Histograms: the same buckets as HdrHistogram's, exact extremes, and merging as a monoid."""

import math

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.measure import histogram as module
from perfrun.measure.histogram import HIGHEST_US, Histogram
from tests import hostile

HOUR = 3_600_000_000_000

durations = st.integers(0, HOUR)
samples = st.lists(durations, max_size=50)


def of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.fold(values)
    return histogram


def library(values: list[int]) -> HdrHistogram:
    histogram = HdrHistogram(1, HIGHEST_US, 3)
    for value in values:
        histogram.record_value(max(1, (value + 500) // 1000))
    return histogram


@settings(max_examples=50)
@given(samples)
def test_every_value_falls_into_the_bucket_that_the_library_puts_it_in(values: list[int]) -> None:
    assert of(values).counts.tolist() == list(library(values).counts)


@settings(max_examples=50)
@given(st.lists(durations, min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_quantile_is_the_sample_of_its_rank_within_half_a_bucket(
    values: list[int], q: float
) -> None:
    exact = sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1]
    # Half a bucket is 0.05%; values are rounded to a microsecond before.
    assert of(values).quantile(q) == pytest.approx(exact, rel=0.0005, abs=1000)


@given(st.lists(durations, min_size=1))
def test_sum_least_and_greatest_are_exact(values: list[int]) -> None:
    histogram = of(values)
    assert (histogram.count, histogram.total) == (len(values), sum(values))
    assert (histogram.least, histogram.greatest) == (min(values), max(values))
    assert histogram.mean == sum(values) / len(values)


@settings(max_examples=50)
@given(samples, samples, samples)
def test_merging_is_associative_and_commutative_and_loses_nothing(
    a: list[int], b: list[int], c: list[int]
) -> None:
    whole = of(a + b + c)
    left = Histogram.merged([Histogram.merged([of(a), of(b)]), of(c)])
    right = Histogram.merged([of(c), Histogram.merged([of(b), of(a)])])
    assert left == right == whole


def test_an_empty_histogram_is_the_neutral_element() -> None:
    assert Histogram.merged([Histogram(), of([5, 7]), Histogram()]) == of([5, 7])


@settings(max_examples=30)
@given(samples)
def test_a_histogram_comes_back_from_the_wire_unchanged(values: list[int]) -> None:
    before = of(values)
    after = Histogram.decode(
        before.encode(),
        total=before.total,
        least=before.least,
        greatest=before.greatest,
        clamped=before.clamped,
    )
    assert after == before


def test_any_hdr_tool_reads_the_wire_format() -> None:
    values = [int(x) for x in np.random.default_rng(1).exponential(50e6, 10_000)]
    read = HdrHistogram.decode(of(values).encode().encode())
    expected = library(values)
    assert read.get_total_count() == 10_000
    for percentile in (50, 95, 99, 99.9):
        assert read.get_value_at_percentile(percentile) == expected.get_value_at_percentile(
            percentile
        )


@pytest.mark.parametrize(
    ("values", "clamped"),
    [
        ([0], 0),  # under a microsecond is a matter of precision
        ([HOUR], 0),
        ([HOUR + 1_000_000], 1),
        ([-1], 1),
    ],
)
def test_values_out_of_range_are_counted_at_the_nearest_end(
    values: list[int], clamped: int
) -> None:
    assert of(values).clamped == clamped
    assert of(values).counts.sum() == 1


@pytest.mark.parametrize("text", ["", "x", "HISTFAAAA", "é"])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HdrHistogram in V2"):
        Histogram.decode(text, total=0, least=0, greatest=0, clamped=0)


def test_a_histogram_of_another_range_is_refused() -> None:
    other = HdrHistogram(1, 1000, 2).encode().decode()
    with pytest.raises(ValueError, match="different range or precision"):
        Histogram.decode(other, total=0, least=0, greatest=0, clamped=0)


def test_no_samples_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="without samples"):
        Histogram().quantile(0.5)


@pytest.mark.parametrize(
    ("count", "q", "beyond"),
    [
        (200, 0.95, 10),  # what a p95 needs
        (199, 0.95, 9),
        (1000, 0.99, 10),
        (999, 0.99, 9),
        (10_000, 0.999, 10),
        (20, 0.5, 10),
        (0, 0.5, 0),
    ],
)
def test_how_many_samples_lie_beyond_a_quantile(count: int, q: float, beyond: int) -> None:
    assert of([1_000_000] * count).beyond(q) == beyond


def test_how_many_samples_lie_below_a_value() -> None:
    histogram = of([1_000_000, 2_000_000, 3_000_000])
    assert [histogram.below(ns) for ns in (0, 1_000_000, 2_500_000, HOUR)] == [0, 0, 2, 3]


def decoded(before: Histogram, **changes: int) -> Histogram:
    exact = {name: getattr(before, name) for name in ("total", "least", "greatest", "clamped")}
    return Histogram.decode(before.encode(), **(exact | changes))


@settings(max_examples=50)
@given(samples, samples)
def test_what_came_over_the_wire_adds_up_and_reads_as_if_it_had_not(
    a: list[int], b: list[int]
) -> None:
    for left in (of(a), decoded(of(a))):
        for right in (of(b), decoded(of(b))):
            one = left.copy()
            one.add(right)
            assert one == of(a + b)
            if a + b:
                assert [one.quantile(q) for q in (0, 0.5, 0.999)] == [
                    of(a + b).quantile(q) for q in (0, 0.5, 0.999)
                ]
    folded = decoded(of(a))
    folded.fold(b)
    assert folded == of(a + b)


def test_few_buckets_take_little_memory_also_when_they_are_added_up() -> None:
    one = decoded(of([1_000, 5_000_000, HOUR]))
    one.add(decoded(of([7_000_000])))
    assert one.size < 1024 < Histogram().size


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_counts_are_read_as_the_library_reads_them_or_refused(payload: bytes) -> None:
    text = hostile.hdr(payload)
    try:
        at, counts = module._used_buckets(module._inflated(text))
    except ValueError:
        return
    expected = np.array(HdrHistogram.decode(text.encode()).counts, dtype=np.int64)
    assert (np.flatnonzero(expected).tolist(), expected[at].tolist()) == (
        at.tolist(),
        counts.tolist(),
    )


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (bytes(module.BUCKET_COUNT + 1), "a different range"),
        (b"\x01" * (module.BUCKET_COUNT + 1), "a different range"),
        (b"\xff" * 9, "truncated"),
        (b"\xff" * 8 + b"\x01", "an impossible count"),
        (b"\xff" * 7 + b"\x01", "an impossible count"),
        (b"\x80\x80\x80\x80\x80\x80\x80\x40" * 2, "an impossible count|more than"),
        (bytes(9 * module.BUCKET_COUNT), "after decompression"),
    ],
)
def test_counts_that_cannot_be_are_refused(payload: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Histogram.decode(hostile.hdr(payload), total=0, least=0, greatest=0, clamped=0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"total": 11_000_000}, "sum"),
        ({"total": 1}, "sum"),
        ({"least": 6_000_000}, "impossible least"),
        ({"greatest": 2**60, "total": 2**60}, "impossible least"),
        ({"least": -(2**60)}, "impossible least"),
        ({"least": 1_000_000}, "not match its buckets"),
        ({"greatest": 6_000_000}, "not match its buckets"),
        ({"clamped": 3}, "clamped"),
        ({"clamped": -1}, "clamped"),
    ],
)
def test_exact_figures_that_are_not_of_the_buckets_are_refused(
    changes: dict[str, int], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        decoded(of([5_000_000, 5_000_000]), **changes)


def test_more_samples_than_can_be_counted_are_refused_also_when_they_are_added_up() -> None:
    many = Histogram()
    many.record(5_000_000, module.MAX_COUNT)
    with pytest.raises(ValueError, match="more than"):
        many.add(of([1]))


def test_many_histograms_of_one_document_have_a_bound_together() -> None:
    text, room = of([5]).encode(), module.Room(10_000)
    with pytest.raises(ValueError, match="the limit for one document"):
        for _ in range(100):
            Histogram.decode(text, total=5, least=5, greatest=5, clamped=0, room=room)
