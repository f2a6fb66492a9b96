"""The exposition of finished runs, read back as Prometheus would."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest

from perfrun.api.test.metric import METRICS, Metric, Notation
from perfrun.controller.metrics import Metrics
from perfrun.controller.metrics.collector import TESTS_AT_ONCE
from perfrun.controller.metrics.families import showable
from perfrun.controller.objects.store import Key, Store, run_record
from perfrun.coordinator.live import Live
from perfrun.measure.plan import RunPlan
from tests.unit.controller.build import perf_run
from tests.unit.controller.metrics.scrape import COUNTS, DONE, TEST, leading, of, scrape

OWN = ["perfrun_leader", "perfrun_loop_lag_seconds"]


@pytest.fixture
def metrics() -> Metrics:
    return leading()


def test_figures_of_the_last_run_in_base_units(metrics: Metrics) -> None:
    metrics.see_run(perf_run(**DONE))
    seen = scrape(metrics)
    for step in ("", "list"):
        assert seen[of("perfrun_latency_seconds", step=step, quantile="0.5")] == 0.01
        assert seen[of("perfrun_latency_seconds", step=step, quantile="0.95")] == 1.21
        assert seen[of("perfrun_throughput", step=step)] == 99.5
        assert seen[of("perfrun_error_ratio", step=step)] == 0.01
    assert seen[of("perfrun_last_run_timestamp_seconds")] == 1795313170.0


def test_answers_of_the_last_run_by_status_code(metrics: Metrics) -> None:
    codes = {"200": 990, "404": 7, "Other": 3}
    steps = [{**DONE["steps"][0], "statusCodes": codes}]
    metrics.see_run(perf_run(**{**DONE, "steps": steps}))
    seen = scrape(metrics)
    found = {code: seen[of("perfrun_answers", step="list", code=code)] for code in codes}
    assert found == codes


def test_what_was_not_measured_is_an_absent_series_and_never_a_number(metrics: Metrics) -> None:
    metrics.see_run(perf_run(**DONE))
    seen = scrape(metrics)
    quantiles = {dict(labels)["quantile"] for name, labels in seen if "latency_seconds" in name}
    assert quantiles == {"0.5", "0.95"}  # not 0.99: unsupported; not 0.999: only a lower bound
    slo = {"metric": "latency.p999", "of": "", "bound": "max", "on_breach": "Warn"}
    assert of("perfrun_slo_measured", **slo) not in seen
    assert of("perfrun_slo_met", **slo) not in seen
    assert seen[of("perfrun_slo_limit", **slo)] == 1.0


def test_objectives_with_measurement_limit_and_outcome(metrics: Metrics) -> None:
    metrics.see_run(perf_run(**DONE))
    seen = scrape(metrics)
    table = [
        ("latency.p95", "list", "Warn", 1.21, 0.5, 0.0),
        ("errorRate", "", "Warn", 0.01, 0.01, 1.0),
        ("dropped", "", "Fail", 3.0, 0.0, 0.0),
    ]
    for metric, step, breach, measured, limit, met in table:
        slo = {"metric": metric, "of": step, "bound": "max", "on_breach": breach}
        assert seen[of("perfrun_slo_measured", **slo)] == measured
        assert seen[of("perfrun_slo_limit", **slo)] == limit
        assert seen[of("perfrun_slo_met", **slo)] == met


@pytest.mark.parametrize(
    ("metric", "kind", "measured", "limit", "base"),
    [
        ("pageLoad.p75", Notation.DURATION, "1.5s", "2s", (1.5, 2.0)),
        ("swaps", Notation.RATE, "90/m", "2/s", (1.5, 2.0)),
        ("resident", Notation.BYTES, "1.5Ki", "2Ki", (1536.0, 2048.0)),
    ],
)
def test_the_unit_follows_from_the_notation_of_a_metric_and_not_from_its_name(
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    kind: Notation,
    measured: str,
    limit: str,
    base: tuple[float, float],
) -> None:
    monkeypatch.setitem(METRICS, metric, Metric(metric, kind))
    judged = {"metric": metric, "max": limit, "measured": measured, "verdict": "Pass",
              "message": "m"}  # fmt: skip
    metrics.see_run(perf_run(**{**DONE, "slos": [judged]}))
    seen = scrape(metrics)
    slo = {"metric": metric, "of": "", "bound": "max", "on_breach": "Warn"}
    names = ("perfrun_slo_measured", "perfrun_slo_limit")
    assert tuple(seen[of(name, **slo)] for name in names) == base


def test_exactly_one_verdict_is_set(metrics: Metrics) -> None:
    metrics.see_run(perf_run(**DONE))
    shown = {
        dict(labels)["verdict"]: value
        for (name, labels), value in scrape(metrics).items()
        if name == "perfrun_verdict"
    }
    assert shown.pop("Warn") == 1.0
    assert set(shown.values()) == {0.0}


def test_run_that_never_measured_shows_its_verdict_and_no_figures(metrics: Metrics) -> None:
    metrics.see_run(perf_run(phase="Done", verdict="Error", completionTime="2026-11-22T02:06:10Z"))
    seen = scrape(metrics)
    assert seen[of("perfrun_verdict", verdict="Error")] == 1.0
    assert not any("latency" in name or "throughput" in name for name, _ in seen)


def test_older_run_does_not_replace_a_newer_one(metrics: Metrics) -> None:
    metrics.see_run(perf_run("new", **DONE))
    old = {**DONE, "verdict": "Pass", "completionTime": "2026-11-21T02:00:00Z"}
    metrics.see_run(perf_run("old", **old))
    assert scrape(metrics)[of("perfrun_verdict", verdict="Warn")] == 1.0


def test_counters_count_what_ended_in_this_process(metrics: Metrics) -> None:
    metrics.see_run(perf_run("before", **DONE))  # read at the start, counted by another process
    metrics.count_run(perf_run("one", **DONE))
    metrics.count_run(perf_run("two", **DONE))
    metrics.missed(TEST)
    seen = scrape(metrics)
    assert seen[of("perfrun_runs_total", verdict="Warn")] == 2
    assert seen[of("perfrun_requests_total", outcome="succeeded")] == 196
    assert seen[of("perfrun_requests_total", outcome="censored")] == 2
    assert seen[of("perfrun_missed_schedules_total")] == 1


def test_active_runs_are_those_that_are_not_done() -> None:
    store = Store()
    store.tests[TEST] = "uid"
    for name, phase in (("a", "Queued"), ("b", "Running"), ("c", "Done")):
        store.put_run(run_record(perf_run(name, phase=phase)))
    assert scrape(leading(store))[of("perfrun_run_active")] == 2


def test_next_run_goes_with_its_schedule(metrics: Metrics) -> None:
    metrics.next_run(TEST, "2026-11-22T02:06:10Z")
    assert scrape(metrics)[of("perfrun_next_run_timestamp_seconds")] == 1795313170.0
    metrics.next_run(TEST, None)
    assert of("perfrun_next_run_timestamp_seconds") not in scrape(metrics)


def test_series_are_dropped_with_the_test() -> None:
    store = Store(tests={TEST: "uid"})
    metrics = leading(store)
    metrics.count_run(perf_run(**DONE))
    metrics.missed(TEST)
    metrics.next_run(TEST, "2026-11-22T02:06:10Z")
    metrics.see_test(TEST, {"team": "a"})
    metrics.show_trend(TEST, "Stable")
    metrics.show_ready(TEST, ready=True)
    del store.tests[TEST]
    metrics.drop_test(TEST)
    assert [name for name, _ in scrape(metrics)] == OWN


def test_a_test_that_comes_back_counts_from_0(metrics: Metrics) -> None:
    metrics.count_run(perf_run(**DONE))
    metrics.missed(TEST)
    metrics.drop_test(TEST)
    seen = scrape(metrics)
    assert seen[of("perfrun_runs_total", verdict="Warn")] == 0
    assert seen[of("perfrun_requests_total", outcome="succeeded")] == 0
    assert seen[of("perfrun_missed_schedules_total")] == 0


def test_no_label_tells_urls_runs_or_errors(metrics: Metrics) -> None:
    metrics.count_run(perf_run(**DONE))
    known = {"namespace", "test", "step", "quantile", "verdict", "metric", "of", "bound",
             "on_breach", "outcome", "state"}  # fmt: skip
    assert {label for _, labels in scrape(metrics) for label, _ in labels} <= known


def registry_of(metrics: Metrics) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(metrics)
    return registry


def test_latency_is_a_summary(metrics: Metrics) -> None:
    shown = generate_latest(registry_of(metrics))
    assert b"# TYPE perfrun_latency_seconds summary" in shown


def test_a_standby_shows_no_tests_or_each_would_be_there_twice(metrics: Metrics) -> None:
    metrics.see_run(perf_run(**DONE))
    metrics.leading = False
    assert scrape(metrics) == {(name, frozenset()): 0 for name in OWN}


def test_counters_are_there_before_anything_has_happened_or_an_increase_would_hide(
    metrics: Metrics,
) -> None:
    metrics.expect_receivers(["slack"])
    seen = scrape(metrics)
    assert seen[of("perfrun_missed_schedules_total")] == 0
    assert seen[of("perfrun_runs_total", verdict="Fail")] == 0
    assert seen[of("perfrun_requests_total", outcome="failed")] == 0
    given_up = frozenset({"receiver": "slack", "outcome": "GivenUp"}.items())
    assert seen["perfrun_notifications_total", given_up] == 0
    metrics.notified("slack", "GivenUp")
    assert scrape(metrics)["perfrun_notifications_total", given_up] == 1


def test_ages_of_watches_are_shown_by_a_standby_too() -> None:
    metrics = Metrics(Store())
    metrics.watch_ages = lambda: {"PerfTest": 12.5}
    kind = frozenset({"kind": "PerfTest"}.items())
    assert scrape(metrics)["perfrun_watch_age_seconds", kind] == 12.5


def test_trend_is_one_of_its_states(metrics: Metrics) -> None:
    metrics.show_trend(TEST, "Regressed")
    seen = scrape(metrics)
    assert seen[of("perfrun_trend", state="Regressed")] == 1
    assert seen[of("perfrun_trend", state="Stable")] == 0
    metrics.show_trend(TEST, None)
    assert of("perfrun_trend", state="Regressed") not in scrape(metrics)


HUGE = "9" * 60  # as long as the schema lets a figure be
ODD: dict[str, tuple[str, Any]] = {
    "a percentile": ("summary", {"latency": {"p50": f"{HUGE}s", "p95": "1.21s"}}),
    "a rate": ("summary", {"throughput": f"{HUGE}/s"}),
    "a count": ("summary", {"requests": {**COUNTS, "succeeded": 10**400}}),
    "an objective": (
        "slos",
        [{"metric": "dropped", "max": "0", "measured": HUGE, "verdict": "Pass", "message": "m"}],
    ),
    "a time": ("completionTime", "2199-12-31T23:59:59Z"),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_costs_its_own_series_and_no_other(odd: str) -> None:
    part, value = ODD[odd]
    status = {**DONE, part: {**DONE[part], **value} if part == "summary" else value}
    metrics = leading(Store(tests={TEST: "uid", Key("team", "other"): "uid-other"}))
    other = perf_run("other-1", **DONE)
    other = other.model_copy(
        update={"spec": other.spec.model_copy(
            update={"test_ref": other.spec.test_ref.model_copy(update={"name": "other"})})}
    )  # fmt: skip
    metrics.count_run(perf_run("odd", **status))
    metrics.count_run(other)
    seen = scrape(metrics)
    assert all(math.isfinite(value) for value in seen.values())
    assert seen[of("perfrun_verdict", verdict="Warn")] == 1.0
    labels = {"namespace": "team", "test": "other", "step": "list", "quantile": "0.95"}
    assert seen["perfrun_latency_seconds", frozenset(labels.items())] == 1.21
    labels = {"namespace": "team", "test": "other", "outcome": "succeeded"}
    assert seen["perfrun_requests_total", frozenset(labels.items())] == 98


def test_a_group_that_cannot_be_collected_leaves_the_others(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    metrics.see_run(perf_run(**DONE))

    def fails() -> Iterator[tuple[RunPlan, Live]]:
        raise ZeroDivisionError

    metrics.in_progress = fails
    assert scrape(metrics)[of("perfrun_verdict", verdict="Warn")] == 1.0
    assert "a group of series is missing" in caplog.text


def test_what_would_fail_the_scrape_is_left_out_whatever_shows_it() -> None:
    family = GaugeMetricFamily("some", "some", labels=["test"])
    for label, value in (
        ("fine", 1), ("huge", 10**400), ("nan", math.nan), ("inf", math.inf), ("\ud800", 1),
    ):  # fmt: skip
        family.add_metric([label], value)
    (shown,) = showable([family])
    assert [sample.labels["test"] for sample in shown.samples] == ["fine"]


def test_many_tests_are_shown_some_after_the_other_each_once() -> None:
    keys = [Key("team", f"test-{number}") for number in range(2 * TESTS_AT_ONCE + 1)]
    metrics = leading(Store(tests=dict.fromkeys(keys, "uid")))
    metrics.expect_receivers(["slack"])
    for key in keys:
        metrics.show_ready(key, ready=True)
    steps = list(metrics.steps())
    assert len(steps) == 4, "three of tests, and what belongs to none"
    seen = scrape(metrics)
    for name in ("perfrun_test_ready", "perfrun_run_active", "perfrun_missed_schedules_total"):
        shown = [dict(labels)["test"] for one, labels in seen if one == name]
        assert sorted(shown) == sorted(key.name for key in keys)
    text = generate_latest(registry_of(metrics)).decode()
    assert text.count("# TYPE perfrun_test_ready gauge") == 1
    assert text.count('perfrun_notifications_total{outcome="GivenUp",receiver="slack"}') == 1


def test_a_test_that_goes_between_two_steps_costs_nothing() -> None:
    keys = [Key("team", f"test-{number}") for number in range(TESTS_AT_ONCE + 1)]
    store = Store(tests=dict.fromkeys(keys, "uid"))
    metrics = leading(store)
    for key in keys:
        metrics.show_ready(key, ready=True)
    steps = metrics.steps()
    next(steps)
    del store.tests[keys[-1]]
    metrics.drop_test(keys[-1])
    assert not any(family.samples for family in next(steps))
