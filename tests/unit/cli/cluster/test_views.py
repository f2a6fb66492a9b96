"""What is read of objects, whatever they hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfrun.cli.cluster import views
from perfrun.cli.cluster.views import RunView, age, due, recency, short
from tests.unit.cli.fake_api import perftest_body, run_body

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"),
     (172_799, "47h"), (172_800, "2d"), (10**9, "11574d")],
)  # fmt: skip
def test_spans_are_short(seconds: int, text: str):
    assert short(timedelta(seconds=seconds)) == text


def test_times_from_now():
    assert age(NOW - timedelta(minutes=5), NOW) == "5m"
    assert due(NOW + timedelta(minutes=5), NOW) == "in 5m"
    assert due(NOW - timedelta(minutes=5), NOW) == "now"
    assert (age(None, NOW), due(None, NOW)) == ("", "")


@pytest.mark.parametrize("view", [views.TestView, RunView])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": None, "spec": [], "status": "x"},
        {"metadata": {"name": {"a": 1}}, "status": {"conditions": {}, "active": 3, "queue": []}},
        {"status": {"conditions": [None, 3], "trend": 1, "nextScheduleTime": "soon",
                    "lastCompletionTime": 12, "generator": {"findings": ["x", {"type": 1}]}}},
        {"metadata": {"creationTimestamp": "2026-11-25T10:00:00"}},
    ],
)  # fmt: skip
def test_any_object_has_a_view(view: Any, body: dict):
    found = view.of(body)
    assert isinstance(found.name, str)
    assert (found.created if view is RunView else found.next_time) is None


def test_a_test():
    view = views.TestView.of(
        perftest_body(
            lastVerdict="Warn",
            nextScheduleTime="2026-11-26T01:00:00Z",
            trend={"state": "Suspect", "message": "latency.p95 is 7% up"},
            conditions=[{"type": "Ready", "status": "False", "message": "no such zone"}],
        )
    )
    assert (view.verdict, view.trend) == ("Warn", "Suspect")
    assert (view.trend_told, view.problem) == ("latency.p95 is 7% up", "no such zone")
    assert view.waits == "not ready"
    assert view.next_time == datetime(2026, 11, 26, 1, tzinfo=UTC)


@pytest.mark.parametrize(("suspend", "waits"), [(True, "suspended"), (False, ""), ("true", "")])
def test_why_a_test_has_no_next_run(suspend: object, waits: str):
    body = perftest_body()
    body["spec"]["suspend"] = suspend
    assert views.TestView.of(body).waits == waits


@pytest.mark.parametrize(
    ("status", "state", "line"),
    [
        ({}, "Created", "Created: in progress"),
        ({"phase": "Starting"}, "Starting", "Starting: in progress"),
        (
            {"phase": "Queued", "queue": {"reason": "busy", "position": 3}},
            "Queued (3)",
            "Queued, place 3: busy",
        ),
        ({"phase": "Running", "progress": "3s"}, "Running", "Running: 3s"),
        ({"phase": "Done", "verdict": "Pass", "message": "fine"}, "Pass", "Pass: fine"),
        ({"phase": "Done", "verdict": "Pass"}, "Pass", "Pass"),
        ({"phase": "Pausing"}, "Pausing", "Pausing: in progress"),
    ],
)
def test_how_far_a_run_is(status: dict, state: str, line: str):
    view = RunView.of(run_body(**status))
    assert (view.state, view.line) == (state, line)


def test_the_newest_run_comes_last_and_one_without_a_time_first():
    runs = [run_body("b"), run_body("a", created="2026-11-25T11:00:00Z"), run_body("c", created="")]
    assert [run.name for run in sorted(map(RunView.of, runs), key=recency)] == ["c", "b", "a"]
