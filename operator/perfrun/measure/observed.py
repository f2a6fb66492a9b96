"""Observations of the target's environment during the load: points over time."""

from typing import Annotated, Self

from pydantic import AfterValidator, FailFast, Field, model_validator

from perfrun.api.test.metric import OBSERVABLES
from perfrun.measure.wire import Moment, PartOfPlan, Wire

MAX_POINTS = 600
MAX_OBSERVATIONS = 64
MAX_TROUBLE = 512


def _observable(metric: str) -> str:
    if metric not in OBSERVABLES:
        raise ValueError("a metric that is not one of observed things")
    return metric


ObservedMetric = Annotated[str, AfterValidator(_observable)]
"""One of :data:`perfrun.api.test.metric.OBSERVABLES`."""
MAX_VALUE = 1e18
"""Largest absolute value of an observation: it becomes a number of a status and of a chart."""
Value = Annotated[float, Field(ge=-MAX_VALUE, le=MAX_VALUE)]


class Observation(Wire):
    """One metric of one observed thing: cores, bytes, counts, or whatever a query gives."""

    name: PartOfPlan
    """In ``spec.observe``."""
    metric: ObservedMetric
    at: Annotated[list[Moment], FailFast()] = Field(default=[], max_length=MAX_POINTS)
    """ns since T0, ascending; negative before it."""
    values: Annotated[list[Value], FailFast()] = Field(default=[], max_length=MAX_POINTS)
    trouble: str | None = Field(default=None, max_length=MAX_TROUBLE)
    """The last problem while observing it."""

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        if len(self.at) != len(self.values) or self.at != sorted(self.at):
            raise ValueError("an observation whose points are not in order")
        return self

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
        self._thin()

    def add(self, other: "Observation") -> None:
        """Merge the observations of the same thing by another process."""
        points = dict(zip(other.at, other.values, strict=True))
        points |= dict(zip(self.at, self.values, strict=True))
        self.at = sorted(points)
        self.values = [points[at] for at in self.at]
        self.trouble = self.trouble or other.trouble
        self._thin()

    def relative_to(self, zero: int) -> "Observation":
        """The same, with ``zero`` as the new T0."""
        return self.model_copy(update={"at": [at - zero for at in self.at]}, deep=True)

    def _thin(self) -> None:
        """Keep the higher of each pair of neighbours, until there are few enough."""
        while len(self.at) > MAX_POINTS:
            pairs = range(0, len(self.at), 2)
            kept = [
                max(range(i, min(i + 2, len(self.at))), key=self.values.__getitem__) for i in pairs
            ]
            self.at = [self.at[i] for i in kept]
            self.values = [self.values[i] for i in kept]


def add_observations(into: list[Observation], others: list[Observation]) -> None:
    """Merge the observations of another process, by thing and metric."""
    mine = {(one.name, one.metric): one for one in into}
    for other in others:
        if (known := mine.get((other.name, other.metric))) is not None:
            known.add(other)
        else:
            into.append(other.model_copy(deep=True))
