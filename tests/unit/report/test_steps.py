"""The table of steps: which step is the worst, and why a figure is not there."""

from typing import Any

from perfrun.api.run.perfrun import StepStatus, Summary
from perfrun.api.test.metric import STATISTICS
from perfrun.report.steps import figure_notes, step_notes, step_rows, worst_first
from tests.unit.report.sample import LATENCY, step, warned

SUMMARY = Summary.model_validate(warned()["status"]["summary"])


def steps(**by_name: dict[str, Any]) -> list[StepStatus]:
    return [StepStatus.model_validate(step(name, "s", **more)) for name, more in by_name.items()]


def test_errors_come_first_then_the_slowest_by_p95():
    ordered = worst_first(
        steps(
            fast={"errorRate": "0%", "latency": {**LATENCY, "p95": "5ms"}},
            bounded={"errorRate": "0%", "latency": {**LATENCY, "p95": "≥2s"}},
            slow={"errorRate": "0%", "latency": {**LATENCY, "p95": "1s"}},
            few={"errorRate": "0%", "latency": {"max": "1.5s"}},
            failing={"errorRate": "3%", "latency": {**LATENCY, "p95": "1ms"}},
            worse={"errorRate": "≥4%", "latency": None},
            unused={"errorRate": None, "latency": None},
        )
    )
    assert [one.name for one in ordered] == [
        "worse", "failing", "bounded", "few", "slow", "fast", "unused",
    ]  # fmt: skip


def test_of_many_steps_the_worst_are_shown():
    many = steps(**{f"s{n}": {"errorRate": f"{n}%"} for n in range(40)})
    rows = step_rows(SUMMARY, many)
    assert [row["Step"] for row in rows[:3]] == ["all steps", "s39", "s38"]
    assert len(rows) == 31
    assert next(step_notes(SUMMARY, many)) == "and 10 more steps with fewer errors, or faster"


def test_it_is_said_whether_samples_are_too_few_or_none():
    assert not any("n/a" in note for note in figure_notes(SUMMARY, steps(a={})))
    few = list(figure_notes(SUMMARY, steps(a={}), STATISTICS))
    assert few[0] == "n/a: too few samples beyond that percentile"
    none = list(
        figure_notes(SUMMARY.model_copy(update={"latency": None}), steps(a={"latency": None}))
    )
    assert none[0] == "n/a: no request that succeeded, timed out or was still open"
