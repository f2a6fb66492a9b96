"""The work queue: one reconcile of a key at a time, none lost, failures backed off."""

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from perfrun.controller.watch.queue import BACKOFF_FIRST_S, BACKOFF_MOST_S, WorkQueue
from perfrun.kube.errors import ConflictError, KubeError

PATIENCE_S = 5.0


@asynccontextmanager
async def serving(
    reconcile: Callable[[str], Awaitable[float | None]], workers: int = 2
) -> AsyncIterator[WorkQueue[str]]:
    queue: WorkQueue[str] = WorkQueue(reconcile, "thing")
    task = asyncio.create_task(queue.run(workers))
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Gate:
    """A reconcile that counts, and that goes on when it is let."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()
        self.most_at_once = 0
        self.entered = asyncio.Event()
        self.other_entered = asyncio.Event()
        self.entered_again = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, key: str) -> None:
        self.calls[key] += 1
        self.at_once[key] += 1
        self.most_at_once = max(self.most_at_once, self.at_once[key])
        self.entered.set()
        if key == "b":
            self.other_entered.set()
        if self.calls[key] == 2:
            self.entered_again.set()
        await self.open.wait()
        self.at_once[key] -= 1


async def test_key_added_many_times_is_reconciled_once() -> None:
    gate = Gate()
    gate.open.set()
    queue: WorkQueue[str] = WorkQueue(gate, "thing")
    for _ in range(10):
        queue.add("a")
    assert len(queue) == 1
    task = asyncio.create_task(queue.run(4))
    async with asyncio.timeout(PATIENCE_S):
        await gate.entered.wait()
    await asyncio.sleep(0)
    assert (gate.calls, len(queue)) == (Counter(a=1), 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_key_is_never_reconciled_twice_at_once_and_news_meanwhile_are_not_lost() -> None:
    gate = Gate()
    async with serving(gate, workers=4) as queue:
        queue.add("a")
        await gate.entered.wait()
        queue.add("a")
        queue.add("b")
        await gate.other_entered.wait()  # another key is not held up
        assert gate.calls["a"] == 1
        gate.open.set()
        await gate.entered_again.wait()
    assert gate.most_at_once == 1


async def test_keys_come_in_the_order_of_their_time() -> None:
    order: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        order.append(key)
        if len(order) == 3:
            done.set()

    async with serving(reconcile, workers=1) as queue:
        queue.add("late", 0.06)
        queue.add("soon", 0.03)
        queue.add("now")
        await done.wait()
    assert order == ["now", "soon", "late"]


async def test_earlier_time_wins_and_the_later_one_is_forgotten() -> None:
    gate = Gate()
    gate.open.set()
    async with serving(gate) as queue:
        queue.add("a", 3600)
        queue.add("a", 0.01)
        queue.add("a", 1800)
        await gate.entered.wait()
        assert len(queue) == 0
    assert gate.calls == Counter(a=1)


async def test_key_is_looked_at_again_after_the_time_that_it_asked_for() -> None:
    times: list[float] = []
    done = asyncio.Event()

    async def reconcile(_: str) -> float | None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 3:
            done.set()
            return None
        return 0.02

    async with serving(reconcile) as queue:
        queue.add("a")
        await done.wait()
    assert all(later - before >= 0.02 for before, later in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ConflictError(409, "changed"), logging.DEBUG),  # the usual way of two writers
        (KubeError(500, "etcd is away"), logging.WARNING),
        (RuntimeError("a defect"), logging.ERROR),
    ],
)
async def test_failing_key_is_tried_again_later_and_others_go_on(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "perfrun.controller.watch.queue")
    times: list[float] = []
    done = asyncio.Event()
    other = asyncio.Event()

    async def reconcile(key: str) -> None:
        if key == "other":
            other.set()
            return
        times.append(asyncio.get_running_loop().time())
        if len(times) < 3:
            raise error
        done.set()

    async with serving(reconcile, workers=1) as queue:
        queue.add("bad")
        queue.add("other")
        await other.wait()
        assert len(times) == 1
        await done.wait()
    assert times[1] - times[0] >= BACKOFF_FIRST_S
    assert times[2] - times[1] >= 2 * BACKOFF_FIRST_S
    assert [record.levelno for record in caplog.records] == [level] * 2


def test_backoff_doubles_to_a_bound() -> None:
    queue: WorkQueue[str] = WorkQueue(_nothing, "thing")
    delays = [queue._after_failure("a", KubeError(500, "away")) for _ in range(2000)]
    assert delays[:3] == [BACKOFF_FIRST_S, 2 * BACKOFF_FIRST_S, 4 * BACKOFF_FIRST_S]
    assert delays == sorted(delays)
    assert delays[-1] == BACKOFF_MOST_S


async def test_success_forgives_earlier_failures() -> None:
    times: list[float] = []
    done = asyncio.Event()

    async def reconcile(_: str) -> float | None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 4:
            done.set()
        if len(times) in (1, 3):
            raise KubeError(500, "away")
        return 0.0 if len(times) == 2 else None

    async with serving(reconcile) as queue:
        queue.add("a")
        await done.wait()
    assert times[3] - times[2] < 2 * BACKOFF_FIRST_S


async def test_ten_thousand_keys_are_all_served_once() -> None:
    seen: Counter[str] = Counter()
    done = asyncio.Event()
    keys = [f"k{number}" for number in range(10_000)]

    async def reconcile(key: str) -> None:
        seen[key] += 1
        if len(seen) == len(keys):
            done.set()

    async with serving(reconcile, workers=8) as queue:
        for key in keys:
            queue.add(key)
        await done.wait()
    assert seen == Counter(keys)


async def test_groups_take_turns_however_many_keys_one_of_them_has() -> None:
    order: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        order.append(key)
        if len(order) == 1005:
            done.set()

    queue: WorkQueue[str] = WorkQueue(reconcile, "thing", group=lambda key: key[0])
    for number in range(1000):
        queue.add(f"a{number}")
    for key in ("b0", "b1", "b2", "c0"):
        queue.add(key)
    queue.add("d0", 0.001)
    await asyncio.sleep(0.002)
    task = asyncio.create_task(queue.run(1))
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert order[:9] == ["a0", "b0", "c0", "d0", "a1", "b1", "a2", "b2", "a3"]
    assert order[9:] == [f"a{number}" for number in range(4, 1000)], "in a group, as they came"


async def test_key_of_a_waiting_group_is_next_but_one_at_any_time() -> None:
    """Whenever it comes, it waits for what is being looked at and for one of each other group."""
    before: list[str] = []
    served = asyncio.Event()

    async def reconcile(key: str) -> float | None:
        if key == "b":
            served.set()
        elif not served.is_set():
            before.append(key)
            if len(before) == 500:
                before.clear()
                queue.add("b")
        await asyncio.sleep(0)
        return 0.0 if key != "b" else None

    queue: WorkQueue[str] = WorkQueue(reconcile, "thing", group=lambda key: key[0])
    for number in range(1000):
        queue.add(f"a{number}")
    task = asyncio.create_task(queue.run(1))
    async with asyncio.timeout(PATIENCE_S):
        await served.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(before) <= 1


async def test_time_that_comes_while_the_key_is_looked_at_has_it_looked_at_once_more() -> None:
    calls: list[str] = []
    again = asyncio.Event()

    async def reconcile(key: str) -> None:
        calls.append(key)
        if len(calls) == 1:
            queue.add("a", 0.01)
            time.sleep(0.03)  # noqa: ASYNC251 (nobody moves it to the ready ones meanwhile)
        elif key == "a":
            again.set()

    queue: WorkQueue[str] = WorkQueue(reconcile, "thing")
    queue.add("a")
    task = asyncio.create_task(queue.run(2))
    async with asyncio.timeout(PATIENCE_S):
        await again.wait()
        queue.add("b")
        while calls[-1] != "b":
            assert not task.done(), task.exception()
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert calls == ["a", "a", "b"]


async def test_slow_keys_of_one_group_leave_workers_to_the_others() -> None:
    most, slow = 0, 0
    open_, full, served = asyncio.Event(), asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def reconcile(key: str) -> None:
        nonlocal most, slow
        if key[0] == "b":
            served.set()
            return
        slow += 1
        most = max(most, slow)
        if slow == 2:
            full.set()
        await open_.wait()
        slow -= 1
        seen.append(key)

    queue: WorkQueue[str] = WorkQueue(reconcile, "thing", group=lambda key: key[0], most_of_group=2)
    task = asyncio.create_task(queue.run(4))
    async with asyncio.timeout(PATIENCE_S):
        for number in range(10):
            queue.add(f"a{number}")
        await full.wait()
        queue.add("b")
        await served.wait()
        assert (slow, seen) == (2, [])
        open_.set()
        while len(seen) < 10:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert most == 2
    assert sorted(seen) == [f"a{number}" for number in range(10)]


async def test_cancelled_it_ends_at_once() -> None:
    queue: WorkQueue[str] = WorkQueue(_nothing, "thing")
    task = asyncio.create_task(queue.run(3))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE_S)


async def _nothing(_: str) -> None:
    return None
