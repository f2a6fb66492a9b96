"""PerfTest: what is to be run, when, and what it has to meet."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from perfrun.api.base import ApiModel, Rule, StatusModel, exactly_one_of
from perfrun.api.baseline import Baseline, TrendStatus
from perfrun.api.checked import CheckStatus
from perfrun.api.load import Burst, Load
from perfrun.api.metadata import Condition, Metadata
from perfrun.api.names import VariableName
from perfrun.api.notification import Notification
from perfrun.api.observe import Observed, Workload
from perfrun.api.perfrun import Verdict
from perfrun.api.pod import PodTemplate
from perfrun.api.scenario import Scenario, Step
from perfrun.api.slo import Slo
from perfrun.api.target import Target
from perfrun.api.times import Time
from perfrun.api.values import ValueSource

CRON_PATTERN = r"^(@[a-z]+|[0-9A-Za-z*?,/#-]+( +[0-9A-Za-z*?,/#-]+){4})$"


REQUEST_ANNOTATION = "perfrun.dev/run-requested-at"
"""On a PerfTest: each new value asks for one run."""


class Schedule(ApiModel):
    """When a test runs by itself."""

    cron: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=CRON_PATTERN,
            description="Five fields, or @hourly, @daily, @weekly, @monthly, @yearly.",
        ),
    ]
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = (
        Field(default="Etc/UTC", description="A name of the time zone database: Europe/Berlin.")
    )
    starting_deadline_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = Field(
        default=None, description="A run that cannot start within this time is missed."
    )
    concurrency_policy: Literal["Forbid", "Replace", "Allow"] = Field(
        default="Forbid", description="What to do at a time at which the run before is not done."
    )
    jitter_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=0, description="Start up to so much later, always the same for one name."
    )


class HistoryLimits(ApiModel):
    """How many finished PerfRuns are kept."""

    passed: Annotated[int, Field(ge=0, le=1000)] = 20
    other: Annotated[int, Field(ge=0, le=1000)] = 20


class Generated(ApiModel):
    """Rows that are made from templates: a row is the same in every worker and every step."""

    rows: Annotated[int, Field(ge=1, le=1_000_000_000)]
    columns: Annotated[
        dict[VariableName, Annotated[str, Field(max_length=4096)]],
        Field(
            min_length=1,
            max_length=64,
            description="By name, a text with templates of variables and functions; "
            "not now() and nowMs(), which give no value twice.",
        ),
    ]


class Feed(ApiModel):
    """Rows of data: each iteration has one, as $(feed.column)."""

    name: VariableName
    csv_from: ValueSource | None = Field(
        default=None, description="A CSV file with a header line, of at most 100000 rows."
    )
    jsonl_from: ValueSource | None = Field(
        default=None,
        description="A JSON Lines file of at most 100000 objects with the same keys; "
        "$(feed.key.key) is a value inside of one.",
    )
    generate: Generated | None = None
    order: Literal["Random", "Sequential", "Unique"] = Field(
        default="Sequential",
        description="Unique: no row twice in a run; what finds none left fails with Data.",
    )

    rules = (exactly_one_of("csvFrom", "jsonlFrom", "generate", what="a feed"),)


def once() -> Load:
    """The load of a benchmark: its command, once, by one worker."""
    return Load(burst=Burst(requests=1, concurrency=1))


def _list_map(*keys: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class PerfTestSettings(ApiModel):
    """What of a test its runs do not execute, and whose workloads it observes.

    It is small whatever else a test holds, so the operator reads it by itself; the whole of a
    test is only parsed apart from its event loop.
    """

    model_config = ConfigDict(extra="ignore")

    schedule: Schedule | None = None
    run_on: Annotated[list[Literal["Change", "Rollout"]], Field(max_length=2)] | None = Field(
        default=None, description="Default: [Change] without a schedule, [] with one."
    )
    suspend: bool = Field(
        default=False, description="Stops runs by schedule and on change, not requested ones."
    )
    history_limits: HistoryLimits = HistoryLimits()
    observe: (
        Annotated[
            list[Observed],
            Field(min_length=1, max_length=16, json_schema_extra=_list_map("name")),
        ]
        | None
    ) = Field(
        default=None,
        description="What is looked at while the load goes on, for objectives and the report. Of "
        "workloads, images, replicas and limits are noted too, workers prefer nodes without their "
        "pods, and their rollouts start runs (runOn).",
    )
    baseline: Baseline = Field(
        default=Baseline(), description="Which earlier runs a run is compared with, and how."
    )
    notifications: Annotated[
        list[Notification], Field(max_length=16, json_schema_extra=_list_map("receiver"))
    ] = Field(default=[], description="Who is told of what, beside Events and metrics.")
    retry_inconclusive: Annotated[int, Field(ge=0, le=3)] = Field(
        default=0, description="How often a run that ended Inconclusive is done again by itself."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.runOn) || !('Rollout' in self.runOn) || has(self.observe)",
            holds=lambda spec: "Rollout" not in (spec.run_on or []) or spec.observe is not None,
            message="runOn Rollout needs observe: the workloads there are those whose rollouts "
            "start runs",
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
    """The whole of a test."""

    model_config = ConfigDict(extra="forbid")

    target: Target
    variables: Annotated[
        dict[VariableName, Annotated[str, Field(max_length=4096)]], Field(max_length=64)
    ] = {}
    feeds: Annotated[list[Feed], Field(max_length=16, json_schema_extra=_list_map("name"))] = []
    setup: Annotated[
        list[Step],
        Field(
            max_length=20,
            json_schema_extra=_list_map("name"),
            description="Run once before the load by worker 0; all workers see what it extracts.",
        ),
    ] = []
    teardown: Annotated[
        list[Step],
        Field(
            max_length=20,
            json_schema_extra=_list_map("name"),
            description="Run once at the end, whatever happened.",
        ),
    ] = []
    scenarios: (
        Annotated[
            list[Scenario],
            Field(min_length=1, max_length=50, json_schema_extra=_list_map("name")),
        ]
        | None
    ) = None
    load: Load = Field(
        default_factory=once, description="Needed, but of a benchmark, which has none."
    )
    slos: Annotated[
        list[Slo],
        Field(max_length=50, json_schema_extra=_list_map("metric", "of", "onBreach")),
    ] = []
    pod_template: PodTemplate | None = None

    rules = (
        *PerfTestSettings.rules,
        Rule(
            cel="has(self.load) || has(self.target.benchmark)",
            holds=lambda spec: spec.target.benchmark is not None or "load" in spec.model_fields_set,
            message="this field is required, but of a benchmark: it says how much load there is",
            field=".load",
        ),
        Rule(
            cel="!has(self.load) || !has(self.target.benchmark)",
            holds=lambda spec: spec.target.benchmark is None or spec.load == once(),
            message="a benchmark has no load: its command is run once in each run, by one worker, "
            "and the tool repeats inside",
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
        }
    )

    def what_runs(self, *, defaults: bool = True) -> dict[str, Any]:
        """The part of the spec that a run executes and is judged by.

        Without ``defaults`` it is what to hash: a field that a later version adds then changes
        nothing for a test that does not set it.
        """
        told = self.model_dump(
            mode="json",
            exclude=set(self.BOOKKEEPING),
            exclude_none=True,
            exclude_defaults=not defaults,
        )
        if self.target.benchmark is None and "load" not in told:
            # It was set, to what happens to be the load of a benchmark, which is none.
            told["load"] = self.load.model_dump(
                mode="json", exclude_none=True, exclude_defaults=not defaults
            )
        return told


class LastMissed(StatusModel):
    """A scheduled time at which no run was started, and why."""

    time: Time
    reason: str = Field(max_length=256)


class PerfTestStatus(StatusModel):
    """What the operator says of a test."""

    observed_generation: int | None = None
    conditions: Annotated[list[Condition], Field(max_length=16)] = []
    active: Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=100)] = []
    last_run: Annotated[str, Field(max_length=63)] | None = None
    last_verdict: Verdict | None = None
    last_slos: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="Objectives met of those judged, as in 3/4."
    )
    last_completion_time: Time | None = Field(
        default=None, description="When lastRun was completed."
    )
    last_schedule_time: Time | None = None
    next_schedule_time: Time | None = None
    last_successful_time: Time | None = None
    last_missed: LastMissed | None = None
    last_change: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="The hash of what ran at the last change."
    )
    last_request: Annotated[str, Field(max_length=256)] | None = None
    last_rollout: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="The hash of what the observed workloads ran when they stood."
    )
    last_retry: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="The last run that was started by retryInconclusive."
    )
    last_confirmation: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="The last run that was started to confirm a suspicion."
    )
    trend: TrendStatus | None = None
    scheduled_since: Time | None = Field(
        default=None, description="Since when the present schedule counts."
    )
    schedule_hash: Annotated[str, Field(max_length=63)] | None = None
    check: CheckStatus | None = Field(
        default=None, description="What the check of observedGeneration came to."
    )


class CheckedTest(StatusModel):
    """A test whose spec was accepted, without what only its runs need."""

    metadata: Metadata
    spec: PerfTestSettings
    status: PerfTestStatus = PerfTestStatus()
    what_runs: str
    """The hash of what its runs execute and are judged by."""


class PerfTest(ApiModel):
    """A performance test of one target, run on a schedule, on change or on request."""

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    spec: PerfTestSpec
    status: PerfTestStatus = PerfTestStatus()
