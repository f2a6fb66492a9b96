"""The truth about response times: from a server's own log and the schedule of the load."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tests.conformance.server import STALL, STALL_AFTER, S

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
Times = npt.NDArray[np.int64]


def response_times(numbers: Times, answered: Times, start: int, rate: float) -> Times:
    """ns from when request k was due, ``start + k / rate``, to when the server answered it.

    What has no answer (0) is left out.
    """
    done = answered > 0
    due = start + np.rint(numbers[done] * (S / rate)).astype(np.int64)
    times: Times = answered[done] - due
    return times


def service_times(read: Times, answered: Times) -> Times:
    """ns from when the server read each request to when it answered; no answer (0): left out."""
    done = answered > 0
    times: Times = answered[done] - read[done]
    return times


def stalled(rate: float, seconds: float, service: int) -> Times:
    """Response times (ns) of an ideal open load, against a server that stalls in its middle.

    Nothing is read and nothing answered from ``STALL_AFTER`` on, for ``STALL`` seconds: what is
    being served then is answered at its end, what came meanwhile is served from its end on.
    """
    due = np.rint(np.arange(int(rate * seconds)) * (S / rate)).astype(np.int64)
    begin, end = round(STALL_AFTER * S), round((STALL_AFTER + STALL) * S)
    answered = due + service
    answered[(due < begin) & (answered >= begin)] = end
    answered[(due >= begin) & (due < end)] = end + service
    times: Times = answered - due
    return times


def quantile(times: Iterable[int] | Times, q: float) -> float:
    """The nearest-rank quantile, as every generator should give it."""
    ordered = np.sort(np.asarray(times))
    return float(ordered[max(1, math.ceil(q * len(ordered) - 1e-9)) - 1])


def quantiles(times: Times) -> dict[float, float]:
    """ns by quantile."""
    return {q: quantile(times, q) for q in QUANTILES}


def error(said: float, true: float) -> float:
    """Relative error of a figure."""
    return (said - true) / true
