"""Two groups of runs: whether they differ, by how much, and what could have been shown.

The exact Mann-Whitney test, the Hodges-Lehmann shift, and the interval that belongs to both (Moses,
in Lehmann, Nonparametrics, 1975, section 2.6). They make no assumption about the shape of the
distribution.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from perfrun.logic.trend.statistics import mann_whitney, shift

ALPHA = 0.01
"""How often two groups that do not differ may be reported as different, for each metric; both sides
together.
"""


class GroupTest(NamedTuple):
    """What two groups show. All shifts are after - before, in the unit of the values."""

    shift: float
    p: float
    """Two-sided: how often chance alone makes two such groups differ at least as much."""
    least_p: float
    """The smallest p that groups of this size can reach."""
    low: float | None
    """The shift is between ``low`` and ``high``; None if the groups are too small to tell."""
    high: float | None

    @property
    def shown(self) -> bool:
        """Whether they differ by more than chance explains."""
        return self.p <= ALPHA

    @property
    def smallest(self) -> float | None:
        """The smallest shift, in either direction, at which groups with this spread would be told
        apart.
        """
        if self.low is None or self.high is None:
            return None
        return max(self.high - self.shift, self.shift - self.low)


def compare_groups(before: Sequence[float], after: Sequence[float]) -> GroupTest:
    """Compare two groups of at least one value each."""
    n, m = len(before), len(after)
    one_sided = min(
        mann_whitney(after, before),
        mann_whitney([-value for value in after], [-value for value in before]),
    )
    differences = np.sort(np.subtract.outer(np.asarray(after), np.asarray(before)), axis=None)
    rank = _critical(n, m)
    return GroupTest(
        shift=shift(after, before),
        p=min(1.0, 2 * one_sided),
        least_p=min(1.0, 2 / math.comb(n + m, n)),
        low=float(differences[n * m - rank]) if rank is not None else None,
        high=float(differences[rank - 1]) if rank is not None else None,
    )


def least_runs() -> int:
    """How many runs each of two equal groups needs before anything can be shown."""
    return next(n for n in range(1, 100) if 2 / math.comb(2 * n, n) <= ALPHA)


@lru_cache(maxsize=256)
def _critical(n: int, m: int) -> int | None:
    """The smallest U for which P(at least U) is at most half of ALPHA; None if there is none.

    U counts the pairs in which a value of the one group is greater; the numbers of ways are the
    coefficients of a Gaussian binomial.
    """
    ways = [1] + [0] * (n * m)
    for i in range(1, n + 1):
        for u in range(n * m, m + i - 1, -1):
            ways[u] -= ways[u - m - i]
        for u in range(i, n * m + 1):
            ways[u] += ways[u - i]
    allowed = math.comb(n + m, n) * ALPHA / 2
    tail = 0
    found = None
    for u in range(n * m, -1, -1):
        tail += ways[u]
        if tail > allowed:
            break
        found = u
    return found
