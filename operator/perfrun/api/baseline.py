"""How a test's runs are compared with earlier ones, and what came of it."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Rule, StatusModel
from perfrun.api.names import DNS_LABEL, RUN_NAME_MAX
from perfrun.api.quantities import Percent
from perfrun.api.sentence import Sentence
from perfrun.api.times import Time

ACCEPT_ANNOTATION = "perfrun.dev/accept-level"
"""On a PerfTest: the name of a run from which on the level is the right one."""

TrendState = Literal[
    "Collecting", "Stable", "Suspect", "Regressed", "Recovered", "Improved", "Incomparable"
]
MOST_RUNS_NAMED = 32
MOST_TOLD = 4
MOST_CHANGES = 5


class Baseline(ApiModel):
    """What runs are compared with, and from when on a change is one."""

    compare: Literal["Auto", "Pinned", "Never"] = Field(
        default="Auto",
        description="Auto: with the last runs that were alike. Pinned: with one run.",
    )
    run: Annotated[str, Field(pattern=DNS_LABEL, min_length=1, max_length=RUN_NAME_MAX)] | None = (
        Field(default=None, description="With Pinned: the PerfRun; it is never collected.")
    )
    tolerance: Percent = Field(
        default="5%", validate_default=True, description="A smaller change is none."
    )
    on_regression: Literal["Warn", "Fail"] = Field(
        default="Warn",
        description="Fail: delivery tools see a confirmed regression as Degraded. The verdict of "
        "a run goes by its objectives alone.",
    )
    confirm_runs: Annotated[int, Field(ge=3, le=10)] = Field(
        default=3, description="Fresh runs, started by themselves, before a change is believed."
    )

    rules = (
        Rule(
            cel="(self.compare == 'Pinned') == has(self.run)",
            holds=lambda baseline: (baseline.compare == "Pinned") is (baseline.run is not None),
            message="compare Pinned and run go together: name the run to compare with",
        ),
    )


class MetricChange(StatusModel):
    """One metric of a change, in figures with their units."""

    metric: Annotated[str, Field(max_length=160)]
    usual: Annotated[str, Field(max_length=32)] = Field(description="Of the baseline.")
    now: Annotated[str, Field(max_length=32)] = Field(
        description="Of the runs that confirm the change."
    )
    change: Annotated[str, Field(max_length=16)] = Field(description="By how much, as in +7.2%.")


class Told(StatusModel):
    """A confirmed change, and the run that brought it about."""

    state: Literal["Regressed", "Recovered", "Improved"]
    run: Annotated[str, Field(max_length=63)]
    time: Time
    sentence: Sentence
    changes: Annotated[list[MetricChange], Field(max_length=MOST_CHANGES)] = Field(
        default=[], description="The metrics that have changed, the greatest change first."
    )


class LeftOut(StatusModel):
    """Runs in a row that nothing is held against, the last one by name."""

    runs: Annotated[int, Field(ge=1)]
    last: Annotated[str, Field(max_length=63)]
    reason: Annotated[str, Field(max_length=512)] = Field(
        description="Why the last one proves nothing."
    )


class TrendStatus(StatusModel):
    """How the last run compares with those before it."""

    state: TrendState
    since: Time | None = Field(default=None, description="When the state began.")
    metric: Annotated[str, Field(max_length=160)] | None = Field(
        default=None, description="The metric that has changed most, else the one told of."
    )
    change: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="By how much, as in +7.2%."
    )
    smallest: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="The smallest change of that metric that one run could show."
    )
    baseline_runs: Annotated[int, Field(ge=0)] = 0
    runs: Annotated[
        list[Annotated[str, Field(max_length=63)]], Field(max_length=MOST_RUNS_NAMED)
    ] = Field(default=[], description="Those that were held against the baseline.")
    message: Sentence = ""
    left_out: LeftOut | None = Field(
        default=None, description="The runs since the last one that was compared."
    )
    confirming: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Runs that are still needed to know whether it is true."
    )
    up_to: Time | None = Field(
        default=None, description="The completion of the last run that was looked at."
    )
    told: Annotated[list[Told], Field(max_length=MOST_TOLD)] = Field(
        default=[], description="The last confirmed changes, newest last."
    )
    accepted: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="The run of the last accept-level annotation that was followed."
    )
    settings: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="The hash of spec.baseline that it was found by."
    )
