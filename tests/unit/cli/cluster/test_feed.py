"""What changes, through everything that ends a watch."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perfrun.api import Json
from perfrun.cli.cluster.feed import Away, Changed, ChangeFeed, Deleted, Failed, Listed, changes
from perfrun.cli.cluster.shell import Cluster
from perfrun.kube.client import Kube
from perfrun.kube.errors import AwayError, GoneError, KubeError
from perfrun.kube.resources import PERF_RUNS, PERF_TESTS, Resource
from tests.unit.cli.fake_api import FakeApi, run_body, status_body


class Script(Kube):
    """A source that does what it is told to; the last step is repeated."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.lists, self.watches = lists, watches
        self.asked: list[str] = []

    async def list_to_watch(
        self, resource: Resource, namespace: str, *, fields: str = ""
    ) -> tuple[list[Json], str]:
        self.asked.append("list")
        step = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(step, Exception):
            raise step
        return step, f"v{len(self.asked)}"

    async def watch(
        self, resource: Resource, namespace: str, version: str, *, fields: str = ""
    ) -> AsyncIterator[Json]:
        self.asked.append(f"watch {version}")
        for step in self.watches.pop(0) if len(self.watches) > 1 else self.watches[0]:
            if isinstance(step, Exception):
                raise step
            yield step


def event(kind: str, version: str, body: Json | None = None) -> Json:
    body = body or run_body()
    return {
        "type": kind,
        "object": {**body, "metadata": {**body["metadata"], "resourceVersion": version}},
    }


async def seen(script: Script, count: int) -> tuple[list[Any], list[float]]:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    found: list[Any] = []
    async for change in changes(script, PERF_RUNS, "shop", pause=pause):
        found.append(change)
        if len(found) == count:
            break
    return found, pauses


async def test_a_list_then_what_changes():
    script = Script([[run_body()]], [[event("ADDED", "8"), event("DELETED", "9")]])
    found, _ = await seen(script, 3)
    assert [type(change) for change in found] == [Listed, Changed, Deleted]
    assert script.asked == ["list", "watch v1"]


async def test_a_watch_that_the_server_ends_goes_on_from_the_last_version_bookmarks_too():
    script = Script(
        [[]], [[event("MODIFIED", "8"), event("BOOKMARK", "12")], [event("ADDED", "13")]]
    )
    found, pauses = await seen(script, 3)
    assert [type(change) for change in found] == [Listed, Changed, Changed]
    assert script.asked == ["list", "watch v1", "watch 12"]
    assert len(pauses) == 1


async def test_a_version_that_is_gone_is_followed_by_a_list_and_nothing_is_said():
    script = Script([[], [run_body()]], [[GoneError(410, "too old")], [event("ADDED", "9")]])
    found, _ = await seen(script, 3)
    assert [type(change) for change in found] == [Listed, Listed, Changed]
    assert script.asked == ["list", "watch v1", "list", "watch v3"]


async def test_a_server_that_is_away_is_said_and_asked_again_ever_later():
    away = AwayError(0, "no answer")
    script = Script([[], away, away, away, away, away, away, []], [[away], [event("ADDED", "9")]])
    found, pauses = await seen(script, 10)
    assert [type(change) for change in found] == [Listed, *[Away] * 7, Listed, Changed]
    assert pauses == [0.5, 1, 2, 4, 8, 15, 15]


def test_several_kinds_come_in_one_place(api: FakeApi, cluster: Cluster):
    api.events["perfruns"] = [[event("ADDED", "8"), event("DELETED", "9")]]
    feed = ChangeFeed(cluster)
    for resource in (PERF_RUNS, PERF_TESTS):
        feed.watch(resource)
    found: list[Any] = []
    while len(found) < 4:
        found += feed.next(5)
    assert sorted(type(change).__name__ for change in found) == [
        "Changed", "Deleted", "Listed", "Listed",
    ]  # fmt: skip
    assert {change.resource for change in found} == {PERF_RUNS, PERF_TESTS}


def test_what_does_not_pass_ends_it(api: FakeApi, cluster: Cluster):
    api.refusing["GET", "perfruns"] = status_body(403, "may not", "Forbidden")
    feed = ChangeFeed(cluster)
    feed.watch(PERF_RUNS)
    (change,) = feed.next(5)
    assert isinstance(change, Failed)
    assert isinstance(change.error, KubeError)
    assert str(change.error) == "may not"


def test_a_defect_is_raised_where_it_can_be_told(cluster: Cluster):
    feed = ChangeFeed(cluster)
    feed.watch(None)  # type: ignore[arg-type]
    (change,) = feed.next(5)
    assert isinstance(change, Failed)
    assert isinstance(change.error, AttributeError)


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_nothing_comes_of_nothing(cluster: Cluster, seconds: float):
    assert ChangeFeed(cluster).next(seconds) == []
