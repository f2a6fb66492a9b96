"""Whether a watch still lives: by what it delivered, compared with what is there."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from perfrun.controller.objects.store import Key, Store, run_record
from perfrun.controller.serve import health as module
from perfrun.controller.serve.front import probes_app
from perfrun.controller.serve.health import DEAD_AFTER_S, LOST_AFTER_S, Health, Resync, Watch
from perfrun.kube.resources import PERF_RUNS, PERF_TESTS, Resource
from tests.unit.controller.build import HandClock, Json, perf_run, run_body, settings


@dataclass
class Names:
    """A queue that only remembers."""

    added: list[Key] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    def add(self, key: Key, after: float = 0.0) -> None:
        self.added.append(key)
        self.delays.append(after)


@dataclass
class Listing:
    """An API server that only lists; each call gives the next answer, the last one stays."""

    answers: dict[str, list[list[Json]]]
    namespaces: list[str | None] = field(default_factory=list)

    async def pages(
        self, resource: Resource, namespace: str | None, **_: Any
    ) -> AsyncIterator[list[Json]]:
        yield await self.list(resource, namespace)

    async def list(self, resource: Resource, namespace: str | None) -> list[Json]:
        self.namespaces.append(namespace)
        answers = self.answers.get(resource.kind, [[]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def health(clock: HandClock) -> Health:
    return Health(clock, [PERF_TESTS, PERF_RUNS])


def test_watch_that_is_behind_for_a_minute_is_dead_and_lives_when_it_catches_up(
    clock: HandClock, health: Health
) -> None:
    health.compared("PerfRun", Watch.SILENT)
    clock.now += DEAD_AFTER_S
    health.compared("PerfRun", Watch.SILENT)
    assert health.dead_watches == []
    clock.now += 1
    health.compared("PerfRun", Watch.SILENT)
    assert health.dead_watches == ["PerfRun"]
    health.compared("PerfRun", Watch.CURRENT)
    assert health.dead_watches == []
    health.compared("PerfRun", Watch.SILENT)  # the minute begins anew
    clock.now += DEAD_AFTER_S
    health.compared("PerfRun", Watch.SILENT)
    assert health.dead_watches == []


def test_watch_that_delivers_is_alive_however_far_behind_it_is(
    clock: HandClock, health: Health
) -> None:
    for _ in range(100):
        health.compared("PerfRun", Watch.LAGGING)
        clock.now += DEAD_AFTER_S
    assert health.dead_watches == []
    assert not health.caught_up.is_set(), "what it has not delivered is not known yet"
    assert health.watch_ages()["PerfRun"] == 100 * DEAD_AFTER_S


def test_time_without_a_comparison_proves_nothing(clock: HandClock, health: Health) -> None:
    health.compared("PerfRun", Watch.SILENT)
    clock.now += 10 * DEAD_AFTER_S  # the loop stood still, or the API server was away
    assert health.dead_watches == []


def test_ready_once_both_watches_have_caught_up_and_from_then_on(health: Health) -> None:
    health.compared("PerfRun", Watch.CURRENT)
    seen = [health.ready]
    for watch in (Watch.SILENT, Watch.CURRENT, Watch.LAGGING):
        health.compared("PerfTest", watch)
        seen.append(health.ready)
    assert seen == [False, False, True, True]
    assert health.caught_up.is_set()


def test_age_of_a_watch_is_since_it_was_seen_to_be_up_to_date(
    clock: HandClock, health: Health
) -> None:
    clock.now += 5
    assert health.watch_ages() == {"PerfTest": 5, "PerfRun": 5}  # since the start
    health.compared("PerfTest", Watch.CURRENT)
    health.compared("PerfRun", Watch.SILENT)
    clock.now += 2
    assert health.watch_ages() == {"PerfTest": 2, "PerfRun": 7}


async def test_probes_over_http(clock: HandClock, health: Health) -> None:
    async with TestClient(TestServer(probes_app(health))) as client:

        async def status(path: str) -> int:
            async with client.get(path) as response:
                return response.status

        assert (await status("/healthz"), await status("/readyz")) == (200, 503)
        for kind in ("PerfTest", "PerfRun"):
            health.compared(kind, Watch.CURRENT)
        assert await status("/readyz") == 200
        for seconds in (0, DEAD_AFTER_S + 1):
            clock.now += seconds
            health.compared("PerfRun", Watch.SILENT)
        async with client.get("/healthz") as response:
            assert (response.status, await response.text()) == (
                503, "no events or lists from the watch of PerfRun\n",
            )  # fmt: skip
        assert await status("/metrics") == 404


@dataclass
class World:
    store: Store
    health: Health
    runs: Names
    listing: Listing
    resync: Resync

    async def compare(self) -> bool:
        """Whether the watch of runs is seen as behind and silent."""
        await self.resync._compare(PERF_RUNS)
        return bool(self.health._silent_since)


@pytest.fixture
def world(health: Health, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("FIRST_SETTLE_S", "SETTLE_S"):
        monkeypatch.setattr(module, name, 0.0)
    store, runs, listing = Store(), Names(), Listing({})
    resync = Resync(listing, store, health, settings(), {PERF_RUNS: runs.add})  # type: ignore[arg-type]
    return World(store, health, runs, listing, resync)


async def test_all_that_is_listed_is_queued(world: World) -> None:
    world.listing.answers = {"PerfRun": [[run_body("a"), run_body("b")]]}
    await world.compare()
    assert world.runs.added == [Key("team", "a"), Key("team", "b")]


async def test_run_that_is_over_and_known_as_it_stands_is_left_alone(world: World) -> None:
    for name, status in (("over", {}), ("untidy", {"job": "pr-x"}), ("changed", {})):
        world.store.put_run(run_record(perf_run(name, phase="Done", **status)))
        world.store.pulse("PerfRun", run_body(name, version="7"))
    listed = [run_body(name, version="7") for name in ("over", "untidy")]
    world.listing.answers = {"PerfRun": [[*listed, run_body("changed", version="8")]]}
    await world.compare()
    assert world.runs.added == [Key("team", "untidy"), Key("team", "changed")]


async def test_watch_that_delivered_what_is_there_is_not_behind(world: World) -> None:
    world.listing.answers = {"PerfRun": [[run_body("a", version="7")]]}
    world.store.pulse("PerfRun", run_body("a", version="7"))
    assert not await world.compare()


async def test_watch_that_never_delivered_an_object_is_behind(world: World) -> None:
    world.listing.answers = {"PerfRun": [[run_body("a")]]}
    assert await world.compare()


async def test_watch_that_stands_still_at_an_older_version_is_behind(world: World) -> None:
    world.listing.answers = {"PerfRun": [[run_body("a", version="7")]]}
    world.store.pulse("PerfRun", run_body("a", version="6"))
    assert await world.compare()


async def _deliver_while_listing(world: World, listed: list[Json], *bodies: Json) -> None:
    """The watch delivers ``bodies`` between the two lists, which both find ``listed``."""
    second = False

    async def list_(*_: Any, **__: Any) -> list[Json]:
        nonlocal second
        if second:
            for body in bodies:
                world.store.pulse("PerfRun", body)
        second = True
        return listed

    world.listing.list = list_  # type: ignore[method-assign]


async def test_watch_with_a_backlog_is_behind_and_not_silent(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for kind in ("PerfTest", "PerfRun"):
        world.health.compared(kind, Watch.CURRENT)
    world.health.look_again()
    bodies = [run_body(name, version="7") for name in ("a", "b", "c")]
    await _deliver_while_listing(world, bodies, bodies[0])
    assert not await world.compare()
    assert "watch of PerfRun: it is behind on 2 objects, but delivers others" in caplog.text
    assert not world.health.caught_up.is_set()
    assert "PerfRun" not in world.health._synced


async def test_deletions_are_news_too(world: World) -> None:
    listed = [run_body("a", version="7")]
    world.store.pulse("PerfRun", run_body("gone"))
    second = False

    async def list_(*_: Any, **__: Any) -> list[Json]:
        nonlocal second
        if second:
            world.store.forget_pulse("PerfRun", run_body("gone"))
        second = True
        return listed

    world.listing.list = list_  # type: ignore[method-assign]
    assert not await world.compare()


async def test_news_of_another_kind_prove_nothing(world: World) -> None:
    world.listing.answers = {"PerfRun": [[run_body("a")]]}
    world.store.pulse("PerfTest", run_body("a"))
    assert await world.compare()


async def test_each_namespace_of_a_namespaced_installation_has_a_watch_of_its_own(
    world: World,
) -> None:
    some = settings(PERFRUN_WATCH_NAMESPACES="team,other")
    resync = Resync(world.listing, world.store, world.health, some, {PERF_RUNS: world.runs.add})  # type: ignore[arg-type]
    behind = run_body("a", version="7")
    elsewhere = run_body("b", version="7")
    elsewhere["metadata"]["namespace"] = "other"
    await _deliver_while_listing(world, [behind], elsewhere)
    await resync._compare(PERF_RUNS)
    assert world.health._silent_since, "the one that is behind has delivered nothing"


async def test_an_event_that_never_comes_is_found_though_others_come(
    world: World, clock: HandClock
) -> None:
    world.resync._now = clock
    lost, other = run_body("lost", version="7"), run_body("other", version="7")
    for seconds, silent in ((0, False), (LOST_AFTER_S, False), (1, True)):
        clock.now += seconds
        await _deliver_while_listing(world, [lost], other)
        assert await world.compare() is silent


async def test_object_that_is_gone_a_moment_later_proves_nothing(world: World) -> None:
    world.listing.answers = {"PerfRun": [[run_body("a")], []]}
    assert not await world.compare()


async def test_deletion_that_the_watch_did_not_tell_is_found(world: World) -> None:
    for name in ("gone", "there"):
        world.store.put_run(run_record(perf_run(name)))
        world.store.pulse("PerfRun", run_body(name))
    world.listing.answers = {"PerfRun": [[run_body("there")]]}
    assert not await world.compare()
    assert world.store.uids("PerfRun") == {Key("team", "there"): "uid-there"}
    assert Key("team", "gone") in world.runs.added  # its reconcile lets go of what it held


async def test_run_that_was_created_during_the_list_is_not_forgotten(world: World) -> None:
    async def listed_meanwhile(*_: Any, **__: Any) -> list[Json]:
        world.store.put_run(run_record(perf_run("new")))
        return []

    world.listing.list = listed_meanwhile  # type: ignore[method-assign]
    await world.compare()
    assert Key("team", "new") in world.store.runs


async def test_namespaced_installation_lists_its_namespaces_only(world: World) -> None:
    some = settings(PERFRUN_WATCH_NAMESPACES="a,b")
    resync = Resync(world.listing, world.store, world.health, some, {})  # type: ignore[arg-type]
    await resync._compare(PERF_TESTS)
    assert world.listing.namespaces == ["a", "b"]
