"""Coarse histograms for single points in time, small enough for hundreds of them in one report.

Buckets grow by 2%, and only non-empty ones are kept. Percentiles over a whole phase are read from
:class:`~perfrun.measure.histogram.Histogram`; bands of percentiles are drawn from these.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Annotated, Self

import numpy as np
from pydantic import FailFast, Field, model_validator

from perfrun.measure.histogram import HIGHEST_US, LOWEST_US, MIDDLE_US, Histogram
from perfrun.measure.wire import Wire

GROWTH = 1.02
"""Ratio between the lowest values of neighbouring buckets; the first begins at 1 us."""
MAX_BUCKETS = 1 + math.floor(math.log(HIGHEST_US / LOWEST_US) / math.log(GROWTH))
MAX_COUNT = 2**63 - 1

# For each of the fine histogram's buckets: the coarse bucket that contains its middle.
_BUCKET_OF = np.floor(
    np.log(np.clip(MIDDLE_US, LOWEST_US, HIGHEST_US) / LOWEST_US) / math.log(GROWTH)
).astype(np.int64)


class Sketch(Wire):
    """Counts of durations in buckets that grow by 2%; only :meth:`add` changes one in place."""

    buckets: Annotated[list[Annotated[int, Field(ge=0, lt=MAX_BUCKETS)]], FailFast()] = Field(
        default=[], max_length=MAX_BUCKETS
    )
    """The non-empty buckets, ascending: floor(ln(value / 1 us) / ln 1.02)."""
    counts: Annotated[list[Annotated[int, Field(ge=1, le=MAX_COUNT)]], FailFast()] = Field(
        default=[], max_length=MAX_BUCKETS
    )
    """The count of each bucket."""
    least: int = Field(default=0, ge=0, le=MAX_COUNT)
    """ns, exact; 0 if there are no samples."""
    greatest: int = Field(default=0, ge=0, le=MAX_COUNT)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.buckets) != len(self.counts):
            raise ValueError("a sketch with different numbers of buckets and counts")
        if any(one >= next_ for one, next_ in zip(self.buckets, self.buckets[1:], strict=False)):
            raise ValueError("a sketch whose buckets are not in ascending order")
        if self.least > self.greatest:
            raise ValueError("a sketch whose least value is above its greatest")
        return self

    @classmethod
    def of(cls, histogram: Histogram) -> "Sketch":
        """The samples of a histogram."""
        used, counts = histogram.used()
        if not len(used):
            return cls()
        buckets = _BUCKET_OF[used]
        firsts = [0, *((buckets[1:] != buckets[:-1]).nonzero()[0] + 1)]
        # Not validated: it is right by construction, and this runs between requests of a load.
        return cls.model_construct(
            buckets=buckets[firsts].tolist(),
            counts=np.add.reduceat(counts, firsts).tolist(),
            least=min(max(0, histogram.least), MAX_COUNT),
            greatest=min(max(0, histogram.greatest), MAX_COUNT),
        )

    @classmethod
    def merged(cls, parts: Iterable["Sketch"]) -> Self:
        """One sketch of all samples of ``parts``."""
        whole = cls()
        for part in parts:
            whole.add(part)
        return whole

    def add(self, other: "Sketch") -> None:
        """Add the samples of another sketch."""
        if not self.counts:
            self.buckets, self.counts = other.buckets, other.counts
            self.least, self.greatest = other.least, other.greatest
        elif other.counts:
            self.least = min(self.least, other.least)
            self.greatest = max(self.greatest, other.greatest)
            both = dict(zip(self.buckets, self.counts, strict=True))
            for bucket, count in zip(other.buckets, other.counts, strict=True):
                both[bucket] = both.get(bucket, 0) + count
            self.buckets = sorted(both)
            self.counts = [both[bucket] for bucket in self.buckets]

    @property
    def count(self) -> int:
        """How many samples there are."""
        return sum(self.counts)

    def quantile(self, q: float) -> float | None:
        """The value (ns) that a share ``q`` of samples does not exceed; None without samples.

        The (geometric) middle of its bucket, within the exact extremes: within 1% of the fine
        histogram's value.
        """
        if not self.counts:
            return None
        until = list(accumulate(self.counts))
        rank = max(1, math.ceil(q * until[-1] - 1e-9))
        bucket = self.buckets[bisect_left(until, rank)]
        middle = LOWEST_US * 1000 * GROWTH ** (bucket + 0.5)
        return float(min(max(middle, self.least), self.greatest))
