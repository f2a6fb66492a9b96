"""What a test sees of a run."""

import math
import warnings
from typing import Any

import pytest

from perfrun.pytest_plugin import PerfrunWarning
from perfrun.pytest_plugin.result import Result
from tests.unit.report.sample import a_run, an_error


def result(*, strict: bool = False, **status: Any) -> Result:
    return Result("shop/api", a_run(**status).status, strict=strict)


def test_figures_are_in_seconds_and_ratios():
    it = result()
    assert it.verdict == "Warn"
    assert not it.ok
    assert it.latency.p95 == 0.612
    assert it.latency.min == 0.0019
    assert it.throughput == 999.4
    assert it.error_rate == pytest.approx(0.0006)
    assert it.figures.success_rate == pytest.approx(0.9994)
    assert (it.figures.sent, it.figures.succeeded, it.figures.failed) == (329990, 329790, 200)
    assert it.figures.errors == {"Timeout": 40, "Status5xx": 160}
    assert it.steps["list"].latency.p50 == 0.0301
    assert it.steps["list"].throughput == 800.1
    assert it.slos[0].measured == "612ms"
    assert it.status.workers.reported == 4


def test_what_is_not_known_is_never_within_a_limit():
    latency = result().latency
    assert math.isnan(latency.p999)
    assert not latency.p999 < 1000
    assert latency.max == math.inf
    assert not latency.max < 1000


def test_of_a_lower_bound_of_something_good_the_bound_counts():
    summary = {
        **a_run().status.summary.model_dump(by_alias=True),
        "successRate": "≥98%",
        "errorRate": "≥1%",
        "capacity": "≥1200/s",
    }
    it = result(summary=summary)
    assert it.figures.success_rate == 0.98
    assert it.error_rate == math.inf
    assert it.capacity == 1200


def test_an_error_has_no_figures():
    it = Result("shop/api", an_error("the target was not reached").status, strict=False)
    assert it.verdict == "Error"
    for figure in (it.latency.p95, it.throughput, it.error_rate, it.capacity):
        assert math.isnan(figure)
    assert it.figures.sent == 0
    assert it.steps == {}


@pytest.mark.parametrize("strict", [False, True])
def test_a_pass_is_silent(strict: bool):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result(verdict="Pass", strict=strict).check()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("verdict", ["Fail", "Error"])
def test_fail_and_error_fail_the_test(verdict: str, strict: bool):
    with pytest.raises(pytest.fail.Exception, match=f"shop/api: {verdict}: 1 of 3"):
        result(verdict=verdict, strict=strict).check()


@pytest.mark.parametrize("verdict", ["Warn", "Inconclusive"])
def test_a_miss_and_a_doubt_are_warnings_unless_strict(verdict: str):
    with pytest.warns(PerfrunWarning, match=f"shop/api: {verdict}: 1 of 3") as seen:
        result(verdict=verdict).check()
    assert seen[0].filename == __file__
    with pytest.raises(pytest.fail.Exception, match=verdict):
        result(verdict=verdict, strict=True).check()


def test_what_is_told_names_missed_objectives_and_findings_only():
    assert result().summary().splitlines() == [
        "shop/api: Warn: 1 of 3 objectives missed: latency.p95 of list was 612ms, "
        "at most 500ms allowed",
        "  Warn: latency.p95 of list was 612ms, at most 500ms allowed",
        "  Inconclusive: latency.p99 of buy needs 1000 samples, but there were 330",
        "  Stall: a worker was paused for 210ms",
    ]


def test_what_a_target_wrote_does_not_reach_the_terminal_as_it_is():
    assert "\x1b" not in result(message="\x1b[2Jgone").summary()
