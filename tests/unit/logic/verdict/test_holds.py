"""What a hold comes to, and what a whole search is judged as."""

from typing import Any

import pytest

from perfrun.api.run.perfrun import HoldStatus, Verdict, WorkerCounts
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.plan.capacity import HoldOutcome
from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.verdict.holds import begun, ended, hold_objectives, judge_hold
from perfrun.logic.verdict.judge import judge
from perfrun.logic.verdict.outcome import RunOutcome, RunVerdict
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import PhaseRecord
from perfrun.measure.report import WorkerReport
from tests.unit.logic.build import MS, S, iterations, pauses, report, spec, step

FAST = {"metric": "latency.p95", "max": "100ms"}
CAPACITY = {"metric": "capacity", "min": "150/s"}
LOAD = {"capacity": {"from": "100/s", "to": "400/s", "hold": "10s"}}


def of(one: PerfTestSpec) -> RunPlan:
    return make_plan(one, uid="u", namespace="shop", test="api", run="api-1")


def a_hold(rate: int, ms: int = 10, **more: Any) -> WorkerReport:
    return report(step([ms * MS] * (10 * rate - more.get("dropped", 0))), **more)


def outcome(measured: WorkerReport, rate: float = 100, *slos: dict[str, Any]) -> tuple[str, str]:
    one = spec(LOAD, slos=list(slos) or [FAST])
    hold_verdict = judge_hold(hold_objectives(one), of(one), rate, measured)
    return hold_verdict.outcome.value, hold_verdict.message


def test_objectives_that_a_search_is_after_do_not_judge_its_holds() -> None:
    floors = [{"metric": "throughput", "min": "1000/s"}, {"metric": "transactions", "min": "1/s"}]
    scenarios = [{"name": "a", "steps": [{"name": "b", "class": "Health", "http": {}}]}]
    one = spec(LOAD, slos=[FAST, CAPACITY, *floors], scenarios=scenarios)
    asked = [(objective.metric, objective.of) for objective in hold_objectives(one)]
    assert asked == [("latency.p95", ""), ("latency.p95", "b")]


def test_a_hold_that_meets_all() -> None:
    assert outcome(a_hold(100)) == ("Met", "1 of 1 objective met")


def test_a_hold_that_misses() -> None:
    said, why = outcome(a_hold(100, ms=200))
    assert said == "Missed"
    assert "latency.p95 was 200ms, at most 100ms allowed" in why


def test_a_target_that_is_too_slow_to_be_asked_has_missed() -> None:
    said, why = outcome(a_hold(100, dropped=100))
    assert said == "Missed"
    assert "100 of 1000 iterations were dropped, because as many as a worker may have" in why


def test_a_rate_that_the_generator_did_not_put_on_is_unclear() -> None:
    said, why = outcome(a_hold(100, dropped=100, exhausted={"Ports": 9}))
    assert said == "Unclear"
    assert "Ports 9 times" in why


STOOD_STILL = {"longest_stall": 200 * MS, "paused_time": 200 * MS, "pauses": pauses(200 * MS, 1000)}


def test_a_miss_that_the_generator_may_have_made_is_unclear() -> None:
    assert outcome(a_hold(100, ms=101, **STOOD_STILL))[0] == "Unclear"


def test_a_hold_that_a_condition_cut_has_missed() -> None:
    cut = a_hold(10)
    cut.stopped, cut.breached = "after 12s: errorRate was 100% for 3s, above 50%", True
    said, why = outcome(cut)
    assert (said, why) == ("Missed", "stopped after 12s: errorRate was 100% for 3s, above 50%")


def test_a_hold_that_a_worker_heard_of_late_is_held_again() -> None:
    late = a_hold(100, dropped=100)
    late.late = 500 * MS
    said, why = outcome(late)
    assert (said, why) == (
        "Repeated",
        "a worker learned of it 500ms after its start: the hold is repeated",
    )


def test_a_hold_in_a_status() -> None:
    one = spec(LOAD, slos=[FAST])
    hold_verdict = judge_hold(hold_objectives(one), of(one), 100, a_hold(100))
    told = ended(begun(100.0, "2026-11-22T02:00:03Z"), hold_verdict)
    assert told.model_dump(exclude_none=True) == {
        "rate": "100/s",
        "startTime": "2026-11-22T02:00:03Z",
        "outcome": "Met",
        "message": "1 of 1 objective met",
        "throughput": "100/s",
        "errorRate": "0%",
        "p95": "10ms",
    }


# --- the whole search -------------------------------------------------------------------------


def holds(*told: tuple[str, HoldOutcome]) -> list[HoldStatus]:
    return [HoldStatus(rate=rate, outcome=outcome.value) for rate, outcome in told]


FOUND = holds(
    ("100/s", HoldOutcome.MET),
    ("200/s", HoldOutcome.MISSED),
    ("141/s", HoldOutcome.MISSED),
    ("119/s", HoldOutcome.MET),
    ("130/s", HoldOutcome.MISSED),
    ("124/s", HoldOutcome.MISSED),
    ("119/s", HoldOutcome.MET),
)


def judged(
    tried: list[HoldStatus], last: WorkerReport, *slos: dict[str, Any], **more: Any
) -> RunVerdict:
    one = spec(LOAD, slos=[FAST, *slos])
    early = step([20 * MS] * 500)
    last.warmup = PhaseRecord(steps=[early], scenarios=[iterations(early)])
    last.hold = len(tried)
    counts = WorkerCounts(planned=1, ready=1, reported=1)
    return judge(one, RunOutcome(of(one), last, counts, holds=tried, **more))


