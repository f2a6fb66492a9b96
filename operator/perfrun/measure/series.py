"""A load over time: counts, errors, lag and latencies of each second, or of longer points.

A long load has longer points, so that its series stays small. Workers' series add up, whatever the
lengths of their points and in whatever order: joining points and adding series commute.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Self, TypeVar

from pydantic import FailFast, Field, model_validator

from perfrun.api.quantities import NS_PER_S
from perfrun.measure.sketch import MAX_COUNT, Sketch
from perfrun.measure.wire import MAX_ERROR_CLASSES, ErrorName, Wire, class_among, law

MAX_POINTS = 600
"""Maximum points of a series; beyond that pairs are joined."""
_MAX_POINT = NS_PER_S << 20

_COUNTS = ("planned", "started", "succeeded", "failed")

T = TypeVar("T")
Points = Annotated[
    list[Annotated[int, Field(ge=0, le=MAX_COUNT)]],
    FailFast(),  # not one error for each of thousands
    Field(max_length=MAX_POINTS),
]


@dataclass
class Second:
    """The counts of one second of the load."""

    planned: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """Failed requests by error class."""
    in_flight: int = 0
    lag: int = 0
    latency: Sketch = field(default_factory=Sketch)


class Series(Wire):
    """Each second (or longer point) of the load, from T0 (including warm-up).

    All lists have the same length; in a result that is older than these fields, those after
    ``failed`` are empty.
    """

    resolution: int = NS_PER_S
    """Length of a point in ns: 1 s, doubled until the load fits."""
    planned: Points = []
    started: Points = []
    succeeded: Points = []
    failed: Points = []
    errors: dict[ErrorName, Points] = Field(default={}, max_length=MAX_ERROR_CLASSES)
    """Failed requests by error class: in each point they add up to ``failed``."""
    in_flight: Points = []
    """Iterations in flight at the end of each point."""
    lag: Points = []
    """The worst lag (ns) of an iteration that was started in each point."""
    latency: Annotated[list[Sketch], FailFast()] = Field(default=[], max_length=MAX_POINTS)
    """Response times of the requests that succeeded in each point."""

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        doubled, rest = divmod(self.resolution, NS_PER_S)
        if rest or doubled < 1 or doubled & (doubled - 1) or self.resolution > _MAX_POINT:
            raise ValueError("a series whose points are not 1 s, 2 s, 4 s, ... long")
        if len({len(points) for points in self._lists() if points}) > 1:
            raise ValueError("a series with lists of different lengths")
        if not all(self.errors.values()):
            raise ValueError("a series with an error class that has no points")
        return self

    def _lists(self) -> list[list[int] | list[Sketch]]:
        counts = [getattr(self, name) for name in _COUNTS]
        return [*counts, *self.errors.values(), self.in_flight, self.lag, self.latency]

    def _length(self) -> int:
        return max(len(points) for points in self._lists())

    def put(self, second: int, new: Second) -> None:
        """Add the counts of ``second`` (from 0); skipped seconds stay empty."""
        index = second * NS_PER_S // self.resolution
        while index >= MAX_POINTS:
            self.halve()
            index = second * NS_PER_S // self.resolution
        self._lengthen(index + 1)
        for name in _COUNTS:
            getattr(self, name)[index] += getattr(new, name)
        for name, count in new.errors.items():
            self.errors.setdefault(name, [0] * self._length())[index] += count
        self.in_flight[index] = new.in_flight
        self.lag[index] = max(self.lag[index], new.lag)
        self.latency[index].add(new.latency)

    def _lengthen(self, length: int) -> None:
        for points in (
            *(getattr(self, name) for name in _COUNTS),
            *self.errors.values(),
            self.in_flight,
            self.lag,
        ):
            points.extend([0] * (length - len(points)))
        self.latency.extend(Sketch() for _ in range(length - len(self.latency)))

    def add(self, other: "Series") -> None:
        """Add another worker, at the coarser of the two resolutions."""
        if other.resolution < self.resolution:
            other = other.model_copy()  # its lists are replaced, not changed
        while self.resolution < other.resolution:
            self.halve()
        while other.resolution < self.resolution:
            other.halve()
        length = max(self._length(), other._length())
        for name in (*_COUNTS, "in_flight"):
            both = (getattr(self, name), getattr(other, name))
            setattr(self, name, _added(*both, length, sum, 0))
        self.errors = {
            name: _added(points, [], length, sum, 0) for name, points in self.errors.items()
        }
        for name, points in other.errors.items():
            into = class_among(self.errors, name)
            self.errors[into] = _added(self.errors.get(into, []), points, length, sum, 0)
        self.lag = _added(self.lag, other.lag, length, max, 0)
        self.latency = _added(self.latency, other.latency, length, Sketch.merged, Sketch())

    def check(self) -> None:
        """Raise ConservationError unless the counts of each point add up."""
        for index, failed in enumerate(self.failed if self.errors else []):
            law(
                f"point {index}: failed = sum of errors",
                failed,
                sum(points[index] for points in self.errors.values()),
            )
        for index, sketch in enumerate(self.latency):
            law(
                f"point {index}: one response time per success",
                sketch.count,
                self.succeeded[index] if self.succeeded else 0,
            )

    def halve(self) -> None:
        """Join each pair of points: half as many, each over twice the time."""
        self.resolution *= 2
        for name in _COUNTS:
            setattr(self, name, _joined(getattr(self, name), sum))
        self.errors = {name: _joined(points, sum) for name, points in self.errors.items()}
        # The value at the end of the later point; if there is none, the load was over. The maximum
        # would be wrong: the maximum of a sum is not the sum of the maxima.
        self.in_flight = _joined(self.in_flight, lambda two: two[1] if len(two) > 1 else 0)
        self.lag = _joined(self.lag, max)
        self.latency = _joined(self.latency, Sketch.merged)


def _joined(points: list[T], join: Callable[[list[T]], T]) -> list[T]:
    return [join(points[i : i + 2]) for i in range(0, len(points), 2)]


def _added(
    mine: list[T], its: list[T], length: int, join: Callable[[Iterable[T]], T], nothing: T
) -> list[T]:
    """Point by point; no points at all, if neither has any."""
    if not mine and not its:
        return []
    longer = ([*points, *[nothing] * (length - len(points))] for points in (mine, its))
    return [join(pair) for pair in zip(*longer, strict=True)]
