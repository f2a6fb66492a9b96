"""What takes too long is ended, and nothing else."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic_ns

import pytest

from perfrun.engine.load.timer import Alarm, CoarseAlarm, Deadline

MS = 1_000_000


@dataclass
class Request:
    begun: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def timed_out(self) -> None:
        assert self.begun, "it was not in progress"
        self.begun = 0
        self.ended.set()


@pytest.mark.flaky(reruns=3)
async def test_what_is_overdue_is_ended_and_never_early() -> None:
    begun = monotonic_ns()
    first, second = Request(begun), Request(begun + 40 * MS)
    deadline = Deadline(30 * MS, [first, second])
    async with asyncio.timeout(5):
        await first.ended.wait()
        assert 30 * MS <= monotonic_ns() - begun < 70 * MS
        assert not second.ended.is_set()
        await second.ended.wait()
    assert monotonic_ns() - begun >= 70 * MS
    deadline.close()


async def test_what_is_not_in_progress_or_comes_later_is_left_alone() -> None:
    idle, late = Request(0), Request(monotonic_ns() + 60_000 * MS)
    overdue = Request(1)
    deadline = Deadline(10 * MS, [idle, late, overdue])
    async with asyncio.timeout(5):
        await overdue.ended.wait()
    assert not idle.ended.is_set()
    assert not late.ended.is_set()
    deadline.close()


async def test_nothing_is_ended_after_its_end() -> None:
    overdue = Request(1)
    Deadline(10 * MS, [overdue]).close()
    await asyncio.sleep(0.05)
    assert not overdue.ended.is_set()


@pytest.mark.parametrize("kind", [Alarm, CoarseAlarm])
async def test_an_alarm_calls_back_once_it_is_due_and_as_it_was_last_set(
    kind: type[Alarm] | type[CoarseAlarm],
) -> None:
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    rung: list[int] = []

    def ring() -> None:
        rung.append(monotonic_ns())
        alarm.clear()
        called.set()

    alarm = kind(loop, ring)
    due = monotonic_ns() + 30 * MS
    alarm.at(due - 20 * MS)
    alarm.at(due)
    async with asyncio.timeout(5):
        await called.wait()
    assert rung[0] >= due - MS
    alarm.at(1)  # long ago: at once
    called.clear()
    async with asyncio.timeout(5):
        await called.wait()
    alarm.at(monotonic_ns() + 10 * MS)
    alarm.clear()
    await asyncio.sleep(0.03)
    assert len(rung) == 2
    alarm.at(monotonic_ns() + 10 * MS)
    alarm.close()
    await asyncio.sleep(0.03)
    assert len(rung) == 2
