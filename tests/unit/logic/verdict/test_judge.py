"""Verdicts: every rule of judging, one row each."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.api.run.perfrun import (
    CapacityStatus,
    HoldStatus,
    PerfRunStatus,
    Verdict,
    WorkerCounts,
)
from perfrun.api.test.metric import METRICS, Notation
from perfrun.logic.verdict.compare import worst
from perfrun.logic.verdict.outcome import RunVerdict, cancelled, errored, unreported
from perfrun.measure.report import WorkerReport, merge
from tests.unit.logic.build import (
    BURST,
    CLOSED,
    MS,
    OPEN,
    S,
    iterations,
    judged,
    pauses,
    report,
    spec,
    step,
)

P95 = {"metric": "latency.p95", "max": "500ms"}
FAST = [400 * MS] * 1000
SLOW = [600 * MS] * 1000
STOOD_STILL: dict[str, Any] = {
    "longest_stall": 200 * MS,
    "paused_time": 200 * MS,
    "pauses": pauses(200 * MS, 1000),
}


def verdict_of(slo: dict[str, Any], measured: WorkerReport, load: Any = OPEN) -> tuple[str, str]:
    (status,) = judged(spec(load, slos=[slo]), measured).slos
    return status.verdict.value, status.message


@pytest.mark.parametrize(
    ("slo", "measured", "verdict", "message"),
    [
        # Met and missed, with measured value and limit.
        (P95, report(step(FAST)), "Pass", "latency.p95 was 400ms, at most 500ms allowed: met"),
        (P95, report(step(SLOW)), "Warn", "latency.p95 was 600ms, at most 500ms allowed"),
        (
            {**P95, "onBreach": "Fail"},
            report(step(SLOW)),
            "Fail",
            "latency.p95 was 600ms, at most 500ms allowed",
        ),
        # A limit is met when it is reached exactly.
        (
            {"metric": "errorRate", "max": "1%"},
            report(step([MS] * 990, failed=10)),
            "Pass",
            "errorRate was 1%, at most 1% allowed: met",
        ),
        # Rounding does not hide a miss.
        (
            {"metric": "errorRate", "max": "1%"},
            report(step([MS] * 98_999, failed=1001)),
            "Warn",
            "errorRate was 1.001%, at most 1% allowed",
        ),
        (
            {"metric": "successRate", "min": "100%"},
            report(step([MS] * 99_999, failed=1)),
            "Warn",
            "successRate was 99.999%, at least 100% required",
        ),
        # Both limits, each of them broken.
        (
            {"metric": "latency.avg", "min": "1s", "max": "2s"},
            report(step(FAST)),
            "Warn",
            "latency.avg was 400ms, at most 2s allowed and at least 1s required",
        ),
        (
            {"metric": "latency.avg", "min": "1s", "max": "2s"},
            report(step([3 * S])),
            "Warn",
            "latency.avg was 3s, at most 2s allowed and at least 1s required",
        ),
        # Too few samples: not supported, whatever they were.
        (
            {"metric": "latency.p99", "of": "get", "max": "1s"},
            report(step([MS] * 320)),
            "Inconclusive",
            "latency.p99 of get needs 1000 samples, but there were 320",
        ),
        # No samples are no pass.
        (
            {"metric": "latency.avg", "max": "1s"},
            report(step([], failed=7)),
            "Inconclusive",
            "latency.avg has no samples",
        ),
        (
            {"metric": "errorRate", "max": "1%"},
            report(step([])),
            "Inconclusive",
            "errorRate has no samples: no request was sent",
        ),
        # Timed out: at least so slow. Above the limit that is a miss ...
        (
            P95,
            report(step([MS] * 900, timeouts=[5 * S] * 100)),
            "Warn",
            "latency.p95 was ≥5s, at most 500ms allowed",
        ),
        # ... and below it nobody knows.
        (
            {"metric": "latency.p95", "max": "6s"},
            report(step([MS] * 900, timeouts=[5 * S] * 100)),
            "Inconclusive",
            "latency.p95 was ≥5s, at most 6s allowed: not known, because 100 "
            "requests timed out or were open at the end",
        ),
        # A bound at the limit itself is not above it.
        (
            {"metric": "latency.p95", "max": "5s"},
            report(step([MS] * 900, timeouts=[5 * S] * 100)),
            "Inconclusive",
            "latency.p95 was ≥5s, at most 5s allowed: not known, because 100 "
            "requests timed out or were open at the end",
        ),
        # Timeouts beyond the percentile leave it known.
        (
            P95,
            report(step([MS] * 980, timeouts=[5 * S] * 20)),
            "Pass",
            "latency.p95 was 1ms, at most 500ms allowed: met",
        ),
        # What was open at the end may yet have failed.
        (
            {"metric": "errorRate", "max": "1%"},
            report(step([MS] * 980, censored=[S] * 20)),
            "Inconclusive",
            "errorRate was ≥0%, at most 1% allowed: not known, because 20 requests "
            "timed out or were open at the end",
        ),
        # Counts and sizes.
        (
            {"metric": "dropped", "max": 0},
            report(step(FAST), dropped=1),
            "Warn",
            "dropped was 1, at most 0 allowed",
        ),
        (
            {"metric": "bytes.received", "max": "64Ki"},
            report(step([MS] * 10, bytes_received=65_537)),
            "Warn",
            "bytes.received was 65537, at most 64Ki allowed",
        ),
    ],
)
def test_one_objective(
    slo: dict[str, Any], measured: WorkerReport, verdict: str, message: str
) -> None:
    assert verdict_of(slo, measured) == (verdict, message)


FLOOR = {"metric": "throughput", "min": "100/s"}


@pytest.mark.parametrize(
    ("load", "slo", "measured", "verdict", "words"),
    [
        # Open: 99% of the floor are enough ...
        (OPEN, FLOOR, report(step([MS] * 990, failed=10)), "Pass", "within 1%"),
        # ... and less is not.
        (OPEN, FLOOR, report(step([MS] * 989, failed=11)), "Warn", "at least 100/s required"),
        # Open: a ramp plans less than the floor over its window; what is planned is enough.
        (
            {"open": {"stages": [{"rate": "100/s", "ramp": "10s"}]}},
            FLOOR,
            report(step([MS] * 500)),
            "Pass",
            "within 1%",
        ),
        # Open: a floor above the highest rate does not apply.
        (
            OPEN,
            {**FLOOR, "min": "101/s"},
            report(step([MS] * 1000)),
            "NotApplicable",
            "cannot reach 101/s: the highest rate of the load gives 100/s",
        ),
        # Closed: the floor itself.
        (CLOSED, FLOOR, report(step([MS] * 1000)), "Pass", "met"),
        (CLOSED, FLOOR, report(step([MS] * 999)), "Warn", "99.9/s, at least 100/s required"),
        # Burst: never.
        (BURST, FLOOR, report(step([MS] * 1000)), "NotApplicable", "not judged in a burst"),
        # A ceiling is judged in any load.
        (
            BURST,
            {"metric": "throughput", "max": "50/s"},
            report(step([MS] * 1000)),
            "Warn",
            "100/s, at most 50/s allowed",
        ),
        # Transactions are floored alike.
        (
            OPEN,
            {"metric": "transactions", "min": "101/s"},
            report(step([MS] * 1000)),
            "NotApplicable",
            "cannot reach",
        ),
    ],
)
def test_floors(
    load: dict[str, Any], slo: dict[str, Any], measured: WorkerReport, verdict: str, words: str
) -> None:
    got, message = verdict_of(slo, measured, load)
    assert got == verdict
    assert words in message


def read(load: dict[str, Any] = OPEN, **parts: Any) -> Any:
    steps = [{"name": "list", "class": "Read"}]
    return spec(load, scenarios=[{"name": "browse", "steps": steps}], **parts)


def browse(latencies: list[int], **parts: Any) -> WorkerReport:
    return report(step(latencies, name="list", scenario="browse"), **parts)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        # Read: p95 at most 500ms, 100/s at least.
        (read(), [("latency.p95", "list", "Pass"), ("throughput", "list", "Pass")]),
        # A class's floor is judged in open loads only.
        (read(CLOSED), [("latency.p95", "list", "Pass"), ("throughput", "list", "NotApplicable")]),
        (read(BURST), [("latency.p95", "list", "Pass"), ("throughput", "list", "NotApplicable")]),
        # The test's own objective on the step takes the place of the class's ...
        (
            read(slos=[{"metric": "latency.p95", "of": "list", "max": "300ms"}]),
            [("latency.p95", "list", "Warn"), ("throughput", "list", "Pass")],
        ),
        # ... and one on the class as well ...
        (
            read(slos=[{"metric": "throughput", "of": "class/Read", "min": "50/s"}]),
            [("throughput", "class/Read", "Pass"), ("latency.p95", "list", "Pass")],
        ),
        # ... but none on everything.
        (
            read(slos=[{"metric": "latency.p95", "max": "300ms"}]),
            [
                ("latency.p95", "", "Warn"),
                ("latency.p95", "list", "Pass"),
                ("throughput", "list", "Pass"),
            ],
        ),
    ],
)
def test_the_objectives_that_come_with_a_class(
    one: Any, expected: list[tuple[str, str, str]]
) -> None:
    slos = judged(one, browse(FAST)).slos
    assert [(slo.metric, slo.of, slo.verdict.value) for slo in slos] == expected


ERRORS = {"metric": "errorRate", "max": "1%"}


@pytest.mark.parametrize(
    ("slos", "measured", "stopped", "verdict", "message"),
    [
        ([P95, ERRORS], report(step(FAST)), None, "Pass", "2 of 2 objectives met"),
        ([P95], report(step(FAST)), None, "Pass", "1 of 1 objective met"),
        (
            [P95, ERRORS],
            report(step(SLOW)),
            None,
            "Warn",
            "1 of 2 objectives missed: latency.p95 was 600ms, at most 500ms allowed",
        ),
        # The worst one speaks for the run.
        (
            [P95, {**ERRORS, "onBreach": "Fail"}],
            report(step(SLOW, failed=1000)),
            None,
            "Fail",
            "2 of 2 objectives missed: errorRate was 50%, at most 1% allowed",
        ),
        # A miss is worse than a doubt.
        (
            [P95, {"metric": "latency.p99", "max": "1s"}],
            report(step(SLOW[:300])),
            None,
            "Warn",
            "1 of 2 objectives missed, 1 inconclusive: latency.p95 was 600ms, at most 500ms allowed",
        ),
        (
            [ERRORS, {"metric": "latency.p999", "max": "1s"}],
            report(step(FAST)),
            None,
            "Inconclusive",
            "1 of 2 objectives inconclusive: latency.p999 needs 10000 samples, but there were 1000",
        ),
        # What does not apply is not counted ...
        (
            [ERRORS, {"metric": "throughput", "min": "500/s"}],
            report(step(FAST)),
            None,
            "Pass",
            "1 of 1 objective met",
        ),
        # ... and nothing but that is no pass.
        (
            [{"metric": "throughput", "min": "500/s"}],
            report(step(FAST)),
            None,
            "Inconclusive",
            "no objective applies to this load: throughput cannot reach 500/s: the highest rate "
            "of the load gives 100/s",
        ),
        # No objectives: a pass that says so, if there was a load at all.
        ([], report(step(FAST)), None, "Pass", "finished; the test has no objectives"),
        (
            [],
            report(step([])),
            None,
            "Inconclusive",
            "no request was sent, and the test has no objectives",
        ),
        # A stopped run is at least inconclusive.
        (
            [ERRORS],
            report(step(FAST)),
            "spec.stop",
            "Inconclusive",
            "stopped (spec.stop): 1 of 1 objective met",
        ),
        (
            [P95],
            report(step(SLOW)),
            "spec.stop",
            "Warn",
            "stopped (spec.stop): 1 of 1 objective missed: latency.p95 was 600ms, at most 500ms "
            "allowed",
        ),
        (
            [],
            report(step(FAST), stopped="Ctrl-C"),
            None,
            "Inconclusive",
            "stopped (Ctrl-C)",
        ),
    ],
)
def test_the_run(
    slos: list[Any], measured: WorkerReport, stopped: str | None, verdict: str, message: str
) -> None:
    whole = judged(spec(slos=slos), measured, stopped=stopped)
    assert (whole.verdict.value, whole.message) == (verdict, message)


@pytest.mark.parametrize(
    ("health", "slo", "latencies", "verdict"),
    [
        # Inflating: a missed latency may be the generator's, a met one stands.
        (STOOD_STILL, P95, SLOW, "Inconclusive"),
        ({"longest_stall": 200 * MS}, P95, FAST, "Pass"),
        # Errors are not made by a slow generator.
        ({"longest_stall": 200 * MS}, {"metric": "errorRate", "min": "1%"}, FAST, "Warn"),
        # So many requests a second are kept from being more by a slow generator.
        ({"longest_stall": 200 * MS}, FLOOR, FAST[:500], "Inconclusive"),
        # Under-loading: a met one was not put to the test, a missed one stands.
        ({"exhausted": {"Ports": 3}}, P95, FAST, "Inconclusive"),
        ({"exhausted": {"Ports": 3}}, P95, SLOW, "Warn"),
        ({"exhausted": {"Ports": 3}}, ERRORS, FAST, "Inconclusive"),
    ],
)
def test_findings_taint_single_objectives(
    health: dict[str, Any], slo: dict[str, Any], latencies: list[int], verdict: str
) -> None:
    measured = report(step(latencies), dropped=1000 - len(latencies), **health)
    got, message = verdict_of(slo, measured)
    assert got == verdict
    doubted = verdict == "Inconclusive"
    assert (", but this proves nothing: " in message) is doubted
    # Nobody is to take it for met.
    assert (": met" in message) is (verdict == "Pass")


def test_the_verdict_on_steps_and_summary_reads_as_documented() -> None:
    record = step([30 * MS] * 989, timeouts=[5 * S] * 4, failed=6, censored=[S])
    whole = judged(spec(), report(record, dropped=2))
    assert whole.summary is not None
    assert whole.summary.model_dump(exclude_none=True) == {
        "window": "10s",
        "clock": "Perfrun",
        "iterations": {"planned": 1002, "started": 1000, "dropped": 2},
        "requests": {"sent": 1000, "succeeded": 989, "failed": 10, "censored": 1},
        "attempts": {"setup": 0, "warmup": 0, "window": 1000, "teardown": 0},
        "throughput": "98.9/s",
        "transactions": "98.9/s",
        "successRate": "≥98.9%",
        "errorRate": "≥1%",
        "timeoutRate": "≥0.4%",
        "latency": {
            "avg": "≥51ms",
            "min": "30ms",
            "p50": "30ms",
            "p75": "30ms",
            "p90": "30ms",
            "p95": "30ms",
            "max": "≥5s",
            "unsupported": [
                {"statistic": "p99", "reason": "needs 1000 samples, but there were 994"},
                {"statistic": "p999", "reason": "needs 10000 samples, but there were 994"},
            ],
        },
        "errors": {"Status5xx": 6, "Timeout": 4},
    }
    (only,) = whole.steps
    assert (only.scenario, only.name, only.latency) == ("default", "get", whole.summary.latency)


def test_status_codes_are_in_the_status_with_the_examples_of_the_most_frequent() -> None:
    record = step([30 * MS] * 10, failed=28)
    failed = {str(400 + number): 1 + number for number in range(7)}
    record.status_codes = {"200": 10, **failed}
    record.examples = {code: f"GET /{code}: expected status 200, got {code}" for code in failed}
    whole = judged(spec(), report(record))
    assert whole.summary is not None
    assert whole.summary.status_codes == record.status_codes
    (only,) = whole.steps
    assert list(only.status_codes) == ["200", "406", "405", "404", "403", "402", "401", "400"]
    assert list(only.examples) == ["406", "405", "404", "403", "402"]
    assert only.examples["406"] == "GET /406: expected status 200, got 406"


def test_the_summary_is_not_rounded_across_a_limit_either() -> None:
    measured = report(step([500_400_000] * 1000))
    whole = judged(spec(slos=[{"metric": "latency.avg", "max": "500ms"}]), measured)
    assert whole.summary is not None
    assert whole.summary.latency is not None
    assert whole.summary.latency.avg == whole.slos[0].measured == "500.4ms"
    assert whole.summary.latency.max == "500ms"  # no objective on it


def test_worker_that_was_lost_is_named_with_its_reason() -> None:
    lost = "worker 1 (pr-x-1-abcde): Evicted: The node was low on memory."
    whole = judged(spec(slos=[P95]), report(step(FAST)), workers=2, reported=1, lost=[lost])
    assert whole.message.endswith(f"; lost: {lost}")


@pytest.mark.parametrize(
    ("stopped", "lost", "verdict", "message"),
    [
        (None, [], "Error", "none of 2 workers reported"),
        (None, ["worker 0: x"], "Error", "none of 2 workers reported: worker 0: x"),
        (
            "spec.stop was set",
            ["worker 0: x", "worker 1: y"],
            "Inconclusive",
            "stopped (spec.stop was set): none of 2 workers reported: worker 0: x (and 1 more)",
        ),
    ],
)
def test_load_that_nobody_reported_on(
    stopped: str | None, lost: list[str], verdict: str, message: str
) -> None:
    whole = unreported(WorkerCounts(planned=2, ready=2), stopped, lost)
    assert (whole.verdict.value, whole.message) == (verdict, message)
    assert (whole.slos, whole.capacity, whole.workers.planned) == ([], None, 2)


def test_holds_of_a_search_are_kept_where_nobody_reported() -> None:
    holds = [HoldStatus(rate="100/s", start_time="2026-11-01T00:00:00Z")]
    whole = unreported(WorkerCounts(planned=2), None, (), holds)
    assert whole.capacity == CapacityStatus(holds=holds)


def test_of_several_workers_that_were_lost_the_first_is_named() -> None:
    lost = ["worker 1: OOMKilled", "worker 2: Evicted", "worker 3: Evicted"]
    whole = judged(spec(slos=[P95]), report(step(FAST)), workers=4, reported=1, lost=lost)
    assert whole.message.endswith("; lost: worker 1: OOMKilled (and 2 more)")


CONTINUE = {**OPEN, "workers": 2, "onWorkerLoss": "Continue"}
LENIENT = {**OPEN, "workers": 2, "minCoverage": "50%"}


@pytest.mark.parametrize(
    ("load", "ends", "verdict", "starts"),
    [
        # Others have brought the load to its end: what the lost one left undone is coverage.
        ({**OPEN, "workers": 2}, ["terminated", None], "Inconclusive", "1 of 1 objective inconcl"),
        (CONTINUE, ["terminated", None], "Pass", "1 of 1 objective met; lost"),
        (CONTINUE, [None, "terminated"], "Pass", "1 of 1 objective met; lost"),
        (LENIENT, ["terminated", None], "Pass", "1 of 1 objective met; lost"),
        # Nobody has, whatever the test bears.
        (CONTINUE, ["terminated"], "Inconclusive", "stopped (no worker was left): 1 of 1"),
        (LENIENT, ["terminated", "terminated"], "Inconclusive", "stopped (no worker was left): 1"),
        # An order speaks for the whole load.
        (CONTINUE, ["terminated", "by order"], "Inconclusive", "stopped (by order): 1 of 1"),
    ],
)
def test_worker_that_was_ended_and_could_report_is_lost_like_any(
    load: dict[str, Any], ends: list[str | None], verdict: str, starts: str
) -> None:
    parts = [report(step(FAST[:400]), stopped=end) for end in ends]
    whole = judged(
        spec(load, slos=[P95]), merge(parts), workers=2, reported=len(ends), lost=["worker 0: x"]
    )
    assert whole.verdict.value == verdict
    assert whole.message.startswith(starts)
    assert whole.message.endswith("; lost: worker 0: x")


def test_condition_that_ended_the_load_is_told_rather_than_a_worker_s_end() -> None:
    breach = report(step(FAST[:400]), stopped="after 1s: errorRate was at least 60%")
    breach.breached = True
    for parts in ([breach, report(step(FAST), stopped="x")], [report(step(FAST)), breach]):
        whole = judged(spec(slos=[P95]), merge(parts), workers=2, reported=2)
        assert whole.verdict is Verdict.WARN
        assert whole.message.startswith("stopped after 1s: errorRate was")


def test_a_judgement_fits_into_the_status() -> None:
    whole = judged(spec(slos=[P95, ERRORS]), report(step(FAST)))
    status = PerfRunStatus(
        verdict=whole.verdict,
        message=whole.message,
        summary=whole.summary,
        steps=whole.steps,
        slos=whole.slos,
        generator=whole.generator,
    )
    assert PerfRunStatus.model_validate_json(status.model_dump_json(exclude_none=True)) == status


HIGHEST = {
    Notation.DURATION: "1h",
    Notation.RATE: "1000000/s",
    Notation.PERCENT: "100%",
    Notation.COUNT: 10**9,
    Notation.BYTES: "100Gi",
    Notation.CORES: "64",
    Notation.NUMBER: 10**9,
}
EVERY_SLO = [{"metric": name, "max": HIGHEST[row.kind]} for name, row in METRICS.items()]
any_slo = st.sampled_from(EVERY_SLO)


@pytest.mark.parametrize("slo", [slo for slo in EVERY_SLO if slo["metric"] != "capacity"])
def test_every_metric_can_be_judged(slo: dict[str, Any]) -> None:
    # Other requests than none: without any there is no figure to be made at all.
    full = report(
        step([MS] * 10_000, timeouts=[5 * S], checks_passed=1, bytes_received=1), dropped=1
    )
    (one,) = judged(spec(slos=[slo]), full).slos
    assert one.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    assert one.message.startswith(f"{slo['metric']} ")


@settings(deadline=None)
@given(st.lists(any_slo, max_size=4), st.sampled_from([OPEN, CLOSED, BURST]))
def test_no_data_is_never_a_pass(slos: list[Any], load: dict[str, Any]) -> None:
    whole = judged(spec(load, slos=slos), report(step([]), user_time=0))
    assert whole.verdict is Verdict.INCONCLUSIVE
    assert all(slo.verdict is not Verdict.PASS for slo in whole.slos)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(MS, 1000 * MS), min_size=1000, max_size=1000),
    st.sampled_from([stat for stat in METRICS if stat.startswith("latency.")]),
    st.integers(1, 1000),
)
def test_what_is_shown_is_on_the_side_of_the_limit_that_was_judged(
    latencies: list[int], metric: str, limit: int
) -> None:
    (slo,) = judged(
        spec(slos=[{"metric": metric, "max": f"{limit}ms"}]), report(step(latencies))
    ).slos
    if slo.measured is None:
        return
    shown = float(str(slo.measured).removesuffix("ms").removesuffix("s"))
    shown *= 1 if str(slo.measured).endswith("ms") else 1000
    assert (shown > limit) is (slo.verdict is Verdict.WARN)


@given(st.lists(st.sampled_from(list(Verdict)), max_size=5))
def test_the_worst_of_verdicts(verdicts: list[Verdict]) -> None:
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.FAIL]
    counted = [verdict for verdict in verdicts if verdict in order]
    assert worst(verdicts) == (
        Verdict.INCONCLUSIVE if not counted else max(counted, key=order.index)
    )


def test_a_scenario_of_many_steps_is_judged_by_its_journeys() -> None:
    one = spec(
        scenarios=[{"name": "buy", "steps": [{"name": "create"}, {"name": "read"}]}],
        slos=[
            {"metric": "latency.p50", "of": "buy", "max": "150ms"},
            {"metric": "latency.p50", "of": "read", "max": "150ms"},
        ],
    )
    steps = [step([100 * MS] * 1000, name=name, scenario="buy") for name in ("create", "read")]
    journeys = iterations(step([200 * MS] * 1000), scenario="buy")
    whole = judged(one, report(*steps, scenarios=[journeys]))
    assert [slo.verdict.value for slo in whole.slos] == ["Warn", "Pass"]
    journey, alone = (slo.message for slo in whole.slos)
    assert " for the whole journey of its 2 steps, at most 150ms allowed" in journey
    assert "journey" not in alone


@pytest.mark.parametrize(
    ("excess_ms", "verdict"),
    [
        # A stall of 200 ms can be why 600 ms were measured where 500 are allowed ...
        (100, Verdict.INCONCLUSIVE),
        (200, Verdict.INCONCLUSIVE),
        # ... once when a request is started and once when it is read, but not why 1 s was.
        (400, Verdict.INCONCLUSIVE),
        (500, Verdict.WARN),
    ],
)
def test_a_stall_excuses_only_what_it_can_explain(excess_ms: int, verdict: Verdict) -> None:
    slos = [{"metric": "latency.max", "max": "500ms"}]
    measured = report(step([(500 + excess_ms) * MS] * 100), **STOOD_STILL)
    assert judged(spec(CLOSED, slos=slos), measured).slos[0].verdict is verdict


def test_a_load_that_was_dropped_is_no_pass_but_for_what_is_a_fact() -> None:
    slos = [
        {"metric": "latency.max", "max": "1s"},
        {"metric": "successRate", "min": "100%"},
        {"metric": "dropped", "max": 1000},
        {"metric": "throughput", "min": "10/s"},
    ]
    found = judged(spec(OPEN, slos=slos), report(step([MS] * 500), dropped=500)).slos
    assert [slo.verdict for slo in found] == [
        Verdict.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
        Verdict.PASS,
        Verdict.PASS,
    ]
    assert "maxInFlight" in found[0].message


def test_a_test_without_objectives_of_which_nothing_succeeded_is_no_pass() -> None:
    told = judged(spec(), report(step([], failed=1000)))
    assert told.verdict is Verdict.INCONCLUSIVE
    assert "none of 1000 requests succeeded" in told.message


@pytest.mark.parametrize("run_verdict", [errored("no worker", WorkerCounts(planned=1)),
                                       cancelled("stopped", WorkerCounts(planned=1))])  # fmt: skip
def test_what_a_teardown_has_left_is_said_and_changes_no_verdict(run_verdict: RunVerdict) -> None:
    assert run_verdict.with_untidy(None) is run_verdict
    told = run_verdict.with_untidy("step end failed with Connect")
    assert told.verdict is run_verdict.verdict
    assert told.untidy == "step end failed with Connect"
    assert (
        told.message == f"{run_verdict.message}; the teardown failed: step end failed with Connect"
    )


def test_a_teardown_that_a_worker_reports_as_failed_is_in_the_judgement() -> None:
    measured = report(step(FAST))
    measured.untidy = "step end failed with Connect"
    told = judged(spec(OPEN, slos=[P95]), measured)
    assert (told.verdict, told.untidy) == (Verdict.PASS, "step end failed with Connect")
    assert told.message.endswith("; the teardown failed: step end failed with Connect")


# --- what policies refused ----------------------------------------------------------------------


def refused(requests: int, of: int) -> WorkerReport:
    record = step([MS] * (of - requests), failed=requests)
    record.errors = {"Policy": requests}
    measured = report(record)
    measured.forbidden = "PerfPolicy lab does not allow connections to 169.254.169.254"
    return measured


@pytest.mark.parametrize("slos", [[], [{"metric": "errorRate", "max": "100%"}]])
def test_load_that_policies_mostly_refused_is_never_a_pass(slos: list[dict[str, Any]]) -> None:
    run_verdict = judged(spec(OPEN, slos=slos), refused(500, of=1000))
    assert run_verdict.verdict is Verdict.INCONCLUSIVE
    assert run_verdict.message.startswith("policies refused 500 of 1000 requests: ")
    assert run_verdict.message.endswith("does not allow connections to 169.254.169.254")
    assert judged(spec(OPEN, slos=slos), refused(499, of=1000)).verdict is Verdict.PASS


def test_missed_objective_stays_one_where_policies_refused_the_load() -> None:
    slo = {"metric": "errorRate", "max": "1%", "onBreach": "Fail"}
    assert judged(spec(OPEN, slos=[slo]), refused(900, of=1000)).verdict is Verdict.FAIL
