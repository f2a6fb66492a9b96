"""The shape of a load over time, and each worker's share of it.

A load is a piecewise linear level: iterations a second for an open load, users for a closed one.
Arrivals are the inverse of the area under it (the k-th iteration is due where the area reaches k),
so that a pacer never accumulates an error and N workers together are exactly the whole.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from perfrun.api.test.load import Closed, ClosedStage, Load, Open, OpenStage

NS = 1_000_000_000
CHUNK = 4096

Times = npt.NDArray[np.int64]
Areas = npt.NDArray[np.float64]
"""Levels times seconds, or plain levels."""


class Segment(NamedTuple):
    """A linear piece of a shape: from level ``a`` at ``start`` to level ``b`` at ``end`` (ns)."""

    start: int
    end: int
    a: float
    b: float

    @property
    def area(self) -> float:
        """Level times seconds."""
        return (self.a + self.b) / 2 * (self.end - self.start) / NS


class UserSpan(NamedTuple):
    """A period in which a user of a closed load is active; ns after T0."""

    user: int
    """The user's number among all workers' users, from 0."""
    on: int
    off: int


@dataclass(frozen=True)
class Shape:
    """A piecewise linear level over time, from T0 (0 ns) until :attr:`end`."""

    segments: tuple[Segment, ...]
    warmup: int
    """ns at the start that are measured separately and never judged."""

    @classmethod
    def of(cls, load: Load) -> Self:
        """The shape of an open or closed load. Raises ValueError for a burst, which has none."""
        stages = _stages(load)
        warmup = load.warmup or 0
        segments: list[Segment] = []
        level, now = 0.0, 0
        if warmup:
            level, now = stages[0][0], warmup
            segments.append(Segment(0, warmup, level, level))
        for target, ramp, hold in stages:
            if ramp:
                segments.append(Segment(now, now + ramp, level, target))
            if hold:
                segments.append(Segment(now + ramp, now + ramp + hold, target, target))
            level, now = target, now + ramp + hold
        return cls(tuple(segments), warmup)

    @property
    def end(self) -> int:
        """Where the load ends, ns after T0, warm-up included."""
        return self.segments[-1].end if self.segments else 0

    @property
    def peak(self) -> float:
        """The highest level."""
        return max((max(segment.a, segment.b) for segment in self.segments), default=0.0)

    def level(self, t_ns: int) -> float:
        """The level at a time; at a jump, the later one; 0 outside the load."""
        for start, end, a, b in self.segments:
            if start <= t_ns < end:
                return a + (b - a) * (t_ns - start) / (end - start)
        return 0.0

    def area(self, t_ns: int) -> float:
        """Level times seconds from T0 until a time: for an open load, the iterations that
        were due.
        """
        whole = 0.0
        for segment in self.segments:
            start, end, a, b = segment
            if t_ns < end:
                if t_ns > start:
                    reached = a + (b - a) * (t_ns - start) / (end - start)
                    whole += Segment(start, t_ns, a, reached).area
                break
            whole += segment.area
        return whole

    def inverse(self, areas: npt.ArrayLike) -> Times:
        """When the area under the level reaches each of ``areas`` (ns, rounded).

        Periods at level 0 are skipped: what is due at their start is due at their end. Areas that
        are never reached give :attr:`end`.
        """
        starts, spans, lows, slopes, reached = self._table
        wanted = np.asarray(areas, dtype=np.float64)
        # An area that a sum of floats misses by a rounding error at a border belongs after the
        # border.
        slack = reached[-1] * 1e-12 + 1e-9
        index = np.searchsorted(reached, wanted + slack, side="right") - 1
        beyond = index >= len(starts)
        index = np.minimum(index, len(starts) - 1)
        rest = np.maximum(wanted - reached[index], 0.0)
        # low*t + slope*t²/2 = rest, in the form that is exact both for slope 0 and for low 0.
        root = np.sqrt(np.maximum(lows[index] ** 2 + 2 * slopes[index] * rest, 0.0))
        below = lows[index] + root
        seconds = np.divide(2 * rest, below, out=np.zeros_like(rest), where=below > 0)
        within = np.minimum(np.rint(seconds * NS), spans[index])
        times: Times = np.where(beyond, self.end, starts[index] + within).astype(np.int64)
        return times

    def count(self, until: int) -> int:
        """How many of the arrivals inverse(0), inverse(1) ... are due before ``until`` (ns)."""
        until = min(until, self.end)
        number = math.ceil(self.area(until))
        # Rounding to whole ns can move the arrival next to a border across it, so use the pacer's
        # own time.
        while number > 0 and self._at(number - 1) >= until:
            number -= 1
        while self._at(number) < until:
            number += 1
        return number

    def _at(self, number: int) -> int:
        return int(self.inverse(np.array([float(number)]))[0])

    @cached_property
    def _table(self) -> tuple[Areas, Areas, Areas, Areas, Areas]:
        """Start, length (ns), low level and slope (level per second) of each segment with an area;
        and the area before each, with the total at the end.
        """
        live = [segment for segment in self.segments if segment.area > 0] or [Segment(0, 1, 0, 0)]
        starts = np.array([segment.start for segment in live], dtype=np.float64)
        spans = np.array([segment.end - segment.start for segment in live], dtype=np.float64)
        lows = np.array([segment.a for segment in live], dtype=np.float64)
        rises = np.array([segment.b - segment.a for segment in live], dtype=np.float64)
        reached = np.concatenate(([0.0], np.cumsum([segment.area for segment in live])))
        return starts, spans, lows, rises * NS / spans, reached


def arrivals(load: Load, workers: int, index: int, seed: int) -> Iterator[Times]:
    """Due times of a worker's iterations, ascending, ns after T0, in chunks of at most 4096.

    The worker's j-th iteration has the number ``j * workers + index`` in the run. Uniform: it is
    due when the area of the whole load reaches that number. Poisson: every worker draws an
    independent stream at its part of the rate, so that the streams together are Poisson at the full
    rate.
    """
    shape = Shape.of(load)
    for areas in _arrival_areas(load, workers, index, seed):
        times = shape.inverse(areas)
        if len(times) and times[-1] >= shape.end:
            if len(left := times[times < shape.end]):
                yield left
            return
        yield times


def count_arrivals(load: Load, workers: int, index: int, seed: int, until: int) -> int:
    """How many of :func:`arrivals` are due before ``until`` (ns after T0)."""
    shape = Shape.of(load)
    until = min(until, shape.end)
    count = 0
    for areas in _arrival_areas(load, workers, index, seed):
        # Only the chunk with the border has to be converted to times.
        if shape.inverse(areas[-1:])[0] >= until:
            return count + int(np.count_nonzero(shape.inverse(areas) < until))
        count += len(areas)
    raise AssertionError("arrivals never end")


def user_spans(load: Load, workers: int, index: int) -> list[UserSpan]:
    """When each user of a worker is active, ordered by user and time.

    The worker's u-th user has the number ``u * workers + index`` in the run; user g is active while
    the level is at least g + 1.
    """
    shape = Shape.of(load)
    users = np.arange(index, int(shape.peak), workers, dtype=np.int64)
    heights = (users + 1).astype(np.float64)
    spans: dict[int, list[UserSpan]] = {int(user): [] for user in users}
    for segment in shape.segments:
        ons, offs = _active(segment, heights)
        for user, on, off in zip(users.tolist(), ons.tolist(), offs.tolist(), strict=True):
            if on >= off:
                continue
            known = spans[user]
            if known and known[-1].off == on:
                known[-1] = UserSpan(user, known[-1].on, off)
            else:
                known.append(UserSpan(user, on, off))
    return [span for user in spans.values() for span in user]


def user_time(load: Load, until: int) -> int:
    """ns in which users of a closed load are active before ``until``, summed over all users."""
    shape = Shape.of(load)
    heights = np.arange(1, int(shape.peak) + 1, dtype=np.float64)
    whole = 0
    for segment in shape.segments:
        ons, offs = _active(segment, heights)
        whole += int(np.maximum(np.minimum(offs, until) - ons, 0).sum())
    return whole


def burst_share(load: Load, workers: int, index: int) -> tuple[int, int]:
    """The requests and the concurrency of one worker of a burst."""
    if load.burst is None:
        raise ValueError("only a burst has shares of requests; this load is open or closed")
    return share(load.burst.requests, workers, index), share(load.burst.concurrency, workers, index)


def share(whole: int, workers: int, index: int) -> int:
    """Worker ``index``'s part of a number; the parts of all workers add up to it."""
    return whole // workers + (index < whole % workers)


