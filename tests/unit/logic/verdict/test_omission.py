"""What users of a closed load did not see while they waited: estimated, told, and never judged."""

from collections.abc import Mapping

import numpy as np
import pytest

from perfrun.api.run.perfrun import Verdict
from perfrun.logic.verdict.omission import estimate
from perfrun.measure.histogram import Histogram
from tests.unit.logic.build import BURST, CLOSED, MS, OPEN, S, judged, report, spec, step
from tests.unit.logic.verdict.test_findings import health

# Ten users, an answer in 4 ms, and a target that stands still for a second once.
PAUSED = [4 * MS] * 22_000 + [S] * 10


def of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.fold(values)
    return histogram


def filled_in(values: list[int], interval: int) -> np.ndarray:
    """What HdrHistogram's recordValueWithExpectedInterval would have recorded, one by one."""
    found = list(values)
    for value in values:
        missing = value - interval
        while missing >= interval:
            found.append(missing)
            missing -= interval
    return np.array(found)


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("interval", [MS, 3 * MS, 40 * MS, 10 * S])
def test_the_estimate_is_hdrhistograms_correction(quantile: float, interval: int) -> None:
    values = np.random.default_rng(5).exponential(8 * MS, 3000).astype(int).tolist() + [2 * S] * 3
    right = np.quantile(filled_in(values, interval), quantile, method="inverted_cdf")
    assert estimate(of(values), interval, quantile) == pytest.approx(right, rel=0.01, abs=10_000)


def test_nothing_is_estimated_of_nothing() -> None:
    assert estimate(Histogram(), MS, 0.99) == 0


def _omission(load: Mapping[str, object], latencies: list[int], **parts: object) -> list[str]:
    found = health(load, latencies=latencies, **parts).findings  # type: ignore[arg-type]
    return [one.message for one in found if one.type == "Omission" and one.effect == "Informing"]


def test_a_pause_that_hides_in_a_closed_load_is_told_as_an_estimate() -> None:
    (message,) = _omission(CLOSED, PAUSED)
    assert "latency.p99 was 4ms" in message
    assert "would be about 891ms" in message  # of the second, nearly all
    assert "an estimate, and no objective is judged by it" in message


@pytest.mark.parametrize(
    ("load", "latencies"),
    [
        pytest.param(CLOSED, [4 * MS] * 22_000, id="even"),
        pytest.param(
            CLOSED,
            np.random.default_rng(1).exponential(4 * MS, 25_000).astype(int).tolist(),
            id="as varied as usual",
        ),
        pytest.param(OPEN, PAUSED, id="an open load has seen it"),
        pytest.param(BURST, PAUSED, id="a burst has no rate"),
        pytest.param(CLOSED, [], id="no request was sent"),
    ],
)
def test_where_nothing_hides_nothing_is_told(load: dict[str, object], latencies: list[int]) -> None:
    assert _omission(load, latencies) == []


def test_with_think_time_users_miss_less() -> None:
    assert _omission(CLOSED, [4 * MS] * 990 + [S] * 10, user_time=10_000 * S) == []


def test_where_it_cannot_be_estimated_that_is_told() -> None:
    (message,) = _omission(CLOSED, [4 * MS] * 490 + [S] * 10, user_time=13 * S)
    assert "up to 1s here" in message
    assert (
        "cannot be estimated, because latency.p99 needs 1000 samples, but there were 500" in message
    )


def test_no_objective_is_judged_by_the_estimate() -> None:
    slos = [{"metric": "latency.p99", "max": "10ms"}]
    result = judged(spec(CLOSED, slos=slos), report(step(PAUSED)))
    assert result.verdict is Verdict.PASS
    assert result.generator is not None
    assert [one.type for one in result.generator.findings] == ["Omission"]
