"""Where a capacity search goes next: the holds so far in, the next rate or the result out.

The rate is doubled until a hold fails. Then the bracket is halved by ratio until its ends are
within 5%. Then the highest rate that was met is held once more. A rate that fails its second hold
becomes the upper end, and the search continues below it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from perfrun.api.quantities import AT_LEAST, format_rate, parse_rate
from perfrun.api.test.load import Capacity

if TYPE_CHECKING:  # workers do not know the status
    from perfrun.api.run.perfrun import HoldStatus

WIDTH = 1.05
"""A bracket is narrow enough if its upper end is at most this multiple of the lower one."""
DIGITS = 3
"""Significant digits of a rate between two others: people read it, and the result is accurate to 5%
only.
"""
HALVINGS = 5
"""Steps from a factor of 2 to one of 1.05, including rounding."""
SPARE_HOLDS = 8
"""For failed confirmations, and holds that a restart of the operator interrupts."""
DECIMALS = 6
"""Digits that the notation of a rate can have."""
_MIN_RATE = 1e-6


class HoldOutcome(StrEnum):
    """The outcome of a hold."""

    MET = "Met"
    MISSED = "Missed"
    """An objective was missed, a stop condition was true, or the target did not keep up."""
    UNCLEAR = "Unclear"
    """Not known, because the load generator was at fault: searched like a miss, and reported as a
    bound.
    """
    LOST = "Lost"
    """A worker was lost, which ends the search."""
    REPEATED = "Repeated"
    """Not judged: the operator was restarted during the hold, or a worker learned of it too late.
    The rate is held again.
    """


class FinishedHold(NamedTuple):
    """A hold that is over."""

    rate: float
    outcome: HoldOutcome


@dataclass(frozen=True)
class Bracket:
    """The range in which the capacity lies, according to the holds so far."""

    low: float
    """The highest rate that was met, below all that were not; 0 if there is none."""
    high: float | None
    """The lowest rate that was not met; None if all were met."""
    confirmed: bool
    """``low`` was met twice."""
    limited: bool
    """``high`` was missed because of the target, not of the load generator."""

    @property
    def narrow(self) -> bool:
        """Whether its ends are within 5%."""
        return self.high is not None and self.high <= self.low * WIDTH


@dataclass(frozen=True)
class Found:
    """The result of a search. Rates are iterations a second."""

    low: float
    """The capacity is at least this: met and confirmed; 0 if no rate was met."""
    high: float
    """The capacity is at most this; infinite if the search saw no limit of the target."""
    text: str
    """``1200/s``; with ``≥`` where it may be more."""
    unfinished: str | None
    """Why the search ended before it was certain."""


def held(holds: Sequence["HoldStatus"]) -> list[FinishedHold]:
    """The holds of a status that are over.

    Raises ValueError for a status that perfrun did not write.
    """
    return [
        FinishedHold(parse_rate(hold.rate), HoldOutcome(hold.outcome))
        for hold in holds
        if hold.outcome is not None
    ]


def most_holds(capacity: Capacity) -> int:
    """The maximum number of holds of a search, whatever the target does."""
    doublings = math.ceil(max(0.0, math.log2(capacity.to / capacity.from_)))
    return 1 + doublings + HALVINGS + 1 + SPARE_HOLDS


def bracket(held: Sequence[FinishedHold]) -> Bracket:
    """What the holds say together, in any order."""
    failed = [one for one in held if one.outcome in (HoldOutcome.MISSED, HoldOutcome.UNCLEAR)]
    high = min((one.rate for one in failed), default=None)
    met = [
        one.rate
        for one in held
        if one.outcome is HoldOutcome.MET and (high is None or one.rate < high)
    ]
    low = max(met, default=0.0)
    limited = any(one.rate == high and one.outcome is HoldOutcome.MISSED for one in failed)
    return Bracket(low, high, met.count(low) > 1, limited)


def next_rate(capacity: Capacity, held: Sequence[FinishedHold]) -> float | None:
    """The rate to hold next; None if the search is over."""
    if len(held) >= most_holds(capacity):
        return None
    if any(one.outcome is HoldOutcome.LOST for one in held):
        return None
    now, first, last = bracket(held), _written(capacity.from_), _written(capacity.to)
    if now.low == 0.0:
        return first if now.high is None else None
    if now.narrow or (now.high is None and now.low >= last):
        return None if now.confirmed else now.low
    if now.high is None:
        return min(_written(2 * now.low), last)
    return _between(now.low, now.high)


def found(capacity: Capacity, held: Sequence[FinishedHold]) -> Found:
    """What is known when a search ends, by itself or before."""
    now = bracket(held)
    low = now.low if now.confirmed else 0.0
    high = now.high if now.high is not None and now.limited else math.inf
    unfinished = _unfinished(capacity, held)
    exact = unfinished is None and now.limited
    text = format_rate(now.low, [now.low])
    if exact:
        return Found(now.low, now.low, text, None)
    return Found(low, high, f"{AT_LEAST}{text}", unfinished)


def _unfinished(capacity: Capacity, held: Sequence[FinishedHold]) -> str | None:
    if any(one.outcome is HoldOutcome.LOST for one in held):
        return "a worker was lost"
    now = bracket(held)
    at_top = now.high is None and now.low >= _written(capacity.to)
    settled = now.confirmed and (now.narrow or at_top)
    if settled or (now.low == 0.0 and now.limited):
        return None
    if now.low == 0.0 and now.high is not None:
        return "the load generator was the limit at the first rate"
    if len(held) >= most_holds(capacity):
        return f"{len(held)} holds contradicted each other"
    return "the search ended early"


def _between(low: float, high: float) -> float:
    middle = math.sqrt(low * high)
    decimals = min(DECIMALS, DIGITS - 1 - math.floor(math.log10(middle)))
    return round(middle, decimals)


def _written(rate: float) -> float:
    """A rate as its notation can say it."""
    return max(round(rate, DECIMALS), _MIN_RATE)
