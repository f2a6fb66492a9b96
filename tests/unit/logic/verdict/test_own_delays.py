"""What the generator's own delays can explain of a miss, and what they cannot."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.run.perfrun import Finding, Verdict
from perfrun.api.test.metric import PAGE_WAITS, QUANTILES
from perfrun.logic.verdict.own_delays import LowRate, PageMiss, SlowMiss
from perfrun.measure.histogram import Histogram
from perfrun.measure.record import GeneratorRecord
from tests.unit.logic.build import CLOSED, MS, OPEN, S, judged, pauses, report, spec, step

LAG = Finding(type="Lag", effect="Inflating", message="late")
STALL = Finding(type="Stall", effect="Inflating", message="stood still")
THROTTLED = Finding(type="Throttled", effect="Inflating", message="held back")


def histogram(values: Any) -> Histogram:
    whole = Histogram()
    whole.fold(np.asarray(values, dtype=np.int64))
    return whole


def verdict(load: dict[str, Any], slo: dict[str, Any], latencies: list[int], **own: Any) -> Verdict:
    return judged(spec(load, slos=[slo]), report(step(latencies), **own)).slos[0].verdict


P99 = {"metric": "latency.p99", "max": "100ms"}


@pytest.mark.parametrize(
    ("latencies", "own", "expected"),
    [
        # 3% took 160 ms. That a few iterations were 78 ms late explains those few, and not the 3%.
        (
            [5 * MS] * 970 + [160 * MS] * 30,
            {"lag": histogram([MS // 10] * 985 + [3 * MS] * 12 + [78 * MS] * 3)},
            Verdict.WARN,
        ),
        # As many were late by as much as are over the limit.
        (
            [5 * MS] * 980 + [160 * MS] * 20,
            {"lag": histogram([MS // 10] * 980 + [78 * MS] * 20)},
            Verdict.INCONCLUSIVE,
        ),
        # All were late, by less than what they are over.
        ([160 * MS] * 1000, {"lag": histogram([20 * MS] * 1000)}, Verdict.WARN),
        # A response may have to wait for the loop as long as its start had to.
        ([130 * MS] * 1000, {"lag": histogram([20 * MS] * 1000)}, Verdict.INCONCLUSIVE),
        # A pause in which 5 requests were open is no reason for the other 25 ...
        (
            [5 * MS] * 970 + [160 * MS] * 30,
            {"longest_stall": 120 * MS, "paused_time": 120 * MS, "pauses": pauses(120 * MS, 5)},
            Verdict.WARN,
        ),
        # ... one in which 25 were open may be.
        (
            [5 * MS] * 970 + [160 * MS] * 30,
            {"longest_stall": 120 * MS, "paused_time": 120 * MS, "pauses": pauses(120 * MS, 25)},
            Verdict.INCONCLUSIVE,
        ),
        # However many were open: the pauses together were shorter than what is missing.
        (
            [5 * MS] * 970 + [400 * MS] * 30,
            {"longest_stall": 120 * MS, "paused_time": 120 * MS, "pauses": pauses(120 * MS, 1000)},
            Verdict.WARN,
        ),
        # A CPU limit that held the worker back now and then does not make 5 ms of 160 ms.
        (
            [5 * MS] * 970 + [160 * MS] * 30,
            {
                "periods": 100,
                "throttled_periods": 2,
                "paused_time": 60 * MS,
                "pauses": pauses(60 * MS, 6),
            },
            Verdict.WARN,
        ),
        (
            [5 * MS] * 970 + [110 * MS] * 30,
            {
                "periods": 100,
                "throttled_periods": 2,
                "paused_time": 60 * MS,
                "pauses": pauses(60 * MS, 6),
            },
            Verdict.INCONCLUSIVE,
        ),
    ],
)
def test_a_slow_percentile_stands_unless_own_delays_reach_it(
    latencies: list[int], own: dict[str, Any], expected: Verdict
) -> None:
    assert verdict(OPEN, P99, latencies, **own) is expected


@pytest.mark.parametrize(
    ("latencies", "lag", "expected"),
    [
        # Late by 15 ms on average, twice: the average is over by more, and by less.
        ([135 * MS] * 1000, [15 * MS] * 1000, Verdict.WARN),
        ([125 * MS] * 1000, [15 * MS] * 1000, Verdict.INCONCLUSIVE),
    ],
)
def test_a_slow_average_is_explained_by_the_sum_of_own_delays(
    latencies: list[int], lag: list[int], expected: Verdict
) -> None:
    slo = {"metric": "latency.avg", "max": "100ms"}
    assert verdict(OPEN, slo, latencies, lag=histogram(lag)) is expected


@pytest.mark.parametrize(
    ("findings", "own", "explained"),
    [
        # A visit is not shorter because it was started in time.
        ([LAG], {"lag": histogram([2 * S] * 40)}, False),
        # Two visits were held up for 300 ms, and all 40 took a second too long.
        ([STALL], {"pauses": pauses(300 * MS, 2)}, False),
        ([STALL], {"pauses": pauses(300 * MS, 40)}, True),
        ([STALL], {"pauses": pauses(100 * MS, 40)}, False),
        # How slow a browser is that has too little CPU, nobody knows.
        ([THROTTLED], {}, True),
    ],
)
def test_a_slow_page(findings: list[Finding], own: dict[str, Any], explained: bool) -> None:
    record = GeneratorRecord.empty()
    for name, value in own.items():
        setattr(record, name, value)
    miss = PageMiss(SlowMiss(histogram([3 * S] * 40), "p75", 2 * S, PAGE_WAITS))
    assert miss.explained_by(findings, record) is explained


def test_a_lower_limit_of_a_duration_is_never_missed_by_delays() -> None:
    slo = {"metric": "latency.p99", "min": "100ms"}
    assert verdict(OPEN, slo, [MS] * 1000, lag=histogram([50 * MS] * 1000)) is Verdict.WARN


@pytest.mark.parametrize(
    ("miss", "own", "findings", "explained"),
    [
        # Whatever was due in an open load counts, however late: 900 of 1000, the rest failed.
        (LowRate(900, 990, 0, open=True), {}, [LAG, STALL], False),
        (LowRate(900, 990, 95, open=True), {}, [LAG], True),
        # A closed load stood still for 1% of its time.
        (LowRate(900, 990, 0, open=False), {"paused_time": S // 10}, [STALL], False),
        (LowRate(985, 990, 0, open=False), {"paused_time": S // 10}, [STALL], True),
        (
            LowRate(800, 990, 0, open=False),
            {"periods": 100, "throttled_periods": 25},
            [THROTTLED],
            True,
        ),
    ],
)
def test_a_low_rate_is_explained_by_the_time_that_was_lost(
    miss: LowRate, own: dict[str, Any], findings: list[Finding], explained: bool
) -> None:
    record = GeneratorRecord.empty()
    record.wall_time, record.started_at = 10 * S, [1.0]
    for name, value in own.items():
        setattr(record, name, value)
    assert miss.explained_by(findings, record) is explained


def test_a_closed_load_that_stood_still_for_a_moment_has_missed_its_floor() -> None:
    slo = {"metric": "throughput", "min": "200/s"}
    pause = {"longest_stall": 150 * MS, "paused_time": 150 * MS, "pauses": pauses(150 * MS, 10)}
    assert verdict(CLOSED, slo, [MS] * 1000, **pause) is Verdict.WARN
    assert verdict(CLOSED, slo, [MS] * 1990, **pause) is Verdict.INCONCLUSIVE


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([*QUANTILES, "min", "max"]),
    st.floats(0.5, 2.0),
    st.sampled_from(["few are late", "all are late", "bursts"]),
)
def test_what_is_called_proven_is_true_without_the_delays(
    seed: int, statistic: str, factor: float, shape: str
) -> None:
    """The law: durations of a server, each delayed twice as the loop delays, judged by both."""
    rng = np.random.default_rng(seed)
    true = (rng.lognormal(3, 1, 2000) * MS).astype(np.int64)
    delays = {
        "few are late": rng.exponential(40 * MS, 2000) * (rng.random(2000) < 0.02),
        "all are late": rng.exponential(5 * MS, 2000),
        "bursts": np.repeat(rng.exponential(20 * MS, 20), 100),
    }[shape].astype(np.int64)
    # Adversarial: it is the slow ones that are delayed most, when started and when read.
    order = np.argsort(true)
    measured = true.copy()
    measured[order] += 2 * np.sort(delays)
    record = GeneratorRecord.empty()
    record.lag = histogram(delays)
    without = statistic_of(histogram(true), statistic)
    limit = without * factor
    miss = SlowMiss(histogram(measured), statistic, limit, waits=2)
    if not miss.explained_by([LAG], record):
        assert without * 1.002 > limit  # within the precision of a bucket


def statistic_of(whole: Histogram, name: str) -> float:
    if name in QUANTILES:
        return whole.quantile(QUANTILES[name])
    return float(whole.least if name == "min" else whole.greatest)
