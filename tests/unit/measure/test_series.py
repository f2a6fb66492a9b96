"""Series: points over time, joined and merged without losing or making up anything."""

from collections.abc import Sized
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.measure.histogram import Histogram
from perfrun.measure.record import GeneratorRecord, Outcome, PhaseRecord, StepRecord, Timing
from perfrun.measure.report import WorkerReport
from perfrun.measure.series import MAX_POINTS, Second, Series
from perfrun.measure.sketch import Sketch
from perfrun.measure.wire import ConservationError

MS, S = 1_000_000, 1_000_000_000
KIB = 1024


def sketch(*buckets: int) -> Sketch:
    parts = (
        Sketch(buckets=[bucket], counts=[1], least=bucket, greatest=bucket) for bucket in buckets
    )
    return Sketch.merged(parts)


def second(
    succeeded: tuple[int, ...] = (), in_flight: int = 0, lag: int = 0, **errors: int
) -> Second:
    failed = sum(errors.values())
    return Second(
        planned=len(succeeded) + failed,
        started=len(succeeded) + failed,
        succeeded=len(succeeded),
        failed=failed,
        errors=errors,
        in_flight=in_flight,
        lag=lag,
        latency=sketch(*succeeded),
    )


def series(*seconds: Second, resolution: int = S) -> Series:
    whole = Series(resolution=resolution)
    for number, new in enumerate(seconds):
        whole.put(number * resolution // S, new)
    return whole


small = st.integers(0, 9)
seconds = st.builds(
    lambda buckets, in_flight, lag, errors: second(tuple(buckets), in_flight, lag, **errors),
    st.lists(small, max_size=4),
    small,
    small,
    st.dictionaries(st.sampled_from(["Timeout", "Reset", "Status5xx"]), small, max_size=2),
)
all_series = st.builds(
    lambda some, doubled: series(*some, resolution=S << doubled),
    st.lists(seconds, max_size=5),
    st.integers(0, 2),
)


def added(*parts: Series) -> Series:
    whole = parts[0].model_copy(deep=True)
    for part in parts[1:]:
        whole.add(part)
    return whole


def halved(one: Series) -> Series:
    half = one.model_copy(deep=True)
    half.halve()
    return half


def test_a_second_is_found_where_it_was_put() -> None:
    whole = Series()
    whole.put(0, second((3, 3), in_flight=2, lag=7, Timeout=1))
    whole.put(2, second((4,), in_flight=1, lag=5, Reset=2))
    assert (whole.planned, whole.succeeded, whole.failed) == ([3, 0, 3], [2, 0, 1], [1, 0, 2])
    assert whole.errors == {"Timeout": [1, 0, 0], "Reset": [0, 0, 2]}
    assert (whole.in_flight, whole.lag) == ([2, 0, 1], [7, 0, 5])
    assert whole.latency == [sketch(3, 3), Sketch(), sketch(4)]
    whole.check()


def test_workers_add_up_but_for_the_worst_lag() -> None:
    whole = added(
        series(second((3,), in_flight=2, lag=7, Timeout=1)),
        series(second((5,), in_flight=4, lag=6, Reset=1), second((1,), in_flight=1)),
    )
    assert (whole.succeeded, whole.failed) == ([2, 1], [2, 0])
    assert whole.errors == {"Timeout": [1, 0], "Reset": [1, 0]}
    assert (whole.in_flight, whole.lag) == ([6, 1], [7, 0])
    assert whole.latency == [sketch(3, 5), sketch(1)]


def test_two_points_are_joined_into_one() -> None:
    whole = halved(
        series(
            second((3,), in_flight=5, lag=7, Timeout=1),
            second((4,), in_flight=2, lag=9),
            second((5,), in_flight=1, lag=1, Reset=1),
        )
    )
    assert (whole.resolution, whole.succeeded, whole.failed) == (2 * S, [2, 1], [1, 1])
    assert whole.errors == {"Timeout": [1, 0], "Reset": [0, 1]}
    assert (whole.in_flight, whole.lag) == ([2, 0], [9, 1])
    assert whole.latency == [sketch(3, 4), sketch(5)]


def test_series_of_two_resolutions_add_up_at_the_coarser_one() -> None:
    fine, coarse = Series(started=[1, 2, 3]), Series(resolution=2 * S, started=[10])
    both = added(fine, coarse)
    assert (both.resolution, both.started) == (2 * S, [13, 3])
    assert added(coarse, fine) == both
    assert (fine.started, coarse.started) == ([1, 2, 3], [10])


@settings(max_examples=80, deadline=None)
@given(all_series, all_series, all_series)
def test_merging_is_associative_and_commutative(a: Series, b: Series, c: Series) -> None:
    before = [one.to_bytes() for one in (a, b, c)]
    assert added(added(a, b), c) == added(c, added(b, a))
    assert [one.to_bytes() for one in (a, b, c)] == before


@settings(max_examples=80, deadline=None)
@given(all_series, all_series)
def test_joining_and_merging_commute(a: Series, b: Series) -> None:
    b = b.model_copy(update={"resolution": a.resolution})
    assert halved(added(a, b)) == added(halved(a), halved(b))


@settings(max_examples=40, deadline=None)
@given(all_series, all_series)
def test_what_was_put_in_is_there_and_adds_up(a: Series, b: Series) -> None:
    whole = added(a, b)
    whole.check()
    assert sum(one.count for one in whole.latency) == sum(a.succeeded) + sum(b.succeeded)
    lists: tuple[Sized, ...] = (*whole.errors.values(), whole.in_flight, whole.lag, whole.latency)
    assert {len(points) for points in lists} == {len(whole.planned)}
    assert Series.model_validate_json(whole.to_bytes()) == whole


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"errors": {"Timeout": [2]}}, "point 0: failed = sum of errors: 1 is not 2"),
        ({"latency": [sketch(1)]}, "point 0: one response time per success: 1 is not 2"),
    ],
)
def test_points_that_do_not_add_up_are_a_defect(change: dict[str, Any], law: str) -> None:
    whole = series(second((1, 2), Timeout=1)).model_copy(update=change)
    with pytest.raises(ConservationError, match=law):
        whole.check()


