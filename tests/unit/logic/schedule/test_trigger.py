"""What starts a run apart from the schedule: a table with a row for every odd case."""

from typing import Any

import pytest

from perfrun.logic.plan.names import change_run_name, requested_run_name
from perfrun.logic.schedule.trigger import TriggerFacts, triggers


def facts(**changes: Any) -> TriggerFacts:
    """A test whose present state has been noted, and that runs on change."""
    usual: dict[str, Any] = {
        "test": "shop",
        "generation": 3,
        "what_runs": "new",
        "last_change": "new",
        "runs_on_change": True,
        "suspended": False,
        "request": None,
        "last_request": None,
    }
    return TriggerFacts(**{**usual, **changes})


CHANGE = ("Change", change_run_name("shop", "new", 3))
MONDAY = ("Requested", requested_run_name("shop", "monday"))

TABLE: list[tuple[str, dict[str, Any], list[tuple[str, str]], str | None, str | None]] = [
    ("nothing new", {}, [], "new", None),
    ("a new test runs", {"last_change": None}, [CHANGE], "new", None),
    ("a changed test runs", {"last_change": "old"}, [CHANGE], "new", None),
    (
        "one that runs by schedule only notes the change",
        {"last_change": "old", "runs_on_change": False},
        [],
        "new",
        None,
    ),
    (
        "a suspended one notes nothing: it runs on resume",
        {"last_change": "old", "suspended": True},
        [],
        "old",
        None,
    ),
    ("a suspended new one neither", {"last_change": None, "suspended": True}, [], None, None),
    ("a request runs", {"request": "monday"}, [MONDAY], "new", "monday"),
    (
        "the same request does not run again",
        {"request": "monday", "last_request": "monday"},
        [],
        "new",
        "monday",
    ),
    (
        "another value does",
        {"request": "monday", "last_request": "sunday"},
        [MONDAY],
        "new",
        "monday",
    ),
    (
        "a request that was taken back keeps its note",
        {"last_request": "monday"},
        [],
        "new",
        "monday",
    ),
    ("an empty request is none", {"request": "", "last_request": "monday"}, [], "new", "monday"),
    (
        "a suspended test runs on request",
        {"request": "monday", "suspended": True},
        [MONDAY],
        "new",
        "monday",
    ),
    (
        "both at once",
        {"last_change": "old", "request": "monday"},
        [CHANGE, MONDAY],
        "new",
        "monday",
    ),
]


@pytest.mark.parametrize(
    ("changes", "runs", "last_change", "last_request"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_triggers(
    changes: dict[str, Any],
    runs: list[tuple[str, str]],
    last_change: str | None,
    last_request: str | None,
) -> None:
    due = triggers(facts(**changes))
    assert [tuple(run) for run in due.runs] == runs
    assert (due.last_change, due.last_request) == (last_change, last_request)


def test_going_back_to_an_earlier_spec_is_a_run_of_its_own() -> None:
    once = triggers(facts(last_change=None, generation=1)).runs[0].name
    again = triggers(facts(last_change="other", generation=3)).runs[0].name
    assert once != again


def test_decided_twice_the_name_is_the_same() -> None:
    same = facts(last_change="old", request="monday")
    assert triggers(same) == triggers(same)


def test_names_fit_whatever_is_asked() -> None:
    due = triggers(facts(test="t" * 40, last_change=None, request="ü " * 128))
    assert all(len(run.name) <= 63 and "." not in run.name for run in due.runs)
