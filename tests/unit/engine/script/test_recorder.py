"""What a script may write, and what a report may have: no number of a tool's loses the report."""

import json
import time

import pytest

from perfrun.engine.script.recorder import SampleRecorder
from perfrun.measure.record import PhaseRecord
from perfrun.measure.script import ScriptRecord, check_script_phase

HUGE = 10**30


def test_numbers_beyond_every_bound_still_make_a_report() -> None:
    it = SampleRecorder("k6")
    it.begin(1)
    it.requests("a", "b", HUGE, [HUGE, -HUGE], received=HUGE)
    it.iteration("a", HUGE, HUGE, HUGE)
    it.users(HUGE)
    it.metrics("m", "Trend", [1e300, float("nan"), -1.0], HUGE)
    PhaseRecord.model_validate_json(it.window().to_bytes())
    ScriptRecord.model_validate_json(it.record().to_bytes())
    for one in it.window().scenarios:
        one.check()
    assert it.totals().sent == 2


def test_more_scenarios_than_a_report_may_have_are_one_in_requests_and_iterations_alike() -> None:
    it = SampleRecorder("k6")
    for number in range(60):
        it.requests(f"s{number}", "a", 1, [1])
        it.iteration(f"s{59 - number}", 1)  # they end in another order
    phase = it.window()
    check_script_phase(json.loads(phase.to_bytes()))
    assert (
        sum(one.finished for one in phase.scenarios) == sum(one.sent for one in phase.steps) == 60
    )


def test_rows_that_were_shed_before_the_load_have_no_second_of_it() -> None:
    it = SampleRecorder("k6")
    it.shed(3)
    assert (it.record().shed, it.record().shed_seconds) == (3, [])
    it.begin(time.time_ns() - 5 * 10**9)
    it.shed(4)
    assert (it.record().shed, it.record().shed_seconds) == (7, [5])


@pytest.mark.parametrize("number", [-1, -HUGE])
def test_iterations_and_users_are_never_less_than_none(number: int) -> None:
    it = SampleRecorder("k6")
    it.iteration("a", number, number, number)
    it.users(number)
    (scenario,) = it.window().scenarios
    assert (scenario.planned, scenario.finished, scenario.dropped, it.active) == (0, 0, 0, 0)
