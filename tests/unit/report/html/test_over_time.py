"""Charts over time: what is drawn of a load, and what is not there to be drawn."""

from dataclasses import replace
from typing import Any

import pytest

from perfrun.measure.record import Series
from perfrun.measure.report import WorkerReport
from perfrun.measure.sketch import GROWTH
from perfrun.report.html.charts import Chart
from perfrun.report.html.errors import MAX_CLASSES
from perfrun.report.html.over_time import charts_over_time, lag_chart
from perfrun.report.html.timeline import MAX_POINTS
from tests.unit.logic.build import BURST, CLOSED, report, step
from tests.unit.report.html.build import MS, S, series, sketch, timeline, with_status


def measured(its: Series, *, load_time: int = 10 * S, stopped: str | None = None) -> WorkerReport:
    made = report(step([MS] * 1000), stopped=stopped)
    made.series, made.load_time = its, load_time
    return made


def charts(its: Series, **parts: Any) -> dict[str, Chart]:
    drawn = timeline(measured(its), **parts)
    return {chart.key: chart for chart in charts_over_time(drawn)}


def test_a_load_without_errors_has_no_chart_of_them():
    assert list(charts(series())) == ["latency", "rate", "in-flight"]


def test_percentiles_of_each_second():
    chart = charts(series())["latency"]
    assert [line.label for line in chart.lines] == ["p50", "p95", "p99", "max"]
    assert len(chart.rows) == 10
    when, *cells = chart.rows[3].cells
    assert when == "3s to 4s"
    assert [float(cell.removesuffix("ms")) for cell in cells] == pytest.approx(
        [50, 95, 99, 100], rel=0.02
    )


def test_limits_on_all_requests_are_drawn_where_they_are_near():
    slos = [
        {"metric": "latency.p95", "max": "150ms"},
        {"metric": "latency.p99", "of": "get", "max": "200ms"},
        {"metric": "latency.max", "max": "1h"},
        {"metric": "latency.avg", "max": "10ms"},
        {"metric": "errorRate", "max": "1%"},
    ]
    chart = charts(series(), slos=slos)["latency"]
    assert [limit.label for limit in chart.limits] == ["p95 ≤ 150ms", "p99 ≤ 200ms"]
    assert chart.notes[1] == "The objective, max ≤ 1h, lies far above the chart."
    assert "p95 ≤ 150ms" in chart.summary


def test_a_limit_of_one_of_several_steps_is_not_one_of_all():
    steps = [{"name": name, "http": {"path": f"/{name}"}} for name in ("get", "put")]
    chart = charts(
        series(),
        scenarios=[{"name": "default", "steps": steps}],
        slos=[{"metric": "latency.p95", "of": "get", "max": "150ms"}],
    )["latency"]
    assert chart.limits == []


def test_seconds_without_successes_are_gaps():
    some = sketch(*[MS] * 20)
    chart = charts(series(latency=[some] * 4 + [sketch()] * 2 + [some] * 4))["latency"]
    assert [len(piece) for piece in chart.lines[0].pieces] == [4, 4]
    assert chart.rows[4].cells == ("4s to 5s", "", "", "", "")


def test_the_last_straggler_is_no_collapse():
    chart = charts(series(latency=[sketch(*[MS] * 1000)] * 9 + [sketch(200 * MS)]))["latency"]
    drawn = {line.name.partition(" ")[0]: line for line in chart.lines}
    assert [len(piece) for piece in drawn["p50"].pieces] == [9]
    assert [len(piece) for piece in drawn["max"].pieces] == [10]
    for area in chart.areas:
        assert [len(piece) for piece in area.lower] == [len(piece) for piece in area.upper] == [9]
    assert chart.notes[1:] == [
        "Drawn only where a point has enough successful requests: p50 20, p95 200, p99 1000.",
        "Each percentile here covers one point in time, and is accurate to 1%.",
    ]


