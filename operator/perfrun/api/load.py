"""How much load, in which shape, for how long. All numbers are totals over the workers."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from perfrun.api.base import ApiModel, Rule
from perfrun.api.metric import METRICS, STATISTICS, Kind
from perfrun.api.quantities import (
    DURATION_PATTERN,
    NS_PER_S,
    PERCENT_PATTERN,
    Duration,
    Percent,
    Rate,
    parse_duration,
    parse_percent,
)

MAX_WORKERS = 1000
MAX_USERS = 1_000_000

UserCount = Annotated[int, Field(ge=1, le=MAX_USERS)]


class Burst(ApiModel):
    """So many iterations, as fast as so many at a time allow."""

    requests: Annotated[int, Field(ge=1, le=100_000_000)]
    concurrency: UserCount


class ClosedStage(ApiModel):
    """Ramp linearly from the level before to ``users``, then hold."""

    users: Annotated[int, Field(ge=0, le=MAX_USERS)]
    ramp: Duration = Field(default="0s", validate_default=True)
    hold: Duration = Field(default="0s", validate_default=True)


class OpenStage(ApiModel):
    """Ramp linearly from the level before to ``rate``, then hold."""

    rate: Rate
    ramp: Duration = Field(default="0s", validate_default=True)
    hold: Duration = Field(default="0s", validate_default=True)


class Closed(ApiModel):
    """A number of users who each start over when they are done (closed model)."""

    users: UserCount | None = None
    duration: Duration | None = None
    stages: Annotated[list[ClosedStage], Field(min_length=1, max_length=100)] | None = None
    think_time: Duration | None = Field(
        default=None, description="How long a user waits after each iteration."
    )

    rules = (
        Rule(
            cel="has(self.stages) ? !has(self.users) && !has(self.duration)"
            " : has(self.users) && has(self.duration)",
            holds=lambda closed: _either(closed.stages, closed.users, closed.duration),
            message="closed needs either users and duration, or stages",
        ),
    )

    def levels(self) -> list[ClosedStage]:
        """The stages, also where the short form was written."""
        if self.stages is not None:
            return self.stages
        assert self.users is not None
        assert self.duration is not None
        return [ClosedStage.model_construct(users=self.users, ramp=0, hold=self.duration)]


class Open(ApiModel):
    """Iterations that start at a rate, whether or not earlier ones are done (open model)."""

    rate: Rate | None = None
    duration: Duration | None = None
    stages: Annotated[list[OpenStage], Field(min_length=1, max_length=100)] | None = None
    arrivals: Literal["Uniform", "Poisson"] = Field(
        default="Uniform", description="Evenly spaced, or at random as independent users come."
    )
    max_in_flight: Annotated[int, Field(ge=1, le=MAX_USERS)] | None = Field(
        default=None, description="At most so many iterations at a time; default 1000 per worker."
    )

    rules = (
        Rule(
            cel="has(self.stages) ? !has(self.rate) && !has(self.duration)"
            " : has(self.rate) && has(self.duration)",
            holds=lambda load: _either(load.stages, load.rate, load.duration),
            message="open needs either rate and duration, or stages",
        ),
    )

    def levels(self) -> list[OpenStage]:
        """The stages, also where the short form was written."""
        if self.stages is not None:
            return self.stages
        assert self.rate is not None
        assert self.duration is not None
        return [OpenStage.model_construct(rate=self.rate, ramp=0, hold=self.duration)]


class Capacity(ApiModel):
    """The search for the highest rate of an open load that still meets the objectives."""

    from_: Rate = Field(alias="from", description="The rate of the first hold.")
    to: Rate = Field(description="The highest rate that is tried.")
    hold: Duration = Field(
        default="30s", validate_default=True, description="How long each rate is held and judged."
    )

    rules = (
        Rule(
            # Rates are texts of several units: only the operator compares them.
            cel="true",
            holds=lambda capacity: 0 < capacity.from_ <= capacity.to,
            message="capacity.from has to be more than 0 and at most capacity.to",
            field=".from",
        ),
        Rule(
            cel="true",
            holds=lambda capacity: capacity.hold >= NS_PER_S,
            message="a hold has to last 1s at least",
            field=".hold",
        ),
    )


STOP_METRICS = ("errorRate", "timeoutRate", *(f"latency.{name}" for name in STATISTICS))


def _known_stop_metric(name: str) -> str:
    if name not in STOP_METRICS:
        raise ValueError(f"no load is stopped by this metric; there are {', '.join(STOP_METRICS)}")
    return name


class StopCondition(ApiModel):
    """Ends the load early: true in every second of ``for`` that had outcomes."""

    metric: Annotated[
        str,
        Field(max_length=40, json_schema_extra={"enum": list(STOP_METRICS)}),
        AfterValidator(_known_stop_metric),  # the enum of the schema, in words
    ]
    above: Annotated[str, Field(max_length=48)]
    for_: Duration = Field(
        default="10s", validate_default=True, alias="for", description="In whole seconds."
    )

    rules = (
        Rule(
            cel=f"!self.metric.endsWith('Rate') || self.above.matches(r'{PERCENT_PATTERN}')",
            holds=lambda condition: _is_written(condition, Kind.PERCENT, parse_percent),
            message=f"the limit of this metric is written as {Kind.PERCENT}",
            field=".above",
        ),
        Rule(
            cel=f"self.metric.endsWith('Rate') || self.above.matches(r'{DURATION_PATTERN}')",
            holds=lambda condition: _is_written(condition, Kind.DURATION, parse_duration),
            message=f"the limit of this metric is written as {Kind.DURATION}",
            field=".above",
        ),
        Rule(
            cel="true",
            holds=lambda condition: condition.for_ >= NS_PER_S,
            message="for has to be 1s at least",
            field=".for",
        ),
    )

    @property
    def limit(self) -> float:
        """What must not be exceeded: a ratio, or ns."""
        parse = parse_percent if METRICS[self.metric] is Kind.PERCENT else parse_duration
        return parse(self.above)


def _is_written(condition: "StopCondition", kind: Kind, parse: Callable[[str], float]) -> bool:
    if METRICS[condition.metric] is not kind:
        return True
    try:
        parse(condition.above)
    except ValueError:
        return False
    return True


def _either(stages: object, level: object, duration: object) -> bool:
    if stages is not None:
        return level is None and duration is None
    return level is not None and duration is not None


def _shapes(load: "Load") -> int:
    shapes = (load.burst, load.closed, load.open, load.capacity)
    return sum(shape is not None for shape in shapes)


class Load(ApiModel):
    """Exactly one shape of load, and how it is started and given up."""

    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] = Field(
        default=1, description="Pods that share the load; each uses one core."
    )
    warmup: Duration | None = Field(
        default=None,
        description="Extra time before the window at the first level; measured, never judged.",
    )
    burst: Burst | None = None
    closed: Closed | None = None
    open: Open | None = None
    capacity: Capacity | None = None
    stop_when: Annotated[
        list[StopCondition],
        Field(
            max_length=16,
            description="In a capacity search a condition fails the hold, not the run.",
        ),
    ] = []
    min_coverage: Percent = Field(
        default="100%",
        validate_default=True,
        description="How much of what was planned the workers have to report at least.",
    )
    on_worker_loss: Literal["Inconclusive", "Continue"] = Field(
        default="Inconclusive", description="What less coverage than that makes of the run."
    )
    start_timeout: Duration = Field(
        default="10m",
        validate_default=True,
        description="Until when all workers have to be ready and the target has to be reachable.",
    )

    rules = (
        Rule(
            cel="(has(self.burst) ? 1 : 0) + (has(self.closed) ? 1 : 0) + (has(self.open) ? 1 : 0)"
            " + (has(self.capacity) ? 1 : 0) == 1",
            holds=lambda load: _shapes(load) == 1,
            message="load needs exactly one of burst, closed, open or capacity",
        ),
        Rule(
            cel="!(has(self.burst) && has(self.warmup))",
            holds=lambda load: load.burst is None or load.warmup is None,
            message="a burst has no warm-up: remove warmup",
            field=".warmup",
        ),
        Rule(
            cel="!(has(self.capacity) && has(self.warmup))",
            holds=lambda load: load.capacity is None or load.warmup is None,
            message="a capacity search has no warm-up: remove warmup",
            field=".warmup",
        ),
        Rule(
            cel="!has(self.burst) ||"
            " (self.burst.requests >= self.workers && self.burst.concurrency >= self.workers)",
            holds=lambda load: (
                load.burst is None
                or min(load.burst.requests, load.burst.concurrency) >= load.workers
            ),
            message="burst needs at least as many requests and as much concurrency as workers",
            field=".burst",
        ),
        Rule(
            cel="!has(self.burst) || self.burst.concurrency <= self.burst.requests",
            holds=lambda load: load.burst is None or load.burst.concurrency <= load.burst.requests,
            message="burst.concurrency is more than there are requests",
            field=".burst",
        ),
        Rule(
            cel="!has(self.closed) || !has(self.closed.users) || self.closed.users >= self.workers",
            holds=lambda load: (
                load.closed is None
                or load.closed.users is None
                or load.closed.users >= load.workers
            ),
            message="closed needs at least as many users as workers",
            field=".closed",
        ),
    )
