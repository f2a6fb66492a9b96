"""The live view over several workers, and the line that a run in progress shows."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.run.perfrun import Phase
from perfrun.coordinator.live import Live, LiveMerge, WorkerLive, progress_line
from perfrun.coordinator.search import SearchView
from perfrun.logic.plan.capacity import Bracket
from perfrun.logic.plan.stop import NOT_AWAITED_AFTER
from perfrun.logic.run.facts import JobState, RunFacts
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
    merge.take(1, make_interval(1), S + NOT_AWAITED_AFTER)
    live = merge.snapshot(S + NOT_AWAITED_AFTER + 1)
    assert (live.sent, live.rate, live.in_flight) == (20, 10.0, 3)
    assert live.workers[0].age == NOT_AWAITED_AFTER + 1


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


MS = 1_000_000
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
FACTS = RunFacts(
    phase=Phase.RUNNING, now=NOW, accepted=NOW, start_timeout=S, planned=2, job=JobState.ACTIVE,
    launched=True,
)  # fmt: skip
ONE, TWO = WorkerLive(0, 1, 0), WorkerLive(1, 1, 0)


@pytest.mark.parametrize(
    ("live", "line"),
    [
        (Live(), "the load is running; no interval has arrived yet"),
        (Live(elapsed=12 * S, rate=998.4, recent={"p50": 10 * MS, "p95": 31 * MS},
              workers=(ONE, TWO)),
         "12s, 998 requests/s, p95 31ms, 0 failed"),
        (Live(elapsed=12 * S + 1, rate=0.0, failed=7, workers=(ONE, TWO)),
         "12s, 0 requests/s, 7 failed"),
        (Live(elapsed=S, rate=10.0, dropped=3, workers=(ONE,)),
         "1s, 10 requests/s, 0 failed, 3 dropped, 1 of 2 workers have sent an interval"),
        (Live(elapsed=S, workers=(ONE, TWO), search=SearchView(0, 0.0, Bracket(0, None, False, False))),
         "1s, before the first hold, 0 requests/s, 0 failed"),
        (Live(elapsed=S, workers=(ONE, TWO), search=SearchView(3, 400.0, Bracket(200, None, False, False))),
         "1s, hold 3 at 400/s, at least 200/s, 0 requests/s, 0 failed"),
        (Live(elapsed=S, workers=(ONE, TWO), search=SearchView(4, 283.0, Bracket(200, 400, False, True))),
         "1s, hold 4 at 283/s, between 200/s and 400/s, 0 requests/s, 0 failed"),
    ],
)  # fmt: skip
def test_progress_line(live: Live, line: str) -> None:
    assert progress_line(live, FACTS) == line
