"""PerfRun: one execution of a PerfTest, and what came of it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from perfrun.api.base import ApiModel, Rule, StatusModel
from perfrun.api.environment import Environment
from perfrun.api.metadata import Condition, Metadata
from perfrun.api.names import DNS_LABEL, TEST_NAME_MAX
from perfrun.api.observe import ObservedStatus
from perfrun.api.sentence import Sentence
from perfrun.api.times import Time

Text = Annotated[str, Field(max_length=64)]
Name = Annotated[str, Field(max_length=128)]
Count = Annotated[int, Field(ge=0)]

MOST_STEPS = 100
MOST_SLOS = 100
MOST_HOLDS = 100
MOST_BENCHMARKS_TOLD = 100

Reason = Literal["Scheduled", "Change", "Requested", "Rollout", "Confirmation", "Retry"]


class Phase(StrEnum):
    """How far a run is."""

    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    COLLECTING = "Collecting"
    DONE = "Done"


class Verdict(StrEnum):
    """What an objective, or a whole run, came to."""

    PASS = "Pass"  # noqa: S105 (not a password)
    NOT_APPLICABLE = "NotApplicable"
    INCONCLUSIVE = "Inconclusive"
    WARN = "Warn"
    FAIL = "Fail"
    ERROR = "Error"


class TestRef(ApiModel):
    """The test that is run, in the same namespace."""

    name: Annotated[str, Field(pattern=DNS_LABEL, min_length=1, max_length=TEST_NAME_MAX)]


class PerfRunSpec(ApiModel):
    """Which test is run and why. Immutable but for ``stop``."""

    test_ref: TestRef
    reason: Reason = "Requested"
    scheduled_time: Time | None = None
    stop: bool = Field(default=False, description="Set to true to end the load now.")

    rules = (
        Rule(
            cel="self.testRef == oldSelf.testRef && self.reason == oldSelf.reason",
            holds=lambda _: True,  # a transition: only the API server sees both
            message="a PerfRun never changes; only stop may be set to true",
        ),
        Rule(
            cel="has(self.scheduledTime) == has(oldSelf.scheduledTime) &&"
            " (!has(self.scheduledTime) || self.scheduledTime == oldSelf.scheduledTime)",
            holds=lambda _: True,
            message="a PerfRun never changes; only stop may be set to true",
            field=".scheduledTime",
        ),
        Rule(
            cel="self.stop || !oldSelf.stop",
            holds=lambda _: True,
            message="a stopped run cannot be started again: create a new PerfRun",
            field=".stop",
        ),
    )


class QueueStatus(StatusModel):
    """Why a run waits, and behind how many others."""

    reason: Sentence
    position: Count


class WorkerCounts(StatusModel):
    """How many workers there are to be, were ready, and have reported."""

    planned: Count
    ready: Count = 0
    reported: Count = 0


class IterationCounts(StatusModel):
    """planned = started + dropped."""

    planned: Count
    started: Count
    dropped: Count


class RequestCounts(StatusModel):
    """sent = succeeded + failed + censored."""

    sent: Count
    succeeded: Count
    failed: Count
    censored: Count


class AttemptCounts(StatusModel):
    """Requests whose first byte was written, by phase: what the server itself counts."""

    setup: Count = 0
    warmup: Count = 0
    window: Count = 0
    teardown: Count = 0


class LatencyStatus(StatusModel):
    """A distribution in figures; a percentile without enough samples reads ``unsupported``."""

    avg: Text | None = None
    min: Text | None = None
    p50: Text | None = None
    p75: Text | None = None
    p90: Text | None = None
    p95: Text | None = None
    p99: Text | None = None
    p999: Text | None = None
    max: Text | None = None


class MeasureStatus(StatusModel):
    """What pages were measured by, in figures; ``unsupported`` as of latencies."""

    samples: Count = 0
    p50: Text | None = None
    p75: Text | None = None
    p95: Text | None = None
    max: Text | None = None


class HoldStatus(StatusModel):
    """One rate that a capacity search tried."""

    rate: Text
    start_time: Time | None = None
    outcome: Literal["Met", "Missed", "Unclear", "Lost", "Repeated"] | None = Field(
        default=None, description="Absent: it goes on."
    )
    throughput: Text | None = None
    error_rate: Text | None = None
    p95: Text | None = None
    message: Annotated[str, Field(max_length=512)] | None = None


class CapacityStatus(StatusModel):
    """How a capacity search went: its holds, in their order."""

    holds: Annotated[list[HoldStatus], Field(max_length=MOST_HOLDS)] = []


Errors = Annotated[dict[Name, Count], Field(max_length=64)]


class Summary(StatusModel):
    """The whole run in figures."""

    window: Text
    iterations: IterationCounts
    requests: RequestCounts
    attempts: AttemptCounts
    capacity: Text | None = Field(
        default=None, description="The highest rate that met the objectives, where it was searched."
    )
    throughput: Text
    transactions: Text
    success_rate: Text | None = None
    error_rate: Text | None = None
    timeout_rate: Text | None = None
    latency: LatencyStatus | None = None
    errors: Errors = {}


class StepStatus(StatusModel):
    """One step in figures."""

    name: Name
    scenario: Name
    requests: RequestCounts
    attempts: AttemptCounts
    throughput: Text
    success_rate: Text | None = None
    error_rate: Text | None = None
    timeout_rate: Text | None = None
    latency: LatencyStatus | None = None
    measures: Annotated[dict[Name, MeasureStatus], Field(max_length=32)] = Field(
        default={}, description="Of a step that visits a page: pageLoad and the like."
    )
    errors: Errors = {}
    said: Annotated[dict[Name, Annotated[str, Field(max_length=200)]], Field(max_length=64)] = (
        Field(default={}, description="Why requests failed: the first of each class, in words.")
    )


class SloStatus(StatusModel):
    """One objective, what was measured, and the sentence that says so."""

    metric: Name
    of: Annotated[str, Field(max_length=200)] = ""
    max: Text | None = None
    min: Text | None = None
    on_breach: Literal["Warn", "Fail"] = "Warn"
    measured: Text | None = None
    samples: Count = 0
    verdict: Verdict
    message: Sentence


class BenchmarkFigures(StatusModel):
    """One benchmark of a suite, in the statistics of its tool."""

    name: Annotated[str, Field(max_length=200)]
    figures: Annotated[dict[Annotated[str, Field(max_length=40)], Text], Field(max_length=32)] = {}


class BenchmarkStatus(StatusModel):
    """What came of the command of a benchmark."""

    memory_peak: Text | None = Field(
        default=None,
        description="Resident at most, of the command or of the largest process it waited for.",
    )
    results: Annotated[list[BenchmarkFigures], Field(max_length=MOST_BENCHMARKS_TOLD)] = []
    left_out: Count = Field(default=0, description="Benchmarks that are not told here.")
    message: Sentence | None = Field(
        default=None, description="How the command failed, or why there are no results."
    )


class Finding(StatusModel):
    """Something about the generator that limits what the figures can prove."""

    type: Name
    effect: Literal["Inflating", "UnderLoading", "Informing"]
    message: Sentence


class GeneratorStatus(StatusModel):
    """The health of the load generator itself."""

    lag_p99: Text | None = Field(default=None, alias="lagP99")
    cpu: Text | None = None
    throttled: Text | None = None
    ceiling: Text | None = None
    start_skew: Text | None = None
    send_spread: Text | None = None
    coverage: Text | None = None
    reuse: Text | None = Field(
        default=None, description="Requests that went over a connection that was open already."
    )
    findings: Annotated[list[Finding], Field(max_length=32)] = []


class ResultRef(StatusModel):
    """Where the full result document is kept."""

    config_maps: Annotated[list[Name], Field(max_length=16)] = []
    sha256: Name = ""
    bytes: Count = 0


class PerfRunStatus(StatusModel):
    """How far the run is and what came of it."""

    observed_generation: int | None = None
    phase: Phase | None = None
    verdict: Verdict | None = None
    message: Sentence | None = Field(
        default=None,
        description="What came of the run; before the load starts, what it waits for.",
    )
    revision: Name | None = None
    comparison_key: Name | None = None
    target: Annotated[str, Field(max_length=300)] | None = Field(
        default=None, description="host:port under load; one run at a time has it."
    )
    queue: QueueStatus | None = None
    job: Name | None = Field(default=None, description="The Job of the workers, once created.")
    launch_error: Sentence | None = Field(
        default=None, description="Why the Job could not be created when it was last tried."
    )
    accepted_time: Time | None = Field(
        default=None,
        description="When the run first left the queue; load.startTimeout counts from then.",
    )
    turn_time: Time | None = Field(
        default=None, description="When the run left the queue last; it may give its turn back."
    )
    turns: Count | None = Field(default=None, description="How often it has left the queue.")
    start_deadline: Time | None = Field(
        default=None,
        description="Of a run that gave its turn back because its pods were not scheduled: until "
        "when it may try again.",
    )
    start_time: Time | None = Field(default=None, description="When the load started (T0).")
    load_end_time: Time | None = None
    report_deadline: Time | None = Field(
        default=None, description="When the operator stops waiting for reports of workers."
    )
    teardown_deadline: Time | None = Field(
        default=None,
        description="Where worker 0 was lost: until when a pod of its own may run the teardown.",
    )
    completion_time: Time | None = None
    workers: WorkerCounts | None = None
    progress: Sentence | None = Field(default=None, description="While the load runs.")
    stopped: Sentence | None = Field(default=None, description="Who ended the load early.")
    untidy: Sentence | None = Field(
        default=None, description="What went wrong with the teardown: something may be left."
    )
    capacity: CapacityStatus | None = None
    summary: Summary | None = None
    steps: Annotated[list[StepStatus], Field(max_length=MOST_STEPS)] = []
    slos: Annotated[list[SloStatus], Field(max_length=MOST_SLOS)] = []
    observed: Annotated[list[ObservedStatus], Field(max_length=16)] = []
    benchmark: BenchmarkStatus | None = None
    generator: GeneratorStatus | None = None
    environment: Environment | None = None
    result: ResultRef | None = None
    notified: Annotated[
        dict[Annotated[str, Field(max_length=16)], Literal["Delivered", "GivenUp"]],
        Field(max_length=128),
    ] = Field(default={}, description="By the id of a notice, what became of it.")
    conditions: Annotated[list[Condition], Field(max_length=16)] = []


class PerfRun(ApiModel):
    """One execution of a PerfTest."""

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    spec: PerfRunSpec
    status: PerfRunStatus = PerfRunStatus()

    @property
    def test(self) -> str:
        """Its test with the namespace, as in ``shop/basket``."""
        return f"{self.metadata.namespace}/{self.spec.test_ref.name}"
