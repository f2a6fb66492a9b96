"""Whether the main event loop makes progress: beaten by it, read by the threads beside it.

Whatever makes the loop late, a stall of one callback or too many that are due, shows as a beat
that does not come.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

BEAT_S = 0.25
BUSY_AFTER_S = 2.0
"""Said in the log and shown by a metric, and nothing else: workers wait for 10 s and try again, and
a long list or the merge of a large run may take so long on a slow machine."""
DEAD_AFTER_S = 60.0
"""The process ends, and another operator or the next start takes over. As long as a watch may be
silent, and as many probes as the kubelet would let fail. No work that the operator means to do
takes a quarter of it; and to end earlier helps nobody, because whoever comes next finds the same
objects."""
WORST_OF_S = 60.0
"""A metric is scraped at least this often, so that no stall stays unseen."""


class Heartbeat:
    """How late the main loop is."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._beaten_at = now()
        self._late: deque[tuple[float, float]] = deque(maxlen=int(WORST_OF_S / BEAT_S) + 1)
        """(when, seconds) of the last beats."""

    async def run(self) -> None:
        """Beat, in the main loop, until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            self.beat()

    def beat(self) -> None:
        """The loop has come to it."""
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
