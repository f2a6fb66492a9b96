"""Whether the main event loop makes progress: it beats, and other threads read the beats.

Whatever delays the loop, one slow callback or too many due ones, shows as a missing beat.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

BEAT_S = 0.25
BUSY_AFTER_S = 2.0
"""Reported only in the log and by a metric: workers wait for 10 s and try again, and a long list or
the merge of a large run may take this long on a slow machine.
"""
DEAD_AFTER_S = 60.0
"""The process ends, and another operator or the next start takes over. As long as a watch may be
silent, and as many probes as the kubelet lets fail. No intended work of the operator takes a
quarter of it; ending earlier would not help, because the next process finds the same objects.
"""
WORST_OF_S = 60.0
"""A metric is scraped at least this often, so that no stall goes unnoticed."""


class Heartbeat:
    """How late the main loop is."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._beaten_at = now()
        self._late: deque[tuple[float, float]] = deque(maxlen=int(WORST_OF_S / BEAT_S) + 1)
        """(when, seconds) of the latest beats."""

    async def run(self) -> None:
        """Beat, in the main loop, until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            self.beat()

    def beat(self) -> None:
        """The loop has reached the heartbeat."""
        late = self.lag
        self._beaten_at = self._now()
        self._late.append((self._beaten_at, late))

    @property
    def lag(self) -> float:
        """Seconds by which the next beat is late now."""
        return max(0.0, self._now() - self._beaten_at - BEAT_S)

    def worst(self) -> float:
        """The longest lag of the last minute, in seconds."""
        since = self._now() - WORST_OF_S
        return max([self.lag, *(late for at, late in list(self._late) if at >= since)])
