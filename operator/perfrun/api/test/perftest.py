"""PerfTest: what to run, when, and the objectives."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from perfrun.api.base import ApiModel, Rule, StatusModel, Unique, list_map
from perfrun.api.metadata import Conditions, Metadata
from perfrun.api.names import DNS_LABEL, HostGlob, VariableName
from perfrun.api.run.checked import CheckStatus
from perfrun.api.run.perfrun import Verdict
from perfrun.api.test.baseline import Baseline, TrendStatus
from perfrun.api.test.feed import Feed
from perfrun.api.test.load import Burst, Load
from perfrun.api.test.observe import Observed, Workload
from perfrun.api.test.pod import PodTemplate
from perfrun.api.test.scenario import Scenario, Step
from perfrun.api.test.slo import Slo
from perfrun.api.test.target import Target
from perfrun.api.times import Time

CRON_PATTERN = r"^(@[a-z]+|[0-9A-Za-z*?,/#-]+( +[0-9A-Za-z*?,/#-]+){4})$"
REQUEST_ANNOTATION = "perfrun.dev/run-requested-at"
"""On a PerfTest: each new value asks for one run."""

Occasion = Literal["Warn", "Fail", "Error", "Regressed", "Recovered"]
OCCASIONS: tuple[Occasion, ...] = ("Warn", "Fail", "Error", "Regressed", "Recovered")
Occasions = Annotated[list[Occasion], Field(min_length=1, max_length=len(OCCASIONS)), Unique()]
RunOn = Annotated[list[Literal["Change", "Rollout"]], Field(max_length=2), Unique()]

# The cluster's owner configures receivers; tests use them by name.
ReceiverName = Annotated[str, Field(pattern=DNS_LABEL, min_length=1, max_length=63)]


class Notification(ApiModel):
    """A receiver, and which events it is notified of."""

    receiver: ReceiverName = Field(
        description="Name of a receiver from the value `receivers` of the Helm chart."
    )
    events: Occasions = Field(
        default=list(OCCASIONS),
        description="Events to notify the receiver of: verdicts of runs, and trends of the test.",
    )


class Schedule(ApiModel):
    """Starts runs at fixed times, like the schedule of a CronJob."""

    cron: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=CRON_PATTERN,
            description="Cron expression with five fields (minute, hour, day of month, month, day "
            "of week), or @hourly, @daily, @weekly, @monthly or @yearly. Example: `0 2 * * *`.",
        ),
    ]
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = (
        Field(
            default="Etc/UTC",
            description="Time zone of `cron`: a name of the IANA time zone database. "
            "Example: Europe/Berlin.",
        )
    )
    starting_deadline_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = Field(
        default=None,
        description="Seconds after its scheduled time within which a run must start; later it is "
        "recorded as missed. Default: the run is created however late it is, and may wait in the "
        "queue for one hour.",
    )
    concurrency_policy: Literal["Forbid", "Replace", "Allow"] = Field(
        default="Forbid",
        description="What happens when the previous scheduled run is not done. Forbid: the new run "
        "is missed. Replace: the previous run is stopped and the new one starts. Allow: both "
        "exist; the new one is queued while both have the same target.",
    )
    jitter_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=0,
        description="Starts each run up to this many seconds later. The delay depends only on the "
        "name of the test, so tests with the same schedule do not all start at once.",
    )


class HistoryLimits(ApiModel):
    """How many finished PerfRuns of this test are kept. The oldest are deleted first."""

    passed: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=20, description="Number of finished runs with the verdict Pass to keep."
    )
    other: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=20, description="Number of finished runs with any other verdict to keep."
    )


class Overridable(ApiModel):
    """What runs with overrides may do that they may not do otherwise."""

    hosts: Annotated[list[HostGlob], Field(max_length=64), Unique()] = Field(
        default=[],
        description="Hosts of other targets that may be sent what the test takes from Secrets, and "
        "tokens. `*` stands for any characters but a dot or a colon; a name without a dot is a "
        "Service in the namespace of the test. Example: [shop-pr-*].",
    )


def once() -> Load:
    """The load of a benchmark: its command, once, by one worker."""
    return Load(burst=Burst(requests=1, concurrency=1))


class PerfTestSettings(ApiModel):
    """The part of a test that its runs do not execute, and the workloads that it observes.

    It is small whatever else a test contains, so the operator reads it directly; a whole test is
    only parsed outside its event loop.
    """

    model_config = ConfigDict(extra="ignore")

    schedule: Schedule | None = None
    run_on: RunOn | None = Field(
        default=None,
        description="Which events start a run. Change: the test is created or what it runs "
        "changes. Rollout: a rollout of an observed workload completes. Default: [Change] without "
        "a schedule, [] with one.",
    )
    suspend: bool = Field(
        default=False,
        description="Stops the operator from starting runs of this test. Runs that somebody "
        "requests still start.",
    )
    history_limits: HistoryLimits = HistoryLimits()
    observe: (
        Annotated[
            list[Observed],
            Field(min_length=1, max_length=16, json_schema_extra=list_map("name")),
        ]
        | None
    ) = Field(
        default=None,
        description="What to watch while the load runs: workloads, databases and Prometheus "
        "queries. Objectives and reports use the measurements. Workers prefer nodes without pods "
        "of these workloads.",
    )
    baseline: Baseline = Field(
        default=Baseline(),
        description="Which earlier runs each run is compared with, and when a change is reported.",
    )
    notifications: Annotated[list[Notification], Field(max_length=16), Unique("receiver")] = Field(
        default=[],
        description="Receivers to notify about the results of runs, in addition to Events and "
        "metrics.",
    )
    retry_inconclusive: Annotated[int, Field(ge=0, le=3)] = Field(
        default=0,
        description="How many times the operator repeats a run that ended Inconclusive.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.runOn) || !('Rollout' in self.runOn) || has(self.observe)",
            holds=lambda spec: "Rollout" not in (spec.run_on or []) or spec.observe is not None,
            message=(
                "Rollout requires spec.observe: it names the workloads whose rollouts start runs"
            ),
            field=".runOn",
        ),
    )

    @property
    def runs_on_rollout(self) -> list[Workload]:
        """The workloads whose rollouts start runs."""
        return self.workloads if "Rollout" in (self.run_on or []) else []

    @property
    def workloads(self) -> list[Workload]:
        """The observed workloads."""
        return [one.workload for one in self.observe or [] if one.workload is not None]

    @property
    def runs_on_change(self) -> bool:
        """Whether a change of what the test runs starts a run."""
        if self.run_on is None:
            return self.schedule is None
        return "Change" in self.run_on


class PerfTestSpec(PerfTestSettings):
    """What to load, how, when, and which objectives the results must meet."""

    model_config = ConfigDict(extra="forbid")

    target: Target
    variables: Annotated[
        dict[VariableName, Annotated[str, Field(max_length=4096)]], Field(max_length=64)
    ] = Field(
        default={},
        description="Constants for templates: `{region: eu}` makes $(region) read `eu`. Values are "
        "not templates themselves.",
    )
    feeds: Annotated[list[Feed], Field(max_length=16, json_schema_extra=list_map("name"))] = Field(
        default=[], description="Tables of test data for templates."
    )
    setup: Annotated[
        list[Step],
        Field(
            max_length=20,
            json_schema_extra=list_map("name"),
            description="Steps that worker 0 runs once before the load. All workers can use the "
            "values that they extract.",
        ),
    ] = []
    teardown: Annotated[
        list[Step],
        Field(
            max_length=20,
            json_schema_extra=list_map("name"),
            description="Steps that run once after the load, also when the run failed.",
        ),
    ] = []
    scenarios: (
        Annotated[
            list[Scenario],
            Field(min_length=1, max_length=50, json_schema_extra=list_map("name")),
        ]
        | None
    ) = Field(
        default=None,
        description="What users do. Default for an http target: one GET request of its URL.",
    )
    load: Load = Field(
        default_factory=once,
        description="How much load to generate, in which shape. Required, except for a benchmark "
        "target, which must not set it.",
    )
    slos: Annotated[
        list[Slo],
        Field(max_length=50, json_schema_extra=list_map("metric", "of", "onBreach")),
    ] = Field(
        default=[],
        description="Objectives: limits that the measurements must meet. They decide the verdict "
        "of a run. A `class` on a step adds objectives to these.",
    )
    pod_template: PodTemplate | None = None
    overridable: Overridable | None = None

    rules = (
        *PerfTestSettings.rules,
        Rule(
            cel="has(self.load) || has(self.target.benchmark)",
            holds=lambda spec: spec.target.benchmark is not None or "load" in spec.model_fields_set,
            message=(
                "this field is required, except for a benchmark target: it says how much load to "
                "generate"
            ),
            field=".load",
        ),
        Rule(
            cel="!has(self.load) || !has(self.target.benchmark)",
            holds=lambda spec: spec.target.benchmark is None or spec.load == once(),
            message=(
                "a benchmark target must not set a load: one worker runs its command once, and the "
                "tool itself repeats the measurement"
            ),
            field=".load",
        ),
        Rule(
            cel="has(self.target.script) == (has(self.load) && has(self.load.maxDuration))",
            holds=lambda spec: (
                (spec.target.script is not None) == (spec.load.max_duration is not None)
            ),
            message=(
                "a script target requires load.maxDuration, and no other target can have it: the "
                "script itself says how much load there is"
            ),
            field=".load",
        ),
    )

    # Changing one of these does not change what runs.
    BOOKKEEPING: ClassVar[frozenset[str]] = frozenset(
        {
            "schedule",
            "run_on",
            "suspend",
            "history_limits",
            "baseline",
            "notifications",
            "retry_inconclusive",
            "overridable",
        }
    )

    def what_runs(self, *, defaults: bool = True) -> dict[str, Any]:
        """The part of the spec that a run executes and is judged by.

        Without ``defaults`` it is what to hash, so that a field that a later version adds changes
        nothing for a test that does not set it.
        """
        told = self.model_dump(
            mode="json",
            exclude=set(self.BOOKKEEPING),
            exclude_none=True,
            exclude_defaults=not defaults,
        )
        if self.target.benchmark is None and "load" not in told:
            # It was set, but equals the load of a benchmark, which has none.
            told["load"] = self.load.model_dump(
                mode="json", exclude_none=True, exclude_defaults=not defaults
            )
        return told


class LastMissed(StatusModel):
    """The last scheduled time for which no run started."""

    time: Time = Field(description="The scheduled time, in UTC.")
    reason: str = Field(max_length=256, description="Why no run started.")


class PerfTestStatus(StatusModel):
    """The most recently observed state of the test."""

    observed_generation: int | None = Field(
        default=None,
        description="The metadata.generation of the test that this status describes.",
    )
    conditions: Conditions = Field(
        default=[], description="Conditions of the test: Ready, Regressed, Reconciling, Stalled."
    )
    active: Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=100)] = Field(
        default=[],
        description="Names of the runs that are not done; those in progress come first.",
    )
    last_run: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Name of the run that completed last."
    )
    last_verdict: Verdict | None = Field(default=None, description="Verdict of lastRun.")
    last_slos: Annotated[str, Field(max_length=16)] | None = Field(
        default=None,
        description="How many of the judged objectives lastRun met. Example: 3/4.",
    )
    last_completion_time: Time | None = Field(default=None, description="When lastRun completed.")
    last_schedule_time: Time | None = Field(
        default=None,
        description="The last scheduled time for which the operator created a run.",
    )
    next_schedule_time: Time | None = Field(
        default=None, description="When the next scheduled run is due, jitter included."
    )
    last_successful_time: Time | None = Field(
        default=None, description="When a run last completed with the verdict Pass."
    )
    last_missed: LastMissed | None = None
    last_change: Annotated[str, Field(max_length=63)] | None = Field(
        default=None,
        description="Hash of what the test ran when a change last started a run.",
    )
    last_request: Annotated[str, Field(max_length=256)] | None = Field(
        default=None,
        description="The last value of the annotation perfrun.dev/run-requested-at that the "
        "operator acted on.",
    )
    last_rollout: Annotated[str, Field(max_length=63)] | None = Field(
        default=None,
        description="Hash of the revisions of the observed workloads after their last complete "
        "rollout.",
    )
    last_retry: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Name of the last run that retryInconclusive started."
    )
    last_confirmation: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Name of the last run that was started to confirm a change."
    )
    trend: TrendStatus | None = None
    scheduled_since: Time | None = Field(
        default=None,
        description="When the current schedule took effect. Earlier times do not count.",
    )
    schedule_hash: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Hash of the schedule that scheduledSince refers to."
    )
    check: CheckStatus | None = None


class CheckedTest(StatusModel):
    """A test whose spec was accepted, without the part that only its runs need."""

    metadata: Metadata
    spec: PerfTestSettings
    status: PerfTestStatus = PerfTestStatus()
    what_runs: str
    """The hash of what its runs execute and are judged by."""


class PerfTest(ApiModel):
    """A performance test of one target. It runs on change, on request, after rollouts or on a
    schedule."""

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    spec: PerfTestSpec
    status: PerfTestStatus = PerfTestStatus()
