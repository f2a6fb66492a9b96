"""The dashboards of the chart as ConfigMaps that Grafana's sidecar finds."""

import json

import pytest

from tests.dashboards.model import dashboards
from tests.integration.test_rules import Rule, helm_template

pytestmark = pytest.mark.patient

ENABLED = "--set=metrics.dashboards.enabled=true"


def maps(*values: str) -> list[Rule]:
    """The ConfigMaps with dashboards."""
    bodies = helm_template(*values)
    return [
        body
        for body in bodies
        if body["kind"] == "ConfigMap" and "-dashboard-" in body["metadata"]["name"]
    ]


def test_there_are_none_unless_asked_for() -> None:
    assert maps() == []


def test_each_dashboard_is_in_a_config_map_word_for_word() -> None:
    found = {}
    for body in maps(ENABLED):
        assert body["metadata"]["labels"]["grafana_dashboard"] == "1"
        [(name, text)] = body["data"].items()
        found[name] = json.loads(text)
    assert found == {f"perfrun-{board.name}.json": board.body for board in dashboards()}


def test_where_they_go_and_how_the_sidecar_finds_them_are_values() -> None:
    for body in maps(
        ENABLED,
        "--set=metrics.dashboards.namespace=monitoring",
        "--set=metrics.dashboards.labels.release=grafana",
        "--set=metrics.dashboards.annotations.grafana_folder=perfrun",
    ):
        about = body["metadata"]
        assert about["namespace"] == "monitoring"
        assert about["labels"]["release"] == "grafana"
        assert about["annotations"] == {"grafana_folder": "perfrun"}
