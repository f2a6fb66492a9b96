"""The generator's own health: what the kernel tells, and which stalls of the loop are counted."""

import asyncio
import os
import subprocess
import sys
import time

import pytest

from perfrun.engine.record.health import (
    HEARTBEAT,
    StallDetector,
    parse_schedstat,
    parse_steal,
    sample,
)

MS = 1_000_000
STAT = "cpu  90 0 10 800 0 0 0 31 0 0\ncpu0 45 0 5 400 0 0 0 16 0 0\ncpu1 45 0 5 400 0 0 0 15 0 0\n"


def test_what_the_kernel_tells() -> None:
    assert parse_schedstat("1201 74213 17\n") == 74213
    assert parse_steal(STAT + "intr 5\nctxt 8\n") == 15


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell it")
def test_who_shares_a_cpu_waits_for_it() -> None:
    """Two threads of busy work cannot both have the one core that this process is kept to."""
    cores = os.sched_getaffinity(0)
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        core = {min(cores)}
        os.sched_setaffinity(0, core)
        os.sched_setaffinity(other.pid, core)
        before, until = sample(), time.monotonic() + 0.5
        while time.monotonic() < until:
            pass
        after = sample()
    finally:
        os.sched_setaffinity(0, cores)
        other.kill()
        other.wait()
    waited, whole = after.waited - before.waited, after.at - before.at
    assert 0.1 * whole < waited < 1.01 * whole


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
