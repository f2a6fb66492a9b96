"""Distributions: what is known of them, and where a curve has to end."""

from typing import Any

import pytest

from perfrun.measure.record import StepRecord, Timing
from perfrun.report.html.charts import Chart
from perfrun.report.html.distribution import MAX_CURVES, Curve, Look, curve, distributions, of_runs
from perfrun.report.html.scales import beyond
from tests.unit.logic.build import report, step
from tests.unit.report.html.build import MS, S, reported


def drawn(record: StepRecord) -> Curve:
    made = curve("all", Look("s0"), record, Timing.LATENCY)
    assert made is not None
    return made


def charts(*records: StepRecord, **parts: Any) -> dict[str, Chart]:
    one = reported(report(*records), **parts)
    assert one.result is not None
    assert one.result.report is not None
    made = distributions(one.result.report, one.result.plan, one.run.status.slos)
    return {chart.key: chart for chart in made}


EVEN = [(index + 1) * MS for index in range(1000)]


def test_a_curve_goes_from_the_least_to_the_greatest():
    points = drawn(step(EVEN)).points(0.0, 1.0)
    assert points[0] == pytest.approx((0, MS))
    assert points[-1] == pytest.approx((3, 999 * MS), rel=0.001)


def test_a_percentile_is_where_its_share_is():
    assert drawn(step(EVEN)).text(0.9) == "900ms"


def test_a_curve_ends_where_requests_timed_out():
    one = drawn(step(EVEN[:900], timeouts=[5 * S] * 80, censored=[6 * S] * 20))
    assert (one.known, one.bound) == (0.9, 5 * S)
    assert one.text(0.9) == "900ms"
    assert one.text(0.95) == ">=5s"
    assert max(place for place, _ in one.points(0.0, one.known)) == pytest.approx(beyond(0.9))


def test_what_so_few_samples_say_is_not_shown_as_a_figure():
    one = drawn(step(EVEN[:50]))
    assert (one.text(0.8), one.text(0.99)) == ("40ms", "n/a")
    assert one.supported == pytest.approx(0.8)


def test_nothing_is_drawn_of_nothing():
    assert curve("all", Look("s0"), StepRecord(scenario="", step=""), Timing.LATENCY) is None
    assert charts(step([], failed=5)) == {}


def test_only_timeouts_leave_no_curve_and_say_so():
    chart = charts(step([], timeouts=[5 * S] * 10))["distribution"]
    assert all(line.pieces == [] for line in chart.lines)
    assert chart.rows[1].cells == ("25%", ">=5s", ">=5s")
    assert "10 of response time" in chart.notes[0]


def test_response_and_service_time_are_in_one_chart():
    chart = charts(step(EVEN))["distribution"]
    assert [line.name for line in chart.lines if line.name] == [
        "response time, from when it was due",
        "service time, from the first byte sent",
    ]


def test_a_curve_that_ends_says_from_where_on():
    chart = charts(step(EVEN, timeouts=[5 * S] * 20))["distribution"]
    assert [line.label for line in chart.lines if line.label] == ["response ≥ 5s", "service ≥ 5s"]
    assert "it is unknown how long they would have taken" in chart.notes[-1]


def test_the_last_ten_samples_are_dotted():
    chart = charts(step(EVEN))["distribution"]
    dotted = [line for line in chart.lines if "thin" in line.style]
    assert dotted[0].pieces[0][0][0] == pytest.approx(beyond(0.99))
    assert chart.notes == [
        "Dotted: fewer than 10 requests were slower, so the curve depends on chance."
    ]


def test_objectives_are_marked_at_their_percentile():
    chart = charts(step(EVEN), slos=[{"metric": "latency.p95", "max": "500ms"}])["distribution"]
    [limit] = chart.limits
    assert (limit.value, limit.label) == (500 * MS, "p95 ≤ 500ms")
    assert limit.start is not None
    assert limit.end is not None
    assert limit.start < beyond(0.95) < limit.end


def test_each_step_has_a_curve_and_a_mark_of_its_own():
    names = ["list", "buy"]
    made = charts(
        *(step(EVEN, name=name) for name in names),
        scenarios=[
            {
                "name": "default",
                "steps": [{"name": name, "http": {"path": f"/{name}"}} for name in names],
            }
        ],
        slos=[{"metric": "latency.p95", "of": "buy", "max": "500ms"}],
    )
    assert list(made) == ["distribution", "by-step", "service-by-step"]
    curves = [line for line in made["by-step"].lines if line.name]
    assert [(line.name, line.mark) for line in curves] == [("list", "●"), ("buy", "■")]
    assert len(curves[0].marked) == 3
    assert [limit.label for limit in made["by-step"].limits] == ["p95 of buy ≤ 500ms"]
    assert made["distribution"].limits == []


def test_of_many_steps_the_busiest_are_drawn_and_the_others_told():
    names = [f"step-{index}" for index in range(MAX_CURVES + 3)]
    records = [step(EVEN[: 100 + index], name=name) for index, name in enumerate(names)]
    chart = charts(
        *records,
        scenarios=[
            {"name": "default", "steps": [{"name": n, "http": {"path": f"/{n}"}} for n in names]}
        ],
    )["by-step"]
    assert [line.name for line in chart.lines if line.name] == names[3:]
    assert chart.notes[0] == "The 6 steps with the most requests; 3 more are below."


def test_runs_are_drawn_side_by_side_as_far_as_they_are_kept():
    one = reported(report(step(EVEN)))
    [chart] = of_runs([("old", one), ("gone", type(one)(one.run)), ("new", one)])
    assert [line.name for line in chart.lines if line.name] == ["old", "new"]
    assert list(of_runs([("gone", type(one)(one.run))])) == []