def test_the_maximum_of_a_point_is_exact():
    slowest = int(997 * GROWTH**709)  # near the end of its bucket
    chart = charts(series(latency=[sketch(*[MS] * 1000, slowest, slowest - 10 * MS)] * 10))
    (piece,) = next(line for line in chart["latency"].lines if line.label == "max").pieces
    assert {value for _, value in piece} == {slowest}


def test_two_maxima_are_told_apart():
    notes = charts(series(latency=[sketch(*[MS] * 1000)] * 9 + [sketch(200 * MS)]))["latency"].notes
    assert notes[0] == (
        "The slowest request here took 200ms; the max of the figures above, 1ms, covers only the "
        "window, and includes requests that timed out or were still open."
    )
    alike = charts(series(latency=[sketch(*[MS] * 1000)] * 10))["latency"].notes
    assert not any("slowest" in note for note in alike)


def test_planned_started_and_succeeded_are_counted_over_the_same_time():
    """A burst of 100 that took 0.1 s is 1000/s, whatever of it is drawn."""
    burst = series(seconds=1, latency=[sketch(*[MS] * 100)])
    drawn = charts_over_time(timeline(measured(burst, load_time=S // 10), load=BURST))
    chart = next(one for one in drawn if one.key == "rate")
    assert [row.cells for row in chart.rows] == [("0s to 0.1s", "1,000", "1,000")]
    assert chart.x.high == S // 10
    assert {max(x for piece in line.pieces for x, _ in piece) for line in chart.lines} == {S // 10}


def test_points_are_joined_until_a_percentile_can_be_told_but_not_to_a_few():
    few = sketch(*[MS] * 60)
    chart = charts(series(seconds=120, rate=60, latency=[few] * 120))["latency"]
    assert len(chart.rows) == 30, "of 240 requests each"
    assert all(chart.rows[n].cells[2] for n in range(30))
    short = charts(series(seconds=59, rate=60, latency=[few] * 59))["latency"]
    assert len(short.rows) == 59
    assert not any(row.cells[2] for row in short.rows)


def test_timeouts_are_not_hidden():
    its = series(failed=[3] * 10, errors={"Timeout": [2] * 10, "Connect": [1] * 10})
    assert charts(its)["latency"].notes[1:-1] == [
        "20 requests timed out and are not in this chart: see Errors, and the distribution, where "
        "they count."
    ]


def test_what_was_planned_and_not_started_is_marked():
    chart = charts(series(started=[100] * 9 + [60]))["rate"]
    assert [line.name for line in chart.lines] == [
        "iterations planned",
        "iterations started",
        "requests succeeded",
    ]
    assert [area.name for area in chart.areas] == ["planned but not started"]
    assert chart.summary.startswith("960 of 1,000 planned iterations were started")


@pytest.mark.parametrize("load", [CLOSED, BURST])
def test_loads_without_a_rate_plan_none(load: dict[str, Any]):
    chart = charts(series(), load=load)["rate"]
    assert chart.title == "Rate achieved"
    assert chart.columns == ("time", "iterations started", "requests succeeded")


def test_a_last_second_that_is_a_part_is_not_a_slump():
    its = series(seconds=3, planned=[100, 100, 50], started=[100, 100, 50])
    drawn = timeline(measured(its, load_time=5 * S // 2))
    chart = next(chart for chart in charts_over_time(drawn) if chart.key == "rate")
    assert [row.cells[1:3] for row in chart.rows] == [("100", "100")] * 3
    assert chart.lines[0].pieces[0][-1] == (2.5 * S, 100)


def test_errors_are_stacked_by_class_the_most_frequent_first():
    errors = {"Connect": [0] * 9 + [1], "Status5xx": [0] * 8 + [5, 5]}
    chart = charts(series(failed=[0] * 8 + [5, 6], errors=errors))["errors"]
    assert [area.name for area in chart.areas] == ["Status5xx: 10", "Connect: 1"]
    assert [row.cells for row in chart.rows] == [("8s to 9s", "5", "0"), ("9s to 10s", "5", "1")]
    assert chart.areas[1].lower == [[(9 * S, 5), (10 * S, 5)]]
    assert chart.areas[1].upper == [[(9 * S, 6), (10 * S, 6)]]


def test_rare_classes_are_one():
    errors = {f"Sql{index}": [index + 1] + [0] * 9 for index in range(MAX_CLASSES + 3)}
    chart = charts(series(failed=[45] + [0] * 9, errors=errors))["errors"]
    assert len(chart.areas) == MAX_CLASSES + 1
    assert chart.areas[-1].name == "others: 6"


def test_a_result_of_an_older_perfrun_says_what_it_lacks():
    old = Series(planned=[10] * 5, started=[10] * 5, succeeded=[9] * 5, failed=[1] * 5)
    drawn = timeline(measured(old))
    keys = {chart.key: chart for chart in charts_over_time(drawn)}
    assert list(keys) == ["rate", "errors"]
    assert [area.name for area in keys["errors"].areas] == ["failed: 5"]
    assert lag_chart(drawn) is None
    assert "only rates are drawn" in str(drawn.missing())


def test_a_result_without_any_series_says_so():
    drawn = timeline(measured(Series()))
    assert list(charts_over_time(drawn)) == []
    assert "no data over time" in str(drawn.missing())


def test_a_series_in_which_counts_are_absent_is_drawn_all_the_same():
    drawn = timeline(measured(Series(succeeded=[5] * 3)))
    assert [chart.key for chart in charts_over_time(drawn)] == ["rate"]


def test_warm_up_and_what_comes_after_the_load_are_shaded_and_named():
    load = {"warmup": "4s", "open": {"rate": "100/s", "duration": "6s"}}
    drawn = timeline(measured(series(seconds=12)), load=load)
    assert [(span.start, span.end, span.label) for span in drawn.spans] == [
        (0, 4 * S, "warm-up, not judged"),
        (10 * S, 12 * S, "load over"),
    ]


def test_a_stop_is_marked():
    drawn = timeline(measured(series(), stopped="by Ctrl-C"))
    assert [(one.at, one.label) for one in drawn.moments] == [(10 * S, "stopped")]
    assert drawn.stopped() == "The load was stopped by Ctrl-C."
    assert all(drawn.moments[0] in chart.moments for chart in charts_over_time(drawn))


def test_lag_is_of_loads_with_a_rate():
    lag = lag_chart(timeline(measured(series(lag=[2 * MS] * 10))))
    assert lag is not None
    assert lag.rows[0].cells == ("0s to 1s", "2ms")
    assert lag_chart(timeline(measured(series()), load=CLOSED)) is None


def test_how_many_are_allowed_is_drawn_where_they_came_near_it():
    load = {"open": {"rate": "100/s", "duration": "10s", "maxInFlight": 10}}
    near = charts(series(in_flight=[9] * 10), load=load)["in-flight"]
    far = charts(series(in_flight=[2] * 10), load=load)["in-flight"]
    assert [limit.label for limit in near.limits] == ["maxInFlight 10"]
    assert (far.limits, far.notes) == ([], ["At most 10 were allowed."])


def test_long_series_are_joined():
    drawn = timeline(measured(series(seconds=600), load_time=600 * S))
    assert len(drawn.starts) <= MAX_POINTS
    assert drawn.interval == "2s"
    assert len(measured(series(seconds=600)).series.started) == 600


def test_holds_of_a_search_are_marked_with_their_rates():
    load = {"capacity": {"from": "100/s", "to": "200/s", "hold": "2s"}}
    one = timeline(measured(series()), load=load)
    holds = [
        {"rate": "100/s", "startTime": "2026-11-22T02:00:04Z", "outcome": "Met"},
        {"rate": "200/s"},
        {"rate": "150/s"},
    ]
    searched = replace(one, reported=with_status(one.reported, capacity={"holds": holds}))
    assert [(hold.at, hold.label) for hold in searched.holds] == [(S, "100/s")]
