"""Ends what takes longer than a timeout: one timer of the loop for all that is under way."""

import asyncio
from collections.abc import Collection
from time import monotonic_ns
from typing import Protocol

from perfrun.api.quantities import NS_PER_MS, NS_PER_S

MIN_SWEEP = 5 * NS_PER_MS
"""Between two looks for what is overdue: each looks at all that is under way."""


class Timed(Protocol):
    """Something that may take too long."""

    begun: int
    """When it began, monotonic ns; 0: nothing is under way."""

    def timed_out(self) -> None:
        """Its time is up."""


class Deadline:
    """The same ``timeout`` (ns) for all: what begins from now on is not due before that.

    A timer for each of them would be a good part of what a request costs.
    """

    def __init__(self, timeout: int, all_: Collection[Timed]) -> None:
        """``all_`` is looked at as it is then. Needs a running event loop."""
        self._timeout, self._all = timeout, all_
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(timeout / NS_PER_S, self._sweep)

    def close(self) -> None:
        """End nothing any more."""
        self._timer.cancel()

    def _sweep(self) -> None:
        """End what is overdue, and look again when the next one is."""
        now = monotonic_ns()
        first = now
        for one in self._all:
            begun = one.begun
            if not begun:
                continue
            if begun + self._timeout <= now:
                one.timed_out()
            elif begun < first:
                first = begun
        wait = max(first + self._timeout - now, MIN_SWEEP)
        self._timer = self._loop.call_later(wait / NS_PER_S, self._sweep)
