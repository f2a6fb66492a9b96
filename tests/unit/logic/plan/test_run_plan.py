"""The plan and what follows from it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.plan import names
from perfrun.logic.plan.run_plan import (
    MIN_PERIOD,
    comparison_key,
    grace,
    load_end,
    longest,
    look_period,
    make_plan,
    planned,
    planned_user_time,
    what_runs_hash,
)
from perfrun.measure.observed import MAX_POINTS
from perfrun.measure.plan import RunPlan

S = 1_000_000_000
BURST = {"burst": {"requests": 100, "concurrency": 7}}


def spec(load: dict[str, Any], **changed: Any) -> PerfTestSpec:
    target = {"http": {"url": "http://shop", **changed.pop("http", {})}}
    return PerfTestSpec.model_validate({"target": target, "load": load, **changed})


def plan(load: dict[str, Any], **changed: Any) -> RunPlan:
    return make_plan(spec(load, **changed), uid="u-1", namespace="shop", test="api", run="api-1")


def test_a_plan_without_scenarios_gets_the_default_one() -> None:
    (scenario,) = plan(BURST).scenarios
    assert (scenario.name, [step.name for step in scenario.steps]) == ("default", ["get"])


def test_the_seed_follows_from_the_uid_and_survives_json() -> None:
    one = plan(BURST)
    assert one.seed == plan(BURST).seed
    assert RunPlan.model_validate_json(one.to_bytes()) == one
    other = make_plan(spec(BURST), uid="u-2", namespace="shop", test="api", run="api-1")
    assert other.seed != one.seed


@pytest.mark.parametrize("kind", ["Uniform", "Poisson"])
def test_a_worker_reads_the_plan_that_was_made(kind: str) -> None:
    # 10/m is no short decimal a second: it must not come back as 0.166667/s.
    made = plan({"workers": 3, "open": {"rate": "10/m", "duration": "24h", "arrivals": kind}})
    assert planned(RunPlan.model_validate_json(made.to_bytes())) == planned(made)


@pytest.mark.parametrize(
    ("load", "until", "count"),
    [
        (BURST, None, 100),
        ({"open": {"rate": "1000/s", "duration": "5m"}, "warmup": "10s"}, None, 310_000),
        ({"open": {"rate": "1000/s", "duration": "5m"}, "warmup": "10s"}, 10 * S, 10_000),
        # However many workers there are.
        ({"open": {"rate": "1000/s", "duration": "5m"}, "workers": 7}, None, 300_000),
        # A time behind the end counts no more.
        ({"open": {"rate": "10/s", "duration": "1s"}}, 99 * S, 10),
    ],
)
def test_iterations_that_are_planned(load: dict[str, Any], until: int | None, count: int) -> None:
    assert planned(plan(load), until) == count


def test_how_many_iterations_a_closed_load_makes_is_not_known() -> None:
    with pytest.raises(ValueError, match="depends on the target"):
        planned(plan({"closed": {"users": 1, "duration": "1s"}}))


def test_user_time_that_is_planned() -> None:
    closed = plan({"closed": {"users": 10, "duration": "5s"}, "warmup": "1s", "workers": 3})
    assert planned_user_time(closed) == 60 * S
    assert planned_user_time(closed, S) == 10 * S


def test_an_open_load_ends_by_the_clock_and_a_burst_does_not() -> None:
    assert load_end(plan({"open": {"rate": "1/s", "duration": "5s"}, "warmup": "2s"})) == 7 * S
    assert load_end(plan(BURST)) is None


@pytest.mark.parametrize(("timeout", "expected"), [("1s", 30), ("45s", 45)])
def test_running_iterations_get_at_least_thirty_seconds(timeout: str, expected: int) -> None:
    assert grace(plan(BURST, http={"timeout": timeout})) == expected * S


@pytest.mark.parametrize(
    ("load", "timeout", "seconds"),
    [
        ({"open": {"rate": "1/s", "duration": "5s"}}, "1s", 5 + 30 + 30),
        # 100 over 7 lanes: 15 rounds of one timeout each.
        (BURST, "2s", 15 * 2 + 30 + 30),
        # Three workers: the second has 33 over 2 lanes.
        ({**BURST, "workers": 3}, "2s", 17 * 2 + 30 + 30),
        # Never more than an hour.
        ({"burst": {"requests": 10**6, "concurrency": 1}}, "30s", 3600 + 30 + 30),
    ],
)
def test_when_every_worker_must_have_reported(
    load: dict[str, Any], timeout: str, seconds: int
) -> None:
    assert longest(plan(load, http={"timeout": timeout})) == seconds * S


OPEN = {"open": {"rate": "1/s", "duration": "5s"}}


@pytest.mark.parametrize(
    ("load", "changed", "runs_differ", "measures_differ"),
    [
        ({"open": {"rate": "2/s", "duration": "5s"}}, {}, True, True),
        (OPEN, {"http": {"timeout": "1s"}}, True, True),
        (OPEN, {"variables": {"a": "b"}}, True, True),
        # A changed objective runs the test again and keeps its history.
        (OPEN, {"slos": [{"metric": "errorRate", "max": "1%"}]}, True, False),
        ({**OPEN, "minCoverage": "90%"}, {}, True, False),
        ({**OPEN, "onWorkerLoss": "Continue"}, {}, True, False),
        ({**OPEN, "startTimeout": "1m"}, {}, True, False),
        # Bookkeeping does neither.
        (OPEN, {"suspend": True}, False, False),
        (OPEN, {"schedule": {"cron": "@daily"}}, False, False),
        # Nor does another notation of the same.
        ({"open": {"rate": "60/m", "duration": "5000ms"}}, {}, False, False),
    ],
)
def test_what_makes_it_another_run_and_what_another_measurement(
    load: dict[str, Any], changed: dict[str, Any], runs_differ: bool, measures_differ: bool
) -> None:
    before, after = spec(OPEN), spec(load, **changed)
    assert (what_runs_hash(before) != what_runs_hash(after)) is runs_differ
    assert (comparison_key(before) != comparison_key(after)) is measures_differ


LONGEST_TEST = "t" * 40
TICK = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def test_a_scheduled_run_is_named_by_its_minute_in_any_zone() -> None:
    assert names.scheduled_run_name("api", TICK) == "api-29921880"
    berlin = TICK.astimezone(timezone(timedelta(hours=1)))
    assert names.scheduled_run_name("api", berlin) == "api-29921880"


def test_a_time_without_a_zone_names_no_run() -> None:
    with pytest.raises(ValueError, match="time zone"):
        names.scheduled_run_name("api", TICK.replace(tzinfo=None))


def test_going_back_to_an_earlier_spec_is_a_change_of_its_own() -> None:
    assert names.change_run_name("api", "abc", 1) != names.change_run_name("api", "abc", 3)


@pytest.mark.parametrize(
    "name",
    [
        names.scheduled_run_name(LONGEST_TEST, TICK),
        names.change_run_name(LONGEST_TEST, "abcdefghij", 12),
        names.requested_run_name(LONGEST_TEST, "2026-11-22T02:00:00Z"),
        names.job_name("0c5f0d3e-7a4e-4d57-8f8c-1d7d9e0b8a11"),
    ],
)
def test_names_are_dns_labels_of_at_most_63_characters(name: str) -> None:
    assert len(name) <= 63
    assert name.replace("-", "").isalnum()
    assert name == name.lower()


@pytest.mark.parametrize("duration", ["10s", "10m", "24h"])
def test_looks_are_as_many_as_are_kept(duration: str) -> None:
    one = spec({"open": {"rate": "1/s", "duration": duration}})
    plan = make_plan(one, uid="u", namespace="n", test="t", run="r")
    assert one.load.open is not None
    looks = one.load.open.levels()[0].hold / look_period(plan)
    assert look_period(plan) >= MIN_PERIOD
    assert looks < MAX_POINTS
