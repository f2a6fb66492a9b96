"""What a script's tool measures: bounds, sums over workers, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.test.load import Load
from perfrun.api.test.target import Target
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import Outcome, PhaseRecord, StepRecord, Timing
from perfrun.measure.report import WorkerReport, merge
from perfrun.measure.script import (
    MAX_METRICS,
    MAX_STEPS,
    OTHER,
    ScriptRecord,
    ToolCheck,
    ToolMetric,
    files_hash,
    fold_surplus,
)
from perfrun.measure.wire import ConservationError
from tests.unit.measure.tool_metrics import trend

PLAN = RunPlan(
    uid="u",
    namespace="n",
    test="t",
    run="r",
    seed=1,
    target=Target.parse({"script": {"tool": "k6", "entry": "a.js", "targets": ["shop:80"]}}),
    scenarios=[],
    load=Load.parse({"maxDuration": "1m"}),
)


def step(name: str, *latencies: int, scenario: str = "script") -> StepRecord:
    count = len(latencies)
    record = StepRecord(scenario=scenario, step=name, sent=count, succeeded=count, attempts=count)
    record.histogram(Timing.LATENCY, Outcome.SUCCESS).fold(latencies)
    return record


def report(*steps: StepRecord, **fields: Any) -> WorkerReport:
    made = WorkerReport.of_nothing()
    made.window = PhaseRecord(steps=list(steps))
    made.script = ScriptRecord(tool="k6", **fields)
    return made


def test_a_report_of_a_script_survives_its_journey() -> None:
    sent = report(
        step("GET /a", 10_000_000),
        versions=["v1.8.1"],
        metrics={"http_req_duration{name:GET /a}": trend(10.0)},
        checks={"is 200": ToolCheck(passed=1)},
    )
    found = WorkerReport.unpack(sent.pack(), PLAN)
    assert found.window.steps[0].step == "GET /a"
    assert found.script is not None
    assert found.script.metrics["http_req_duration{name:GET /a}"].greatest == 10.0


def test_workers_add_up() -> None:
    whole = merge(
        [
            report(
                step("a", 10),
                metrics={
                    "t": trend(1.0, 2.0, at=5),
                    "n": ToolMetric(kind="Counter", samples=1, total=3.0),
                },
                checks={"c": ToolCheck(passed=1)},
                dropped_iterations=1,
                vus_max=5,
            ),
            report(
                step("a", 20),
                step("b", 30),
                metrics={
                    "t": trend(9.0, at=9),
                    "n": ToolMetric(kind="Counter", samples=2, total=4),
                },
                checks={"c": ToolCheck(failed=2)},
                dropped_iterations=2,
                vus_max=4,
                versions=["v2"],
            ),
        ]
    )
    assert [(one.step, one.sent) for one in whole.window.steps] == [("a", 2), ("b", 1)]
    assert whole.script is not None
    t = whole.script.metrics["t"]
    assert (t.samples, t.total, t.least, t.greatest, t.last) == (3, 12.0, 1.0, 9.0, 9.0)
    assert t.values is not None
    assert t.values.count == 3
    assert whole.script.metrics["n"].total == 7.0
    assert whole.script.checks["c"] == ToolCheck(passed=1, failed=2)
    assert (whole.script.dropped_iterations, whole.script.vus_max) == (3, 9)
    assert whole.script.versions == ["v2"]


def test_two_hashes_of_files_are_both_kept() -> None:
    whole = merge([report(files=["a" * 64]), report(files=["b" * 64]), report(files=["a" * 64])])
    assert whole.script is not None
    assert whole.script.files == ["a" * 64, "b" * 64]


def test_names_beyond_the_bound_are_one_step() -> None:
    mine = [step(f"a{number}", 10) for number in range(MAX_STEPS)]
    theirs = [step(f"b{number}", 10) for number in range(3)]
    whole = merge([report(*mine), report(*theirs)])
    assert len(whole.window.steps) == MAX_STEPS + 1
    assert whole.window.steps[-1].step == OTHER
    assert whole.window.steps[-1].sent == 3
    assert whole.script is not None
    assert whole.script.renamed == 3
    whole.check()


def test_nothing_is_folded_within_the_bound() -> None:
    phase = PhaseRecord(steps=[step(f"a{number}", 10) for number in range(MAX_STEPS)])
    assert fold_surplus(phase) == 0
    assert len(phase.steps) == MAX_STEPS


def test_metrics_beyond_the_bound_are_counted() -> None:
    mine = ScriptRecord(tool="k6", metrics={f"m{n}": trend(1.0) for n in range(MAX_METRICS)})
    mine.add(ScriptRecord(tool="k6", metrics={"m0": trend(2.0), "other": trend(1.0, 2.0)}))
    assert len(mine.metrics) == MAX_METRICS
    assert mine.metrics["m0"].samples == 2
    assert mine.left_out == 2


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (ToolMetric(kind="Trend", samples=1), "one value per sample"),
        (ToolMetric(kind="Rate", samples=1, passed=2), "2 passed of 1 samples"),
        (ToolMetric(kind="Gauge", samples=1, least=2.0, greatest=1.0), "above its greatest"),
    ],
)
def test_counts_of_a_metric_add_up(metric: ToolMetric, message: str) -> None:
    with pytest.raises(ConservationError, match=message):
        ScriptRecord(tool="k6", metrics={"m": metric}).check()


def test_too_many_steps_are_refused() -> None:
    sent = report(*(step(f"a{number}", 10) for number in range(MAX_STEPS + 1)))
    with pytest.raises(ValueError, match="more than 200 steps"):
        WorkerReport.unpack(sent.pack(), PLAN)


def test_a_step_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="occur twice"):
        WorkerReport.unpack(report(step("a", 10), step("a", 10)).pack(), PLAN)


def test_too_many_metrics_are_refused() -> None:
    with pytest.raises(ValidationError):
        ScriptRecord.model_validate(
            {"tool": "k6", "metrics": {f"m{n}": {"kind": "Rate"} for n in range(MAX_METRICS + 1)}}
        )


def test_another_target_has_no_results_of_a_script() -> None:
    target = Target.parse({"http": {"url": "http://shop"}})
    plan = PLAN.model_copy(update={"target": target})
    with pytest.raises(ValueError, match="although its plan is no script"):
        WorkerReport.unpack(report().pack(), plan)


def test_the_hash_of_files_changes_with_each_name_and_content() -> None:
    one = files_hash({"a.js": b"1" * 32, "b/c.js": b"2" * 32})
    assert one == files_hash({"b/c.js": b"2" * 32, "a.js": b"1" * 32}), "in any order"
    others = [
        {"a.js": b"1" * 32},
        {"a.js": b"1" * 32, "b/c.js": b"3" * 32},
        {"a.js": b"1" * 32, "b/d.js": b"2" * 32},
        {},
    ]
    assert len({one, *map(files_hash, others)}) == 5