def test_a_series_from_before_these_lists_is_read_and_stays_without_them() -> None:
    old = b'{"resolution":2000000000,"planned":[3],"started":[3],"succeeded":[2],"failed":[1]}'
    read = Series.model_validate_json(old)
    whole = added(read, halved(read))
    whole.check()
    assert (whole.failed, whole.resolution) == ([2], 4 * S)
    assert (whole.errors, whole.in_flight, whole.lag, whole.latency) == ({}, [], [], [])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"resolution": 0}, "not 1 s, 2 s"),
        ({"resolution": -S}, "not 1 s, 2 s"),
        ({"resolution": 3 * S}, "not 1 s, 2 s"),
        ({"resolution": S + 1}, "not 1 s, 2 s"),
        ({"resolution": S << 200}, "not 1 s, 2 s"),
        ({"planned": [1], "lag": [1, 2]}, "different lengths"),
        ({"planned": [1], "errors": {"Reset": [1, 2]}}, "different lengths"),
        ({"planned": [1], "errors": {"Reset": []}}, "no points"),
        ({"planned": [-1]}, "greater than or equal to 0"),
        ({"inFlight": [1 << 63]}, "less than or equal to"),
        ({"errors": {"x" * 65: [1]}}, "at most 64 characters"),
        ({"latency": [{"buckets": [1], "counts": []}]}, "different numbers of buckets and counts"),
    ],
)
def test_what_is_no_series_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Series.model_validate(wrong)


def test_a_report_of_an_hour_is_far_smaller_than_a_config_map() -> None:
    random = np.random.default_rng(3)
    whole = Series(resolution=8 * S)
    classes = [f"Class{number}" for number in range(10)]
    step = StepRecord(scenario="default", step="get")
    for point in range(450):  # 40,000 requests each, their latencies over three decades
        fine = Histogram()
        fine.fold((random.lognormal(0, 0.8, 40_000) * 20 * MS).astype(np.int64))
        step.histogram(Timing.LATENCY, Outcome.SUCCESS).add(fine)
        errors = dict(zip(classes, random.integers(0, 500, 10).tolist(), strict=True))
        failed = sum(errors.values())
        whole.put(
            point * 8,
            Second(
                planned=40_000 + failed,
                started=40_000 + failed,
                succeeded=40_000,
                failed=failed,
                errors=errors,
                in_flight=int(random.integers(0, 1000)),
                lag=int(random.integers(0, 10 * MS)),
                latency=Sketch.of(fine),
            ),
        )
    assert len(whole.planned) == 450 <= MAX_POINTS
    report = WorkerReport(
        warmup=PhaseRecord(),
        window=PhaseRecord(steps=[step]),
        generator=GeneratorRecord.empty(),
        series=whole,
        window_time=3600 * S,
        load_time=3600 * S,
    )
    packed = len(report.pack())
    assert 100 * KIB < packed < 300 * KIB, f"{packed / KIB:.0f} KiB"
