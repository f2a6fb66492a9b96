"""An event loop in a thread of its own, for what must go on while the main loop is busy."""

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
"""Within the time that a lost Lease leaves before another operator may take it."""


class LoopThread:
    """Runs coroutines beside the main loop.

    The threads share one interpreter: Python code of the main loop makes room for them every 5 ms,
    one call into C that does not release the interpreter (as ``re`` does) makes none. Nothing whose
    length a user chooses may be such a call here.
    """

    def __init__(self, name: str) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to run what is given to :meth:`call`."""
        self._thread.start()

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, done in the thread; cancelled when the caller is."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin ``work`` in the thread, and do not wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def stop(self) -> None:
        """End the thread; what still runs in it is dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, JOIN_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


def end_process(why: str, *, with_stacks: bool = False) -> NoReturn:
    """End at once with exit code 1, from any thread: nothing that is under way goes on.

    ``with_stacks``: the log says where each thread stands.
    """
    # Also if the log cannot be written: who stands still may do so with the log's lock.
    ending = threading.Timer(LAST_WORDS_S, os._exit, [1])
    ending.daemon = True
    ending.start()
    logger.critical("%s", why)
    if with_stacks:
        faulthandler.dump_traceback(sys.stderr, all_threads=True)
    logging.shutdown()
    os._exit(1)
