"""The dashboards of the chart, as files: nothing missing, nothing overlapping, nothing unknown."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.store import Store
from tests.dashboards.model import (
    FOLDER,
    Dashboard,
    Json,
    Panel,
    dashboards,
    substituted,
    variables_in,
)

DASHBOARDS = dashboards()
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
PANEL_IDS = [f"{dashboard.name}: {panel.title}" for dashboard, panel in PANELS]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
BUILT_IN = {"__all", "__rate_interval", "__url_time_range", "__data"}
OF_PROMETHEUS = {"scrape_duration_seconds"}
METRIC = re.compile(r"\b(?:perfrun|process|scrape|python)_[a-z_]+")

every_dashboard = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)
every_panel = pytest.mark.parametrize(("board", "panel"), PANELS, ids=PANEL_IDS)


def shown_metrics() -> set[str]:
    """The names of all series that the operator can show."""
    metrics = Metrics(Store())
    metrics.leading = True
    registry = CollectorRegistry()
    registry.register(metrics)
    ProcessCollector(registry=registry)
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
    }


def objects(value: Any, key: str) -> Iterator[Any]:
    """What stands under a key, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key:
                yield inner
            yield from objects(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner, key)


def test_there_is_one_of_all_tests_one_of_a_test_and_one_of_the_operator() -> None:
    assert {board.name for board in DASHBOARDS} == {"overview", "test", "operator"}


@every_dashboard
def test_what_grafana_needs_of_a_dashboard_is_there(board: Dashboard) -> None:
    body = board.body
    assert body["uid"] == f"perfrun-{board.name}"
    assert body["title"].startswith("perfrun / ")
    assert body["schemaVersion"] >= 39
    assert body["description"].endswith(".")
    assert "id" not in body  # of one Grafana's database
    assert body["time"]["to"] == "now"


@every_dashboard
def test_data_source_is_a_variable_everywhere(board: Dashboard) -> None:
    assert board.variables["datasource"]["query"] == "prometheus"
    found = list(objects(board.body, "datasource"))
    assert len(found) > len(board.panels)
    assert all(source == SOURCE for source in found)


@every_dashboard
def test_variables_are_all_known_and_all_used(board: Dashboard) -> None:
    used = variables_in(json.dumps(board.body))
    assert used - BUILT_IN == set(board.variables)


@every_dashboard
def test_panels_lie_beside_each_other(board: Dashboard) -> None:
    places = [panel["gridPos"] for panel in board.body["panels"]]
    for one in places:
        assert one["x"] >= 0
        assert one["w"] > 0
        assert one["x"] + one["w"] <= 24
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    identities = [panel["id"] for panel in board.body["panels"]]
    assert len(set(identities)) == len(identities)


@every_panel
def test_panel_says_what_it_shows_and_in_which_unit(board: Dashboard, panel: Panel) -> None:
    assert panel.title
    assert panel.body["description"].endswith(".")
    assert panel.defaults["unit"]
    if panel.kind != "table":
        assert panel.defaults["thresholds"]["steps"][0]["value"] is None
    names = [target["refId"] for target in panel.body["targets"]]
    assert names
    assert len(set(names)) == len(names)


@every_panel
def test_panel_asks_only_for_metrics_that_there_are(board: Dashboard, panel: Panel) -> None:
    known = shown_metrics() | OF_PROMETHEUS
    for query in panel.queries:
        named = set(METRIC.findall(query.expression))
        assert named
        assert named <= known


@every_dashboard
def test_variables_ask_only_for_metrics_that_there_are(board: Dashboard) -> None:
    for variable in board.variables.values():
        assert set(METRIC.findall(variable.get("definition", ""))) <= shown_metrics()


def test_alerts_ask_only_for_metrics_that_there_are() -> None:
    rules = yaml.safe_load((FOLDER.parent / "files/rules.yaml").read_text())
    named = {name for text in objects(rules, "expr") for name in METRIC.findall(text)}
    assert len(named) > 8
    assert named <= shown_metrics()


def test_links_lead_to_dashboards_that_there_are() -> None:
    known = {board.body["uid"] for board in DASHBOARDS}
    urls = [url for board in DASHBOARDS for url in objects(board.body, "url") if url]
    assert urls
    for url in urls:
        assert url.removeprefix("/d/").split("/")[0] in known


def test_columns_of_a_table_follow_its_queries() -> None:
    for _, panel in PANELS:
        if panel.kind != "table":
            continue
        columns: Json = panel.body["transformations"][1]["options"]["renameByName"]
        values = {name for name in columns if name.startswith("Value #")}
        letters = {f"Value #{target['refId']}" for target in panel.body["targets"]}
        hidden: Json = panel.body["transformations"][1]["options"]["excludeByName"]
        assert values == letters - set(hidden)
        for override in panel.body["fieldConfig"]["overrides"]:
            assert override["matcher"]["options"] in columns.values()


def test_variables_are_replaced_as_grafana_does() -> None:
    text = 'rate(x{a=~"$a",b="${b}"}[$__rate_interval])'
    assert substituted(text, {"a": ".*", "b": "1"}) == 'rate(x{a=~".*",b="1"}[15s])'
    with pytest.raises(KeyError):
        substituted("$other", {})
