"""The parts of the response time by step: what adds up, and what was not measured."""

import pytest

from perfrun.api.run.perfrun import StepStatus
from perfrun.measure.record import Outcome, StepRecord, Timing
from perfrun.report.html.phases import NAMES, legend, phase_bars
from tests.unit.logic.build import step
from tests.unit.report.html.build import MS
from tests.unit.report.sample import step as a_step


def timed(name: str, **parts: list[int]) -> StepRecord:
    record = step([20 * MS] * 10, name=name)
    for timing, samples in parts.items():
        record.histogram(Timing(timing), Outcome.SUCCESS).fold(samples)
    return record


def statuses(*names: str, scenario: str = "default") -> list[StepStatus]:
    return [StepStatus.model_validate(a_step(name, scenario)) for name in names]


def test_parts_add_up_to_the_average_response_time():
    record = timed("list", connect=[10 * MS] * 2, ttfb=[12 * MS] * 10, body=[1 * MS] * 10)
    [bar] = phase_bars([record], statuses("list"))
    assert bar.parts == {
        "waited": pytest.approx(5 * MS),
        "connect": pytest.approx(2 * MS),
        "first byte": pytest.approx(12 * MS),
        "body": pytest.approx(1 * MS),
    }
    assert bar.total_text == "20ms"
    assert bar.words == "waited 5ms, connect 2ms, first byte 12ms, body 1ms"
    assert bar.texts == ["5ms", "", "2ms", "", "12ms", "1ms"]
    assert bar.draw(bar.total).count("<rect") == 4
    assert [name for _, name in legend()] == list(NAMES)


def test_what_has_no_first_byte_or_never_succeeded_has_no_bar():
    assert phase_bars([step([20 * MS] * 10, name="query")], statuses("query")) == []
    assert phase_bars([step([], name="list", failed=3)], statuses("list")) == []


def test_bars_are_in_the_order_of_the_table_of_steps():
    records = [timed(name, ttfb=[MS] * 10) for name in ("fast", "slow")]
    fast, slow = statuses("fast", "slow")
    latency = {"p95": "2s"}
    slow = slow.model_copy(update={"latency": type(slow.latency).model_validate(latency)})
    assert [bar.step for bar in phase_bars(records, [fast, slow])] == ["slow", "fast"]
