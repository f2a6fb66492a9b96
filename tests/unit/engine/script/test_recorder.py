"""What a script may write, and what a report may have: no number of a tool's loses the report."""

import pytest

from perfrun.engine.script.recorder import SampleRecorder
from perfrun.measure.record import PhaseRecord
from perfrun.measure.script import ScriptRecord

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


@pytest.mark.parametrize("number", [-1, -HUGE])
def test_iterations_and_users_are_never_less_than_none(number: int) -> None:
    it = SampleRecorder("k6")
    it.iteration("a", number, number, number)
    it.users(number)
    (scenario,) = it.window().scenarios
    assert (scenario.planned, scenario.finished, scenario.dropped, it.active) == (0, 0, 0, 0)
