"""The alerts of the chart: read, and tried on series that fire and on such that do not."""

import functools
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.gobuild import binary
from tests.integration.documented import REPO, documents

pytestmark = pytest.mark.patient

CHART = REPO / "charts/perfrun"
TESTS = Path(__file__).parent / "rules"
RUNBOOK = "https://runbooks.example/perfrun.md"
Rule = dict[str, Any]


@functools.cache
def helm_template(*values: str) -> list[Rule]:
    """What the chart makes of values; no cluster is asked."""
    words = [str(binary("helm")), "template", "perfrun", str(CHART), *values]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return documents(done.stdout)


def rendered(*values: str) -> Rule:
    """The PrometheusRule of the chart."""
    enabled = ["--set=metrics.prometheusRule.enabled=true", *values]
    [rule] = [body for body in helm_template(*enabled) if body["kind"] == "PrometheusRule"]
    return rule


def rules_of(rule: Rule) -> list[Rule]:
    return [one for group in rule["spec"]["groups"] for one in group["rules"]]


@pytest.fixture
def folder(tmp_path: Path, rule_tools: None) -> Path:
    """A folder with the rules as the chart renders them, and the tests of them beside."""
    spec = rendered(f"--set=metrics.prometheusRule.runbookUrl={RUNBOOK}")["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    for path in TESTS.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text().replace("RUNBOOK", RUNBOOK))
    return tmp_path


def promtool(folder: Path, *words: str) -> None:
    done = subprocess.run(
        ["promtool", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_valid(folder: Path) -> None:
    promtool(folder, "check", "rules", "--lint-fatal", "rules.yaml")


@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("*.yaml")))
def test_alerts_fire_when_they_should_and_only_then(folder: Path, name: str) -> None:
    promtool(folder, "test", "rules", name)


def test_every_alert_has_a_test_that_fires_and_one_that_does_not() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for path in TESTS.glob("*.yaml"):
        for case in yaml.safe_load(path.read_text())["tests"]:
            for check in case.get("alert_rule_test", []):
                (fires if check["exp_alerts"] else silent).add(check["alertname"])
    alerts = {rule["alert"] for rule in rules_of(rendered())}
    assert fires == alerts
    assert silent >= alerts - {"PerfrunError"}  # a test that is well is silent about it
    quiet = yaml.safe_load((TESTS / "tests.yaml").read_text())["tests"][-1]
    assert quiet["promql_expr_test"][0]["expr"] == "ALERTS"


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    for rule in rules_of(rendered(f"--set=metrics.prometheusRule.runbookUrl={RUNBOOK}")):
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"}, rule["alert"]
        assert notes["runbook_url"] == f"{RUNBOOK}#{rule['alert'].lower()}"
        assert notes["description"].endswith(".")
        assert rule["labels"]["severity"]


def test_alerts_name_no_runbook_that_nobody_has_put_anywhere() -> None:
    for rule in rules_of(rendered()):
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_runbook_has_an_entry_for_every_alert() -> None:
    headings = {
        line.lstrip("#").strip()
        for line in (REPO / "docs/how-to/troubleshooting.md").read_text().splitlines()
        if line.startswith("#")
    }
    assert {rule["alert"] for rule in rules_of(rendered())} <= headings


def test_thresholds_are_values() -> None:
    changed = {
        "inconclusiveStreak=7": ">= 7",
        "missedWindow=3h": "[3h]",
        "overdueMinutes=25": "60 * 25",
        "notRunDays=40": "86400 * 40",
        "restarts=9": ">= 9",
    }
    values = [f"--set=metrics.prometheusRule.thresholds.{value}" for value in changed]
    expressions = "\n".join(rule["expr"] for rule in rules_of(rendered(*values)))
    assert [says for says in changed.values() if says not in expressions] == []
    assert "<" not in expressions.replace("<=", "")  # no name was left where a value belongs


def test_labels_by_which_a_prometheus_finds_its_rules() -> None:
    rule = rendered("--set=metrics.prometheusRule.labels.release=monitoring")
    assert rule["metadata"]["labels"]["release"] == "monitoring"


def test_there_are_no_rules_unless_asked_for() -> None:
    assert "PrometheusRule" not in {body["kind"] for body in helm_template()}
