"""How late the main loop is, as other threads see it."""

import asyncio
import threading
import time

import pytest

from perfrun.controller.lead.heartbeat import BEAT_S, WORST_OF_S, Heartbeat
from tests.unit.controller.build import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_a_loop_that_beats_in_time_is_never_late(clock: HandClock) -> None:
    heart = Heartbeat(clock)
    for _ in range(100):
        clock.now += BEAT_S
        heart.beat()
    assert (heart.lag, heart.worst()) == (0.0, 0.0)


def test_a_stall_shows_while_it_lasts_and_for_a_minute_after(clock: HandClock) -> None:
    heart = Heartbeat(clock)
    clock.now += BEAT_S + 7
    assert (heart.lag, heart.worst()) == (7.0, 7.0)
    heart.beat()
    assert (heart.lag, heart.worst()) == (0.0, 7.0)
    for _ in range(int(WORST_OF_S / BEAT_S)):
        clock.now += BEAT_S
        heart.beat()
    assert heart.worst() == 7.0
    clock.now += BEAT_S
    heart.beat()
    assert heart.worst() == 0.0


async def test_another_thread_sees_the_stall_of_a_real_loop() -> None:
    heart = Heartbeat()
    beating = asyncio.create_task(heart.run())
    await asyncio.sleep(2 * BEAT_S)
    seen: list[float] = []
    looking = threading.Timer(0.8, lambda: seen.append(heart.lag))
    looking.start()
    time.sleep(1.2)  # noqa: ASYNC251 (the stall)
    looking.join()
    assert 0.2 < seen[0] < 1.0
    await asyncio.sleep(2 * BEAT_S)
    assert heart.worst() >= 0.7
    beating.cancel()
