"""Shapes, arrivals and shares: pacers meet their area, and workers together are the whole."""

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.api.test.load import Load
from perfrun.logic.plan.shape import (
    NS,
    Shape,
    Turns,
    UserSpan,
    arrivals,
    burst_share,
    count_arrivals,
    scenario_order,
    share,
    user_spans,
    user_time,
)


def load(**parts: Any) -> Load:
    return Load.model_validate(parts)


def due(one: Load, workers: int, index: int, seed: int = 7) -> npt.NDArray[np.int64]:
    chunks = list(arrivals(one, workers, index, seed))
    assert all(0 < len(chunk) <= 4096 for chunk in chunks)
    return np.concatenate(chunks) if chunks else np.array([], dtype=np.int64)


def stages(*parts: tuple[int, int, int], unit: str = "/s") -> list[dict[str, Any]]:
    key, suffix = ("rate", unit) if unit else ("users", "")
    return [
        {key: f"{level}{suffix}" if suffix else level, "ramp": f"{ramp}ms", "hold": f"{hold}ms"}
        for level, ramp, hold in parts
    ]


stage = st.tuples(st.integers(0, 50), st.integers(0, 2000), st.integers(0, 2000))
stage_lists = st.lists(stage, min_size=1, max_size=5)
warmups = st.sampled_from([None, "1s"])


@pytest.mark.parametrize(
    ("parts", "levels"),
    [
        # A stage without a ramp is a step up.
        ({"open": {"rate": "10/s", "duration": "4s"}}, [10, 10, 10, 10, 0]),
        # The first ramp begins at 0.
        ({"open": {"stages": [{"rate": "8/s", "ramp": "4s"}]}}, [0, 2, 4, 6, 0]),
        # A warm-up is flat at the first level, and so is the first ramp after it.
        (
            {"warmup": "1s", "open": {"stages": [{"rate": "8/s", "ramp": "2s"}]}},
            [8, 8, 8, 0, 0],
        ),
        # The next stage ramps from where the last one held.
        (
            {"open": {"stages": [{"rate": "8/s", "hold": "1s"}, {"rate": "0/s", "ramp": "4s"}]}},
            [8, 8, 6, 4, 2],
        ),
        # Users are levels, too.
        ({"closed": {"users": 3, "duration": "2s"}}, [3, 3, 0, 0, 0]),
    ],
)
def test_the_level_over_time(parts: dict[str, Any], levels: list[float]) -> None:
    shape = Shape.of(load(**parts))
    assert [shape.level(second * NS) for second in range(5)] == levels


def test_a_burst_has_no_shape() -> None:
    with pytest.raises(ValueError, match="burst"):
        Shape.of(load(burst={"requests": 1, "concurrency": 1}))


@pytest.mark.parametrize(
    ("rate", "duration", "count"),
    [
        ("1000/s", "330s", 330_000),  # nothing lost, nothing added by floats
        ("20/m", "5m", 100),
        ("1/h", "24h", 24),
        ("0.1/s", "10s", 1),
        ("0.1/s", "11s", 2),  # the first is due at once
        ("7/s", "1ms", 1),
        ("333/s", "3s", 999),
    ],
)
def test_a_constant_rate_gives_exactly_its_arrivals(rate: str, duration: str, count: int) -> None:
    whole = load(open={"rate": rate, "duration": duration})
    assert len(due(whole, 1, 0)) == Shape.of(whole).count(Shape.of(whole).end) == count


