"""An event loop in a separate thread, for work that must continue while the main loop is busy."""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, NoReturn, TypeVar

import uvloop

logger = logging.getLogger(__name__)

T = TypeVar("T")

JOIN_S = 5.0
LAST_WORDS_S = 2.0
"""Shorter than the time between losing a Lease and its takeover by another operator."""


class LoopThread:
    """Runs coroutines in parallel with the main loop.

    The threads share one interpreter: Python code of the main loop yields to them every 5 ms; a
    call into C that does not release the interpreter (such as ``re``) never yields. No call here
    whose duration a user controls may be of that sort.
    """

    def __init__(self, name: str) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to run the work that is passed to :meth:`call`."""
        self._thread.start()

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, executed in the thread; cancelled together with the caller."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin ``work`` in the thread, without waiting for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def stop(self) -> None:
        """End the thread; work that is still running is dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, JOIN_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


def end_process(why: str, *, with_stacks: bool = False) -> NoReturn:
    """End at once with exit code 1, from any thread: nothing in progress continues.

    ``with_stacks``: log where each thread is.
    """
    # Also if the log cannot be written: a blocked thread may hold the log's lock.
    ending = threading.Timer(LAST_WORDS_S, os._exit, [1])
    ending.daemon = True
    ending.start()
    logger.critical("%s", why)
    if with_stacks:
        faulthandler.dump_traceback(sys.stderr, all_threads=True)
    logging.shutdown()
    os._exit(1)
