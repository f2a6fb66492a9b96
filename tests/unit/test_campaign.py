"""What is kept of a campaign, the tables that are made of it, and the time that a slice may take."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.budget import Budget, Budgets
from tests.campaign import Campaign
from tests.e2e.faults.outcomes import Outcome, tables

MINUTES = 8


def kept(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_without_a_file_a_slice_is_run_and_nothing_kept():
    campaign = Campaign(None)
    campaign.begin()
    campaign.add("soak", runs=1)
    assert not campaign.whole


def test_what_was_seen_is_in_the_tables(tmp_path: Path):
    file = tmp_path / "seen.jsonl"
    campaign = Campaign(file)
    campaign.begin()
    Outcome("b is cut", "Collecting", "Error", "no | yes", 3.2).keep(campaign)
    Outcome("b is cut", "Queued", "Pass", "fine", 1.0).keep(campaign)
    Outcome("b is cut", "Queued", "Pass", "fine again", 2.0).keep(campaign)
    level = {"memory": 80.25, "watches": 3, "objects": 40}
    campaign.add("soak", runs=200, first=level, last={**level, "objects": 41}, low=[80.0, 80.5])
    campaign.add("manifests", count=1000, said={"accepted": 300}, slowest=0.5)
    campaign.add("trend", runs=60, states={"Stable": 59, "Suspect": 1}, told=0)
    made = tables(kept(file))
    lines = made.splitlines()
    assert lines[0].startswith("`make campaign`, ")
    assert "Kubernetes v1." in lines[0]
    # By phase, the last of each, and nothing that breaks a table.
    assert lines[4:6] == [
        "| b is cut | Queued | Pass | 2 s | fine again |",
        "| b is cut | Collecting | Error | 3 s | no \\| yes |",
    ]
    for line in (
        "| 200 runs in a row | first | last |",
        "| perfrun's objects in the namespace | 40 | 41 |",
        "| mutated manifests | 1000 |",
        "| accepted | 300 |",
        "| runs of a test that does not change | 60 |",
        "| state of its trend: Suspect | 1 |",
    ):
        assert line in lines


def test_all_slices_together_have_few_minutes():
    assert sum(Budgets.read().slices.values()) <= MINUTES * 60


@pytest.mark.parametrize(("seconds", "told"), [(499.0, ""), (501.0, ": TOO LONG")])
def test_a_slice_that_takes_too_long_is_named(seconds: float, told: str):
    budget = Budget({"tests/e2e/faults": 500.0})
    for when in ("setup", "call", "teardown"):
        took = 5000.0 if when == "setup" else seconds / 2
        report = SimpleNamespace(
            nodeid="tests/e2e/faults/test_faults.py::test_fault[x]", when=when, duration=took
        )
        budget.pytest_runtest_logreport(cast(pytest.TestReport, report))
    other = SimpleNamespace(nodeid="tests/e2e/test_kill.py::test_x", when="call", duration=9999.0)
    budget.pytest_runtest_logreport(cast(pytest.TestReport, other))
    lines: list[str] = []
    terminal = SimpleNamespace(write_line=lambda line, red: lines.append(line))
    budget.pytest_terminal_summary(cast(pytest.TerminalReporter, terminal))
    assert lines == [f"slice tests/e2e/faults: {seconds:.0f} s of 500 s{told}"]
