"""The clock and the timer around a pacer."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic_ns

from perfrun.engine.load.kind import VirtualUser
from perfrun.engine.load.pacers import NONE, BurstPacer, ClosedPacer, Share
from perfrun.engine.load.pacing import IterationStarter, Pacing
from perfrun.logic.plan.shape import UserSpan

S = 1_000_000_000


@dataclass
class Begun(IterationStarter):
    """What was begun, when, and by whom."""

    users: list[VirtualUser] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    ends: list[str | None] = field(default_factory=list)

    def begin(self, number: int, due: int, now: int, lag: int, user: VirtualUser) -> None:
        self.users.append(user)
        self.times.append(now)

    def drop(self, number: int, due: int) -> None:
        """None is dropped here."""

    def load_ended(self, early: str | None = None) -> None:
        self.ends.append(early)

    async def until(self, many: int) -> None:
        """Wait until so many were begun."""
        async with asyncio.timeout(10):
            while len(self.users) < many:
                await asyncio.sleep(0.001)


@dataclass
class State:
    """What a kind keeps for a user."""

    is_closed: bool = False

    def close(self) -> None:
        self.is_closed = True


async def test_a_user_is_back_after_its_pause_although_the_alarm_was_for_later() -> None:
    begun, start = Begun(), monotonic_ns()
    pacer = ClosedPacer(Share(1, 0, start), [UserSpan(0, 0, 60 * S)], start + 60 * S, S // 20)
    pacing = Pacing(pacer, begun)
    pacing.start()
    await begun.until(1)
    now = monotonic_ns()
    assert pacer.ended(begun.users[0], 0, now) == NONE
    await begun.until(2)
    pacing.close()
    assert begun.users[1] is begun.users[0]
    assert begun.times[1] >= now + S // 20
    assert begun.ends == []


async def test_who_rests_when_the_load_is_stopped_lets_go_of_what_it_has() -> None:
    begun, start, state = Begun(), monotonic_ns(), State()
    pacer = ClosedPacer(Share(1, 0, start), [UserSpan(0, 0, 60 * S)], start + 60 * S, 30 * S)
    pacing = Pacing(pacer, begun)
    pacing.start()
    await begun.until(1)
    begun.users[0].state = state
    pacer.ended(begun.users[0], 0, monotonic_ns())
    seen = [state.is_closed]
    pacing.stop()
    assert [*seen, state.is_closed] == [False, True]
    pacing.close()


async def test_the_end_of_a_load_is_told_once() -> None:
    begun, state = Begun(), State()
    pacer = BurstPacer(Share(1, 0, monotonic_ns()), 3, 2)
    pacing = Pacing(pacer, begun)
    pacing.start()
    await begun.until(2)
    assert pacer.ended(begun.users[0], 0, monotonic_ns()) == 2
    begun.users[0].state = state
    assert begun.ends == []
    assert pacer.ended(begun.users[0], 0, monotonic_ns()) == NONE
    assert (begun.ends, state.is_closed) == ([None], True)
    assert pacer.ended(begun.users[1], 0, monotonic_ns()) == NONE
    await asyncio.sleep(0)
    pacing.close()
    assert begun.ends == [None]