def test_arrivals_at_a_constant_rate_are_exactly_spaced() -> None:
    times = due(load(open={"rate": "1000/s", "duration": "10s"}), 1, 0)
    assert times.tolist() == list(range(0, 10 * NS, NS // 1000))


def test_a_stretch_at_level_zero_is_jumped_over() -> None:
    pause = load(
        open={
            "stages": [
                {"rate": "2/s", "hold": "1s"},
                {"rate": "0/s", "hold": "5s"},
                {"rate": "2/s", "hold": "1s"},
            ]
        }
    )
    assert (due(pause, 1, 0) / NS).tolist() == [0, 0.5, 6, 6.5]


def test_a_load_at_level_zero_has_no_arrivals() -> None:
    assert len(due(load(open={"rate": "0/s", "duration": "5s"}), 2, 1)) == 0


@settings(deadline=None)
@given(stage_lists, warmups)
def test_a_pacer_meets_the_area_at_every_time(
    parts: list[tuple[int, int, int]], warmup: str | None
) -> None:
    whole = load(warmup=warmup, open={"stages": stages(*parts)})
    shape, times = Shape.of(whole), due(whole, 1, 0)
    for moment in np.linspace(0, shape.end, 17).astype(int).tolist():
        # The k-th arrival is due where the area reaches k, so ceil(area) of them are before.
        assert abs(np.count_nonzero(times < moment) - np.ceil(shape.area(moment))) <= 1
        assert shape.count(moment) == np.count_nonzero(times < moment)


@settings(deadline=None)
@given(stage_lists, warmups, st.integers(1, 5))
def test_workers_together_are_exactly_the_whole(
    parts: list[tuple[int, int, int]], warmup: str | None, workers: int
) -> None:
    whole = load(warmup=warmup, open={"stages": stages(*parts)})
    each = [due(whole, workers, index) for index in range(workers)]
    together = np.sort(np.concatenate(each))
    assert together.tolist() == due(whole, 1, 0).tolist()
    # The j-th of a worker is number j * workers + index of the whole.
    for index, times in enumerate(each):
        assert times.tolist() == together[index::workers].tolist()


@settings(deadline=None)
@given(stage_lists, st.sampled_from(["Uniform", "Poisson"]), st.integers(0, 3))
def test_arrivals_ascend_and_end_with_the_load(
    parts: list[tuple[int, int, int]], kind: str, index: int
) -> None:
    whole = load(open={"stages": stages(*parts), "arrivals": kind})
    times = due(whole, 4, index)
    assert (np.diff(times) >= 0).all()
    assert not len(times) or (times[0] >= 0 and times[-1] < Shape.of(whole).end)


@given(st.lists(st.floats(0, 1), max_size=20), stage_lists)
def test_the_inverse_is_where_the_area_is_reached(
    shares: list[float], parts: list[tuple[int, int, int]]
) -> None:
    shape = Shape.of(load(open={"stages": stages(*parts)}))
    areas = np.array(shares) * shape.area(shape.end)
    reached = [shape.area(int(t)) for t in shape.inverse(areas)]
    assert reached == pytest.approx(areas.tolist(), rel=1e-6, abs=1e-6)


def test_poisson_workers_together_have_the_rate_of_the_whole() -> None:
    whole = load(open={"rate": "1000/s", "duration": "50s", "arrivals": "Poisson"})
    each = [due(whole, 4, index) for index in range(4)]
    # 50,000 expected, standard deviation 224: five of them, and the seed is fixed.
    assert abs(sum(map(len, each)) - 50_000) < 1120
    assert all(abs(len(times) - 12_500) < 560 for times in each)
    gaps = np.diff(np.sort(np.concatenate(each).astype(np.float64)))
    # Exponential gaps: as much spread as mean.
    assert float(np.std(gaps)) / float(np.mean(gaps)) == pytest.approx(1, abs=0.03)


def test_a_poisson_stream_depends_on_seed_and_worker_alone() -> None:
    whole = load(open={"rate": "100/s", "duration": "5s", "arrivals": "Poisson"})
    assert due(whole, 2, 0, seed=1).tolist() == due(whole, 2, 0, seed=1).tolist()
    assert due(whole, 2, 0, seed=1).tolist() != due(whole, 2, 0, seed=2).tolist()
    assert due(whole, 2, 0, seed=1).tolist() != due(whole, 2, 1, seed=1).tolist()


@settings(deadline=None)
@given(stage_lists, st.sampled_from(["Uniform", "Poisson"]), st.integers(0, 12_000))
def test_arrivals_are_counted_as_they_are_paced(
    parts: list[tuple[int, int, int]], kind: str, until_ms: int
) -> None:
    whole = load(open={"stages": stages(*parts), "arrivals": kind})
    until = until_ms * 1_000_000
    times = due(whole, 3, 1)
    assert count_arrivals(whole, 3, 1, 7, until) == np.count_nonzero(times < until)


def test_users_switch_where_the_ramp_reaches_them() -> None:
    whole = load(
        closed={
            "stages": [
                {"users": 4, "ramp": "4s", "hold": "2s"},
                {"users": 1, "ramp": "3s"},
                {"users": 3, "hold": "1s"},
            ]
        }
    )
    spans = [(user, on / NS, off / NS) for user, on, off in user_spans(whole, 1, 0)]
    assert spans == [
        (0, 1, 10),
        (1, 2, 8),
        (1, 9, 10),  # down to 1 at 9 s, then 3 at once
        (2, 3, 7),
        (2, 9, 10),
        # User 3 is there while the level is 4: not before the top of the ramp.
        (3, 4, 6),
    ]


@settings(deadline=None)
@given(stage_lists, st.integers(1, 4), st.integers(0, 12_000))
def test_user_time_is_the_sum_of_all_workers_spans(
    parts: list[tuple[int, int, int]], workers: int, until_ms: int
) -> None:
    whole = load(closed={"stages": stages(*parts, unit="")})
    until = until_ms * 1_000_000
    spans = [span for index in range(workers) for span in user_spans(whole, workers, index)]
    assert sum(max(0, min(off, until) - on) for _, on, off in spans) == user_time(whole, until)


@settings(deadline=None)
@given(stage_lists, st.integers(1, 4))
def test_users_are_dealt_to_workers_and_never_overlap_themselves(
    parts: list[tuple[int, int, int]], workers: int
) -> None:
    whole = load(closed={"stages": stages(*parts, unit="")})
    last: dict[int, UserSpan] = {}
    for index in range(workers):
        for span in user_spans(whole, workers, index):
            assert span.user % workers == index
            assert span.on < span.off
            assert span.user not in last or last[span.user].off < span.on
            last[span.user] = span


@given(st.integers(0, 10**8), st.integers(1, 1000))
def test_shares_sum_to_the_whole_and_differ_by_one_at_most(whole: int, workers: int) -> None:
    each = [share(whole, workers, index) for index in range(workers)]
    assert sum(each) == whole
    assert max(each) - min(each) <= 1


@given(st.integers(1, 50), st.data())
def test_every_worker_of_a_burst_has_work_for_its_concurrency(workers: int, data: Any) -> None:
    requests = data.draw(st.integers(workers, 10_000))
    concurrency = data.draw(st.integers(workers, requests))
    whole = load(workers=workers, burst={"requests": requests, "concurrency": concurrency})
    each = [burst_share(whole, workers, index) for index in range(workers)]
    assert (sum(r for r, _ in each), sum(c for _, c in each)) == (requests, concurrency)
    assert all(1 <= c <= r for r, c in each)


@pytest.mark.parametrize(
    ("weights", "order"),
    [
        ([1], [0]),
        ([7], [0]),  # alone, whatever the weight
        ([8, 2], [0, 0, 1, 0, 0]),  # reduced by the common divisor
        ([4, 1, 1], [0, 0, 1, 0, 2, 0]),  # spread, not in blocks
        ([1, 1], [0, 1]),
    ],
)
def test_one_cycle_of_scenarios(weights: list[int], order: list[int]) -> None:
    assert scenario_order(weights) == order


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_a_cycle_of_scenarios_is_exact_and_even(weights: list[int]) -> None:
    order, whole = scenario_order(weights), sum(weights)
    counts = Counter(order)
    assert all(counts[i] * whole == weight * len(order) for i, weight in enumerate(weights))
    # At no point does a scenario run ahead of its share, or behind it, by as many as there are.
    for i, weight in enumerate(weights):
        ran = np.cumsum(np.array(order) == i)
        due_by_then = np.arange(1, len(order) + 1) * weight / whole
        assert np.abs(ran - due_by_then).max() < len(weights)


def _ranks(turns: Turns, order: list[int], workers: int, each: int) -> list[list[int]]:
    """By scenario: the ranks of the iterations of all workers, ``each`` of every worker's."""
    found: list[list[int]] = [[] for _ in set(order)]
    for worker in range(workers):
        cycle = turns.cycle(worker)
        for own in range(each):
            number = own * workers + worker
            found[cycle[own % len(cycle)]].append(turns.rank(number))
    return found


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_every_row_is_used_evenly_by_every_scenario(workers: int) -> None:
    pairs = [(a, b) for a in range(1, 21) for b in range(1, a + 1) if math.gcd(a, b) == 1]
    for weights in pairs:
        order = scenario_order(weights)
        for ranks in _ranks(Turns(order, workers), order, workers, 300):
            assert len(set(ranks)) == len(ranks)  # none is given twice
            for rows in range(1, 51):
                uses = np.bincount(np.array(ranks) % rows, minlength=rows)
                # Workers stand apart by one iteration of the scenario at most.
                assert uses.max() - uses.min() <= workers, (weights, rows)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 6))
def test_every_worker_runs_every_scenario_as_often_as_its_weight_says(
    weights: list[int], workers: int
) -> None:
    order = scenario_order(weights)
    turns = Turns(order, workers)
    for worker in range(workers):
        assert Counter(turns.cycle(worker)) == Counter(order)


def test_with_one_scenario_the_rank_of_an_iteration_is_its_number() -> None:
    assert [Turns([0], 3).rank(number) for number in range(20)] == list(range(20))
