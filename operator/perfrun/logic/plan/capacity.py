"""Where a capacity search goes next: the holds so far in, the next rate out, or what was found.

The rate is doubled until a hold fails, then the bracket is halved in ratio until its ends are
within 5%, then the highest rate that was met is held once more. A rate that fails its second hold
becomes the upper end, and the search goes on below it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from perfrun.api.quantities import format_rate, parse_rate
from perfrun.api.test.load import Capacity

if TYPE_CHECKING:  # workers know no status
    from perfrun.api.run.perfrun import HoldStatus

WIDTH = 1.05
"""The upper end of a bracket that is narrow enough, as a multiple of the lower one."""
DIGITS = 3
"""Significant digits of a rate between two others: people read it, and 5% is as good as it gets."""
HALVINGS = 5
"""From a factor of 2 to one of 1.05, roundings included."""
SPARE_HOLDS = 8
"""For confirmations that fail, and holds that an operator's restart interrupts."""
DECIMALS = 6
"""Of a rate, as many as its notation has."""
_MIN_RATE = 1e-6


class HoldOutcome(StrEnum):
    """What a hold came to."""

    MET = "Met"
    MISSED = "Missed"
    """An objective was missed, a stop condition was true, or the target did not keep up."""
    UNCLEAR = "Unclear"
    """By the generator's own fault it is not known: searched like a miss, and told as a bound."""
    LOST = "Lost"
    """A worker was lost, and with it the search."""
    REPEATED = "Repeated"
    """Not judged: the operator was restarted in it, or a worker heard of it too late. The rate is
    held again."""


class FinishedHold(NamedTuple):
    """A hold that is over."""

    rate: float
    outcome: HoldOutcome


@dataclass(frozen=True)
class Bracket:
    """Between which rates the capacity is, by the holds so far."""

    low: float
    """The highest rate that was met, below all that were not; 0: none was."""
    high: float | None
    """The lowest rate that was not met; None: all were."""
    confirmed: bool
    """``low`` was met twice."""
    limited: bool
    """``high`` was missed by the target, not by the generator's fault."""

    @property
    def narrow(self) -> bool:
        """Whether its ends are within 5%."""
        return self.high is not None and self.high <= self.low * WIDTH


@dataclass(frozen=True)
class Found:
    """What a search came to. Rates are iterations a second."""

    low: float
    """The capacity is at least this: met and confirmed; 0 where nothing was."""
    high: float
    """The capacity is at most this; infinite where no target's limit was seen."""
    text: str
    """``1200/s``; with ``>=`` where it may be more."""
    unfinished: str | None
    """Why the search ended before it was sure."""


def held(holds: Sequence["HoldStatus"]) -> list[FinishedHold]:
    """The holds of a status that are over. Raises ValueError for what nobody of us wrote."""
    return [
        FinishedHold(parse_rate(hold.rate), HoldOutcome(hold.outcome))
        for hold in holds
        if hold.outcome is not None
    ]


def most_holds(capacity: Capacity) -> int:
    """How many holds a search makes at most, whatever the target does."""
    doublings = math.ceil(max(0.0, math.log2(capacity.to / capacity.from_)))
    return 1 + doublings + HALVINGS + 1 + SPARE_HOLDS


def bracket(held: Sequence[FinishedHold]) -> Bracket:
    """What holds, in any order, say together."""
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
    """The rate to hold next; None: the search is over."""
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
    return Found(low, high, f">={text}", unfinished)


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
