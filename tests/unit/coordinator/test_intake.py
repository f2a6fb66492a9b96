"""How much workers may send: one that is let in keeps neither the others nor the operator busy."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from perfrun.coordinator import app
from perfrun.coordinator.errors import TooMany, Unavailable
from perfrun.coordinator.gate import MESSAGES, MESSAGES_A_SECOND
from perfrun.coordinator.intake import Bucket, Intake, NamespaceTurns
from tests.unit.coordinator.conftest import NOW, S, World, make_interval, make_plan, make_report
from tests.unit.coordinator.test_app import until


def test_bucket_gives_what_it_holds_and_then_one_each_time() -> None:
    bucket = Bucket(3, S)
    assert [bucket.take(100 * S) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(101 * S), bucket.take(101 * S)] == [True, False]
    assert [bucket.take(101 * S + S // 2), bucket.take(102 * S)] == [False, True]
    assert [bucket.take(1000 * S) for _ in range(4)] == [True, True, True, False]


async def test_worker_that_sends_without_end_is_told_to_wait_and_no_other_is(
    world: World, deadline
) -> None:
    world.coordinator.open(make_plan(2), start=NOW, start_deadline=deadline)
    interval = make_interval(1).to_bytes()
    answers = [await world.post(0, "interval", interval) for _ in range(MESSAGES + 5)]
    assert [status for status, _, _ in answers] == [200] * MESSAGES + [429] * 5
    _, answer, headers = answers[-1]
    assert headers["Retry-After"] == "1"
    assert answer["message"] == "worker 0 sends more than 10 messages a second: wait"
    assert (await world.post(1, "interval", interval))[0] == 200
    world.clock.move(1)
    again = [(await world.post(0, "interval", interval))[0] for _ in range(MESSAGES_A_SECOND + 1)]
    assert again == [200] * MESSAGES_A_SECOND + [429]


async def test_report_of_a_worker_that_sends_another_at_the_same_time_is_not_read(
    world: World, deadline
) -> None:
    world.coordinator.open(make_plan(2), start=NOW, start_deadline=deadline)
    world.store.gate.clear()
    packed = make_report().pack()
    first = asyncio.create_task(world.post(0, "report", packed))
    await until(lambda: world.store.calls == 1)
    status, answer, headers = await world.post(0, "report", packed)
    assert (status, headers["Retry-After"]) == (429, "1")
    assert "worker 0 is being processed" in answer["message"]
    neighbour = asyncio.create_task(world.post(1, "report", packed))
    await until(lambda: world.store.calls == 2)
    world.store.gate.set()
    assert ((await first)[0], (await neighbour)[0]) == (200, 200)
    assert (await world.post(0, "report", packed))[0] == 200


async def test_only_so_many_reports_are_in_memory_at_once(world: World, deadline) -> None:
    workers = app.REPORTS_OF_EACH + 4
    world.coordinator.open(make_plan(workers), start=NOW, start_deadline=deadline)
    world.store.gate.clear()
    packed = make_report().pack()
    sent = [asyncio.create_task(world.post(n, "report", packed)) for n in range(workers)]
    await until(lambda: world.store.calls == app.REPORTS_OF_EACH)
    world.store.gate.set()
    assert [(await one)[0] for one in sent] == [200] * workers


async def test_namespace_whose_workers_send_slowly_keeps_no_other_waiting() -> None:
    intake = Intake(4, 3, patience=0.05)
    async with AsyncExitStack() as slow:
        for index in range(3):
            await slow.enter_async_context(intake.turn("slow", "run", index))
        with pytest.raises(Unavailable):
            async with intake.turn("slow", "another", 0):
                pass
        async with intake.turn("team", "other", 0):
            with pytest.raises(Unavailable):  # four at once of all
                async with intake.turn("team", "other", 1):
                    pass
    async with intake.turn("slow", "another", 0):
        pass


async def test_next_place_is_of_who_holds_the_fewest_however_many_namespaces_send_slowly() -> None:
    turns, order, places = NamespaceTurns(6, 2), list[str](), AsyncExitStack()
    slow = [AsyncExitStack() for _ in range(6)]
    for n, place in enumerate(slow):
        await place.enter_async_context(turns.turn(f"slow-{n % 3}"))

    async def waits(namespace: str) -> None:
        await places.enter_async_context(turns.turn(namespace))
        order.append(namespace)

    names = [*[f"slow-{n % 3}" for n in range(30)], "slow-4", "team", "team", "slow-4", "slow-4"]
    waiting = [asyncio.create_task(waits(name)) for name in names]
    await asyncio.sleep(0)
    for place in slow:
        await place.aclose()
        await asyncio.sleep(0.001)
    assert order == ["slow-4", "team", "slow-0", "slow-1", "slow-2", "slow-4"]
    for task in waiting:
        task.cancel()
    assert await asyncio.gather(*waiting, return_exceptions=True)
    await places.aclose()
    async with asyncio.timeout(1), turns.turn("slow-0"), turns.turn("slow-0"):
        await asyncio.sleep(0)  # who gave up left nothing behind


async def test_place_that_comes_while_its_waiter_gives_up_is_given_to_the_next() -> None:
    turns = NamespaceTurns(1, 1)
    first, got = AsyncExitStack(), asyncio.Event()
    await first.enter_async_context(turns.turn("a"))

    async def waits(namespace: str) -> None:
        async with turns.turn(namespace):
            got.set()

    tasks = [asyncio.create_task(waits(name)) for name in ("b", "c")]
    await asyncio.sleep(0)
    tasks[0].cancel()  # in the same turn of the loop as the place is free
    await first.aclose()
    async with asyncio.timeout(1):
        await got.wait()
    await tasks[1]


async def test_report_that_finds_no_turn_is_to_be_sent_again() -> None:
    intake = Intake(1, 1, patience=0.01)
    async with intake.turn("team", "run", 0):
        with pytest.raises(Unavailable, match="try again"):
            async with intake.turn("team", "run", 1):
                pass
        with pytest.raises(TooMany):
            async with intake.turn("team", "run", 0):
                pass
    for index in (0, 1):  # both are free to send again
        async with intake.turn("team", "run", index):
            pass
