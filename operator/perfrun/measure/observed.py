"""Observations of the target's environment during the load: points over time."""

from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, FailFast, Field, model_validator

from perfrun.api.test.metric import OBSERVABLES
from perfrun.measure.wire import Moment, PartOfPlan, Wire

MAX_POINTS = 600
MAX_OBSERVATIONS = 64
MAX_TROUBLE = 512


def _observable(metric: str) -> str:
    if metric not in OBSERVABLES:
        raise ValueError("a metric that cannot be observed")
    return metric


ObservedMetric = Annotated[str, AfterValidator(_observable)]
"""One of :data:`perfrun.api.test.metric.OBSERVABLES`."""
MAX_VALUE = 1e18
"""Largest absolute value of an observation: it becomes a number of a status and of a chart."""
Value = Annotated[float, Field(ge=-MAX_VALUE, le=MAX_VALUE)]


Weight = Annotated[int, Field(ge=1, le=2**53)]


class Seen(NamedTuple):
    """What a point of an observation stands for."""

    at: int
    high: float
    low: float
    mean: float
    weight: int
    """How many values."""

    def joined(self, other: "Seen") -> "Seen":
        """Both as one point, where the higher of them is."""
        weight = self.weight + other.weight
        mean = self.mean + (other.mean - self.mean) * (other.weight / weight)
        low, high = min(self.low, other.low), max(self.high, other.high)
        at = self.at if self.high >= other.high else other.at
        return Seen(at, high, low, min(max(mean, low), high), weight)


class Observation(Wire):
    """One metric of one observed thing: cores, bytes, counts, or whatever a query gives."""

    name: PartOfPlan
    """In ``spec.observe``."""
    metric: ObservedMetric
    at: Annotated[list[Moment], FailFast()] = Field(default=[], max_length=MAX_POINTS)
    """ns since T0, ascending; negative before it."""
    values: Annotated[list[Value], FailFast()] = Field(default=[], max_length=MAX_POINTS)
    lows: Annotated[list[Value], FailFast()] = Field(default=[], max_length=MAX_POINTS)
    """Of observations that were thinned: the lowest of those that a point stands for; its value is
    the highest."""
    means: Annotated[list[Value], FailFast()] = Field(default=[], max_length=MAX_POINTS)
    weights: Annotated[list[Weight], FailFast()] = Field(default=[], max_length=MAX_POINTS)
    """How many a point stands for."""
    trouble: str | None = Field(default=None, max_length=MAX_TROUBLE)
    """The last problem while observing it."""

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        if len(self.at) != len(self.values) or self.at != sorted(self.at):
            raise ValueError("an observation whose points are not in order")
        thinned = (len(self.lows), len(self.means), len(self.weights))
        if any(thinned) and thinned != (len(self.at),) * 3:
            raise ValueError("an observation with more or fewer means than points")
        if any(not one.low <= one.mean <= one.high for one in self.seen()):
            raise ValueError("an observation whose mean is not between its bounds")
        return self

    def seen(self) -> list[Seen]:
        """Its points, in the order of time."""
        lows, means = self.lows or self.values, self.means or self.values
        weights = self.weights or [1] * len(self.at)
        return list(map(Seen, self.at, self.values, lows, means, weights))

    def put(self, at: int, value: float) -> None:
        """Add a point, unless it is not newer than the last one.

        A value that no message can carry is reported as trouble, so that it does not cost the whole
        report.
        """
        if not abs(value) <= MAX_VALUE:  # this includes NaN
            self.trouble = f"a value of {value:g} exceeds the maximum of {MAX_VALUE:g}"
            return
        if self.at and at <= self.at[-1]:
            return
        self.at.append(at)
        self.values.append(value)
        if self.weights:
            self.lows.append(value)
            self.means.append(value)
            self.weights.append(1)
        if len(self.at) > MAX_POINTS:
            self._keep(self.seen())

    def add(self, other: "Observation") -> None:
        """Merge the observations of the same thing by another process."""
        points = {one.at: one for one in (*other.seen(), *self.seen())}
        self.trouble = self.trouble or other.trouble
        self._keep([points[at] for at in sorted(points)])

    def relative_to(self, zero: int) -> "Observation":
        """The same, with ``zero`` as the new T0."""
        return self.model_copy(update={"at": [at - zero for at in self.at]}, deep=True)

    def _keep(self, points: list[Seen]) -> None:
        """Join each pair of neighbours, until there are few enough."""
        while len(points) > MAX_POINTS:
            ends = points[len(points) // 2 * 2 :]
            pairs = zip(points[::2], points[1::2], strict=False)
            points = [*(one.joined(other) for one, other in pairs), *ends]
        self.at, self.values = [one.at for one in points], [one.high for one in points]
        if any(one.weight > 1 for one in points):
            self.lows = [one.low for one in points]
            self.means = [one.mean for one in points]
            self.weights = [one.weight for one in points]


def add_observations(into: list[Observation], others: list[Observation]) -> None:
    """Merge the observations of another process, by thing and metric."""
    mine = {(one.name, one.metric): one for one in into}
    for other in others:
        if (known := mine.get((other.name, other.metric))) is not None:
            known.add(other)
        else:
            into.append(other.model_copy(deep=True))
