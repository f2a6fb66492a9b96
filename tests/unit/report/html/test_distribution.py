"""Distributions: what is known of them, and where a curve has to end."""

from typing import Any

import pytest

from perfrun.api.test.metric import QUANTILES
from perfrun.measure.histogram import Histogram
from perfrun.measure.record import Outcome, StepRecord, Timing, timing_key
from perfrun.report.html.charts import Chart
from perfrun.report.html.distribution import MAX_CURVES, Curve, Look, curve, distributions, of_runs
from perfrun.report.html.scales import beyond
from perfrun.report.steps import figure
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
    made = distributions(one.result.report, one.result.plan, one.run.status)
    return {chart.key: chart for chart in made}


EVEN = [(index + 1) * MS for index in range(1000)]


def test_a_curve_goes_from_the_least_to_the_greatest():
    one = drawn(step(EVEN))
    points, slowest = one.points(), one.slowest()
    assert points[0] == pytest.approx((0, MS))
    assert points[-1] == pytest.approx((2, 990 * MS), rel=0.001)
    assert [value for _, value in slowest] == pytest.approx(EVEN[-10:], rel=0.001)
    assert slowest[0][0] == pytest.approx(2)
    assert slowest[-1] == pytest.approx((3, 1000 * MS)), "the slowest is the max of the table"


def test_a_percentile_is_where_its_share_is():
    assert drawn(step(EVEN)).text(0.9) == "900ms"


def test_a_curve_ends_where_requests_timed_out():
    one = drawn(step(EVEN[:900], timeouts=[5 * S] * 80, censored=[6 * S] * 20))
    assert (one.known, one.supported, one.bound) == (900, 0.9, 5 * S)
    assert one.text(0.9) == "900ms"
    assert one.text(0.95) == "≥5s"
    assert max(place for place, _ in one.points()) == pytest.approx(beyond(0.9))
    assert one.slowest() == []


def test_what_so_few_samples_say_is_not_shown_as_a_figure():
    one = drawn(step(EVEN[:50]))
    assert (one.text(0.8), one.text(0.99)) == ("40ms", "n/a")
    assert one.supported == pytest.approx(0.8)


def test_nothing_is_drawn_of_nothing():
    assert curve("all", Look("s0"), StepRecord(scenario="", step=""), Timing.LATENCY) is None
    assert charts(step([], failed=5)) == {}


def test_ten_requests_are_too_few_for_a_picture():
    assert charts(step(EVEN[:10])) == {}
    assert list(charts(step(EVEN[:11]))) == ["distribution"]


def test_only_timeouts_leave_no_curve_and_say_so():
    chart = charts(step([], timeouts=[5 * S] * 20))["distribution"]
    assert all(line.pieces == [] for line in chart.lines)
    assert chart.rows[1].cells == ("25%", "≥5s")
    assert "20 of all requests" in chart.notes[-1]


def test_a_chart_has_one_clock():
    waited = step(EVEN)
    served = waited.timings[timing_key(Timing.SERVICE, Outcome.SUCCESS)] = Histogram()
    served.fold([ns // 2 for ns in EVEN])
    made = charts(waited)
    assert list(made) == ["distribution", "service"]
    assert [made[key].unit for key in made] == [
        "in the window, from when a request was due; logarithmic",
        "in the window, from the first byte sent; logarithmic",
    ]
    assert all(len([line for line in one.lines if line.name]) == 1 for one in made.values())
    [alike] = charts(step(EVEN)).values()
    assert "differs by less than 5% and is not drawn" in alike.notes[0]


@pytest.mark.parametrize(
    ("record", "share"),
    [
        (step(EVEN[:100]), 0.95),
        (step(EVEN[:45], timeouts=[5 * S] * 5), 0.95),
        (step(EVEN[:900], timeouts=[5 * S] * 100), 0.95),
        (step(EVEN[:900], timeouts=[5 * S, 7 * S] * 50), 0.95),
        (step(EVEN, censored=[20 * MS] * 3), 0.5),
        (step(EVEN), 0.99),
    ],
)
def test_a_percentile_is_told_in_a_chart_as_in_the_table(record: StepRecord, share: float):
    status = reported(report(record)).run.status
    assert status.summary is not None
    assert status.summary.latency is not None
    name = next(name for name, its in QUANTILES.items() if its == share)
    assert drawn(record).text(share) == figure(getattr(status.summary.latency, name))


def test_a_curve_that_ends_says_from_where_on():
    chart = charts(step(EVEN, timeouts=[5 * S] * 20))["distribution"]
    assert [line.label for line in chart.lines if line.label] == ["all ≥ 5s"]
    assert "it is unknown how long they would have taken" in chart.notes[-1]


def test_the_slowest_ten_are_single_marks_and_no_curve():
    chart = charts(step(EVEN))["distribution"]
    curve_, marks = chart.lines
    assert curve_.pieces[0][-1][0] == pytest.approx(beyond(0.99))
    assert (marks.mark, len(marks.marked), marks.pieces) == ("○", 10, [])
    assert chart.notes[1:] == [
        "Single marks: the slowest requests, at most 10, each by itself. They are too few for a "
        "percentile."
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
    assert list(made) == ["distribution", "by-step"]
    curves = [line for line in made["by-step"].lines if line.name]
    assert [(line.name, line.mark) for line in curves] == [("list", "●"), ("buy", "■")]
    assert len(curves[0].marked) == 3
    assert [limit.label for limit in made["by-step"].limits] == ["p95 of buy ≤ 500ms"]
    assert made["distribution"].limits == []


def test_of_many_steps_the_worst_are_drawn_and_the_others_told():
    names = [f"step-{index}" for index in range(MAX_CURVES + 3)]
    records = [step(EVEN[: 100 + index], name=name) for index, name in enumerate(names)]
    chart = charts(
        *records,
        scenarios=[
            {"name": "default", "steps": [{"name": n, "http": {"path": f"/{n}"}} for n in names]}
        ],
    )["by-step"]
    assert [line.name for line in chart.lines if line.name] == names[:2:-1]
    assert chart.notes[0] == "The 6 worst steps, as in Steps; 3 more are not drawn."


def test_runs_are_drawn_side_by_side_as_far_as_they_are_kept():
    one = reported(report(step(EVEN)))
    [chart] = of_runs([("old", one), ("gone", type(one)(one.run)), ("new", one)])
    assert [line.name for line in chart.lines if line.name] == ["old", "new"]
    assert list(of_runs([("gone", type(one)(one.run))])) == []
