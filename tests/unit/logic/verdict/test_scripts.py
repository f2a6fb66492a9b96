"""Runs of scripts: their steps as the tool has them, their thresholds, figures and doubts."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.api.run.perfrun import MAX_SLOS, Verdict
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.plan.thresholds import OPERATORS, parse_expression
from perfrun.measure.histogram import supports
from perfrun.measure.report import WorkerReport
from perfrun.measure.script import ScriptRecord, ToolCheck, ToolMetric, ToolThreshold
from tests.unit.logic.build import MS, judged, report, step
from tests.unit.measure.tool_metrics import trend

HASH = "a" * 64


def spec(*slos: dict[str, Any], workers: int = 1, **target: Any) -> PerfTestSpec:
    script = {"tool": "k6", "entry": "shop.js", "targets": ["shop:8000"], **target}
    load = {"workers": workers, "maxDuration": "5m"}
    return PerfTestSpec.parse({"target": {"script": script}, "load": load, "slos": list(slos)})


def rate(passed: int, samples: int) -> ToolMetric:
    return ToolMetric(kind="Rate", samples=samples, passed=passed, total=passed, greatest=1)


def counter(total: float, samples: int = 1) -> ToolMetric:
    return ToolMetric(kind="Counter", samples=samples, total=total, greatest=total)


def gauge(*values: float) -> ToolMetric:
    least, greatest = min(values), max(values)
    return ToolMetric(
        kind="Gauge", samples=len(values), last=values[-1], least=least, greatest=greatest
    )


def threshold(metric: str, source: str) -> ToolThreshold:
    return ToolThreshold(metric=metric, source=source)


def measured(*thresholds: ToolThreshold, workers: int = 1, **record: Any) -> WorkerReport:
    made = report(step([100 * MS] * 400, name="checkout"), step([20 * MS] * 400, name="list"))
    made.workers = workers
    made.script = ScriptRecord(tool="k6", thresholds=list(thresholds), **record)
    return made


def told(metric: str, source: str, found: ToolMetric | None, workers: int = 1) -> tuple[str, str]:
    """Verdict and sentence of one threshold."""
    others = {"vus": gauge(1.0)} if found is None else {metric: found}
    made = measured(threshold(metric, source), workers=workers, metrics=others)
    (slo,) = judged(spec(workers=workers), made, workers=workers).slos
    return slo.verdict.value, slo.message


TIMES = trend(*[100.0] * 190, *[600.0] * 10)


@pytest.mark.parametrize(
    ("source", "found", "verdict", "message"),
    [
        ("p(95)<700", TIMES, "Pass", "m p(95) was 125, and the script requires p(95)<700: met"),
        ("p(95)<100", TIMES, "Fail", "m p(95) was 125, and the script requires p(95)<100"),
        ("avg<=125", TIMES, "Pass", "m avg was 125, and the script requires avg<=125: met"),
        ("avg<125", TIMES, "Fail", "m avg was 125, and the script requires avg<125"),
        ("max==600", TIMES, "Pass", "m max was 600, and the script requires max==600: met"),
        ("max!=600", TIMES, "Fail", "m max was 600, and the script requires max!=600"),
        ("min>99.9", TIMES, "Pass", "m min was 100, and the script requires min>99.9: met"),
        ("med < 101", TIMES, "Pass", "m med was 100, and the script requires med < 101: met"),
        ("p(100)<601", TIMES, "Pass", "m p(100) was 600, and the script requires p(100)<601: met"),
        (
            "p(99)<700",
            TIMES,
            "Inconclusive",
            "m p(99) needs 1000 samples, but there were 200",
        ),
        (
            "rate<0.01",
            rate(1, 200),
            "Pass",
            "m rate was 0.005, and the script requires rate<0.01: met",
        ),
        ("rate<0.01", rate(2, 200), "Fail", "m rate was 0.01, and the script requires rate<0.01"),
        ("count<3", counter(2), "Pass", "m count was 2, and the script requires count<3: met"),
        ("count==0", None, "Pass", "m count was 0, and the script requires count==0: met"),
        ("rate<0.5", None, "Inconclusive", "m rate has no samples"),
        ("avg<5", None, "Inconclusive", "m avg has no samples"),
        ("value<3", gauge(9, 2), "Pass", "m value was 2, and the script requires value<3: met"),
        (
            "p(95)<1",
            rate(1, 2),
            "Inconclusive",
            "m p(95) is not judged: a Rate has only rate",
        ),
        (
            "p95<1",
            TIMES,
            "Inconclusive",
            "m is not judged: 'p95' is not a statistic: avg, min, max, med, p(N), rate, count, value",
        ),
    ],
)
def test_a_threshold(source: str, found: ToolMetric | None, verdict: str, message: str) -> None:
    assert told("m", source, found) == (verdict, message)


def test_a_percentile_between_two_samples_is_what_k6_says() -> None:
    # Ranks 190 and 191 of 200, at 0.95 * 199 = 189.05: 100 + 0.05 * 500.
    made = measured(threshold("m", "p(95)<125.5"), metrics={"m": TIMES})
    (slo,) = judged(spec(), made).slos
    assert (slo.verdict, slo.measured, slo.max, slo.samples) == (Verdict.PASS, "125", "125.5", 200)


def test_the_rate_of_a_counter_is_per_second_of_the_load() -> None:
    made = measured(threshold("http_reqs", "rate>9"), metrics={"http_reqs": counter(600, 600)})
    made.load_time = 60 * 10**9
    (slo,) = judged(spec(), made).slos
    assert slo.message == ("http_reqs rate was 10 over 60s, and the script requires rate>9: met")


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("value<10", "Pass"),
        ("value>10", "Fail"),
        ("value<5", "Inconclusive"),
        ("value==9", "Inconclusive"),
    ],
)
def test_of_several_workers_a_gauge_is_known_within_its_extremes(source: str, verdict: str) -> None:
    found, message = told("size", source, gauge(1, 9), workers=2)
    assert found == verdict
    assert "was 1 to 9" in message
    if verdict == "Inconclusive":
        assert message.endswith("not known, because each of 2 workers has a last value of its own")


def test_a_gauge_that_is_the_same_everywhere_is_known() -> None:
    assert told("size", "value==4", gauge(4, 4), workers=2)[0] == "Pass"


def test_users_of_several_workers_are_users_together() -> None:
    assert told("vus_max", "value==4", gauge(4, 4), workers=2)[0] == "Inconclusive"
    assert told("vus_max", "value<=8", gauge(4, 4), workers=2)[0] == "Pass"
    assert told("vus", "value<1", gauge(1, 4), workers=2)[0] == "Fail"
    assert told("vus", "value<5", gauge(1, 4), workers=1)[0] == "Pass"


def test_a_selector_is_what_the_threshold_is_of() -> None:
    key = "http_req_duration{name:checkout,status:200}"
    made = measured(threshold(key, "avg<100"), metrics={key: trend(50.0)})
    (slo,) = judged(spec(), made).slos
    assert (slo.metric, slo.of) == ("http_req_duration avg", "name:checkout,status:200")
    assert slo.threshold == "avg<100"
    assert slo.message.startswith("http_req_duration avg of name:checkout,status:200 was 50")


def test_a_selector_without_samples_says_whether_others_have_some() -> None:
    known = {"http_req_duration": trend(5.0)}
    made = measured(threshold("http_req_duration{name:x}", "avg<1"), metrics=known)
    (slo,) = judged(spec(), made).slos
    assert slo.verdict is Verdict.INCONCLUSIVE
    assert slo.message.endswith("has no samples: none of http_req_duration has these tags")


def test_what_was_left_out_is_not_known() -> None:
    made = measured(threshold("errors", "count<5"), metrics={"m": TIMES}, left_out=3)
    (slo,) = judged(spec(), made).slos
    assert slo.verdict is Verdict.INCONCLUSIVE
    assert "more than 200 metrics" in slo.message


def test_values_beyond_the_histogram_are_known_as_far_as_they_are() -> None:
    large = trend(*[5e6] * 100, 9e6)
    assert told("bytes", "p(50)<1e6", large)[0] == "Fail"
    assert told("bytes", "p(50)<1e7", large)[0] == "Pass"
    assert told("bytes", "p(50)<6e6", large)[0] == "Inconclusive"
    negative = trend(*[-5.0] * 100, 3.0)
    assert told("drift", "p(50)<1", negative)[0] == "Pass"
    assert told("drift", "p(50)<-1", negative)[0] == "Inconclusive"


def test_thresholds_are_ignored_where_the_test_says_so() -> None:
    made = measured(threshold("m", "avg<1"), metrics={"m": TIMES})
    assert judged(spec(thresholds="Ignore"), made).slos == []


def test_thresholds_stand_behind_the_objectives_and_a_miss_fails_the_run() -> None:
    slo = {"metric": "latency.p95", "of": "checkout", "max": "150ms"}
    run = judged(spec(slo), measured(threshold("m", "avg<1"), metrics={"m": TIMES}))
    assert [one.verdict for one in run.slos] == [Verdict.PASS, Verdict.FAIL]
    assert run.verdict is Verdict.FAIL
    assert run.message == ("1 of 2 objectives missed: m avg was 125, and the script requires avg<1")


def test_more_thresholds_than_a_status_holds_are_all_judged() -> None:
    many = [threshold("m", f"avg<{500 + index}") for index in range(150)]
    run = judged(spec(), measured(*many, threshold("m", "avg<1"), metrics={"m": TIMES}))
    assert len(run.slos) == MAX_SLOS
    assert run.slos[0].verdict is Verdict.FAIL
    assert run.verdict is Verdict.FAIL
    assert run.message.startswith("1 of 151 objectives missed")


values = st.lists(st.integers(1, 3_000_000).map(lambda us: us / 1000), min_size=1, max_size=300)
sources = st.builds(
    lambda method, sign, limit: f"{method}{sign}{limit}",
    st.sampled_from(
        ["avg", "min", "max", "med", "p(50)", "p(90)", "p(95)", "p(0)", "p(100)", "p(12.5)"]
    ),
    st.sampled_from(sorted(set(OPERATORS) - {"==", "===", "!="})),
    st.integers(0, 3000),
)


def of_raw(samples: list[float], method: str, percentile: float | None) -> float:
    """What k6 computes from all samples."""
    ordered = sorted(samples)
    if method in ("avg", "min", "max"):
        return {"avg": sum(ordered) / len(ordered), "min": ordered[0], "max": ordered[-1]}[method]
    place = (0.5 if percentile is None else percentile / 100) * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


@settings(max_examples=150, deadline=None)
@given(st.lists(values, min_size=1, max_size=4), sources)
def test_merged_workers_are_judged_as_all_of_their_samples(
    workers: list[list[float]], source: str
) -> None:
    whole = measured(threshold("m", source), metrics={"m": trend(*workers[0])})
    for other in workers[1:]:
        more = measured(threshold("m", source), metrics={"m": trend(*other)})
        assert whole.script is not None
        assert more.script is not None
        whole.script.add(more.script)
    samples = [value for one in workers for value in one]
    (slo,) = judged(spec(), whole).slos
    expression = parse_expression(source)
    share = {"med": 0.5, "p": (expression.percentile or 0) / 100}.get(expression.method)
    if share is not None and 0 < share < 1 and not supports(len(samples), share):
        assert slo.verdict is Verdict.INCONCLUSIVE
        return
    true = of_raw(samples, expression.method, expression.percentile)
    if abs(true - expression.limit) <= 0.0006 * max(true, 1.0):
        return  # within the precision of the histogram
    held = OPERATORS[expression.operator](true, expression.limit)
    assert slo.verdict is (Verdict.PASS if held else Verdict.FAIL), (true, slo.message)
    assert float(slo.measured or "nan") == pytest.approx(true, rel=0.0011, abs=0.002)


# --- steps, clock, coverage ----------------------------------------------------------------------


def test_steps_are_those_of_the_report_and_times_the_tools() -> None:
    slo = {"metric": "latency.p95", "of": "checkout", "max": "50ms"}
    run = judged(spec(slo), measured(versions=["k6 v1.8.1"], files=[HASH]))
    assert [one.name for one in run.steps] == ["checkout", "list"]
    assert run.summary is not None
    assert run.summary.clock == "Tool"
    assert run.slos[0].message == (
        "latency.p95 of checkout was 100ms by the clock of k6, at most 50ms allowed"
    )
    assert run.script is not None
    assert (run.script.versions, run.script.files) == (["k6 v1.8.1"], [HASH])
    assert run.script.clock.startswith("times are k6's own")


def test_an_objective_whose_step_never_appeared_names_those_that_did() -> None:
    slo = {"metric": "latency.p95", "of": "pay", "max": "50ms"}
    run = judged(spec(slo), measured())
    assert run.verdict is Verdict.INCONCLUSIVE
    assert run.slos[0].message == (
        "latency.p95 of pay has no samples: the script made no such request; it made checkout, list"
    )


def test_coverage_is_workers_that_reported() -> None:
    run = judged(spec(workers=4), measured(workers=3), workers=4)
    assert run.generator is not None
    assert run.generator.coverage == "75%"
    assert [one.type for one in run.generator.findings] == ["Coverage"]


@pytest.mark.parametrize(
    ("record", "type_", "effect", "part"),
    [
        ({"failures": ["k6 ended with code 107"]}, "ToolFailed", "UnderLoading", "code 107"),
        ({"shed": 9, "shed_seconds": [3, 4]}, "SamplesShed", "UnderLoading", "9 rows of k6"),
        ({"unreadable": 2}, "SamplesUnreadable", "UnderLoading", "2 rows of k6"),
        ({"dropped_iterations": 1}, "Dropped", "Informing", "1 of 801 iterations"),
        ({"dropped_iterations": 90}, "Dropped", "UnderLoading", "90 of 890 iterations"),
        ({"renamed": 7}, "ManyNames", "Informing", "7 requests are counted under the name Other"),
        ({"left_out": 7}, "ManyNames", "Informing", "7 samples of metrics and checks"),
    ],
)
def test_findings(record: dict[str, Any], type_: str, effect: str, part: str) -> None:
    slo = {"metric": "latency.p95", "max": "1s"}
    run = judged(spec(slo), measured(**record))
    assert run.generator is not None
    (found,) = run.generator.findings
    assert (found.type, found.effect) == (type_, effect)
    assert part in found.message
    met = Verdict.PASS if effect == "Informing" else Verdict.INCONCLUSIVE
    assert run.slos[0].verdict is met


def test_a_load_that_is_not_divided_is_told() -> None:
    run = judged(spec(workers=3, split="None"), measured(workers=3), workers=3)
    assert run.generator is not None
    (found,) = run.generator.findings
    assert (found.type, found.effect) == ("NotDivided", "Informing")
    assert "3 times its load" in found.message


def test_a_threshold_that_cannot_end_the_load_is_told() -> None:
    aborting = ToolThreshold(metric="checks", source="rate>0.9", abort=True)
    mapped = ToolThreshold(metric="http_req_failed", source="rate<0.1", abort=True)
    run = judged(spec(), measured(aborting, mapped, metrics={"checks": rate(1, 1)}))
    assert run.generator is not None
    (found,) = run.generator.findings
    assert (found.type, found.effect) == ("NoAbort", "Informing")
    assert found.message.endswith("about the same: checks: rate>0.9")
    ignored = judged(spec(thresholds="Ignore"), measured(aborting))
    assert ignored.generator is not None
    assert ignored.generator.findings == []


def test_workers_with_different_files_are_an_error() -> None:
    run = judged(spec(), measured(files=[HASH, "b" * 64]))
    assert run.verdict is Verdict.ERROR
    assert run.message == (
        "workers of this run had different files of the script: aaaaaaaaaaaa, bbbbbbbbbbbb. "
        "Nothing is judged"
    )


def test_figures_under_the_names_of_the_tool() -> None:
    run = judged(
        spec(),
        measured(
            metrics={
                "http_req_duration": TIMES,
                "basket": trend(1.5, 2.5),
                "ok": rate(3, 4),
                "items": counter(6, 3),
                "size": gauge(1, 5, 2),
            },
            checks={"fine": ToolCheck(passed=5), "bad": ToolCheck(passed=1, failed=2)},
        ),
    )
    assert run.script is not None
    figures = {one.name: one.figures for one in run.script.metrics}
    assert list(figures) == ["basket", "items", "ok", "size", "http_req_duration"]
    assert figures["basket"] == {"avg": "2", "min": "1.5", "max": "2.5", "samples": "2"}
    assert figures["http_req_duration"]["p(95)"] == "125"
    assert "p(99)" not in figures["http_req_duration"]
    assert figures["ok"] == {"rate": "0.75", "passes": "3", "samples": "4"}
    assert figures["items"]["count"] == "6"
    assert figures["size"] == {"value": "2", "min": "1", "max": "5"}
    assert [one.name for one in run.script.checks] == ["bad", "fine"]
