"""How far the generator's own delays can explain a missed objective.

A finding says that perfrun itself was slow. It takes a miss back only as far as its own delays
reach *at the statistic that was missed*: one iteration that was 78 ms late is no excuse for the 1%
of requests that took 160 ms. For a percentile this is a bound on the distribution of a difference
when only the distributions of the two parts are known (Makarov 1981): with own delays G and
durations X, at most P(X <= x + g) + P(G > g) of the durations without the delays are below x, for
every g. In counts: the miss is proven if more samples than the percentile leaves above it lie above
``limit + g``, even after all requests that may have been delayed by more than g are removed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfrun.api.quantities import NS_PER_MS
from perfrun.api.run.perfrun import Finding
from perfrun.api.test.metric import QUANTILES
from perfrun.measure.histogram import HIGH_US, Histogram
from perfrun.measure.record import GeneratorRecord

_UNSEEN = 6 * NS_PER_MS
"""A pause may be this much longer than it appears, or be this long without being noticed: the loop
is checked every 5 ms, and timers may be off by 1 ms (``StallDetector`` in
``engine.record.health``).
"""


@dataclass(frozen=True)
class SlowMiss:
    """Durations that missed an upper limit."""

    samples: Histogram
    statistic: str
    """One of :data:`perfrun.api.test.metric.STATISTICS`."""
    limit: float
    """ns."""
    waits: int
    """How often a request waits for the generator's event loop: to be started, to be read, ..."""

    def explained_by(self, findings: Sequence[Finding], record: GeneratorRecord) -> bool:
        """Whether the durations may be within the limit without the delays of ``findings``."""
        types = {finding.type for finding in findings}
        lag = record.lag if "Lag" in types else Histogram()
        paused = bool(types & {"Stall", "Throttled"})
        pauses = record.pauses if paused else Histogram()
        limit = self.limit + (self.waits * _UNSEEN if paused else 0)
        if self.statistic == "avg":
            excess = (self.samples.mean - limit) * self.samples.count
            return excess <= self.waits * lag.total + pauses.total
        return self._proven_above(limit, lag, pauses) <= self._allowed_above()

    def _allowed_above(self) -> int:
        """How many samples may be above the limit if the statistic is met."""
        if self.statistic in QUANTILES:
            return self.samples.beyond(QUANTILES[self.statistic])
        return 0 if self.statistic == "max" else self.samples.count - 1

    def _proven_above(self, limit: float, lag: Histogram, pauses: Histogram) -> int:
        """How many samples are above ``limit`` whatever the generator's own delays were."""
        # Iterations that were started late: it is not known how long their responses waited.
        delayed = self.waits * lag.counts + pauses.counts
        used = np.flatnonzero(delayed)
        delays_ns = np.concatenate(([0], HIGH_US[used] * 1000))
        by_more = delayed.sum() - np.concatenate(([0], np.cumsum(delayed[used])))
        return int((self.samples.above(limit + self.waits * delays_ns) - by_more).max())


@dataclass(frozen=True)
class LowRate:
    """A rate that missed its lower limit."""

    count: int
    """What was counted in the window."""
    needed: float
    """What would have been enough."""
    unfinished: int
    """What was due and dropped, timed out or open at the end, and so might have counted."""
    open: bool
    """An open load: what was due counts, however late it was started."""

    def explained_by(self, findings: Sequence[Finding], record: GeneratorRecord) -> bool:
        """Whether the rate may have been reached without the time lost to ``findings``."""
        if self.open:
            return self.count + self.unfinished >= self.needed
        types = {finding.type for finding in findings}
        lost = 0.0
        if "Throttled" in types and record.periods:
            lost += record.throttled_periods / record.periods
        if types & {"Stall", "Throttled"} and record.wall_time:
            lost += record.paused_time / record.wall_time
        return lost >= 1 or self.count / (1 - lost) >= self.needed


@dataclass(frozen=True)
class PageMiss:
    """Durations that a browser measured."""

    slow: SlowMiss

    def explained_by(self, findings: Sequence[Finding], record: GeneratorRecord) -> bool:
        """As for other durations, except that the browser shares the CPU limit with the worker, and
        it is not known how much that prolongs a visit. The time at which a visit was started does
        not change how long it took.
        """
        if any(finding.type == "Throttled" for finding in findings):
            return True
        stalls = [finding for finding in findings if finding.type == "Stall"]
        return bool(stalls) and self.slow.explained_by(stalls, record)


Miss = SlowMiss | LowRate | PageMiss
