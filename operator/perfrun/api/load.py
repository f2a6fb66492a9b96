"""How much load, in which shape, for how long. All numbers are totals over the workers."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, NotBuiltList, NotBuiltObject, Rule
from perfrun.api.quantities import Duration, Percent, Rate

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


def _either(stages: object, level: object, duration: object) -> bool:
    if stages is not None:
        return level is None and duration is None
    return level is not None and duration is not None


def _shapes(load: "Load") -> int:
    return sum(shape is not None for shape in (load.burst, load.closed, load.open))


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
    capacity: NotBuiltObject = None
    stop_when: NotBuiltList = None
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
