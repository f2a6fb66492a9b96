"""stopWhen: which seconds end a load, and what is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.test.load import StopCondition
from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.plan.stop import MAX_PENDING, NOT_AWAITED_AFTER, StopJudge, StopSecond, StopWatch
from perfrun.measure.histogram import Histogram
from perfrun.measure.report import Interval
from tests.unit.logic.build import MS, OPEN, S, spec

ERRORS = {"metric": "errorRate", "above": "50%", "for": "3s"}


def judge(*conditions: dict[str, Any]) -> StopJudge:
    return StopJudge([StopCondition.model_validate(one) for one in conditions], timeout=5 * S)


def second(number: int, good: int, bad: int = 0, timeouts: int = 0, ms: int = 10) -> StopSecond:
    one = StopSecond(number, succeeded=good, failed=bad + timeouts, timeouts=timeouts)
    one.latency.fold([ms * MS] * good)
    return one


def first_stop(one: StopJudge, *seconds: StopSecond) -> tuple[int, str] | None:
    for each in seconds:
        if (sentence := one.take(each)) is not None:
            return each.number, sentence
    return None


def test_every_second_of_the_span_has_to_exceed() -> None:
    bad = [second(n, 1, 4) for n in range(10)]
    assert first_stop(judge(ERRORS), *bad) == (2, "errorRate was at least 80% for 3s, above 50%")
    bad[2] = second(2, 4, 4)  # exactly the limit is not above it
    assert first_stop(judge(ERRORS), *bad) == (5, "errorRate was at least 80% for 3s, above 50%")


def test_the_least_bad_second_is_told() -> None:
    seconds = [second(0, 0, 9), second(1, 1, 5), second(2, 0, 9)]
    said = first_stop(judge(ERRORS), *seconds)
    assert said == (2, "errorRate was at least 83.33% for 3s, above 50%")


def test_seconds_without_outcomes_say_nothing() -> None:
    seconds = [second(0, 0, 1), *(second(n, 0) for n in range(1, 9)), second(9, 0, 1)]
    assert first_stop(judge(ERRORS), *seconds[:9]) is None
    assert first_stop(judge(ERRORS), *seconds) == (9, "errorRate was 100% for 10s, above 50%")


def test_one_bad_second_is_not_three() -> None:
    assert first_stop(judge(ERRORS), second(0, 0, 9), second(1, 9), second(2, 0, 9)) is None


@pytest.mark.parametrize(
    ("condition", "seconds", "said"),
    [
        (
            {"metric": "latency.p95", "above": "1s", "for": "2s"},
            [second(0, 100, ms=1500), second(1, 100, ms=1200)],
            "latency.p95 was at least 1.2s for 2s, above 1s",
        ),
        (  # a second with nothing but timeouts is slow, not empty
            {"metric": "latency.p50", "above": "1s", "for": "2s"},
            [second(0, 0, timeouts=7), second(1, 1, timeouts=7)],
            "latency.p50 was at least 5s for 2s, above 1s",
        ),
        (
            {"metric": "timeoutRate", "above": "10%", "for": "1s"},
            [second(0, 5, bad=5), second(1, 8, timeouts=2)],
            "timeoutRate was at least 20% for 1s, above 10%",
        ),
        (
            {"metric": "latency.max", "above": "20ms", "for": "1s"},
            [second(0, 5), second(1, 0, bad=5), second(2, 1, ms=21)],
            "latency.max was at least 21ms for 1s, above 20ms",
        ),
    ],
)
def test_metrics(condition: dict[str, Any], seconds: list[StopSecond], said: str) -> None:
    assert first_stop(judge(condition), *seconds) == (seconds[-1].number, said)


def test_a_restart_forgets() -> None:
    one = judge(ERRORS)
    assert first_stop(one, second(0, 0, 9), second(1, 0, 9)) is None
    one.restart()
    assert one.take(second(2, 0, 9)) is None


# --- merged over workers ----------------------------------------------------------------------


def watch(workers: int) -> StopWatch:
    one = spec({**OPEN, "workers": workers, "stopWhen": [ERRORS]})
    return StopWatch(make_plan(one, uid="u", namespace="shop", test="api", run="r"), workers)


def interval(sequence: int, good: int, bad: int) -> Interval:
    """Cumulative counts after so many seconds."""
    return Interval(
        sequence=sequence,
        elapsed=sequence * S + 2 * MS,
        in_flight=0,
        planned=good + bad,
        started=good + bad,
        dropped=0,
        sent=good + bad,
        succeeded=good,
        failed=bad,
        errors={"Status5xx": bad},
        latency=Histogram(),
    )


def test_workers_are_judged_together() -> None:
    one = watch(2)
    said = None
    for n in range(1, 4):  # worker 0 is fine, worker 1 fails three times as much
        assert one.take(0, interval(n, 10 * n, 0), n * S) is None
        said = one.take(1, interval(n, 0, 30 * n), n * S)
    assert said == "after 3s: errorRate was at least 75% for 3s, above 50%"


def test_a_worker_alone_does_not_stop_the_others() -> None:
    one = watch(2)
    for n in range(1, 9):
        assert one.take(0, interval(n, 30 * n, 0), n * S) is None
        assert one.take(1, interval(n, 0, 10 * n), n * S) is None


def test_a_second_waits_for_a_late_post() -> None:
    one = watch(2)
    for n in range(1, 6):
        assert one.take(0, interval(n, 0, 10 * n), n * S) is None
    # All posts of worker 1 come at once.
    assert one.take(1, interval(1, 0, 10), 5 * S) is None
    assert one.take(1, interval(2, 0, 20), 5 * S) is None
    assert one.take(1, interval(3, 0, 30), 5 * S) is not None


def test_a_lost_worker_does_not_block() -> None:
    one = watch(2)
    one.take(1, interval(1, 10, 0), S)
    said = [one.take(0, interval(n, 0, 90 * n), n * S) for n in range(1, 12)]
    stopped = next(n for n, sentence in enumerate(said, 1) if sentence is not None)
    assert stopped == 1 + NOT_AWAITED_AFTER // S + 1


def test_a_worker_that_never_came_does_not_block() -> None:
    one = watch(2)
    said = [one.take(0, interval(n, 0, 9 * n), n * S) for n in range(1, 12)]
    assert any(said)


def test_after_a_restart_nothing_is_known_of_the_time_before() -> None:
    one = watch(1)
    assert one.take(0, interval(60, 0, 6000), 60 * S) is None
    assert one.take(0, interval(61, 10, 6000), 61 * S) is None
    assert one.take(0, interval(62, 20, 6000), 62 * S) is None
    assert one.take(0, interval(63, 30, 6000), 63 * S) is None


def test_a_repeated_post_counts_once() -> None:
    one = watch(1)
    for n in (1, 1, 1, 2, 2):
        assert one.take(0, interval(n, 0, 10 * n), S) is None


def test_only_the_whole_seconds_of_a_hold_are_judged() -> None:
    one = watch(1)
    one.watch_only(2 * S + 1, 8 * S - 1)
    said = [one.take(0, interval(n, 0, 10 * n), n * S) for n in range(1, 9)]
    assert [n for n, sentence in enumerate(said, 1) if sentence] == [6, 7]  # seconds 3, 4, 5; 6


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=30),
    st.integers(1, 5),
)
def test_one_worker_or_many_make_no_difference(counts: list[tuple[int, int]], workers: int) -> None:
    alone, together = watch(1), watch(workers)
    good = bad = 0
    for n, (more_good, more_bad) in enumerate(counts, 1):
        good, bad = good + more_good, bad + more_bad
        by_one = alone.take(0, interval(n, good * workers, bad * workers), n * S)
        by_many = [together.take(w, interval(n, good, bad), n * S) for w in range(workers)][-1]
        assert by_one == by_many


def test_a_worker_that_speaks_of_no_second_does_not_have_histograms_pile_up() -> None:
    one = watch(2)
    for number in range(1, 500):
        now = number * S // 10  # nobody is silent for long enough to be lost
        one.take(0, interval(number, number, 0), now)
        one.take(1, interval(number, 0, 0).model_copy(update={"elapsed": 0}), now)
    assert len(one._pending) <= MAX_PENDING + 1
