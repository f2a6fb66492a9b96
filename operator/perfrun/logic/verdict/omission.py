"""Coordinated omission: what the users of a closed load did not see because they were waiting.

While a user waits for a slow answer it sends nothing, so a pause of the target is one slow request
of each user, however many arrivals it would have held up. HdrHistogram's correction adds the
requests that were left out: for an answer that took longer than the usual time between two requests
of a user, one that took that much less, and so on. This is an estimate, which assumes that requests
in the meantime would have waited as well. No objective is judged by it.
"""

import numpy as np
import numpy.typing as npt

from perfrun.measure.histogram import MIDDLE_US, Histogram

_NS_PER_US = 1000


def estimate(seen: Histogram, interval_ns: int, quantile: float) -> int:
    """The quantile (ns) of the durations, with the omitted ones added.

    ``interval_ns`` is the usual time from one request of a user to its next.
    """
    at = np.flatnonzero(seen.counts)
    if not len(at):
        return 0
    values, counts, step = MIDDLE_US[at], seen.counts[at], max(interval_ns / _NS_PER_US, 1.0)

    def beyond(value: float) -> float:
        """How many are at least this long, with those added down to one interval."""
        own = counts[values >= value].sum()
        return float(own + (counts * _filled(values, max(value, step), step)).sum())

    wanted = (1 - quantile) * beyond(0)
    low, high = 0, len(MIDDLE_US) - 1
    while low < high:  # the greatest value with enough values beyond it
        middle = (low + high + 1) // 2
        if beyond(float(MIDDLE_US[middle])) >= wanted:
            low = middle
        else:
            high = middle - 1
    return min(round(float(MIDDLE_US[low]) * _NS_PER_US), seen.greatest)


def _filled(values: npt.NDArray[np.float64], least: float, step: float) -> npt.NDArray[np.float64]:
    """For each value, how many of value - step, value - 2 step, ... are not below ``least``."""
    return np.maximum(np.floor((values - least) / step), 0)
