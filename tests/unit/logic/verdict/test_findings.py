"""Findings: when the generator's own health limits what its figures can prove."""

from typing import Any

import pytest

from perfrun.api.run.perfrun import GeneratorStatus, WorkerCounts
from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.verdict.findings import coverage, examine
from perfrun.measure.histogram import Histogram
from perfrun.measure.report import WorkerReport
from perfrun.measure.script import ScriptRecord
from tests.unit.logic.build import BURST, CLOSED, MS, OPEN, S, report, spec, step

FAST = [5 * MS] * 1000


def lag(*values: int) -> Histogram:
    histogram = Histogram()
    histogram.fold(list(values))
    return histogram


def health(
    load: dict[str, Any],
    *,
    latencies: list[int] = FAST,
    workers: int = 1,
    reported: int = 1,
    ordered: bool = False,
    **parts: Any,
) -> GeneratorStatus:
    one = spec(load)
    plan = make_plan(one, uid="u", namespace="n", test="t", run="r")
    measured = report(step(latencies), **parts)
    measured.workers = reported
    counts = WorkerCounts(planned=workers, ready=workers, reported=reported)
    return examine(plan, measured, counts, ordered=ordered)


@pytest.mark.parametrize(
    ("load", "parts", "found"),
    [
        # All well.
        (OPEN, {}, []),
        (CLOSED, {}, []),
        (BURST, {}, []),
        # Lag: 1 ms is harmless whatever the service takes, more is not ...
        (OPEN, {"lag": lag(*[MS] * 1000)}, []),
        (OPEN, {"lag": lag(*[2 * MS] * 1000)}, [("Lag", "Inflating")]),
        # ... unless it is small beside the service time.
        (OPEN, {"lag": lag(*[2 * MS] * 1000), "latencies": [30 * MS] * 1000}, []),
        # In 1 of 100 it counts, in fewer it does not.
        (OPEN, {"lag": lag(*[MS] * 991, *[9 * MS] * 9)}, []),
        # Only an open load can lag.
        (CLOSED, {"lag": lag(*[50 * MS] * 1000)}, []),
        (BURST, {"lag": lag(*[50 * MS] * 1000)}, []),
        # 5% of late sends are harmless, more are not.
        (OPEN, {"lag": lag(*[MS] * 1000), "late_sends": 50}, []),
        (OPEN, {"lag": lag(*[MS] * 1000), "late_sends": 51}, [("LateSends", "UnderLoading")]),
        # Throttling, of any load.
        (BURST, {"periods": 1000, "throttled_periods": 10}, []),
        (BURST, {"periods": 1000, "throttled_periods": 11}, [("Throttled", "Inflating")]),
        # A stall.
        (CLOSED, {"longest_stall": 100 * MS}, []),
        (CLOSED, {"longest_stall": 101 * MS}, [("Stall", "Inflating")]),
        # Out of something.
        (CLOSED, {"exhausted": {"Ports": 0}}, []),
        (CLOSED, {"exhausted": {"Descriptors": 1}}, [("Exhausted", "UnderLoading")]),
        # Workers that did not start together.
        (OPEN, {"started_at": [10.0, 11.0]}, []),
        (OPEN, {"started_at": [10.0, 11.1]}, [("StartSkew", "UnderLoading")]),
        # Dropped iterations are the target's doing, and a load that was not put on ...
        (OPEN, {"latencies": FAST[:900], "dropped": 100}, [("Dropped", "UnderLoading")]),
        (OPEN, {"latencies": FAST[:990], "dropped": 10}, []),
        # ... or the generator's, where it was unwell.
        (
            OPEN,
            {"latencies": FAST[:900], "dropped": 100, "longest_stall": S},
            [("Stall", "Inflating"), ("SentBelowPlanned", "UnderLoading")],
        ),
        (
            OPEN,
            {"latencies": FAST[:990], "dropped": 10, "longest_stall": S},
            [("Stall", "Inflating")],
        ),
        # Coverage: dropped ones were covered, those nobody spoke of were not.
        (OPEN, {"latencies": FAST[:999]}, [("Coverage", "UnderLoading")]),
        (BURST, {"latencies": FAST[:999]}, [("Coverage", "UnderLoading")]),
        (CLOSED, {"user_time": 90 * S}, [("Coverage", "UnderLoading")]),
        # As little as the test allows.
        ({**OPEN, "minCoverage": "90%"}, {"latencies": FAST[:900]}, []),
        ({**OPEN, "minCoverage": "90%"}, {"latencies": FAST[:899]}, [("Coverage", "UnderLoading")]),
        # Only told where the test says so.
        (
            {**OPEN, "onWorkerLoss": "Continue"},
            {"latencies": FAST[:500]},
            [("Coverage", "Informing")],
        ),
        # What was stopped by order covers what its workers do.
        (OPEN, {"latencies": FAST[:300], "stopped": "spec.stop", "ordered": True}, []),
        (
            {**OPEN, "workers": 2},
            {"latencies": FAST[:300], "stopped": "spec.stop", "ordered": True, "workers": 2},
            [("Coverage", "UnderLoading")],
        ),
        # A worker that was evicted says so, too: what it left undone is missing.
        (
            OPEN,
            {"latencies": FAST[:900], "stopped": "terminated"},
            [("Coverage", "UnderLoading")],
        ),
        (
            CLOSED,
            {"user_time": 90 * S, "stopped": "terminated"},
            [("Coverage", "UnderLoading")],
        ),
        # A burst that took too long has dropped the rest: it is known what became of it.
        (BURST, {"latencies": FAST[:900], "dropped": 100, "stopped": "too long"}, []),
    ],
)
def test_when_there_is_a_finding(
    load: dict[str, Any], parts: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    findings = health(load, **parts).findings
    assert [(finding.type, finding.effect) for finding in findings] == found


def test_a_finding_shows_what_was_seen_and_what_is_harmless() -> None:
    (finding,) = health(OPEN, latencies=FAST[:500], workers=2, reported=1).findings
    assert finding.message == (
        "only 50% of the planned load was reported, by 1 of 2 workers, but at least 100% is "
        "required (load.minCoverage)"
    )


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ({}, "unknown (it used 20% of a core and its waits for a CPU were not measured): look"),
        ({"waited_time": S // 5}, "20% of a core and waited for a CPU for 2% of the time): look"),
        ({"waited_time": S}, "it used 20% of a core, but waited for a CPU for 10% of the time"),
        ({"waited_time": S, "cpu_time": 9 * S}, "it used 90% of a core, so use more workers"),
        ({"waited_time": S, "stolen_time": S // 2}, "for 5% of the time (steal)"),
        (
            {"waited_time": S, "periods": 100, "throttled_periods": 2},
            "the CPU limit throttled it, so raise or remove the limit",
        ),
    ],
)
def test_a_delay_is_told_with_its_cause(parts: dict[str, Any], cause: str) -> None:
    delayed = {"lag": lag(*[20 * MS] * 1000), "late_sends": 1000, "longest_stall": S}
    told = {
        one.type: one.message
        for one in health(OPEN, **{"cpu_time": 2 * S, **delayed, **parts}).findings
    }
    for kind in ("Lag", "LateSends", "Stall"):
        assert cause in told[kind]


def test_the_generators_health_in_figures() -> None:
    status = health(
        OPEN,
        lag=lag(*[210_000] * 1000),
        cpu_time=61 * S // 10,
        waited_time=S // 100,
        stolen_time=S // 10,
        periods=100,
        ceiling=78_000.0,
        started_at=[10.0, 10.003],
    )
    assert status.model_dump(exclude_none=True) == {
        "lagP99": "0.21ms",
        "cpu": "61%",
        "throttled": "0%",
        "cpuWait": "0.1%",
        "steal": "1%",
        "ceiling": "78000/s",
        "startSkew": "3ms",
        "coverage": "100%",
        "reuse": "100%",
        "findings": [],
    }


def test_a_burst_tells_how_far_its_sends_were_spread() -> None:
    assert health(BURST, first_send=2 * MS, last_send=19 * MS).send_spread == "17ms"


def test_a_worker_that_a_signal_ended_does_not_cover_its_share_of_a_script() -> None:
    script = {"tool": "k6", "image": "k6:1", "entry": "/a.js", "targets": ["shop:80"]}
    one = spec({"maxDuration": "1m", "workers": 4}, target={"script": script})
    plan = make_plan(one, uid="u", namespace="n", test="t", run="r")
    whole = WorkerReport.of_nothing()
    whole.workers, whole.script = 4, ScriptRecord(tool="k6", terminated=1)
    workers = WorkerCounts(planned=4, ready=4, reported=4)
    assert coverage(plan, whole, workers) == 0.75
    assert coverage(plan, whole, workers, ordered=True) == 1.0
