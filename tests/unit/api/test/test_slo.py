"""What is said of objectives that are not right."""

import pytest
from pydantic import ValidationError

from perfrun.api.test.load import StopCondition
from perfrun.api.test.slo import Slo


def refused(metric: str, limit: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Slo.model_validate({"metric": metric, "max": limit})
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("latency.p59", "did you mean latency.p99, latency.p95 or latency.p50?"),
        ("p50", "did you mean latency.p50?"),
        ("error_rate", "did you mean errorRate?"),
        ("LATENCY.P95", "did you mean latency.p95?"),
        ("latency.median", "the nearest names are latency.min, latency.max or latency.avg"),
        ("availability", "the nearest names are capacity, value.min or value.max"),
        ("meen", "did you mean mean?"),
        ("rps", "the nearest names are dropped, restarts or throughput"),
    ],
)
def test_a_misspelled_metric_is_told_the_names_that_may_be_meant(written, meant):
    assert refused(written, "1s") == f"Value error, unknown metric; {meant}"


def test_a_metric_that_cannot_stop_a_load_is_told_those_that_can():
    with pytest.raises(ValidationError) as caught:
        StopCondition.model_validate({"metric": "throughput", "above": "1s"})
    assert caught.value.errors()[0]["msg"] == (
        "Value error, this metric cannot stop a load; "
        "the nearest names are timeoutRate, errorRate or latency.p99"
    )


def test_a_percentage_says_its_bounds():
    assert "a percentage from 0% to 100%, as in 1%" in refused("errorRate", "101%")


@pytest.mark.parametrize(
    ("metric", "limit", "said"),
    [
        ("cpu.max", 0.5, 'a number of cores, as in 800m or 1.5; put it in quotes: "0.5"'),
        ("value.max", 1.5, 'a number, as in 12 or 0.5; put it in quotes: "1.5"'),
        ("errorRate", 0.01, "a percentage from 0% to 100%, as in 1%"),
        ("restarts", True, "a whole number"),
    ],
)
def test_a_limit_that_is_a_fraction_is_told_how_that_metric_is_written(metric, limit, said):
    assert refused(metric, limit).endswith(f"the limit of this metric must be {said}")
