"""Runs that are created at the moment when they are due, ahead of their test's reconciler."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from perfrun.api.metadata import Metadata
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import Schedule
from perfrun.controller.objects.store import Key, Store, run_record
from perfrun.controller.test import ticks as module
from perfrun.controller.test.ticks import Prepared, Ticker
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import PERF_RUNS
from perfrun.logic.schedule.due import next_tick
from tests.unit.controller.build import run_body
from tests.unit.controller.fake_kube import FakeKube

EVERY_MINUTE = Schedule(cron="* * * * *")


class World:
    """A ticker, the API server that it creates in, and the tests that it has looked at."""

    def __init__(self) -> None:
        self.kube, self.store = FakeKube(), Store()
        self.looked_at: list[str] = []
        self.ticker = Ticker(self.kube, self.store, self._look_at)  # type: ignore[arg-type]
        self.now = datetime.now(UTC)
        # As if the minute had just begun.
        self.tick = self.now.replace(second=0, microsecond=0)

    def _look_at(self, key: Key) -> None:
        self.looked_at.append(key.name)

    def prepare(
        self,
        name: str = "shop",
        version: str = "7",
        due: datetime | None = None,
        deadline: int | None = None,
    ) -> None:
        about = Metadata(name=name, namespace="team", uid=f"uid-{name}", resource_version=version)
        self.store.seen["PerfTest", about.uid] = "7"
        self.ticker.prepare(Prepared(about, self.tick, due or self.now, deadline))

    async def run(self) -> None:
        running = asyncio.create_task(self.ticker.run())
        try:
            async with asyncio.timeout(5):
                while not self.looked_at:
                    await asyncio.sleep(0)
        finally:
            running.cancel()

    @property
    def created(self) -> list[str]:
        return [body["metadata"]["name"] for body in self.kube.all(PERF_RUNS)]


@pytest.fixture
def world() -> World:
    return World()


def _name(world: World, test: str = "shop") -> str:
    return f"{test}-{int(world.tick.timestamp()) // 60}"


async def test_what_is_due_is_created_and_then_looked_at(world: World) -> None:
    for name in ("shop", "cart", "search"):
        world.prepare(name)
    await world.run()
    assert sorted(world.created) == sorted(_name(world, n) for n in ("shop", "cart", "search"))
    assert sorted(world.looked_at) == ["cart", "search", "shop"]
    assert world.ticker.calm.is_set()


async def test_the_run_is_handed_over_once(world: World) -> None:
    world.prepare()
    await world.run()
    test, name = Key("team", "shop"), _name(world)
    assert world.ticker.take(test, "another") is None
    body = world.ticker.take(test, name)
    assert body is not None
    assert PerfRun.parse(body).spec.reason == "Scheduled"
    assert world.ticker.take(test, name) is None


async def test_a_run_is_not_kept_for_a_test_that_is_gone(world: World) -> None:
    world.prepare()
    await world.run()
    world.ticker.forget(Key("team", "shop"))
    assert world.ticker.take(Key("team", "shop"), _name(world)) is None


async def test_a_test_that_has_changed_since_is_left_to_its_reconciler(world: World) -> None:
    world.prepare(version="6")
    await world.run()
    assert (world.created, world.looked_at) == ([], ["shop"])


async def test_a_test_with_a_run_in_progress_is_left_to_its_reconciler(world: World) -> None:
    world.store.put_run(run_record(PerfRun.parse(run_body("shop-1", phase="Running"))))
    world.prepare()
    await world.run()
    assert (world.created, world.looked_at) == ([], ["shop"])


async def test_a_refusal_is_left_to_its_reconciler(world: World) -> None:
    world.kube.failing["create", "perfruns"] = KubeError(500, "no")
    world.prepare()
    await world.run()
    assert world.looked_at == ["shop"]
    assert world.ticker.take(Key("team", "shop"), _name(world)) is None


async def test_what_was_forgotten_or_prepared_anew_does_not_come(world: World) -> None:
    world.prepare("gone")
    world.ticker.forget(Key("team", "gone"))
    world.prepare("later")
    world.prepare("later", due=world.now + timedelta(hours=1))
    world.prepare("shop")
    await world.run()
    assert world.created == [_name(world)]


async def test_while_runs_are_created_all_else_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm: list[bool] = []
    create = world.kube.create

    async def seen(*args: object) -> object:
        calm.append(world.ticker.calm.is_set())
        return await create(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(world.kube, "create", seen)
    world.prepare()
    await world.run()
    assert calm == [False]


async def test_it_sleeps_until_the_next_one_is_due(world: World) -> None:
    soon = next_tick(EVERY_MINUTE, world.now)
    assert soon is not None
    world.prepare(due=soon)
    assert world.ticker._pop(soon - timedelta(milliseconds=1)) == []
    assert 0 < world.ticker._pause(soon - timedelta(seconds=3)) <= 3
    assert world.ticker._pause(soon - timedelta(hours=3)) == module.MAX_SLEEP_S
    assert len(world.ticker._pop(soon)) == 1


async def test_what_is_long_due_is_left_to_the_reconciler_who_knows_its_deadline(
    world: World,
) -> None:
    world.prepare(due=world.now - timedelta(minutes=1))
    await world.run()
    assert (world.created, world.looked_at) == ([], ["shop"])


@pytest.mark.parametrize(("deadline", "late", "created"), [(None, 40, 1), (60, 40, 1), (30, 40, 0)])
async def test_no_run_is_created_after_its_deadline(
    world: World, deadline: int | None, late: int, created: int
) -> None:
    due = world.now - timedelta(seconds=late)
    world.prepare(due=due, deadline=deadline)
    await world.run()
    assert len(world.created) == created