def test_what_was_found_is_judged_and_told() -> None:
    run = judged(FOUND, a_hold(119), {"metric": "capacity", "min": "110/s"})
    assert run.verdict is Verdict.PASS
    assert run.message == "capacity 119/s: 2 of 2 objectives met"
    assert run.summary is not None
    assert (run.summary.capacity, run.summary.window) == ("119/s", "10s")
    assert (run.summary.attempts.warmup, run.summary.attempts.window) == (500, 1190)
    assert run.generator is not None
    assert run.generator.coverage == "100%"
    assert run.capacity is not None
    assert [hold.rate for hold in run.capacity.holds[-2:]] == ["124/s", "119/s"]


def test_too_little_is_a_miss() -> None:
    run = judged(FOUND, a_hold(119), CAPACITY)
    assert run.verdict is Verdict.WARN
    assert run.slos[1].message == "capacity was 119/s, at least 150/s required"


def test_an_objective_with_a_gate_fails() -> None:
    run = judged(FOUND, a_hold(119), {**CAPACITY, "onBreach": "Fail"})
    assert run.verdict is Verdict.FAIL


@pytest.mark.parametrize(("least", "verdict"), [("400/s", "Pass"), ("500/s", "Inconclusive")])
def test_at_the_highest_rate(least: str, verdict: str) -> None:
    tried = holds(
        ("100/s", HoldOutcome.MET), ("400/s", HoldOutcome.MET), ("400/s", HoldOutcome.MET)
    )
    run = judged(tried, a_hold(400), {"metric": "capacity", "min": least})
    assert run.slos[1].verdict.value == verdict
    assert run.slos[1].measured == "≥400/s"


def test_nothing_was_met() -> None:
    run = judged(holds(("100/s", HoldOutcome.MISSED)), a_hold(100, ms=200), CAPACITY)
    assert run.verdict is Verdict.WARN
    assert run.message.startswith("capacity 0/s: 2 of 2 objectives missed")


def test_a_lost_worker_leaves_no_verdict() -> None:
    tried = holds(("100/s", HoldOutcome.MET), ("200/s", HoldOutcome.LOST))
    run = judged(tried, a_hold(200), CAPACITY)
    assert run.verdict is Verdict.INCONCLUSIVE
    assert run.message.startswith("capacity ≥100/s: uncertain, because a worker was lost: ")
    assert run.slos[1].message.endswith("required: not known, because a worker was lost")


def test_a_lost_worker_does_not_undo_a_miss() -> None:
    tried = holds(
        ("100/s", HoldOutcome.MET), ("140/s", HoldOutcome.MISSED), ("120/s", HoldOutcome.LOST)
    )
    assert judged(tried, a_hold(120), CAPACITY).slos[1].verdict is Verdict.WARN


def test_stopped_before_it_was_sure() -> None:
    tried = holds(("100/s", HoldOutcome.MET), ("200/s", HoldOutcome.MET))
    run = judged(tried, a_hold(200), CAPACITY, stopped="by Ctrl-C")
    assert run.verdict is Verdict.INCONCLUSIVE
    assert run.message.startswith("capacity ≥200/s: stopped (by Ctrl-C): 1 of 2 objectives")


def test_a_condition_fails_a_hold_and_not_the_run() -> None:
    cut = a_hold(100, window=3 * S)
    cut.window.steps[0] = step([10 * MS] * 300)
    cut.window.scenarios[0] = iterations(cut.window.steps[0])
    run = judged(holds(("100/s", HoldOutcome.MISSED)), cut)
    assert run.generator is not None
    assert run.generator.findings == []
    assert "stopped" not in run.message


def test_no_hold_was_begun() -> None:
    nothing = report(step([]), window=0)
    run = judged([], nothing, CAPACITY, stopped="by Ctrl-C")
    assert run.verdict is Verdict.INCONCLUSIVE
    assert run.message == (
        "stopped (by Ctrl-C): no hold was completed: nothing is known about the target"
    )
    assert {(slo.verdict, slo.message) for slo in run.slos} == {
        (Verdict.INCONCLUSIVE, "no hold was completed: nothing is known about the target")
    }


def test_the_hold_that_the_window_is_of_and_not_the_one_announced_last() -> None:
    tried = [*FOUND, HoldStatus(rate="119/s")]
    measured, counts = a_hold(119), WorkerCounts(planned=1, ready=1, reported=1)
    one = spec(LOAD, slos=[FAST])
    measured.hold = len(FOUND)
    run = judge(one, RunOutcome(of(one), measured, counts, holds=tried))
    assert run.generator is not None
    assert run.generator.coverage == "100%"
    assert run.verdict is Verdict.PASS


def test_floors_are_judged_on_the_last_hold() -> None:
    run = judged(FOUND, a_hold(119), {"metric": "throughput", "min": "1000/s"})
    assert run.slos[1].verdict is Verdict.WARN


def test_a_stop_condition_makes_a_run_warn() -> None:
    one = spec(slos=[FAST])
    measured = report(step([10 * MS] * 300), window=3 * S)
    measured.stopped, measured.breached = "after 3s: errorRate was 100% for 3s, above 50%", True
    counts = WorkerCounts(planned=1, ready=1, reported=1)
    run = judge(one, RunOutcome(of(one), measured, counts))
    assert run.verdict is Verdict.WARN
    said = "stopped after 3s: errorRate was 100% for 3s, above 50%: 1 of 1 objective met"
    assert run.message == said
    assert run.generator is not None
    assert run.generator.findings == []
