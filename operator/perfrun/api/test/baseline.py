"""How a test's runs are compared with earlier ones, and the result."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Rule, Sentence, StatusModel
from perfrun.api.names import DNS_LABEL, RUN_NAME_MAX
from perfrun.api.quantities import Percent
from perfrun.api.times import Time

ACCEPT_ANNOTATION = "perfrun.dev/accept-level"
"""On a PerfTest: the name of the first run of an accepted level."""

TrendState = Literal[
    "Collecting", "Stable", "Suspect", "Regressed", "Recovered", "Improved", "Incomparable"
]
MAX_RUNS_NAMED = 32
MAX_TRANSITIONS = 4
MAX_CHANGES = 5


class Baseline(ApiModel):
    """Which earlier runs each run is compared with, and when a change is reported."""

    compare: Literal["Auto", "Pinned", "Never"] = Field(
        default="Auto",
        description="Auto: compare with the latest comparable runs. Pinned: compare with the run "
        "that `run` names. Never: do not compare.",
    )
    run: Annotated[str, Field(pattern=DNS_LABEL, min_length=1, max_length=RUN_NAME_MAX)] | None = (
        Field(
            default=None,
            description="Name of the PerfRun to compare with; requires `compare: Pinned`. The "
            "history limits never delete it.",
        )
    )
    tolerance: Percent = Field(
        default="5%",
        validate_default=True,
        description="Changes up to this size are never reported. Example: 5%.",
    )
    on_regression: Literal["Warn", "Fail"] = Field(
        default="Warn",
        description="Warn: a confirmed regression is only reported. Fail: the health checks for "
        "Argo CD and Flux also show the test as Degraded. Neither changes the verdict of a run.",
    )
    confirm_runs: Annotated[int, Field(ge=3, le=10)] = Field(
        default=3,
        description="How many fresh runs must confirm a change before it is reported. The operator "
        "starts them for a suspected regression.",
    )

    rules = (
        Rule(
            cel="(self.compare == 'Pinned') == has(self.run)",
            holds=lambda baseline: (baseline.compare == "Pinned") is (baseline.run is not None),
            message=(
                "compare Pinned requires run, and run requires compare Pinned: set both or neither"
            ),
        ),
    )


class MetricChange(StatusModel):
    """How one metric has changed."""

    metric: Annotated[str, Field(max_length=160)] = Field(
        description="The metric, and what it is about. Example: latency.p95 of checkout."
    )
    usual: Annotated[str, Field(max_length=32)] = Field(
        description="Value in the baseline, with its unit. Example: 50.4ms."
    )
    now: Annotated[str, Field(max_length=32)] = Field(
        description="Value in the runs that confirmed the change, with its unit."
    )
    change: Annotated[str, Field(max_length=16)] = Field(
        description="Difference from the baseline. Example: +7.2%."
    )


class TrendTransition(StatusModel):
    """A confirmed change, and the first run that showed it."""

    state: Literal["Regressed", "Recovered", "Improved"] = Field(
        description="The state that the change led to."
    )
    run: Annotated[str, Field(max_length=63)] = Field(
        description="Name of the first run that showed the change."
    )
    time: Time = Field(description="When that run completed.")
    sentence: Sentence = Field(description="The change in one sentence.")
    changes: Annotated[list[MetricChange], Field(max_length=MAX_CHANGES)] = Field(
        default=[], description="The metrics that changed, the largest change first."
    )


class LeftOut(StatusModel):
    """The latest runs in a row that could not be compared."""

    runs: Annotated[int, Field(ge=1)] = Field(description="Number of these runs.")
    last: Annotated[str, Field(max_length=63)] = Field(description="Name of the last of them.")
    reason: Annotated[str, Field(max_length=512)] = Field(
        description="Why the last of them could not be compared."
    )


class TrendStatus(StatusModel):
    """How the latest runs compare with the baseline."""

    state: TrendState = Field(
        description="Collecting: fewer than ten runs to compare with. Stable: no change. Suspect: "
        "one run differs, fresh runs will check it. Regressed, Improved: a confirmed change. "
        "Recovered: back within tolerance. Incomparable: earlier runs had another environment."
    )
    since: Time | None = Field(default=None, description="When the test entered this state.")
    metric: Annotated[str, Field(max_length=160)] | None = Field(
        default=None, description="The metric that changed most."
    )
    change: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="How much that metric changed. Example: +7.2%."
    )
    smallest: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="The smallest change of that metric that one run can show."
    )
    baseline_runs: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Number of runs in the baseline."
    )
    runs: Annotated[
        list[Annotated[str, Field(max_length=63)]], Field(max_length=MAX_RUNS_NAMED)
    ] = Field(default=[], description="Names of the runs that were compared with the baseline.")
    message: Sentence = Field(default="", description="The state in one sentence.")
    left_out: LeftOut | None = None
    confirming: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Number of runs that are still needed to confirm the change."
    )
    up_to: Time | None = Field(
        default=None, description="When the last run that this status takes into account completed."
    )
    transitions: Annotated[list[TrendTransition], Field(max_length=MAX_TRANSITIONS)] = Field(
        default=[], description="The last confirmed changes, newest last."
    )
    accepted: Annotated[str, Field(max_length=63)] | None = Field(
        default=None,
        description="The run named by the last annotation perfrun.dev/accept-level that took "
        "effect.",
    )
    settings: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="Hash of the spec.baseline that this status is based on."
    )
