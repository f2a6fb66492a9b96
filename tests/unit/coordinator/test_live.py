"""The live view over several workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.coordinator.live import LiveMerge
from perfrun.logic.plan.stop import LOST_AFTER
from tests.unit.coordinator.conftest import S, make_interval


def test_workers_add_up():
    merge = LiveMerge()
    merge.take(0, make_interval(1), S)
    merge.take(1, make_interval(2, failed=4, succeeded=16), S)
    live = merge.snapshot(S)
    assert (live.sent, live.succeeded, live.failed, live.in_flight) == (30, 26, 4, 6)
    assert live.elapsed == 2 * S
    assert live.rate == 20.0
    assert [worker.index for worker in live.workers] == [0, 1]


def test_the_rate_is_that_of_the_last_interval():
    merge = LiveMerge()
    merge.take(0, make_interval(1, succeeded=10), S)
    merge.take(0, make_interval(2, succeeded=60), 2 * S)
    assert merge.snapshot(2 * S).rate == 50.0


def test_a_repeated_interval_changes_nothing():
    merge = LiveMerge()
    merge.take(0, make_interval(2), 2 * S)
    before = merge.snapshot(3 * S)
    merge.take(0, make_interval(2), 3 * S)
    merge.take(0, make_interval(1), 3 * S)
    after = merge.snapshot(3 * S)
    assert (after.sent, after.rate, after.recent) == (before.sent, before.rate, before.recent)
    assert after.workers[0].age == 0


def test_a_lost_worker_keeps_its_counts_and_loses_its_rate():
    merge = LiveMerge()
    merge.take(0, make_interval(1), S)
    merge.take(1, make_interval(1), S + LOST_AFTER)
    live = merge.snapshot(S + LOST_AFTER + 1)
    assert (live.sent, live.rate, live.in_flight) == (20, 10.0, 3)
    assert live.workers[0].age == LOST_AFTER + 1


def test_recent_latencies_are_those_of_the_last_two_seconds():
    merge = LiveMerge()
    for worker in range(20):
        merge.take(worker, make_interval(1), 10 * S)
    assert merge.snapshot(10 * S + 1).recent == pytest.approx({"p50": 5e6, "p95": 5e6}, rel=0.001)
    assert merge.snapshot(11 * S).recent.keys() == {"p50", "p95"}, "of 200 samples there is no p99"
    assert merge.snapshot(12 * S).recent == {}


def test_nothing_yet_is_all_zero():
    live = LiveMerge().snapshot(S)
    assert (live.sent, live.rate, live.recent) == (0, 0.0, {})


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), max_size=12))
def test_whatever_comes_late_or_twice_the_counts_are_those_of_the_newest(posts):
    merge = LiveMerge()
    newest: dict[int, int] = {}
    for index, sequence in posts:
        merge.take(index, make_interval(sequence), S)
        newest[index] = max(newest.get(index, 0), sequence)
    live = merge.snapshot(S)
    assert live.sent == 10 * sum(newest.values())
    assert {worker.index: worker.sequence for worker in live.workers} == newest
    assert live.rate >= 0
