"""Loads that somebody is to stop: the stop is their planned end."""

from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.run.overrides import Overrides
from perfrun.api.test.load import Load
from perfrun.logic.accept.overrides import overridden
from perfrun.logic.accept.spec import check
from perfrun.logic.plan.run_plan import MIN_PERIOD, look_period, make_plan
from perfrun.logic.problems import parse_problems
from perfrun.logic.run.status import is_enforced
from perfrun.logic.schedule.policy import asks_of
from perfrun.measure.observed import MAX_POINTS, Observation
from tests.unit.logic.build import MS, OPEN, S, judged, report, spec, step

UNTIL = {"duration": "UntilStopped", "maxDuration": "1h"}
LOADS: list[dict[str, Any]] = [
    {"open": {"rate": "100/s", **UNTIL}},
    {"closed": {"users": 10, **UNTIL}},
]
ASKED = [{"metric": "errorRate", "max": "1%"}]
SHORT = [10 * MS] * 1000


@pytest.mark.parametrize("load", LOADS)
def test_policies_judge_the_longest_that_it_can_take(load):
    one = spec({"warmup": "10s", **load})
    assert check(one).problems == []
    assert asks_of(one).longest == 3610 * S
    assert one.load.until_stopped
    assert Load.parse(one.load.model_dump(mode="json")) == one.load


@pytest.mark.parametrize("load", LOADS)
def test_a_stop_is_the_end_that_was_planned(load):
    met = judged(spec(load, slos=ASKED), report(step(SHORT), stopped="by Ctrl-C"), stopped="by me")
    assert (met.verdict, met.message) == (
        "Pass",
        "stopped as planned (by me): 1 of 1 objective met",
    )
    assert met.generator.coverage == "100%"
    assert [finding.type for finding in met.generator.findings] == []
    missed = report(step(SHORT, failed=100), stopped="by me")
    assert judged(spec(load, slos=ASKED), missed, stopped="by me").verdict == "Warn"
    assert (
        judged(spec(load), report(step(SHORT), stopped="by me"), stopped="by me").verdict == "Pass"
    )


@pytest.mark.parametrize("load", LOADS)
def test_a_stop_that_nobody_asked_for_is_not(load):
    measured = report(step(SHORT), stopped="PerfPolicy all suspends all runs")
    run = judged(spec(load, slos=ASKED), measured, stopped="PerfPolicy all suspends", enforced=True)
    assert run.verdict == "Inconclusive"
    assert run.message.startswith("stopped (PerfPolicy all suspends): ")


@pytest.mark.parametrize(
    ("stopped", "enforced"),
    [
        (None, False),
        ("spec.stop was set by kubectl-patch", False),
        ("the rollout is complete", False),
        ("PerfPolicy all suspends all runs; to resume them: kubectl patch", True),
        ("replaced by shop-29600000 (concurrencyPolicy Replace)", True),
    ],
)
def test_who_asked_for_a_stop(stopped, enforced):
    assert is_enforced(stopped) is enforced


@pytest.mark.parametrize("load", LOADS)
def test_what_is_observed_is_looked_at_as_often_as_in_a_short_load(load):
    longer = {kind: {**shape, "maxDuration": "24h"} for kind, shape in load.items()}
    plan = make_plan(spec(longer), uid="u", namespace="n", test="t", run="r")
    assert look_period(plan) == MIN_PERIOD
    one = Observation(name="pod", metric="cpu", at=[], values=[])
    for number in range(5 * MAX_POINTS):
        one.put(number * MIN_PERIOD, 100.0 if number == 7 else 1.0)
    assert len(one.at) <= MAX_POINTS
    assert max(one.values) == 100
    # What is left tells the same maximum, minimum and average as all of it.
    seen = Observation.model_validate_json(one.model_dump_json(by_alias=True)).seen()
    assert min(point.low for point in seen) == 1
    assert sum(point.weight for point in seen) == 5 * MAX_POINTS
    average = sum(point.mean * point.weight for point in seen) / (5 * MAX_POINTS)
    assert average == pytest.approx(1 + 99 / (5 * MAX_POINTS))


@pytest.mark.parametrize("load", LOADS)
def test_nothing_that_was_measured_is_no_pass(load):
    empty = report(step([]), stopped="by me")
    assert judged(spec(load, slos=ASKED), empty, stopped="by me").verdict == "Inconclusive"
    assert judged(spec(load), empty, stopped="by me").verdict == "Inconclusive"


def test_lost_workers_are_still_told():
    measured = report(step(SHORT), stopped="by me")
    run = judged(spec({**LOADS[0], "workers": 2}, slos=ASKED), measured, workers=2, stopped="by me")
    assert run.verdict == "Inconclusive"
    assert [finding.type for finding in run.generator.findings] == ["Coverage"]


def test_a_load_that_nobody_stopped_says_so():
    load = {"open": {"rate": "100/s", "duration": "UntilStopped", "maxDuration": "10s"}}
    run = judged(spec(load, slos=ASKED), report(step(SHORT)))
    (finding,) = run.generator.findings
    assert (run.verdict, finding.type, finding.effect) == ("Pass", "NotStopped", "Informing")
    assert finding.message.startswith("nobody stopped the load within its maxDuration, 10s")
    assert judged(spec(OPEN, slos=ASKED), report(step(SHORT))).generator.findings == []


def test_a_stop_condition_is_no_planned_end():
    measured = report(step(SHORT), stopped="after 3s: errorRate was 100% for 3s, above 50%")
    measured.breached = True
    assert judged(spec(LOADS[0], slos=ASKED), measured).verdict == "Warn"
    ended = report(step(SHORT), stopped="terminated")
    assert judged(spec(LOADS[0], slos=ASKED), ended).verdict == "Inconclusive"


@pytest.mark.parametrize(
    "shape",
    [
        {"rate": "1/s", "duration": "UntilStopped"},
        {"rate": "1/s", "duration": "5s", "maxDuration": "1h"},
        {"stages": [{"rate": "1/s", "hold": "5s"}], "maxDuration": "1h"},
    ],
)
def test_a_bound_is_for_a_load_until_stopped_and_required_there(shape):
    with pytest.raises(ValidationError) as caught:
        spec({"open": shape})
    (problem,) = parse_problems(caught.value)
    assert problem.field == "spec.load.open.maxDuration"
    required = "is required with duration: UntilStopped: write after which time"
    useless = "is only for duration: UntilStopped: remove it, or write that as duration"
    assert problem.message.startswith(useless if "maxDuration" in shape else required)


def test_a_bound_of_more_than_a_day_is_refused():
    load = {"open": {"rate": "1/s", "duration": "UntilStopped", "maxDuration": "25h"}}
    assert "lasts 25h" in str(check(spec(load)).problems[0])


def test_a_run_may_be_until_stopped_and_one_of_such_a_test_may_have_a_length():
    found = overridden(spec(OPEN), Overrides.parse({"load": UNTIL}))
    assert found.spec.load.until_stopped
    assert asks_of(found.spec).longest == 3600 * S
    back = overridden(found.spec, Overrides.parse({"load": {"duration": "10s"}}))
    assert back.spec.load == spec(OPEN).load
    scaled = overridden(found.spec, Overrides.parse({"load": {"scale": 0.5}})).spec.load
    assert (scaled.open.rate, scaled.until_stopped) == (50, True)
    stages = spec({"open": {"stages": [{"rate": "1/s", "hold": "5s"}]}})
    (problem,) = overridden(stages, Overrides.parse({"load": UNTIL})).problems
    assert "UntilStopped cannot be used with stages" in problem.message
