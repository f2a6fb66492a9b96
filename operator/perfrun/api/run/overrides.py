"""What one run changes in its test: where the load goes, and how much. Never what is judged."""

from typing import Annotated

from pydantic import Field

from perfrun.api.base import ApiModel, Rule
from perfrun.api.names import LabelKey, LabelValue, Origin, VariableName
from perfrun.api.quantities import Duration, Rate
from perfrun.api.test.load import (
    MAX_REQUESTS,
    MAX_WORKERS,
    LoadDuration,
    UserCount,
    bounded,
)

_SIZES = ("rate", "users", "requests")


class LoadOverrides(ApiModel):
    """Another size or length of the load. Stages keep their proportions."""

    scale: Annotated[float, Field(ge=0.0001, le=10_000)] | None = Field(
        default=None,
        description="Multiplies rates, users, and the requests and concurrency of a burst. Whole "
        "numbers are rounded, and stay at least 1. Example: 0.1.",
    )
    rate: Rate | None = Field(
        default=None,
        description="Rate of an open load; with stages, that of the highest one. Example: 50/s.",
    )
    users: UserCount | None = Field(
        default=None,
        description="Number of users of a closed load (with stages, of the highest one), or the "
        "concurrency of a burst.",
    )
    requests: Annotated[int, Field(ge=1, le=MAX_REQUESTS)] | None = Field(
        default=None, description="Number of iterations of a burst."
    )
    duration: LoadDuration | None = Field(
        default=None,
        description="How long an open or closed load runs, without the warm-up. All times of "
        "stages change by the same factor. UntilStopped: until spec.stop is true, at most "
        "`maxDuration`; not with stages. Example: 1m.",
    )
    max_duration: Duration | None = Field(
        default=None,
        description="Required with `duration: UntilStopped`: the time after which the load ends by "
        "itself. Of a script: the time after which it is stopped. Example: 1h.",
    )
    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] | None = Field(
        default=None,
        description="Number of worker pods. Default: that of the test, or fewer if the load has "
        "fewer users or requests.",
    )

    rules = (
        Rule(
            cel="!has(self.scale) || !(has(self.rate) || has(self.users) || has(self.requests))",
            holds=lambda load: (
                load.scale is None or all(getattr(load, size) is None for size in _SIZES)
            ),
            message="cannot be used together with rate, users or requests",
            field=".scale",
        ),
        Rule(
            # The API server compares whole numbers with the whole part of a minimum: 0 with 0.
            cel="!has(self.scale) || self.scale >= 0.0001",
            holds=lambda load: load.scale is None or load.scale >= 0.0001,
            message="must be at least 0.0001",
            field=".scale",
        ),
        Rule(
            cel="true",
            holds=lambda load: load.rate is None or load.rate > 0,
            message="must be more than 0/s",
            field=".rate",
        ),
        Rule(
            cel="true",
            holds=lambda load: load.duration != 0,
            message="must be more than 0s",
            field=".duration",
        ),
        bounded()[0],  # a script has maxDuration alone
    )


class Overrides(ApiModel):
    """What this run changes in its test. The policies apply to the result. Such a run does not
    change the test's last verdict, its trend, its conditions or its metrics, and notifies nobody.
    """

    url: Origin | None = Field(
        default=None,
        description="Scheme, host and port of the target, instead of those of the test. Paths stay "
        "those of the test. If the test uses Secrets or tokens, spec.overridable.hosts of the test "
        "must list the host. Example: http://shop-pr-123:8000.",
    )
    variables: Annotated[
        dict[VariableName, Annotated[str, Field(max_length=4096)]], Field(max_length=64)
    ] = Field(
        default={},
        description="Other values of variables that the test defines. Example: `{region: us}`.",
    )
    load: LoadOverrides | None = None
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] = Field(
        default={},
        description="Labels of the run in reports. They do not change what is measured. "
        'Example: `{pull-request: "123"}`.',
    )

    rules = (
        Rule(
            cel="has(self.url) || has(self.variables) || has(self.load) || has(self.labels)",
            holds=lambda overrides: bool(overrides.model_fields_set),
            message="overrides needs at least one of url, variables, load and labels",
        ),
    )
