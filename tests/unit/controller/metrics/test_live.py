"""A run in progress, as Prometheus sees it."""

import math
from typing import Any

import pytest

from perfrun.api.quantities import NS_PER_S
from perfrun.controller.metrics import Metrics
from perfrun.coordinator.live import Live, WorkerLive
from perfrun.logic.plan.stop import NOT_AWAITED_AFTER
from perfrun.measure.plan import RunPlan
from tests.unit.controller.build import perf_test, plan_of
from tests.unit.controller.metrics.scrape import Series, leading, of, scrape

PLAN = plan_of(perf_test())
LIVE = Live(
    elapsed=12 * NS_PER_S,
    in_flight=7,
    planned=1200,
    started=1190,
    dropped=10,
    sent=1190,
    succeeded=1180,
    failed=3,
    rate=99.5,
    errors={"http://secret.example/": 3},
    recent={"p50": 10e6, "p95": 20e6, "p99": 30e6},
    workers=(WorkerLive(0, 12, NS_PER_S), WorkerLive(1, 3, NOT_AWAITED_AFTER + 1)),
)


def shown(*runs: tuple[RunPlan, Live]) -> Series:
    metrics = leading()
    metrics.in_progress = lambda: runs
    return {of: value for of, value in scrape(metrics).items() if "_live_" in of[0]}


def test_all_that_is_known_of_a_run_in_progress() -> None:
    assert shown((PLAN, LIVE)) == {
        of("perfrun_live_rate"): 99.5,
        of("perfrun_live_in_flight"): 7,
        of("perfrun_live_latency_seconds", quantile="0.5"): 0.01,
        of("perfrun_live_latency_seconds", quantile="0.95"): 0.02,
        of("perfrun_live_latency_seconds", quantile="0.99"): 0.03,
        of("perfrun_live_requests", outcome="succeeded"): 1180,
        of("perfrun_live_requests", outcome="failed"): 3,
        of("perfrun_live_iterations", state="planned"): 1200,
        of("perfrun_live_iterations", state="started"): 1190,
        of("perfrun_live_iterations", state="dropped"): 10,
        of("perfrun_live_elapsed_seconds"): 12,
        of("perfrun_live_workers"): 1,  # the other one has been silent for too long
    }


def test_quantiles_are_of_a_summary_while_a_run_is_in_progress() -> None:
    metrics = leading()
    metrics.in_progress = lambda: [(PLAN, LIVE)]
    families = {
        family.name: family.type
        for family in metrics.collect()
        if any("quantile" in sample.labels for sample in family.samples)
    }
    assert families == {"perfrun_live_latency_seconds": "summary"}


def test_nothing_without_a_run_in_progress() -> None:
    assert shown() == {}


def test_no_latency_before_anything_has_succeeded() -> None:
    names = {name for name, _ in shown((PLAN, Live()))}
    assert "perfrun_live_rate" in names
    assert "perfrun_live_latency_seconds" not in names


def test_of_two_runs_of_a_test_the_one_that_began_last_is_shown() -> None:
    series = shown((PLAN, LIVE), (PLAN, Live(rate=5.0)))
    assert series[of("perfrun_live_rate")] == 5.0
    assert series[of("perfrun_live_in_flight")] == 0


def test_a_standby_asks_nobody() -> None:
    metrics = Metrics(leading()._store)
    metrics.in_progress = lambda: 1 / 0  # type: ignore[assignment, return-value]
    assert [name for name, _ in scrape(metrics)] == ["perfrun_leader", "perfrun_loop_lag_seconds"]


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), -(10**400)])
def test_a_value_that_is_no_number_costs_its_own_series_and_no_other(value: Any) -> None:
    metrics = leading()
    fields = ("elapsed", "in_flight", "succeeded", "planned", "rate")
    recent = {"p50": value, "p95": 2e9, "p99": value}
    odd = Live(**{**dict.fromkeys(fields, value), "failed": 3, "recent": recent})
    metrics.in_progress = lambda: [(PLAN, odd)]
    seen = scrape(metrics)
    assert all(math.isfinite(number) for number in seen.values())
    assert seen[of("perfrun_live_requests", outcome="failed")] == 3
    assert seen[of("perfrun_live_latency_seconds", quantile="0.95")] == 2.0
    assert of("perfrun_live_elapsed_seconds") not in seen
