"""Figures of what was observed, their verdicts, and what is said where they are missing."""

from typing import Any, get_args

import pytest

from perfrun.api.run.perfrun import SloStatus, Verdict
from perfrun.api.test.metric import OBSERVABLES, OBSERVED, observables
from perfrun.api.test.observe import Sort
from perfrun.logic.verdict.observed import theil_sen
from perfrun.measure.observed import Observation, ObservedMetric
from perfrun.measure.report import WorkerReport
from tests.unit.logic.build import MS, S, judged, report, spec, step

OPEN = {"open": {"rate": "100/s", "duration": "2m"}, "warmup": "10s"}
WINDOW = 120 * S
OBSERVE = [
    {"name": "api", "workload": {"kind": "Deployment", "name": "api"}},
    {"name": "db", "sql": {"dsnFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}}},
    {"name": "queue", "prometheus": {"url": "http://prometheus:9090", "query": "sum(depth)"}},
]
MIB = 1024 * 1024


def seen(
    name: str, metric: ObservedMetric, values: dict[float, float], trouble: str | None = None
) -> Observation:
    """``values`` by second after T0."""
    return Observation(
        name=name,
        metric=metric,
        at=[round(at * S) for at in values],
        values=list(values.values()),
        trouble=trouble,
    )


def measured(*observed: Observation, **parts: Any) -> WorkerReport:
    """A load of 13,000 quick requests, with a window from 10 s to 130 s."""
    whole = report(step([MS] * 13_000), window=WINDOW, **parts)
    whole.load_time = 10 * S + WINDOW
    return whole.model_copy(update={"observed": list(observed)})


def verdict(slo: dict[str, Any], *observed: Observation) -> SloStatus:
    return judged(spec(OPEN, slos=[slo], observe=OBSERVE), measured(*observed)).slos[0]


def test_each_metric_has_a_family_and_each_family_a_sort_of_thing_that_has_it() -> None:
    families = {metric.partition(".")[0] for metric in OBSERVED}
    assert families == set(OBSERVABLES)
    assert families == {family for sort in get_args(Sort) for family in observables(sort)}


def test_a_leak_of_a_mebibyte_a_second_breaches_its_limit_and_says_how_steep_it_is() -> None:
    leak = seen("api", "memory", {at: 50 * MIB + at * MIB for at in range(0, 150, 15)})
    slo = verdict({"metric": "memory.growth", "of": "api", "max": "100Mi"}, leak)
    assert (slo.verdict, slo.measured, slo.samples) == (Verdict.WARN, "120Mi", 8)
    assert slo.message == ("memory.growth of api was 120Mi (1Mi a second), at most 100Mi allowed")


def test_one_peak_is_no_growth_and_a_shrinking_target_meets_its_limit() -> None:
    values: dict[float, float] = dict.fromkeys(range(15, 130, 15), 50.0 * MIB)
    peak = verdict(
        {"metric": "memory.growth", "of": "api", "max": "1Mi"},
        seen("api", "memory", {**values, 120: 900.0 * MIB}),
    )
    assert (peak.verdict, peak.measured) == (Verdict.PASS, "0")
    shrinks = seen("api", "memory", {at: 200.0 * MIB - at * MIB for at in range(15, 130, 15)})
    slo = verdict({"metric": "memory.growth", "of": "api", "max": "1Mi"}, shrinks)
    assert (slo.verdict, slo.measured) == (Verdict.PASS, "-120Mi")


def test_the_warm_up_and_what_comes_after_the_load_do_not_count() -> None:
    cpu = seen("api", "cpu", {5: 8.0, 15: 0.5, 70: 0.7, 125: 0.6, 135: 8.0})
    peak = verdict({"metric": "cpu.max", "of": "api", "max": "800m"}, cpu)
    assert (peak.verdict, peak.measured, peak.samples) == (Verdict.PASS, "700m", 3)
    average = verdict({"metric": "cpu.avg", "of": "api", "max": "599m"}, cpu)
    assert (average.verdict, average.measured) == (Verdict.WARN, "600m")


def test_restarts_count_from_before_the_window_and_a_pod_that_is_gone_takes_none_back() -> None:
    counts = seen("api", "restarts", {0: 7.0, 30: 7.0, 60: 8.0, 90: 0.0, 120: 1.0, 140: 2.0})
    slo = verdict({"metric": "restarts", "of": "api", "max": 0, "onBreach": "Fail"}, counts)
    assert (slo.verdict, slo.measured) == (Verdict.FAIL, "3")


def test_a_process_has_no_restarts() -> None:
    slo = verdict({"metric": "restarts", "of": "api", "max": 0}, seen("api", "memory", {9: 5.0}))
    assert slo.verdict is Verdict.INCONCLUSIVE
    assert (
        slo.message
        == "restarts of api is not known: only pods have restarts, and no pod was observed"
    )


def test_a_query_can_have_a_floor() -> None:
    depth = seen("queue", "value", dict.fromkeys(range(10, 130, 5), 0.25))
    floor = verdict({"metric": "value.min", "of": "queue", "min": "0.3"}, depth)
    assert (floor.verdict, floor.measured) == (Verdict.WARN, "0.25")
    assert verdict({"metric": "value.avg", "of": "queue", "max": 1}, depth).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("observed", "said"),
    [
        ([], "connections.max of db was not observed"),
        (
            [seen("db", "connections", {}, trouble="db:5432 refused the login")],
            "connections.max of db is not known: db:5432 refused the login",
        ),
        (
            [seen("db", "connections", {5: 1.0})],
            "connections.max of db needs 1 sample in the window of 120s, but there were 0",
        ),
    ],
)
def test_what_was_not_seen_is_inconclusive_with_its_reason(
    observed: list[Observation], said: str
) -> None:
    whole = judged(
        spec(
            OPEN,
            slos=[
                {"metric": "connections.max", "of": "db", "max": 80},
                {"metric": "errorRate", "max": "1%"},
            ],
            observe=OBSERVE,
        ),
        measured(*observed),
    )
    assert said in whole.slos[0].message
    assert [slo.verdict for slo in whole.slos] == [Verdict.INCONCLUSIVE, Verdict.PASS]


def test_a_gap_takes_a_pass_back_and_lets_a_miss_stand() -> None:
    early = seen("db", "connections", {10: 5.0, 12: 9.0}, trouble="db:5432 cannot be reached")
    met = verdict({"metric": "connections.max", "of": "db", "max": 80}, early)
    assert met.verdict is Verdict.INCONCLUSIVE
    assert "there was no measurement for 118s: db:5432 cannot be reached" in met.message
    missed = verdict({"metric": "connections.max", "of": "db", "max": 8}, early)
    assert missed.verdict is Verdict.WARN


def test_too_few_points_of_a_pod_say_how_long_a_window_has_to_be() -> None:
    slo = verdict({"metric": "cpu.max", "of": "api", "max": "1"}, seen("api", "cpu", {20: 0.1}))
    assert slo.verdict is Verdict.INCONCLUSIVE
    assert "needs 3 samples in the window of 120s, but there were 1" in slo.message


def test_all_figures_stand_in_the_status_with_or_without_objectives() -> None:
    locked = seen("db", "locks", dict.fromkeys(range(10, 130, 10), 2.0))
    refused = seen("queue", "value", {}, trouble="no such query")
    whole = judged(spec(OPEN, observe=OBSERVE), measured(locked, refused))
    told = {one.name: (one.figures, one.message) for one in whole.observed}
    assert told == {
        "api": ({}, None),
        "db": ({"locks.max": "2"}, None),
        "queue": ({}, "no such query"),
    }


def test_a_capacity_search_is_observed_as_a_whole() -> None:
    load = {"capacity": {"from": "10/s", "to": "20/s", "hold": "100s"}}
    slos = [
        {"metric": "latency.avg", "max": "1s"},
        {"metric": "connections.max", "of": "db", "max": 80},
    ]
    whole = judged(spec(load, slos=slos, observe=OBSERVE), report(step([])))
    assert [slo.metric for slo in whole.slos] == ["latency.avg", "connections.max"]


def test_the_slope_is_the_median_of_all() -> None:
    assert theil_sen([0, 1, 2, 3, 4], [0, 2, 4, 1000, 8]) == 2.0
