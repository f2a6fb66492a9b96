"""The models of a PerfTest: what they take, what they refuse, and what makes a test another one."""

from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.test.perftest import PerfTestSpec

MINIMAL: dict[str, Any] = {
    "target": {"http": {"url": "http://shop:8000/health"}},
    "load": {"burst": {"requests": 100, "concurrency": 100}},
}


def spec(**changed: Any) -> PerfTestSpec:
    return PerfTestSpec.model_validate({**MINIMAL, **changed})


def test_the_shortest_test_has_the_documented_defaults() -> None:
    shortest = spec()
    assert shortest.load.workers == 1
    assert shortest.target.the_http.timeout == 30_000_000_000
    assert shortest.load.min_coverage == 1.0
    assert shortest.slos == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loda": {}}, "Extra inputs"),
        ({"load": {}}, "exactly one of burst, closed, open or capacity"),
        ({"load": {"burst": {"requests": 1, "concurrency": 1}, "warmup": "1s"}}, "no warm-up"),
        ({"load": {"burst": {"requests": 1, "concurrency": 2}}}, "must be at most burst.requests"),
        (
            {"load": {"workers": 2, "closed": {"users": 1, "duration": "1s"}}},
            "at least the number of workers",
        ),
        ({"load": {"closed": {"users": 1}}}, "users and duration, or stages"),
        ({"load": {"open": {"rate": "1/s", "stages": [{"rate": "1/s"}]}}}, "or stages"),
        ({"slos": [{"metric": "latency.p95", "max": "1%"}]}, "a duration, as in 500ms"),
        ({"slos": [{"metric": "latency.p95"}]}, "max, min or both"),
        ({"slos": [{"metric": "latency.p42", "max": "1s"}]}, "unknown metric"),
        ({"slos": [{"metric": "pageLoad.p75", "max": "1"}]}, "a duration, as in 500ms"),
        (
            {"slos": [{"metric": "layoutShift.p999", "max": "1"}]},
            "did you mean layoutShift.p99, layoutShift.p95 or layoutShift.p90",
        ),
        ({"slos": [{"metric": "cpu.max", "max": "1/s"}]}, "a number of cores, as in 800m"),
        ({"slos": [{"metric": "value.min", "min": "1e9"}]}, "a number, as in 12"),
        ({"observe": [{"name": "api"}]}, "exactly one of workload, sql or prometheus"),
        ({"podTemplate": {"sidecars": [{}]}}, "not implemented"),
        ({"target": {"http": {"url": "http://me:secret@shop"}}}, "match pattern"),
        ({"feeds": [{}]}, "Field required"),
    ],
)
def test_what_is_wrong_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**changed)


def test_a_spec_comes_back_from_its_json_unchanged() -> None:
    before = spec(
        load={
            "workers": 3,
            "warmup": "1.234567891s",
            "open": {"stages": [{"rate": "20/m", "ramp": "90s", "hold": "1h"}]},
        },
        variables={"region": "eu"},
        slos=[{"metric": "latency.p95", "max": "500ms"}, {"metric": "dropped", "max": 0}],
    )
    assert PerfTestSpec.model_validate_json(before.model_dump_json(exclude_none=True)) == before


@pytest.mark.parametrize(
    ("schedule", "run_on", "expected"),
    [
        (None, None, True),  # without a schedule a test runs when it changes
        ({"cron": "@daily"}, None, False),
        ({"cron": "@daily"}, ["Change"], True),
        (None, [], False),
    ],
)
def test_whether_a_change_starts_a_run(schedule: Any, run_on: Any, expected: bool) -> None:
    assert spec(schedule=schedule, runOn=run_on).runs_on_change is expected


def test_limits_are_read_in_the_unit_of_the_measurement() -> None:
    latency, errors = spec(
        slos=[{"metric": "latency.p95", "max": "500ms"}, {"metric": "errorRate", "max": "1%"}]
    ).slos
    assert (latency.upper, latency.lower) == (500_000_000, None)
    assert errors.upper == 0.01


@pytest.mark.parametrize("content", [{"body": "x"}, {"json": {"a": 1}}, {}])
def test_a_request_has_a_body_or_json_or_neither(content: dict[str, Any]) -> None:
    step = {"name": "s", "http": {"method": "POST", **content}}
    spec(scenarios=[{"name": "a", "steps": [step]}])


def test_a_request_with_both_body_and_json_is_refused() -> None:
    step = {"name": "s", "http": {"method": "POST", "body": "x", "json": 1}}
    with pytest.raises(ValidationError, match="at most one of json and body"):
        spec(scenarios=[{"name": "a", "steps": [step]}])


def test_one_request_is_a_load_like_any_other() -> None:
    """A benchmark's load, which is none, is the same; it is left out of what its test is known by."""
    one = spec(load={"burst": {"requests": 1, "concurrency": 1}})
    assert one.what_runs(defaults=False)["load"]["burst"] == {"requests": 1, "concurrency": 1}
    command = {"image": "suite:1", "command": ["run"], "results": "K6"}
    benchmark = PerfTestSpec.model_validate({"target": {"benchmark": command}})
    assert "load" not in benchmark.what_runs(defaults=False)
