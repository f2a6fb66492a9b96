"""HDR histograms: 1 us to 1 h at 3 significant digits, folded in bulk, merged and never averaged.

The bucket layout is HdrHistogram's (https://hdrhistogram.org), so that V2 on the wire is read by
any HDR tool; counts live in a numpy array, because recording one value with the library costs
0.95 us and appending it to a list that is folded in bulk 0.1 us.
"""

import ctypes
import math
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

LOWEST_US = 1
HIGHEST_US = 3_600_000_000
DIGITS = 3

_SUB_BITS = 11  # 2048 sub-buckets hold three significant digits
_HALF = 1 << (_SUB_BITS - 1)
_BUCKETS = 22  # until 2048 << 21 passes HIGHEST_US
BUCKET_COUNT = (_BUCKETS + 1) * _HALF

Counts = npt.NDArray[np.int64]


def bucket_of(values_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The index of each value's bucket."""
    # frexp gives the bit length exactly below 2**53, far above HIGHEST_US.
    bits = np.frexp(values_us.astype(np.float64))[1].astype(np.int64)
    bucket = np.maximum(bits - _SUB_BITS, 0)
    return ((bucket + 1) << (_SUB_BITS - 1)) + (values_us >> bucket) - _HALF


def _edges() -> tuple[Counts, Counts]:
    """The lowest and the highest value (us) that share each bucket."""
    index = np.arange(BUCKET_COUNT, dtype=np.int64)
    bucket = (index >> (_SUB_BITS - 1)) - 1
    sub = (index & (_HALF - 1)) + _HALF
    sub = np.where(bucket < 0, sub - _HALF, sub)
    bucket = np.maximum(bucket, 0)
    return sub << bucket, ((sub + 1) << bucket) - 1


_LOW, HIGH_US = _edges()
"""The highest value of each bucket, us."""
MIDDLE_US = (_LOW + HIGH_US) / 2
"""The middle of each bucket, us."""


class Histogram:
    """Counts of durations. The sum, the least and the greatest are kept exactly beside them.

    Values are given and read in nanoseconds; buckets are of microseconds. What lies outside
    1 us to 1 h is clamped to the nearest end and counted in ``clamped``.
    """

    __slots__ = ("clamped", "count", "counts", "greatest", "least", "total")

    def __init__(self) -> None:
        self.counts: Counts = np.zeros(BUCKET_COUNT, dtype=np.int64)
        self.count = 0
        self.total = 0
        """Sum of all values, ns."""
        self.least = 0
        self.greatest = 0
        self.clamped = 0

    def fold(self, values_ns: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Record many values at once."""
        if len(values_ns) == 0:
            return
        values = np.asarray(values_ns, dtype=np.int64)
        us = (values + 500) // 1000
        inside = np.clip(us, LOWEST_US, HIGHEST_US)
        # A value under a microsecond rounds to the first bucket: that is precision, not a clamp.
        self.clamped += int(np.count_nonzero(us > HIGHEST_US) + np.count_nonzero(values < 0))
        self.counts += np.bincount(bucket_of(inside), minlength=BUCKET_COUNT)
        self._extend(len(values), int(values.sum()), int(values.min()), int(values.max()))

    def record(self, value_ns: int, times: int) -> None:
        """Record one value, from 1 us to 1 h, that was seen ``times`` times."""
        if times:
            self.counts[bucket_of(np.asarray([value_ns // 1000]))] += times
            self._extend(times, value_ns * times, value_ns, value_ns)

    def add(self, other: "Histogram") -> None:
        """Take the counts of another histogram in."""
        if other.count == 0:
            return
        self.counts += other.counts
        self.clamped += other.clamped
        self._extend(other.count, other.total, other.least, other.greatest)

    def _extend(self, count: int, total: int, least: int, greatest: int) -> None:
        self.least = min(self.least, least) if self.count else least
        self.greatest = max(self.greatest, greatest) if self.count else greatest
        self.count += count
        self.total += total

    @classmethod
    def merged(cls, parts: Iterable["Histogram"]) -> Self:
        """One histogram of all samples of ``parts``."""
        whole = cls()
        for part in parts:
            whole.add(part)
        return whole

    @property
    def mean(self) -> float:
        """The arithmetic mean, ns; exact. Needs one sample."""
        return self.total / self.count

    def quantile(self, q: float) -> float:
        """The value (ns) that a share ``q`` of samples does not exceed (nearest rank).

        The middle of the bucket of the sample of rank ceil(q * count), within the exact extremes:
        off by at most 0.05% (half a bucket).
        """
        if self.count == 0:
            raise ValueError("a histogram without samples has no quantiles")
        rank = max(1, math.ceil(q * self.count - 1e-9))
        index = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(min(max(MIDDLE_US[index] * 1000, self.least), self.greatest))

    def beyond(self, q: float) -> int:
        """How many samples are of a higher rank than the quantile ``q``."""
        return self.count - math.ceil(q * self.count - 1e-9)

    def below(self, value_ns: float) -> int:
        """How many samples lie in buckets wholly below the one that ``value_ns`` falls in."""
        us = np.asarray([np.clip(round(value_ns / 1000), LOWEST_US, HIGHEST_US)], dtype=np.int64)
        return int(self.counts[: int(bucket_of(us)[0])].sum())

    def above(self, values_ns: npt.NDArray[np.float64]) -> Counts:
        """For each value, how many samples lie in buckets wholly above the one it falls in."""
        us = np.clip(np.round(values_ns / 1000), LOWEST_US, HIGHEST_US).astype(np.int64)
        return self.count - np.cumsum(self.counts)[bucket_of(us)]

    def encode(self) -> str:
        """HDR V2 (compressed, base64), as every HDR tool reads it."""
        hdr = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        ctypes.memmove(
            hdr.counts, np.ascontiguousarray(self.counts).ctypes.data, self.counts.nbytes
        )
        used = np.flatnonzero(self.counts)
        if len(used):
            hdr.total_count = int(self.counts.sum())
            hdr.min_value = int(_LOW[used[0]])
            hdr.max_value = int(HIGH_US[used[-1]])
        encoded = hdr.encode()
        return encoded.decode("ascii") if isinstance(encoded, bytes) else str(encoded)

    @classmethod
    def decode(cls, text: str, *, total: int, least: int, greatest: int, clamped: int) -> Self:
        """The reverse of :meth:`encode`. Raises ValueError for anything but such a text."""
        try:
            hdr = HdrHistogram.decode(text.encode("ascii"))
        except Exception as error:
            raise ValueError("not a histogram in HDR V2") from error
        if hdr is None or len(hdr.counts) != BUCKET_COUNT:
            raise ValueError("a histogram of another range or precision than perfrun's")
        whole = cls()
        whole.counts = np.array(hdr.counts, dtype=np.int64)
        if whole.counts.min() < 0:
            raise ValueError("a histogram with negative counts")
        whole.count = int(whole.counts.sum())
        whole.total, whole.least, whole.greatest, whole.clamped = total, least, greatest, clamped
        return whole

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (self.count, self.total, self.least, self.greatest, self.clamped) == (
            other.count,
            other.total,
            other.least,
            other.greatest,
            other.clamped,
        ) and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if not self.count:
            return "Histogram(empty)"
        return f"Histogram({self.count} samples, {self.least} to {self.greatest} ns)"
