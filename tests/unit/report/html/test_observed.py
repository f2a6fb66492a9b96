"""Charts of what was observed, over the time of the load."""

from typing import Any

import pytest

from perfrun.api.test.metric import OBSERVABLES
from perfrun.measure.observed import Observation
from perfrun.report.html.charts import Chart
from perfrun.report.html.observed import MAX_CHARTS, observed_charts, unseen
from perfrun.report.html.run import run_page
from perfrun.report.html.timeline import Timeline
from tests.unit.logic.build import report, step
from tests.unit.report.html.build import MS, S, reported, series, timeline

MIB = 1024 * 1024
OBSERVE = [
    {"name": "api", "workload": {"kind": "Deployment", "name": "api"}},
    {"name": "db", "sql": {"dsnFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}}},
]


def seen(metric: Any, values: dict[float, float], name: str = "api", **more: Any) -> Observation:
    at = [round(second * S) for second in values]
    return Observation(name=name, metric=metric, at=at, values=list(values.values()), **more)


def drawn(*observed: Observation, **parts: Any) -> Timeline:
    made = report(step([MS] * 1000))
    made.series, made.load_time = series(), 10 * S
    made.observed = list(observed)
    return timeline(made, observe=OBSERVE, **parts)


def charts(*observed: Observation, **parts: Any) -> list[Chart]:
    return list(observed_charts(drawn(*observed, **parts)))


LEAK = seen("memory", {second: (50 + second) * MIB for second in range(-2, 13, 2)})


@pytest.mark.parametrize("metric", OBSERVABLES)
def test_whatever_is_observed_can_be_drawn(metric: str) -> None:
    (chart,) = charts(seen(metric, {0: 1, 5: 2, 10: 3}))
    assert chart.rows


def test_a_leak_is_drawn_with_its_slope_and_with_what_was_before_and_after() -> None:
    slo = {"metric": "memory.max", "of": "api", "max": "100Mi"}
    (chart,) = charts(LEAK, slos=[slo])
    assert (chart.title, chart.unit) == ("Memory of api", "MiB")
    assert [line.name for line in chart.lines] == ["Memory", "slope: 1Mi per second"]
    assert chart.lines[0].pieces == [[(at * S, 50.0 + at) for at in range(0, 11, 2)]]
    assert chart.lines[1].pieces == [[(0, 50.0), (10 * S, 60.0)]]
    assert [(limit.value, limit.label) for limit in chart.limits] == [
        (100.0, "memory.max at most 100Mi")
    ]
    assert chart.notes == ["It was 48Mi before the load and 62Mi after it."]
    assert chart.rows[1].cells == ("2s", "52Mi")


def test_a_gap_is_not_drawn_over() -> None:
    cpu = seen("cpu", {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.3, 9: 0.4, 10: 0.5}, trouble="it was away")
    (chart,) = charts(cpu)
    assert [len(piece) for piece in chart.lines[0].pieces] == [4, 2]
    assert chart.notes == ["It could not be observed all the time: it was away"]


def test_a_limit_far_above_is_told() -> None:
    slo = {"metric": "connections.max", "of": "db", "max": 80}
    (chart,) = charts(seen("connections", {1: 3.0, 5: 4.0}, name="db"), slos=[slo])
    assert chart.limits == []
    assert chart.notes == ["The objective, connections.max at most 80, lies far above the chart."]


def test_things_stand_as_they_are_written_and_no_restart_is_no_picture() -> None:
    found = charts(
        seen("connections", {1: 0.0}, name="db"),
        seen("restarts", {1: 2.0, 9: 2.0}),
        seen("memory", {1: 1.0}),
        seen("cpu", {1: 1.0}),
    )
    assert [chart.title for chart in found] == ["CPU of api", "Memory of api", "Connections of db"]
    assert [chart.title for chart in charts(seen("restarts", {1: 2.0, 9: 3.0}))] == [
        "Restarts of api"
    ]


def test_there_are_not_more_charts_than_anybody_reads() -> None:
    many = [seen("value", {1: -1.0, 2: 1.0}, name=f"thing-{number}") for number in range(20)]
    assert len(charts(*many)) == MAX_CHARTS


def test_what_was_not_seen_at_all_is_said() -> None:
    nothing = seen("connections", {}, name="db", trouble="db:5432 refused the login")
    no_locks = seen("locks", {}, name="db", trouble="db:5432 refused the login")
    part = seen("restarts", {}, trouble="not here")
    told = list(unseen(drawn(LEAK, part, nothing, no_locks)))
    assert told == ["db could not be observed: db:5432 refused the login"]


def test_a_page_has_them_under_the_response_times() -> None:
    made = report(step([MS] * 1000))
    made.series, made.load_time, made.observed = series(), 10 * S, [LEAK]
    page = run_page(reported(made, observe=OBSERVE))
    places = [page.index(f'id="{key}-title"') for key in ("latency", "observed-0", "rate")]
    assert places == sorted(places)
