"""A run in a thread with its own event loop, because the caller may have one too.

The load is that of ``perfrun run``: workers are processes, and none of them is left behind.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from perfrun.local.outcome import new_plan, outcome_of
from perfrun.local.run import LocalRun, Progress, Stop, run_local
from perfrun.logic.comparison.model import Reported
from perfrun.pytest_plugin.given import Given

_BY_CTRL_C = "by Ctrl-C"


class CompletedRun(NamedTuple):
    """A run that is over."""

    reported: Reported
    lost: tuple[str, ...] = ()
    """Workers that were lost, with their last output."""


@dataclass
class Background:
    """A run in progress in another thread."""

    given: Given
    _local: LocalRun | None = None
    _error: BaseException | None = None

    def __post_init__(self) -> None:
        self._plan = new_plan(self.given.test)
        self._stop = Stop()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="perfrun", daemon=True)
        # After an interrupt, Thread.join of older Python versions takes the thread for ended.
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until it has ended. Raises KeyboardInterrupt on Ctrl-C, although it has not ended
        then.
        """
        self._ended.wait()
        self._thread.join()

    def stop(self, reason: str) -> None:
        """Ask the load to end; the second time: at once, whatever is lost."""
        try:
            self._loop.call_soon_threadsafe(self._stop.request, reason)
        except RuntimeError:
            pass  # it has ended

    def outcome(self) -> CompletedRun:
        """The outcome, once it has ended. Raises an error in perfrun itself."""
        if self._error is not None:
            raise self._error
        assert self._local is not None
        reported = Reported(*outcome_of(self.given.test, self._local))
        return CompletedRun(reported, tuple(self._local.lost))

    def _main(self) -> None:
        try:
            self._local = self._loop.run_until_complete(
                run_local(self._plan, self.given.test.spec, self.given.values, self._stop, _quiet)
            )
        except BaseException as error:  # raised in the thread that waits
            self._error = error
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._ended.set()


def run_and_wait(given: Given, on_interrupt: Callable[[CompletedRun], object]) -> CompletedRun:
    """Run a test and wait for it.

    Ctrl-C ends the load in order and a second one at once; the measurements go to ``on_interrupt``,
    and the KeyboardInterrupt on to pytest. Whatever else ends the waiting, such as a time limit for
    tests, ends the load at once.
    """
    run = Background(given)
    run.start()
    try:
        run.wait()
    except KeyboardInterrupt:
        _end_in_order(run)
        on_interrupt(run.outcome())
        raise
    except BaseException:
        _end_at_once(run)
        raise
    return run.outcome()


async def run_beside(given: Given) -> CompletedRun:
    """The same in an event loop, which continues meanwhile. If it is cancelled, it ends
    the load.
    """
    run = Background(given)
    run.start()
    try:
        await asyncio.to_thread(run.wait)
    except asyncio.CancelledError:
        _end_at_once(run)
        raise
    return run.outcome()


def _end_in_order(run: Background) -> None:
    while True:
        run.stop(_BY_CTRL_C)
        try:
            return run.wait()
        except KeyboardInterrupt:
            pass  # once more; from the second one on it ends at once, and the others change nothing


def _end_at_once(run: Background) -> None:
    for _ in range(2):
        run.stop("by the test")
    run.wait()


def _quiet(_: Progress) -> None:
    """Pytest shows the progress."""
