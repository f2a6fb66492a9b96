"""HDR histograms: 1 us to 1 h at 3 significant digits, folded in bulk, merged and never averaged.

The bucket layout is HdrHistogram's (https://hdrhistogram.org), so that V2 on the wire is read by
any HDR tool; counts live in a numpy array, because recording one value with the library costs
0.95 us and appending it to a list that is folded in bulk 0.1 us.

Histograms from the wire are decoded here and not by the library, which decompresses without a limit
and checks the size afterwards.
"""

import base64
import ctypes
import math
import struct
import zlib
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

MAX_COUNT = 2**53
"""Maximum number of samples, and of anything else that is counted: exact for every reader of
JSON."""
MAX_VALUE_NS = 2**53
"""Maximum duration: 104 days."""

NEEDED_BEYOND = 10
"""Samples of a higher rank that a percentile needs in order to be reported."""

# The wire format V2: an envelope (cookie, length) around a zlib stream of a header and of
# ZigZag LEB128 counts, where a negative number is a run of buckets without samples.
_ENVELOPE = struct.Struct(">II")
_ENVELOPE_COOKIE = 0x1C849304
_HEADER = struct.Struct(">IIIIQQd")
_HEADER_COOKIE = 0x1C849303
_WORD_SIZE = 0xF0
"""The bits of a cookie that are ignored here."""
_MAX_VARINT = 8
"""Bytes: 55 bits are enough for MAX_COUNT with its sign."""
_MAX_PAYLOAD = _HEADER.size + _MAX_VARINT * BUCKET_COUNT
_MAX_TEXT = -(-(_ENVELOPE.size + _MAX_PAYLOAD + 1024) // 3) * 4
"""Maximum length of the base64; zlib makes incompressible data a little longer."""
_OBJECT_BYTES = 512
"""Memory of a histogram from the wire, in addition to its counts."""

Counts = npt.NDArray[np.int64]


def beyond(count: int, q: float) -> int:
    """How many of ``count`` samples are of a higher rank than the quantile ``q``."""
    return count - math.ceil(q * count - 1e-9)


def supports(count: int, q: float) -> bool:
    """Whether ``count`` samples are enough to report the quantile ``q``."""
    return beyond(count, q) >= NEEDED_BEYOND


def samples_for(q: float) -> int:
    """How many samples the quantile ``q`` needs: 200 for a p95."""
    return round(NEEDED_BEYOND / (1 - q))


class Room:
    """The memory that the histograms of one document may take when decoded, in bytes."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size

    def take(self, size: int) -> None:
        """Use up ``size`` bytes. Raises ValueError if they are not left, then and always
        afterwards."""
        self._left -= size
        if self._left < 0:
            raise ValueError(
                f"the histograms take more than {self._size // 1024**2} MiB, the limit for one "
                "document"
            )


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
    """Counts of durations, with the exact sum, minimum and maximum.

    Values are given and read in nanoseconds; buckets are in microseconds. Values outside 1 us to 1
    h are clamped to the nearest end and counted in ``clamped``.
    """

    __slots__ = ("_dense", "_used", "clamped", "count", "greatest", "least", "total")

    def __init__(self) -> None:
        self._dense: Counts | None = np.zeros(BUCKET_COUNT, dtype=np.int64)
        self._used: tuple[npt.NDArray[np.uint16], npt.NDArray[np.unsignedinteger]] | None = None
        """Instead of ``_dense``: the non-empty buckets, ascending, and their counts. Histograms
        from the wire are kept this way, because all buckets of one take 184 KiB.
        """
        self.count = 0
        self.total = 0
        """Sum of all values, ns."""
        self.least = 0
        self.greatest = 0
        self.clamped = 0

    @property
    def counts(self) -> Counts:
        """The samples in each bucket; read-only."""
        if self._used is None:
            assert self._dense is not None
            return self._dense
        at, counts = self._used
        dense = np.zeros(BUCKET_COUNT, dtype=np.int64)
        dense[at] = counts
        return dense

    def used(self) -> tuple[Counts, Counts]:
        """The non-empty buckets, ascending, and their counts."""
        if self._used is not None:
            at, counts = self._used
            return at.astype(np.int64), counts.astype(np.int64)
        assert self._dense is not None
        # Not all 184 KiB: memory that was not touched for a second is slow on virtual machines.
        first, last = _bucket(self.least), _bucket(self.greatest)
        used = first + self._dense[first : last + 1].nonzero()[0]
        return used, self._dense[used]

    def _keep_small(self, at: npt.NDArray[np.integer], counts: Counts) -> None:
        """Keep only the non-empty buckets."""
        self._dense = None
        fitting = np.min_scalar_type(int(counts.max())) if len(counts) else np.dtype(np.uint8)
        self._used = at.astype(np.uint16), counts.astype(fitting)

    @property
    def size(self) -> int:
        """Approximate size in memory, in bytes."""
        if self._used is None:
            return _OBJECT_BYTES + BUCKET_COUNT * 8
        return _OBJECT_BYTES + sum(part.nbytes for part in self._used)

    def copy(self) -> "Histogram":
        """A copy; a compact histogram stays compact."""
        new = Histogram.__new__(Histogram)
        new._used = self._used
        new._dense = None if self._dense is None else self._dense.copy()
        new.count, new.total, new.clamped = self.count, self.total, self.clamped
        new.least, new.greatest = self.least, self.greatest
        return new

    def fold(self, values_ns: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Record many values at once."""
        if len(values_ns) == 0:
            return
        values = np.asarray(values_ns, dtype=np.int64)
        us = (values + 500) // 1000
        inside = np.clip(us, LOWEST_US, HIGHEST_US)
        # A value under a microsecond rounds to the first bucket: that is precision, not clamping.
        self.clamped += int(np.count_nonzero(us > HIGHEST_US) + np.count_nonzero(values < 0))
        self._dense, self._used = self.counts, None
        np.add.at(self._dense, bucket_of(inside), 1)
        self._extend(len(values), int(values.sum()), int(values.min()), int(values.max()))

    def record(self, value_ns: int, times: int) -> None:
        """Record one value, from 1 us to 1 h, that was seen ``times`` times."""
        if times:
            self._dense, self._used = self.counts, None
            self._dense[_bucket(value_ns)] += times
            self._extend(times, value_ns * times, value_ns, value_ns)

    def add(self, other: "Histogram") -> None:
        """Add the counts of another histogram. Raises ValueError for more than MAX_COUNT."""
        if other.count == 0:
            return
        if self.count + other.count > MAX_COUNT:
            raise ValueError(f"histograms of more than {MAX_COUNT} samples together")
        if self._used is not None:
            both = self.counts + other.counts
            used = np.flatnonzero(both)
            self._keep_small(used, both[used])
        else:
            assert self._dense is not None
            if other._used is None:
                self._dense += other.counts
            else:
                at, counts = other._used
                self._dense[at] += counts.astype(np.int64)
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
        return self.ranked(max(1, math.ceil(q * self.count - 1e-9)))

    def ranked(self, rank: int) -> float:
        """The value (ns) of the sample of a rank, 1 for the least; as exact as a quantile."""
        if self._used is None:
            index = int(np.searchsorted(np.cumsum(self.counts), rank))
        else:
            at, counts = self._used
            index = int(at[np.searchsorted(np.cumsum(counts, dtype=np.int64), rank)])
        return float(min(max(MIDDLE_US[index] * 1000, self.least), self.greatest))

    def beyond(self, q: float) -> int:
        """How many samples are of a higher rank than the quantile ``q``."""
        return beyond(self.count, q)

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
        counts = self.counts
        ctypes.memmove(hdr.counts, counts.ctypes.data, counts.nbytes)
        used = np.flatnonzero(counts)
        if len(used):
            hdr.total_count = int(counts.sum())
            hdr.min_value = int(_LOW[used[0]])
            hdr.max_value = int(HIGH_US[used[-1]])
        encoded = hdr.encode()
        return encoded.decode("ascii") if isinstance(encoded, bytes) else str(encoded)

    @classmethod
    def decode(
        cls,
        text: str,
        *,
        total: int,
        least: int,
        greatest: int,
        clamped: int,
        room: Room | None = None,
    ) -> Self:
        """The reverse of :meth:`encode`. Raises ValueError for anything else.

        It takes at most 184 KiB after decompression, the size of all buckets, and temporarily a
        small multiple of that; ``room`` limits many histograms together.
        """
        payload = _inflated(text)
        if room is not None:
            room.take(len(payload))
        at, counts = _used_buckets(payload)
        whole = cls.__new__(cls)  # without all the buckets that an empty one has
        whole._keep_small(at, counts)
        if room is not None:
            room.take(whole.size)
        whole.count = int(counts.sum())
        whole.total, whole.least, whole.greatest, whole.clamped = total, least, greatest, clamped
        whole._check_sums()
        return whole

    def _check_sums(self) -> None:
        """Raise ValueError unless the exact figures are consistent with the buckets."""
        if self.count > MAX_COUNT:
            raise ValueError(f"a histogram of more than {MAX_COUNT} samples")
        if not self.count:
            if (self.total, self.least, self.greatest, self.clamped) != (0, 0, 0, 0):
                raise ValueError("a histogram without samples, but with a sum")
            return
        if not -MAX_VALUE_NS <= self.least <= self.greatest <= MAX_VALUE_NS:
            raise ValueError("a histogram with impossible least and greatest values")
        if not self.count * self.least <= self.total <= self.count * self.greatest:
            raise ValueError("a histogram whose sum does not match its least and greatest values")
        if not 0 <= self.clamped <= self.count:
            raise ValueError("a histogram with more clamped samples than samples")
        assert self._used is not None
        at = self._used[0]
        if (int(at[0]), int(at[-1])) != (_bucket(self.least), _bucket(self.greatest)):
            raise ValueError("a histogram whose least and greatest values do not match its buckets")

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


def _bucket(value_ns: int) -> int:
    """The index of the bucket of one value, as :func:`bucket_of`."""
    us = min(max((value_ns + 500) // 1000, LOWEST_US), HIGHEST_US)
    bucket = max(us.bit_length() - _SUB_BITS, 0)
    return ((bucket + 1) << (_SUB_BITS - 1)) + (us >> bucket) - _HALF


def _inflated(text: str) -> bytes:
    """The encoded counts of a text, with a size limit. Raises ValueError."""
    if len(text) > _MAX_TEXT:
        raise ValueError(f"a histogram of more than {_MAX_TEXT} characters")
    try:
        data = base64.b64decode(text, validate=True)
        cookie, length = _ENVELOPE.unpack_from(data)
        inflating = zlib.decompressobj()
        payload = inflating.decompress(data[_ENVELOPE.size :], _MAX_PAYLOAD + 1)
    except (ValueError, struct.error, zlib.error) as error:  # binascii.Error is a ValueError
        raise ValueError("not an HdrHistogram in V2 encoding") from error
    if cookie & ~_WORD_SIZE != _ENVELOPE_COOKIE or length != len(data) - _ENVELOPE.size:
        raise ValueError("not an HdrHistogram in V2 encoding")
    if len(payload) > _MAX_PAYLOAD:
        raise ValueError(f"a histogram of more than {_MAX_PAYLOAD} bytes after decompression")
    if not inflating.eof or inflating.unused_data or len(payload) < _HEADER.size:
        raise ValueError("a histogram that is truncated or has trailing data")
    cookie, length, offset, digits, lowest, highest, _ = _HEADER.unpack_from(payload)
    if cookie & ~_WORD_SIZE != _HEADER_COOKIE or length != len(payload) - _HEADER.size:
        raise ValueError("not an HdrHistogram in V2 encoding")
    if (offset, digits, lowest, highest) != (0, DIGITS, LOWEST_US, HIGHEST_US):
        raise ValueError("a histogram with a different range or precision than perfrun's")
    return payload[_HEADER.size :]


def _used_buckets(payload: bytes) -> tuple[Counts, Counts]:
    """The non-empty buckets and their counts. Raises ValueError."""
    encoded = np.frombuffer(payload, dtype=np.uint8)
    if not len(encoded):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    goes_on = encoded >= 0x80  # all bytes of a number except its last one
    if goes_on[-1]:
        raise ValueError("a histogram that is truncated")
    zigzag = encoded.astype(np.int64)
    further = np.flatnonzero(goes_on)
    if len(further):
        zigzag &= 0x7F
        zigzag = _joined(zigzag, goes_on, further)
    numbers = (zigzag >> 1) ^ -(zigzag & 1)
    if int(numbers.min()) < -BUCKET_COUNT or int(numbers.max()) > MAX_COUNT:
        raise ValueError("a histogram with an impossible count")
    until = np.cumsum(np.maximum(-numbers, 1))
    if int(until[-1]) > BUCKET_COUNT:
        raise ValueError("a histogram with a different range or precision than perfrun's")
    used = np.flatnonzero(numbers > 0)
    counts = numbers[used]
    if int(numbers.max()) * len(used) > MAX_COUNT and counts.sum(dtype=np.float64) > MAX_COUNT:
        raise ValueError(f"a histogram of more than {MAX_COUNT} samples")
    return until[used] - 1, counts


def _joined(parts: Counts, goes_on: npt.NDArray[np.bool_], further: Counts) -> Counts:
    """Numbers from several bytes of seven bits each, the lowest first. Raises ValueError.

    ``further`` are the places of those that ``goes_on``.
    """
    for _ in range(_MAX_VARINT - 1):
        # Every second last byte includes its last one, with everything that it has included.
        last = further[~goes_on[further + 1]]
        parts[last] |= parts[last + 1] << 7
        parts[last + 1] = -1
        goes_on[last] = False
        further = further[goes_on[further]]
        if not len(further):
            return parts[parts >= 0]
    raise ValueError("a histogram with an impossible count")
