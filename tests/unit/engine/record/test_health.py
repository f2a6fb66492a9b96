"""Stalls of the event loop: which are counted."""

import asyncio
import time

import pytest

from perfrun.engine.record.health import HEARTBEAT, StallDetector

MS = 1_000_000


async def stall(seconds: float) -> None:
    """Hold the loop up, then let it do what it is late with."""
    time.sleep(seconds)  # noqa: ASYNC251 - to hold it up is the point
    await asyncio.sleep(2 * HEARTBEAT / 1e9)


async def test_a_loop_that_is_held_up_is_noticed() -> None:
    heartbeat = StallDetector(lambda: True)
    heartbeat.start()
    await stall(0.12)
    heartbeat.stop()
    assert heartbeat.longest_stall >= 100 * MS


@pytest.mark.flaky(reruns=3)
async def test_what_holds_the_loop_up_before_the_load_is_settled_is_not_counted() -> None:
    settled = False
    heartbeat = StallDetector(lambda: settled)
    heartbeat.start()
    await stall(0.15)
    settled = True  # as by the end of the very stall: that beat is excused, too
    await stall(0.15)
    assert heartbeat.longest_stall < 100 * MS
    await stall(0.12)
    heartbeat.stop()
    assert heartbeat.longest_stall >= 100 * MS


async def test_requests_that_were_open_in_a_pause_are_counted() -> None:
    sent, in_flight = 100, 7
    heartbeat = StallDetector(lambda: True, lambda: sent, lambda: in_flight)
    heartbeat.start()
    await asyncio.sleep(2 * HEARTBEAT / 1e9)
    before = heartbeat.pauses.count, heartbeat.paused_time
    sent = 103  # three more were sent before the pause, or while the loop was late
    await stall(0.12)
    heartbeat.stop()
    assert heartbeat.pauses.count - before[0] >= 10
    assert heartbeat.pauses.greatest >= 90 * MS
    assert heartbeat.paused_time - before[1] >= 90 * MS
