"""Which runs can be compared, and by what figures."""

from typing import Any

import pytest

from perfrun.api.run.environment import Environment, WorkloadStatus
from perfrun.api.run.perfrun import PerfRun
from perfrun.logic.comparison.comparable import fingerprint, left_out, point_of
from tests.unit.controller.build import perf_run

DONE: dict[str, Any] = {
    "phase": "Done",
    "verdict": "Warn",
    "completionTime": "2026-11-01T00:00:00.5Z",
    "workers": {"planned": 2, "ready": 2, "reported": 2},
}
SUMMARY: dict[str, Any] = {
    "window": "10s",
    "iterations": {"planned": 9, "started": 9, "dropped": 0},
    "requests": {"sent": 9, "succeeded": 9, "failed": 0, "censored": 0},
    "attempts": {},
    "throughput": "9/s",
    "transactions": "9/s",
    "latency": {"p50": "50ms", "p95": "≥5s"},
}


def slo(metric: str, measured: str | None, of: str = "") -> dict[str, Any]:
    return {"metric": metric, "of": of, "measured": measured, "verdict": "Pass", "message": "m"}


def run(**status: Any) -> PerfRun:
    return perf_run(**{**DONE, "summary": SUMMARY, **status})


def values(**status: Any) -> dict[str, float]:
    point = point_of(run(**status))
    assert point is not None
    return point.values


def test_bounds_and_what_has_too_few_samples_are_no_figures() -> None:
    assert values() == {"latency.p50": 50e6}


def test_objectives_on_times_and_rates_are_compared_by_their_own_name() -> None:
    slos = [
        slo("latency.p95", "80ms", "list"),
        slo("throughput", "99.5/s"),
        slo("errorRate", "1%"),
        slo("latency.max", None),
        slo("transactions", "0/s"),
    ]
    assert values(slos=slos) == {
        "latency.p50": 50e6,
        "latency.p95 of list": 80e6,
        "throughput": 99.5,
    }


def test_a_capacity_is_compared() -> None:
    assert values(summary={**SUMMARY, "capacity": "1200/s"})["capacity"] == 1200


def test_a_finding_that_only_informs_takes_nothing_away() -> None:
    findings = [{"type": "Any", "effect": "Informing", "message": "m"}]
    assert point_of(run(generator={"findings": findings})) is not None


@pytest.mark.parametrize("coverage", ["99.99%", "50%"])
def test_a_run_that_lost_a_part_of_its_load_is_no_point_however_much_the_test_bears(
    coverage: str,
) -> None:
    informing = [{"type": "Coverage", "effect": "Informing", "message": "m"}]
    for findings in (informing, []):
        health = {"findings": findings, "coverage": coverage}
        assert point_of(run(generator=health)) is None
    assert point_of(run(generator={"findings": [], "coverage": "100%"})) is not None


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, None),
        ({"phase": "Running", "verdict": None}, "it is not done"),
        ({"verdict": "Error"}, "its verdict is Error"),
        ({"stopped": "by hand"}, "it was stopped"),
        ({"workers": {"planned": 2, "reported": 1}}, "not all workers have reported"),
        ({"generator": {"coverage": "50%"}}, "part of its load was lost"),
        ({"summary": None}, "it has no comparable metric"),
        (
            {
                "verdict": "Inconclusive",
                "generator": {
                    "findings": [
                        {"type": "Lag", "effect": "Inflating", "message": "m"},
                        {"type": "Any", "effect": "Informing", "message": "m"},
                        {"type": "Stall", "effect": "Inflating", "message": "m"},
                    ]
                },
            },
            "its load generator had problems (Lag, Stall)",
        ),
    ],
)
def test_why_a_run_is_left_out(status: dict[str, Any], why: str | None) -> None:
    assert left_out(run(**status)) == why
    assert (point_of(run(**status)) is None) is (why is not None)


def test_a_run_that_is_not_done_has_no_figures() -> None:
    assert point_of(run(phase="Running", verdict=None)) is None


def test_images_are_no_part_of_the_environment_but_limits_and_replicas_are() -> None:
    def of(**more: Any) -> dict[str, str]:
        workload = WorkloadStatus(name="api", replicas=2, **more)
        return fingerprint(Environment(machines=["B", "A"], workloads=[workload]))

    assert of(images={"c": "one"}) == of(images={"c": "two"})
    assert of(limits={"c/cpu": "1"}) != of(limits={"c/cpu": "2"})
    assert of()["machine"] == "A; B"
    assert of()["api replicas"] == "2"
    assert fingerprint(None) == {}


def test_what_workloads_used_is_told_beside_their_limits() -> None:
    workload = {"name": "api", "replicas": 2, "images": {"web": "shop@sha256:1"}}
    seen = [{"name": "api", "figures": {"cpu.max": "980m", "memory.max": "1Mi"}}]

    def cpu(**more: Any) -> dict[str, str]:
        environment = {"workloads": [{**workload, **more}]}
        point = point_of(run(environment=environment, observed=seen))
        assert point is not None
        return point.cpu

    assert cpu(limits={"web/cpu": "500m", "web/memory": "1Gi"}) == {"api": "98% of its limit"}
    assert cpu() == {"api": "980m"}
    # One container without a limit may use the whole node.
    images = {"web": "shop@sha256:1", "proxy": "proxy@sha256:2"}
    assert cpu(images=images, limits={"web/cpu": "500m"}) == {"api": "980m"}
