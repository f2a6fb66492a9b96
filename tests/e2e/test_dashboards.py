"""Every query of every dashboard and every selector of the alerts, on a real Prometheus.

It scrapes a real operator with tests of every kind of outcome, during a run and after it.
"""

import re
from pathlib import Path

import pytest
import yaml

from tests.dashboards.model import FOLDER, Dashboard, Query, dashboards, substituted
from tests.e2e.prometheus import JOB, Prometheus
from tests.e2e.shop import Shop, until

SCENE = Path(__file__).parents[1] / "dashboards/scene.yaml"
QUERIES = [
    (board, panel.title, query)
    for board in dashboards()
    for panel in board.panels
    for query in panel.queries
]
SELECTOR = re.compile(r"\b(?:perfrun|process)_\w+(?:\{[^}]*\})?")
OF_RECEIVERS = "perfrun_notifications_total"
"""Is there only in an installation with receivers; tests/unit/controller/metrics covers it."""


@pytest.fixture(scope="module")
def scene(shop: Shop, prometheus: Prometheus) -> Shop:
    """Tests of every kind of outcome, from before their first runs on."""
    shop.apply(SCENE.read_text())
    return shop


def values(shop: Shop) -> dict[str, str]:
    """The variables, as Grafana fills them in: one namespace, one test, all of the rest."""
    return {"namespace": shop.namespace, "test": "api", "step": ".*", "job": JOB}


def empty(
    queries: list[tuple[Dashboard, str, Query]], shop: Shop, prometheus: Prometheus
) -> list[str]:
    """The queries without data."""
    return [
        f"{board.name}: {title}: {query.expression}"
        for board, title, query in queries
        if not prometheus.query(substituted(query.expression, values(shop)))
    ]


def test_live_queries_have_data_while_a_run_is_in_progress(
    scene: Shop, prometheus: Prometheus
) -> None:
    mine = f'namespace="{scene.namespace}",test="api"'
    until(
        "the load has gone on for five seconds",
        lambda: prometheus.query(f"perfrun_live_elapsed_seconds{{{mine}}} > 5"),
        timeout=150,
    )
    live = [one for one in QUERIES if one[2].live]
    assert len(live) > 8
    assert empty(live, scene, prometheus) == []
    rate = float(prometheus.query(f"perfrun_live_rate{{{mine}}}")[0]["value"][1])
    assert 40 < rate < 100  # of 72 requests a second, with random arrivals
    workers = prometheus.query(f"perfrun_live_workers{{{mine}}}")
    assert workers[0]["value"][1] == "1"


def test_live_series_go_with_the_run(scene: Shop, prometheus: Prometheus) -> None:
    series = f'perfrun_live_rate{{namespace="{scene.namespace}",test="checkout"}}'
    until("a run is in progress", lambda: prometheus.query(series), timeout=150)
    until("it is no more", lambda: not prometheus.query(series), timeout=60)


def test_every_query_has_data_after_a_run(scene: Shop, prometheus: Prometheus) -> None:
    mine = f'namespace="{scene.namespace}"'
    until(
        "a finished run of each kind",
        lambda: len(prometheus.query(
            f'perfrun_verdict{{{mine},test="api",verdict="Pass"}} == 1'
            f' or perfrun_verdict{{{mine},test="checkout",verdict="Warn"}} == 1'
            f' or perfrun_verdict{{{mine},test="stock",verdict="Inconclusive"}} == 1'
            f' or perfrun_verdict{{{mine},test="search",verdict="Error"}} == 1'
        )) == 4,
        timeout=240,
    )  # fmt: skip
    # The trend is looked at once the run is over.
    until("the trend is shown", lambda: prometheus.query(f'perfrun_trend{{{mine},test="api"}}'))
    others = [one for one in QUERIES if not one[2].live]
    assert len(others) > 40
    assert empty(others, scene, prometheus) == []


def test_every_selector_of_the_alerts_has_series(scene: Shop, prometheus: Prometheus) -> None:
    rules = yaml.safe_load((FOLDER.parent / "files/rules.yaml").read_text())["groups"]
    texts = [rule["expr"] for group in rules for rule in group["rules"]]
    selectors = {found for text in texts for found in SELECTOR.findall(text)}
    selectors = {one for one in selectors if not one.startswith(OF_RECEIVERS)}
    assert len(selectors) > 9
    assert [one for one in selectors if not prometheus.query(one)] == []


def test_alerts_fire_for_what_is_not_well_and_for_nothing_else(
    scene: Shop, prometheus: Prometheus
) -> None:
    def firing() -> set[tuple[str, str]]:
        alerts = prometheus.query(f'ALERTS{{namespace="{scene.namespace}",alertstate="firing"}}')
        return {(one["metric"]["alertname"], one["metric"]["test"]) for one in alerts}

    expected = {("PerfrunBreach", "checkout"), ("PerfrunError", "search")}
    until("the alerts fire", lambda: firing() >= expected)
    assert firing() - expected <= {
        ("PerfrunMissedSchedule", "reports"),
        ("PerfrunInconclusiveStreak", "stock"),
    }
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
    told = next(rule for rule in prometheus.rules() if rule["name"] == "PerfrunBreach")
    [alert] = [one for one in told["alerts"] if one["labels"]["namespace"] == scene.namespace]
    description = alert["annotations"]["description"]
    assert re.search(r"latency\.avg is [4-9][0-9.]*, and may be at most 1\.", description)


def test_test_that_cannot_run_is_not_ready(scene: Shop, prometheus: Prometheus) -> None:
    series = f'perfrun_test_ready{{namespace="{scene.namespace}"}} == 0'
    not_ready = {one["metric"]["test"] for one in prometheus.query(series)}
    assert not_ready == {"partner"}
