"""What is said of objectives that are not right."""

import pytest
from pydantic import ValidationError

from perfrun.api.test.metric import METRICS
from perfrun.api.test.slo import Slo


def refused(metric: str, limit: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Slo.model_validate({"metric": metric, "max": limit})
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("p50", "latency.p50"), ("latency.p96", "latency.p99"), ("error_rate", "errorRate")],
)
def test_a_misspelled_metric_is_told_which_one_was_meant(written, meant):
    assert f'unknown metric; did you mean "{meant}"? Known metrics: ' in refused(written, "1s")


def test_the_list_of_metrics_is_short_and_complete():
    said = refused("rps", "1/s")
    assert "did you mean" not in said
    assert len(said) < 800
    for metric in METRICS:
        family, _, statistic = metric.partition(".")
        assert metric in said or (f"{family}.*" in said and statistic in said)


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
