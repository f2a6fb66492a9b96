"""A loop beside the main loop, and the end of the process from there."""

import asyncio
import subprocess
import sys
import threading

from perfrun.controller.lead.loop_thread import LoopThread

STUCK = """
import logging, threading, time
from perfrun.controller.lead.loop_thread import end_process
logging.basicConfig(format="%(message)s")
lock = logging.getLogger().handlers[0].lock
if {stuck}:
    lock.acquire()
threading.Thread(target=end_process, args=["the end"], kwargs={{"with_stacks": True}}).start()
time.sleep(60)
"""


async def test_work_is_done_in_the_thread_and_its_errors_come_back() -> None:
    async def where() -> str:
        return threading.current_thread().name

    async def fails() -> None:
        raise ZeroDivisionError

    thread = LoopThread("aside")
    thread.start()
    assert await thread.call(where()) == "aside"
    (failed,) = await asyncio.gather(thread.call(fails()), return_exceptions=True)
    assert isinstance(failed, ZeroDivisionError)
    await thread.stop()
    assert "aside" not in [one.name for one in threading.enumerate()]


def _end(*, stuck: bool) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", STUCK.format(stuck=stuck)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def test_the_process_ends_with_its_reason_and_where_each_thread_stood() -> None:
    code, log = _end(stuck=False)
    assert (code, log.startswith("the end\n")) == (1, True)
    assert "most recent call first" in log


def test_the_process_ends_also_if_its_log_cannot_be_written() -> None:
    assert _end(stuck=True) == (1, "")
