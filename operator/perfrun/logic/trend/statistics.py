"""Statistics for few runs: Student's t, the exact Mann-Whitney test, Hodges-Lehmann, a scale.

Samples are sequences of at most a few dozen floats. Nothing here knows what they measure.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

NORMAL_MAD = 1.4826
"""The factor that turns the median absolute deviation of a normal distribution into its standard
deviation.
"""
TIE_DIGITS = 12


@lru_cache(maxsize=256)
def t_quantile(probability: float, df: int) -> float:
    """The quantile of Student's t: P(T <= q) = ``probability``, which is in 0.5..1.

    By bisection on the cumulative distribution; exact to about 1e-9.
    """
    if not 0.5 <= probability < 1 or df < 1:
        raise ValueError(f"no t quantile for probability {probability}, df {df}")
    low, high = 0.0, 1.0
    while _t_cdf(high, df) < probability:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_cdf(middle, df) < probability else (low, middle)
    return (low + high) / 2


def _t_cdf(t: float, df: int) -> float:
    """For t >= 0. Abramowitz and Stegun, 26.7.3 and 26.7.4: finite sums for whole df."""
    theta = math.atan(t / math.sqrt(df))
    cos2 = math.cos(theta) ** 2
    odd = df % 2
    term = math.cos(theta) if odd else 1.0
    total = term if df > 1 else 0.0
    for k in range(2 if odd else 1, df - 1, 2):
        term *= cos2 * k / (k + 1)
        total += term
    within = 2 / math.pi * (theta + math.sin(theta) * total) if odd else math.sin(theta) * total
    return 0.5 + within / 2


def robust_scale(sample: Sequence[float]) -> float:
    """How much values vary: 1.4826 x the median absolute deviation, and at least half of the
    standard deviation, which notices what the median does not (two levels, a heavy tail).
    """
    values = np.asarray(sample, dtype=float)
    mad = float(np.median(np.abs(values - np.median(values))))
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return max(NORMAL_MAD * mad, sd / 2)


def shift(fresh: Sequence[float], baseline: Sequence[float]) -> float:
    """The Hodges-Lehmann estimate: the median of all differences fresh - baseline."""
    return float(np.median(np.subtract.outer(np.asarray(fresh), np.asarray(baseline))))


def mann_whitney(fresh: Sequence[float], baseline: Sequence[float]) -> float:
    """P(a sum of ranks at least as high as that of ``fresh`` | both have the same distribution).

    One-sided and exact, with ties: the distribution over all choices of len(fresh) of the midranks
    (Lehmann, Nonparametrics, 1975, section 1.4), counted by dynamic programming.
    """
    everything = [round(value, TIE_DIGITS) for value in (*fresh, *baseline)]
    doubled = _doubled_midranks(everything)
    wanted = sum(doubled[: len(fresh)])
    # ways[m][s]: choices of m of the ranks so far whose doubled sum is s.
    most = sum(sorted(doubled)[-len(fresh) :])
    choices = math.comb(len(everything), len(fresh))
    exact = np.int64 if choices < 2**63 else object
    ways = np.zeros((len(fresh) + 1, most + 1), dtype=exact)
    ways[0, 0] = 1
    for rank in doubled:
        # The right side is computed before the left one changes, so no rank is chosen twice.
        ways[1:, rank:] += ways[:-1, : most + 1 - rank].copy()
    return int(ways[-1, wanted:].sum()) / choices


def _doubled_midranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value, so that ties have whole numbers too."""
    ordered = np.sort(np.asarray(values))
    first = np.searchsorted(ordered, values, side="left")
    after = np.searchsorted(ordered, values, side="right")
    return [int(low) + int(high) + 1 for low, high in zip(first, after, strict=True)]
