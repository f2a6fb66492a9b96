"""Events of pods that were not created, as both kinds of recorders write them, and what they say."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from perfrun.api import Json
from perfrun.controller.objects.refusals import FIRST_LOOK_S, LOOK_AGAIN_S, Refusals, refusal_of
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import EVENTS
from perfrun.logic.run.facts import Refusal
from tests.unit.controller.fake_kube import FakeKube

JOB = "uid-job"
FORBIDDEN = 'pods "pr-x-1-abcde" is forbidden: exceeded quota: few'


def at(second: int) -> str:
    return f"2026-11-22T02:00:{second:02}Z"


def event(note: str, first: int, last: int | None = None, **more: Any) -> Json:
    """As a controller with the older recorder writes it; read as events.k8s.io/v1."""
    return {
        "metadata": {"name": f"e{first}", "namespace": "team", "creationTimestamp": at(first)},
        "regarding": {"kind": "Job", "uid": JOB},
        "reason": "FailedCreate",
        "note": note,
        "eventTime": None,
        "deprecatedFirstTimestamp": at(first),
        "deprecatedLastTimestamp": at(first if last is None else last),
        **more,
    }


def newer(note: str, first: int, last: int | None = None) -> Json:
    """The same by the newer recorder."""
    body = event(note, first)
    body |= {"eventTime": at(first), "deprecatedFirstTimestamp": None,
             "deprecatedLastTimestamp": None}  # fmt: skip
    return body if last is None else {**body, "series": {"count": 2, "lastObservedTime": at(last)}}


@pytest.mark.parametrize(
    ("events", "message", "since"),
    [
        ([event(f"Error creating: {FORBIDDEN}", 1)], FORBIDDEN, 1),
        ([event("Error creating: b", 5), event("Error creating: a", 2)], "b", 2),
        ([event("Error creating: old", 3, 9), event("Error creating: new", 4)], "old", 3),
        ([event(f"(combined from similar events): Error creating: {FORBIDDEN}", 1)], FORBIDDEN, 1),
        ([newer("Error creating: b", 1, 8), event("Error creating: a", 2)], "b", 1),
        ([newer("Error creating: b", 3)], "b", 3),
        ([event("", 1)], "", 1),
        ([{**event("x", 1), "note": None}], "", 1),
    ],
    ids=["one", "newest", "repeated", "combined", "series", "new-recorder", "empty", "no-note"],
)
def test_newest_refusal_is_told_and_since_when_there_are_any(
    events: list[Json], message: str, since: int
) -> None:
    assert refusal_of(events) == Refusal(message, datetime(2026, 11, 22, 2, 0, since, tzinfo=UTC))


def test_no_events_are_no_refusal() -> None:
    assert refusal_of([]) is None


async def test_events_are_read_seldom_and_not_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    kube, now = FakeKube(), 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    kube.put(EVENTS, event(f"Error creating: {FORBIDDEN}", 1))
    kube.put(EVENTS, event("Created pod: x", 2, reason="SuccessfulCreate"))
    kube.put(EVENTS, event("Error creating: y", 3, regarding={"kind": "Job", "uid": "another"}))
    refusals = Refusals(kube)  # type: ignore[arg-type]
    assert await refusals.of("run", "team", JOB) is None
    assert kube.asked == {}
    for moment in (FIRST_LOOK_S, FIRST_LOOK_S + 1, FIRST_LOOK_S + LOOK_AGAIN_S - 1):
        now = moment
        found = await refusals.of("run", "team", JOB)
        assert found is not None
        assert found.message == FORBIDDEN
    assert kube.asked == {("list", "events"): 1}
    now = FIRST_LOOK_S + LOOK_AGAIN_S
    await refusals.of("run", "team", JOB)
    assert kube.asked == {("list", "events"): 2}


async def test_events_that_cannot_be_read_keep_no_run_from_going_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kube, now = FakeKube(), 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    kube.failing["list", "events"] = KubeError(403, "events is forbidden")
    refusals = Refusals(kube)  # type: ignore[arg-type]
    await refusals.of("run", "team", JOB)
    now = FIRST_LOOK_S
    assert await refusals.of("run", "team", JOB) is None
