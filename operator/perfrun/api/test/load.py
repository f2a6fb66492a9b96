"""The amount, shape and duration of a load. All numbers are totals over the workers."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from perfrun.api.base import ApiModel, Rule
from perfrun.api.quantities import (
    DURATION_PATTERN,
    NS_PER_S,
    PERCENT_PATTERN,
    Duration,
    Percent,
    Rate,
    format_exact_duration,
    parse_duration,
    parse_percent,
)
from perfrun.api.test.metric import MAX_METRIC, METRICS, Notation, nearest_metrics

MAX_WORKERS = 1000
MAX_USERS = 1_000_000
MAX_REQUESTS = 100_000_000
IN_FLIGHT_PER_WORKER = 1000
"""Iterations of a worker that may be in flight if the load sets no limit."""

UNTIL_STOPPED = "UntilStopped"
"""In the place of a duration: the load ends when somebody stops the run."""
UNTIL_STOPPED_PATTERN = DURATION_PATTERN.replace("^", f"^({UNTIL_STOPPED}|", 1).replace("$", ")$")


def _parse_length(text: object) -> object:
    return text if text == UNTIL_STOPPED else parse_duration(text)


LoadDuration = Annotated[
    int | Literal["UntilStopped"],
    BeforeValidator(_parse_length),
    PlainSerializer(
        lambda length: length if isinstance(length, str) else format_exact_duration(length),
        return_type=str,
    ),
    WithJsonSchema({"type": "string", "pattern": UNTIL_STOPPED_PATTERN, "maxLength": 48}),
]
"""ns, or UNTIL_STOPPED."""

UserCount = Annotated[int, Field(ge=1, le=MAX_USERS)]

_RAMP = "How long the ramp takes. The first stage starts at 0. Example: 30s."
_HOLD = "How long the level is held. Example: 5m."
_DURATION = (
    "How long the load runs, without the warm-up. UntilStopped: until spec.stop of the run is "
    "true, at most `maxDuration`. Example: 5m."
)
_MAX_DURATION = (
    "Required with `duration: UntilStopped`: the time after which the load ends by itself. Limits "
    "of a PerfPolicy apply to it. Example: 1h."
)
_STAGES = "Levels of the load over time, in place of a constant level."


class Burst(ApiModel):
    """A fixed number of iterations, executed as fast as possible."""

    requests: Annotated[int, Field(ge=1, le=MAX_REQUESTS)] = Field(
        description="Number of iterations, over all workers."
    )
    concurrency: UserCount = Field(
        description="Number of iterations that run at the same time, over all workers. At most "
        "`requests`."
    )


class ClosedStage(ApiModel):
    """Ramps linearly from the previous level to ``users``, then holds."""

    users: Annotated[int, Field(ge=0, le=MAX_USERS)] = Field(
        description="Number of concurrent users at the end of the ramp and during the hold."
    )
    ramp: Duration = Field(default="0s", validate_default=True, description=_RAMP)
    hold: Duration = Field(default="0s", validate_default=True, description=_HOLD)


class OpenStage(ApiModel):
    """Ramps linearly from the previous level to ``rate``, then holds."""

    rate: Rate = Field(
        description="Rate of iterations at the end of the ramp and during the hold. Example: 100/s."
    )
    ramp: Duration = Field(default="0s", validate_default=True, description=_RAMP)
    hold: Duration = Field(default="0s", validate_default=True, description=_HOLD)


def bounded() -> tuple[Rule, Rule]:
    """The rules that a load ends, even if nobody stops it."""
    until_stopped = f"(has(self.duration) && self.duration == '{UNTIL_STOPPED}')"
    return (
        Rule(
            cel=f"!{until_stopped} || has(self.maxDuration)",
            holds=lambda one: one.duration != UNTIL_STOPPED or one.max_duration is not None,
            message=f"is required with duration: {UNTIL_STOPPED}: write after which time the load "
            "ends by itself, as in 1h",
            field=".maxDuration",
        ),
        Rule(
            cel=f"{until_stopped} || !has(self.maxDuration)",
            holds=lambda one: one.duration == UNTIL_STOPPED or one.max_duration is None,
            message=f"is only for duration: {UNTIL_STOPPED}: remove it, or write that as duration",
            field=".maxDuration",
        ),
    )


def _longest(duration: int | str | None, max_duration: int | None) -> int:
    """ns that a load runs at most."""
    longest = duration if isinstance(duration, int) else max_duration
    assert longest is not None, "the rules require one of them"
    return longest


class Closed(ApiModel):
    """A fixed number of users who each start the next iteration when the previous one ends."""

    users: UserCount | None = Field(
        default=None, description="Number of concurrent users, over all workers."
    )
    duration: LoadDuration | None = Field(default=None, description=_DURATION)
    max_duration: Duration | None = Field(default=None, description=_MAX_DURATION)
    stages: Annotated[list[ClosedStage], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description=_STAGES
    )
    think_time: Duration | None = Field(
        default=None,
        description="How long a user waits after each iteration. Default: not at all. Example: 1s.",
    )

    rules = (
        Rule(
            cel="has(self.stages) ? !has(self.users) && !has(self.duration)"
            " : has(self.users) && has(self.duration)",
            holds=lambda closed: _either(closed.stages, closed.users, closed.duration),
            message="closed needs either users and duration, or stages",
        ),
        *bounded(),
    )

    def levels(self) -> list[ClosedStage]:
        """The stages, also if the short form was written."""
        if self.stages is not None:
            return self.stages
        assert self.users is not None
        hold = _longest(self.duration, self.max_duration)
        return [ClosedStage.model_construct(users=self.users, ramp=0, hold=hold)]


class Open(ApiModel):
    """Iterations that start at a given rate, whether or not earlier ones are done."""

    rate: Rate | None = Field(
        default=None, description="Rate of iterations, over all workers. Example: 100/s."
    )
    duration: LoadDuration | None = Field(default=None, description=_DURATION)
    max_duration: Duration | None = Field(default=None, description=_MAX_DURATION)
    stages: Annotated[list[OpenStage], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description=_STAGES
    )
    arrivals: Literal["Uniform", "Poisson"] = Field(
        default="Uniform",
        description="When iterations start. Uniform: at equal intervals. Poisson: at random, like "
        "independent users.",
    )
    max_in_flight: Annotated[int, Field(ge=1, le=MAX_USERS)] | None = Field(
        default=None,
        description="Maximum number of iterations in flight, over all workers. Further iterations "
        f"are dropped and counted. Default: {IN_FLIGHT_PER_WORKER} per worker.",
    )

    def in_flight_limit(self, workers: int) -> int:
        """How many iterations may be in flight over that many workers."""
        return self.max_in_flight or IN_FLIGHT_PER_WORKER * workers

    rules = (
        Rule(
            cel="has(self.stages) ? !has(self.rate) && !has(self.duration)"
            " : has(self.rate) && has(self.duration)",
            holds=lambda load: _either(load.stages, load.rate, load.duration),
            message="open needs either rate and duration, or stages",
        ),
        *bounded(),
    )

    def levels(self) -> list[OpenStage]:
        """The stages, also if the short form was written."""
        if self.stages is not None:
            return self.stages
        assert self.rate is not None
        hold = _longest(self.duration, self.max_duration)
        return [OpenStage.model_construct(rate=self.rate, ramp=0, hold=hold)]


class Capacity(ApiModel):
    """Searches for the highest rate of an open load that meets the objectives."""

    from_: Rate = Field(
        alias="from", description="Rate at which the search starts. Example: 100/s."
    )
    to: Rate = Field(description="The highest rate to try. Example: 5000/s.")
    hold: Duration = Field(
        default="30s",
        validate_default=True,
        description="How long each rate is held and judged. At least 1s. Use a few hundred times "
        "the latency limit: 30s for 100ms.",
    )

    rules = (
        Rule(
            # Rates are strings with various units: only the operator compares them.
            cel="true",
            holds=lambda capacity: 0 < capacity.from_ <= capacity.to,
            message="must be more than 0/s and at most capacity.to",
            field=".from",
        ),
        Rule(
            cel="true",
            holds=lambda capacity: capacity.hold >= NS_PER_S,
            message="must be at least 1s",
            field=".hold",
        ),
    )


STOP_METRICS = tuple(name for name, row in METRICS.items() if row.stops)


def _known_stop_metric(name: str) -> str:
    if name not in STOP_METRICS:
        raise ValueError(f"this metric cannot stop a load; {nearest_metrics(name, STOP_METRICS)}")
    return name


class StopCondition(ApiModel):
    """Ends the load early when a metric exceeds its limit for some time."""

    metric: Annotated[
        str,
        Field(max_length=MAX_METRIC, json_schema_extra={"enum": list(STOP_METRICS)}),
        AfterValidator(_known_stop_metric),  # the enum of the schema, in words
    ] = Field(description="The metric, computed anew for each second and over all workers.")
    above: Annotated[str, Field(max_length=48)] = Field(
        description="The limit: a percentage for rates, a duration for latencies. "
        "Examples: 50%, 2s."
    )
    for_: Duration = Field(
        default="10s",
        validate_default=True,
        alias="for",
        description="How long the metric must exceed the limit, in every second in which requests "
        "ended. Whole seconds, at least 1s.",
    )

    rules = (
        Rule(
            cel=f"!self.metric.endsWith('Rate') || self.above.matches(r'{PERCENT_PATTERN}')",
            holds=lambda condition: _is_written(condition, Notation.PERCENT, parse_percent),
            message=f"the limit of this metric must be {Notation.PERCENT}",
            field=".above",
        ),
        Rule(
            cel=f"self.metric.endsWith('Rate') || self.above.matches(r'{DURATION_PATTERN}')",
            holds=lambda condition: _is_written(condition, Notation.DURATION, parse_duration),
            message=f"the limit of this metric must be {Notation.DURATION}",
            field=".above",
        ),
        Rule(
            cel="true",
            holds=lambda condition: condition.for_ >= NS_PER_S,
            message="must be at least 1s",
            field=".for",
        ),
    )

    @property
    def limit(self) -> float:
        """The value that must not be exceeded: a ratio, or ns."""
        parse = parse_percent if METRICS[self.metric].kind is Notation.PERCENT else parse_duration
        return parse(self.above)


def _is_written(condition: "StopCondition", kind: Notation, parse: Callable[[str], float]) -> bool:
    if METRICS[condition.metric].kind is not kind:
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
    shapes = (load.burst, load.closed, load.open, load.capacity, load.max_duration)
    return sum(shape is not None for shape in shapes)


class Load(ApiModel):
    """How much load to generate. Exactly one of burst, closed, open and capacity is required; for a
    script, which has its load itself, maxDuration.

    Numbers of users and iterations, and rates, are totals over all workers.
    """

    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] = Field(
        default=1, description="Number of worker pods that share the load. Each uses one core."
    )
    warmup: Duration | None = Field(
        default=None,
        description="Extra time at the first level, before the window that is judged. Not for "
        "burst, capacity and scripts. Default: none. Example: 10s.",
    )
    burst: Burst | None = None
    closed: Closed | None = None
    open: Open | None = None
    capacity: Capacity | None = None
    max_duration: Duration | None = Field(
        default=None,
        description="Only for a script, and required there: the time after which the script is "
        "stopped if it has not ended. Limits of a PerfPolicy apply to it. Example: 30m.",
    )
    stop_when: Annotated[
        list[StopCondition],
        Field(
            max_length=16,
            description="Conditions that end the load early; the verdict is then at least Warn. In "
            "a capacity search they end the hold, not the run.",
        ),
    ] = []
    min_coverage: Percent = Field(
        default="100%",
        validate_default=True,
        description="Minimum share of the planned load that workers must report on. Example: 90%.",
    )
    on_worker_loss: Literal["Inconclusive", "Continue"] = Field(
        default="Inconclusive",
        description="What happens when the coverage is below minCoverage. Inconclusive: objectives "
        "that were met become Inconclusive. Continue: a finding only reports it.",
    )
    start_timeout: Duration = Field(
        default="10m",
        validate_default=True,
        description="How long to wait until all workers are ready and reach the target. After "
        "that, the run ends as Error.",
    )

    rules = (
        Rule(
            cel="(has(self.burst) ? 1 : 0) + (has(self.closed) ? 1 : 0) + (has(self.open) ? 1 : 0)"
            " + (has(self.capacity) ? 1 : 0) + (has(self.maxDuration) ? 1 : 0) == 1",
            holds=lambda load: _shapes(load) == 1,
            message="load needs exactly one of burst, closed, open or capacity; for a script, "
            "maxDuration",
        ),
        Rule(
            cel="!(has(self.burst) && has(self.warmup))",
            holds=lambda load: load.burst is None or load.warmup is None,
            message="a burst has no warm-up: remove warmup",
            field=".warmup",
        ),
        Rule(
            cel="!(has(self.maxDuration) && has(self.warmup))",
            holds=lambda load: load.max_duration is None or load.warmup is None,
            message="a script has no warm-up that perfrun knows of: remove warmup",
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
            message="burst.requests and burst.concurrency must be at least the number of workers: "
            "raise them, or lower workers",
            field=".burst",
            figures="{0.burst.requests} requests, {0.burst.concurrency} at a time, for {0.workers} "
            "workers",
        ),
        Rule(
            cel="!has(self.burst) || self.burst.concurrency <= self.burst.requests",
            holds=lambda load: load.burst is None or load.burst.concurrency <= load.burst.requests,
            message="burst.concurrency must be at most burst.requests: raise requests, or lower "
            "concurrency",
            field=".burst",
            figures="{0.burst.requests} requests, {0.burst.concurrency} at a time",
        ),
        Rule(
            cel="!has(self.closed) || !has(self.closed.users) || self.closed.users >= self.workers",
            holds=lambda load: (
                load.closed is None
                or load.closed.users is None
                or load.closed.users >= load.workers
            ),
            message="closed.users must be at least the number of workers: raise users, or lower "
            "workers",
            field=".closed",
            figures="{0.closed.users} users for {0.workers} workers",
        ),
    )

    @property
    def timed(self) -> bool:
        """Whether the spec says how long it takes. Otherwise that depends on the target, or on a
        script."""
        return self.open is not None or self.closed is not None

    @property
    def until_stopped(self) -> bool:
        """Whether somebody is to end it."""
        return UNTIL_STOPPED in (
            self.open.duration if self.open is not None else None,
            self.closed.duration if self.closed is not None else None,
        )
