"""What changes, through everything that ends a watch."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from perfrun.cli.cluster import PERF_RUNS, AwayError, ClusterError, GoneError, Json, Resource
from perfrun.cli.cluster.feed import Away, Changed, Deleted, Failed, Feed, Listed, changes
from tests.unit.cli.fake_api import run_body


class Script:
    """A source that does what it is told to; the last step is repeated."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.lists, self.watches = lists, watches
        self.asked: list[str] = []

    def list(self, resource: Resource, *, fields: str = "") -> tuple[list[Json], str]:
        self.asked.append("list")
        step = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(step, Exception):
            raise step
        return step, f"v{len(self.asked)}"

    def watch(self, resource: Resource, version: str, *, fields: str = "") -> Iterator[Json]:
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


def seen(script: Script, count: int) -> tuple[list[Any], list[float]]:
    pauses: list[float] = []
    return list(islice(changes(script, PERF_RUNS, "", pauses.append), count)), pauses


def test_a_list_then_what_changes():
    script = Script([[run_body()]], [[event("ADDED", "8"), event("DELETED", "9")]])
    found, _ = seen(script, 3)
    assert [type(change) for change in found] == [Listed, Changed, Deleted]
    assert script.asked == ["list", "watch v1"]


def test_a_watch_that_the_server_ends_goes_on_from_the_last_version_bookmarks_too():
    script = Script(
        [[]], [[event("MODIFIED", "8"), event("BOOKMARK", "12")], [event("ADDED", "13")]]
    )
    found, pauses = seen(script, 3)
    assert [type(change) for change in found] == [Listed, Changed, Changed]
    assert script.asked == ["list", "watch v1", "watch 12"]
    assert len(pauses) == 1


def test_a_version_that_is_gone_is_followed_by_a_list_and_nothing_is_said():
    script = Script([[], [run_body()]], [[GoneError("too old")], [event("ADDED", "9")]])
    found, _ = seen(script, 3)
    assert [type(change) for change in found] == [Listed, Listed, Changed]
    assert script.asked == ["list", "watch v1", "list", "watch v3"]


def test_a_server_that_is_away_is_said_and_asked_again_ever_later():
    away = AwayError("no answer")
    script = Script([[], away, away, away, away, away, away, []], [[away], [event("ADDED", "9")]])
    found, pauses = seen(script, 10)
    assert [type(change) for change in found] == [Listed, *[Away] * 7, Listed, Changed]
    assert pauses == [0.5, 1, 2, 4, 8, 15, 15]


def test_what_does_not_pass_ends_it():
    script = Script([ClusterError("may not")], [[]])
    with Feed(script) as feed:
        feed.watch(PERF_RUNS)
        (change,) = feed.all(5)
    assert isinstance(change, Failed)
    assert str(change.error) == "may not"


def test_a_defect_is_raised_where_it_can_be_told():
    with Feed(Script([KeyError("x")], [[]])) as feed:
        feed.watch(PERF_RUNS)
        change = feed.next(5)
    assert isinstance(change, Failed)
    assert isinstance(change.error, KeyError)


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_nothing_comes_of_nothing(seconds: float):
    with Feed(Script([[]], [[]])) as feed:
        assert feed.next(seconds) is None
        assert feed.all(seconds) == []
