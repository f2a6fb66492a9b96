"""The page of troubleshooting has an entry for every reason that perfrun gives, and for none that it does not."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
import yaml

from perfrun.api.run.perfrun import Phase, Verdict
from perfrun.api.test.baseline import TrendState
from perfrun.engine.errors import ErrorClass
from perfrun.logic.plan.capacity import HoldOutcome
from perfrun.logic.run import health
from perfrun.logic.run import status as run_status
from perfrun.logic.verdict import findings, scripts
from tests.unit.examples.commands import in_script, parsed

REPO = Path(__file__).parents[2]
GUIDE = (REPO / "docs/how-to/troubleshooting.md").read_text()
SOURCES = sorted((REPO / "operator/perfrun").rglob("*.py"))


def calls() -> Iterator[ast.Call]:
    for file in SOURCES:
        yield from (
            node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
        )


def texts(node: ast.AST) -> set[str]:
    """All string constants below a node that look like a reason."""
    found = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
    words = {text for text in found if isinstance(text, str) and re.fullmatch(r"[A-Z]\w+", text)}
    return words - {"True", "False", "Unknown", "Complete", "SLOMet", "Stalled"}


def function(module: ModuleType, name: str) -> ast.AST:
    return next(
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    )


def of_a_test_that_is_not_ready() -> set[str]:
    """What is handed to the functions that say so."""
    named = [call for call in calls() if ast.unparse(call.func) in ("self._refuse", "Stalled")]
    assert len(named) >= 4
    return {"Invalid"}.union(*(texts(one) for call in named for one in call.args[:4]))


# What stands in the place of a reason, where it is no text, and what it may be.
COMPUTED: dict[str, set[str]] = {
    "reason": of_a_test_that_is_not_ready()
    | texts(function(run_status, "_slo_met"))
    # What a test's health takes over from its other conditions, and gives by itself.
    | texts(function(health, "health_condition")) - {"Reconciling", "PerfRun"},
    "complete": texts(function(run_status, "done_conditions")),
    "_STALLED[verdict]": set(run_status._STALLED.values()),
    "phase.value": {phase.value for phase in Phase},
    "trend.state": set(get_args(TrendState)),
    "passage.state": set(get_args(TrendState)),
    "verdict.value": {one.value for one in Verdict},
    "Verdict.ERROR.value": {Verdict.ERROR.value},
}


def reasons_of(nodes: list[ast.expr]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Constant):
            found.add(str(node.value))
        else:
            written = ast.unparse(node)
            assert written in COMPUTED, f"what reasons may {written} be? Say it in COMPUTED"
            found |= COMPUTED[written]
    return found


def of_conditions() -> set[str]:
    nodes = [
        keyword.value
        for call in calls()
        if ast.unparse(call.func) == "Condition"
        for keyword in call.keywords
        if keyword.arg == "reason"
    ]
    assert len(nodes) >= 9
    return reasons_of(nodes)


def of_events() -> set[str]:
    nodes = [
        call.args[2]
        for call in calls()
        if ast.unparse(call.func).endswith("events.record") and len(call.args) > 2
    ]
    assert len(nodes) >= 12
    return reasons_of(nodes)


def of_findings() -> set[str]:
    sources = inspect.getsource(findings) + inspect.getsource(scripts)
    found = set(re.findall(r'finding_of\(\s*"(\w+)"', sources))
    assert len(found) >= 9
    return found


def of_errors() -> set[str]:
    return {"Sql", *(one.value for one in ErrorClass)}


def alerts() -> set[str]:
    rules = yaml.safe_load((REPO / "charts/perfrun/files/rules.yaml").read_text())
    return {rule["alert"] for group in rules["groups"] for rule in group["rules"]}


def section(heading: str) -> str:
    return GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def entries(heading: str) -> set[str]:
    """The reasons of a table; each has its anchor beside it."""
    found = re.findall(r'<a id="(\w+)"></a>`(\w+)(?:\.\.\.)?`', section(heading))
    for anchor, name in found:
        assert anchor in (name.lower(), f"{name.lower()}trend")
    assert len(found) == section(heading).count("<a id=")
    return {name for _, name in found}


READY = "A test is not ready"
PHASES = "A run does not start, or is not done"
VERDICTS = "What a verdict means"
EVENTS = "Events"
TREND = "Trend"


def test_every_condition_and_event_has_an_entry_and_there_is_no_other():
    found = set().union(*(entries(one) for one in (READY, PHASES, VERDICTS, EVENTS, TREND)))
    assert found == of_conditions() | of_events() | {one.value for one in Verdict}


def test_each_stands_where_it_is_looked_for():
    assert entries(TREND) == set(get_args(TrendState))
    assert entries(PHASES) == {phase.value for phase in Phase}
    assert entries(VERDICTS) >= {one.value for one in Verdict} | COMPUTED["complete"]
    assert entries(READY) >= of_a_test_that_is_not_ready()


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Findings", of_findings()),
        ("Errors of requests", of_errors()),
        ("Holds of a capacity search", {one.value for one in HoldOutcome}),
    ],
)
def test_every_finding_error_and_hold_has_an_entry(heading: str, names: set[str]):
    assert entries(heading) == names


def test_the_reasons_to_wait_in_the_queue_are_told():
    """They are sentences: the words of each of them are in the entry."""
    source = (REPO / "operator/perfrun/logic/schedule/admission.py").read_text()
    entry = next(line for line in GUIDE.splitlines() if '<a id="queued">' in line)
    for words in ("is loading", "has priority over this run for", "limits.runs"):
        assert words in source
        assert words in entry


def test_every_alert_has_the_heading_that_its_runbook_leads_to():
    headings = re.findall(r"^### (\w+)$", section("Alerts"), re.MULTILINE)
    assert set(headings) == alerts()
    assert len(headings) == len(alerts())


def anchors() -> list[str]:
    explicit = re.findall(r'<a id="([\w-]+)"></a>', GUIDE)
    headings = re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    slugs = [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings]
    return [*explicit, *slugs]


def test_anchors_are_unique_and_links_within_the_page_lead_somewhere():
    known = anchors()
    assert len(known) == len(set(known)), sorted({one for one in known if known.count(one) > 1})
    for target in re.findall(r"\]\(#([^)]+)\)", GUIDE):
        assert target in known


def test_links_to_files_lead_somewhere():
    for page in ("test-performance.md", "troubleshooting.md", "gitops.md", "pytest.md"):
        text = (REPO / "docs/how-to" / page).read_text()
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (REPO / "docs/how-to" / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", ["test-performance.md", "troubleshooting.md", "gitops.md"])
def test_commands_exist_with_their_options(page: str):
    text = (REPO / "docs/how-to" / page).read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`(perfrun [a-z][^`.]*)`", text)
    found = [words for script in [*blocks, *inline] for words in in_script(script)]
    assert found
    for words in found:
        if len(words) > 1:
            parsed(words)