def scenario_order(weights: Sequence[int]) -> list[int]:
    """One cycle of smooth weighted round robin, which :class:`Turns` repeats.

    Each index occurs in the cycle as often as its weight (reduced by the common divisor), spread as
    evenly as possible: weights 4, 1, 1 give 0 0 1 0 2 0 and not 0 0 0 0 1 2.
    """
    divisor = math.gcd(*weights)
    reduced = np.array([weight // divisor for weight in weights], dtype=np.int64)
    whole = int(reduced.sum())
    credit = np.zeros_like(reduced)
    order = []
    for _ in range(whole):
        credit += reduced
        chosen = int(credit.argmax())
        credit[chosen] -= whole
        order.append(chosen)
    return order


class Turns:
    """Which scenario each iteration runs, and how many of that scenario were due before it.

    Each worker goes through one cycle with its own count, starting at a different place. If the
    number of the iteration in the whole run were used, workers whose count shares a divisor with
    the length of the cycle would run only some of the scenarios, and a scenario that is chosen
    every fifth time would see only every fifth row of a feed.
    """

    def __init__(self, order: Sequence[int], workers: int) -> None:
        self._order, self._workers = order, workers
        self._places: dict[int, list[tuple[int, int]]] = {}

    def cycle(self, worker: int) -> list[int]:
        """A worker's own cycle: its iteration ``number`` runs ``number // workers``
        modulo length.
        """
        start = len(self._order) * worker // self._workers
        return [*self._order[start:], *self._order[:start]]

    def rank(self, number: int) -> int:
        """The place of an iteration among all iterations of its scenario.

        As with numbers, each worker has its own ranks, so no rank of a scenario is used twice.
        """
        own, worker = divmod(number, self._workers)
        rounds, place = divmod(own, len(self._order))
        if (places := self._places.get(worker)) is None:
            places = self._places[worker] = _places(self.cycle(worker))
        before, share = places[place]
        return (rounds * share + before) * self._workers + worker


def _places(cycle: Sequence[int]) -> list[tuple[int, int]]:
    """For each place: how often its scenario comes before it, and how often in all."""
    counts: Counter[int] = Counter()
    before = []
    for scenario in cycle:
        before.append(counts[scenario])
        counts[scenario] += 1
    return [(so_far, counts[scenario]) for so_far, scenario in zip(before, cycle, strict=True)]


def _stages(load: Load) -> list[tuple[float, int, int]]:
    """Level, ramp (ns) and hold (ns) of each stage."""
    shape: Open | Closed | None = load.open or load.closed
    if shape is None:
        raise ValueError("a burst has no shape over time; it ends with its last response")
    stages: Sequence[OpenStage | ClosedStage] = shape.levels()
    return [(_height(stage), stage.ramp, stage.hold) for stage in stages]


def _height(stage: OpenStage | ClosedStage) -> float:
    return float(stage.rate if isinstance(stage, OpenStage) else stage.users)


def _arrival_areas(load: Load, workers: int, index: int, seed: int) -> Iterator[Areas]:
    """The areas of the whole load at which a worker's iterations are due, without an end."""
    if load.open is None:
        raise ValueError("only an open load has arrivals")
    if load.open.arrivals == "Uniform":
        first = index
        while True:
            yield first + workers * np.arange(CHUNK, dtype=np.float64)
            first += workers * CHUNK
    random = np.random.Generator(np.random.PCG64([seed, index]))
    reached = 0.0
    while True:
        # Time rescaling: a Poisson stream at a varying rate has unit exponentials between its
        # arrivals, measured as area under that rate.
        areas = reached + workers * np.cumsum(random.standard_exponential(CHUNK))
        reached = float(areas[-1])
        yield areas


def _active(segment: Segment, heights: Areas) -> tuple[Times, Times]:
    """From when to when (ns) the level of a segment is at least each of ``heights``."""
    start, end, a, b = segment
    ons = np.full(len(heights), start, dtype=np.int64)
    offs = np.full(len(heights), end, dtype=np.int64)
    if a != b:
        crossing = start + np.rint((heights - a) / (b - a) * (end - start)).astype(np.int64)
        rises, falls = (heights > a) & (heights <= b), (heights <= a) & (heights > b)
        ons = np.where(rises, crossing, ons)
        offs = np.where(falls, crossing, offs)
    never = (heights > a) & (heights > b)
    return ons, np.where(never, ons, offs)
