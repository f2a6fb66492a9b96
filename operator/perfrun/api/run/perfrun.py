"""PerfRun: one execution of a PerfTest, and its results."""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from perfrun.api.base import ApiModel, Rule, Sentence, StatusModel
from perfrun.api.metadata import Conditions, RunMetadata
from perfrun.api.names import DNS_LABEL, TEST_NAME_MAX
from perfrun.api.run.environment import Environment
from perfrun.api.run.overrides import Overrides
from perfrun.api.test.metric import subject
from perfrun.api.test.observe import ObservedStatus
from perfrun.api.times import Time

Text = Annotated[str, Field(max_length=64)]
Name = Annotated[str, Field(max_length=128)]
Count = Annotated[int, Field(ge=0)]

MAX_STEPS = 100
MAX_SLOS = 100
MAX_HOLDS = 100
MAX_BENCHMARKS_SHOWN = 100
MAX_TOOL_ROWS = 60
MAX_THRESHOLD = 200
LongName = Annotated[str, Field(max_length=256)]

Reason = Literal["Scheduled", "Change", "Requested", "Rollout", "Confirmation", "Retry"]
NoticeOutcome = Literal["Delivered", "GivenUp"]
Effect = Literal["Inflating", "UnderLoading", "Informing"]


StepName = Annotated[str, Field(max_length=200)]


class Phase(StrEnum):
    """The progress of a run."""

    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    COLLECTING = "Collecting"
    DONE = "Done"


class Verdict(StrEnum):
    """The result of an objective, or of a whole run."""

    PASS = "Pass"  # noqa: S105 (not a password)
    NOT_APPLICABLE = "NotApplicable"
    INCONCLUSIVE = "Inconclusive"
    WARN = "Warn"
    FAIL = "Fail"
    ERROR = "Error"


class TestRef(ApiModel):
    """The test to run, in the same namespace."""

    name: Annotated[str, Field(pattern=DNS_LABEL, min_length=1, max_length=TEST_NAME_MAX)] = Field(
        description="Name of the PerfTest."
    )


class PerfRunSpec(ApiModel):
    """Which test to run, and why. Immutable except for ``stop``."""

    test_ref: TestRef
    reason: Reason = Field(
        default="Requested", description="Why the run was created. Leave it out in your own runs."
    )
    scheduled_time: Time | None = Field(
        default=None, description="The time in the schedule that the run was created for, in UTC."
    )
    overrides: Overrides | None = None
    stop: bool = Field(
        default=False, description="Set it to true to end the load now. It cannot be set back."
    )

    rules = (
        Rule(
            cel="self.testRef == oldSelf.testRef && self.reason == oldSelf.reason",
            holds=lambda _: True,  # a transition: only the API server sees both objects
            message="a PerfRun is immutable; only stop may be set to true",
        ),
        Rule(
            cel="has(self.scheduledTime) == has(oldSelf.scheduledTime) &&"
            " (!has(self.scheduledTime) || self.scheduledTime == oldSelf.scheduledTime)",
            holds=lambda _: True,
            message="a PerfRun is immutable; only stop may be set to true",
            field=".scheduledTime",
        ),
        Rule(
            cel="has(self.overrides) == has(oldSelf.overrides) &&"
            " (!has(self.overrides) || self.overrides == oldSelf.overrides)",
            holds=lambda _: True,
            message="a PerfRun is immutable; only stop may be set to true",
            field=".overrides",
        ),
        Rule(
            cel="self.stop || !oldSelf.stop",
            holds=lambda _: True,
            message="a stopped run cannot be started again: create a new PerfRun",
            field=".stop",
        ),
    )


class QueueStatus(StatusModel):
    """Why the run waits in the queue, and for how many others. Set while it is queued."""

    reason: Sentence = Field(description="Why the run waits.")
    position: Count = Field(description="Approximate position in the queue; 1 is next.")


class WorkerCounts(StatusModel):
    """Numbers of workers."""

    planned: Count = Field(description="Workers that the run needs.")
    ready: Count = Field(default=0, description="Workers that were ready to start the load.")
    reported: Count = Field(default=0, description="Workers that have sent their report.")


class IterationCounts(StatusModel):
    """Numbers of iterations: planned = started + dropped."""

    planned: Count = Field(description="Iterations that were due.")
    started: Count = Field(description="Iterations that were started.")
    dropped: Count = Field(description="Iterations that were due but could not be started.")


class RequestCounts(StatusModel):
    """Numbers of requests: sent = succeeded + failed + censored."""

    sent: Count = Field(description="Requests that were sent.")
    succeeded: Count = Field(description="Requests that succeeded.")
    failed: Count = Field(description="Requests that failed, including timeouts.")
    censored: Count = Field(description="Requests that were still open when the run ended.")


class AttemptCounts(StatusModel):
    """Requests on the wire, including redirects and retries, as the target counts them."""

    setup: Count = Field(default=0, description="Attempts in the setup.")
    warmup: Count = Field(
        default=0,
        description="Attempts before the window: in the warm-up, or in earlier holds of a capacity "
        "search.",
    )
    window: Count = Field(default=0, description="Attempts in the window.")
    teardown: Count = Field(default=0, description="Attempts in the teardown.")


class Unsupported(StatusModel):
    """A percentile that has too few samples to be reported."""

    statistic: Name = Field(description="Name of the percentile. Example: p99.")
    reason: Sentence = Field(
        description="Why it is not given. Example: needs 1000 samples, but there were 320."
    )


UnsupportedList = Annotated[list[Unsupported], Field(max_length=16)]


class LatencyStatus(StatusModel):
    """Response times, as in `30.1ms`; `≥` marks a lower bound. A percentile with too few samples
    is left out, and `unsupported` says why."""

    avg: Text | None = Field(default=None, description="Average.")
    min: Text | None = Field(default=None, description="Minimum.")
    p50: Text | None = Field(default=None, description="50th percentile (median).")
    p75: Text | None = Field(default=None, description="75th percentile.")
    p90: Text | None = Field(default=None, description="90th percentile.")
    p95: Text | None = Field(default=None, description="95th percentile.")
    p99: Text | None = Field(default=None, description="99th percentile.")
    p999: Text | None = Field(default=None, description="99.9th percentile.")
    max: Text | None = Field(default=None, description="Maximum.")
    unsupported: UnsupportedList | None = Field(
        default=None, description="Percentiles that have too few samples."
    )


class MeasureStatus(StatusModel):
    """Measurements of a page. A percentile with too few samples is left out, and `unsupported`
    says why."""

    samples: Count = Field(default=0, description="Number of samples.")
    p50: Text | None = Field(default=None, description="50th percentile (median).")
    p75: Text | None = Field(default=None, description="75th percentile.")
    p95: Text | None = Field(default=None, description="95th percentile.")
    max: Text | None = Field(default=None, description="Maximum.")
    unsupported: UnsupportedList | None = Field(
        default=None, description="Percentiles that have too few samples."
    )


class HoldStatus(StatusModel):
    """A rate that a capacity search tried."""

    rate: Text = Field(description="The rate of iterations. Example: 400/s.")
    start_time: Time | None = Field(default=None, description="When the hold started.")
    outcome: Literal["Met", "Missed", "Unclear", "Lost", "Repeated"] | None = Field(
        default=None,
        description="Met: all objectives were met. Missed: one was not. Unclear: the load "
        "generator was the limit. Lost: a worker was lost. Repeated: not judged, the rate is held "
        "again. Not set while the hold is in progress.",
    )
    throughput: Text | None = Field(default=None, description="Successful requests per second.")
    error_rate: Text | None = Field(default=None, description="Share of requests that failed.")
    p95: Text | None = Field(default=None, description="95th percentile of the response time.")
    message: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Explains the outcome."
    )


class CapacityStatus(StatusModel):
    """Progress of a capacity search."""

    holds: Annotated[list[HoldStatus], Field(max_length=MAX_HOLDS)] = Field(
        default=[], description="The rates that were tried, in order."
    )


Errors = Annotated[dict[Name, Count], Field(max_length=64)]
StatusCodes = Annotated[
    dict[Name, Count],
    Field(
        max_length=21,
        description="Number of answers by HTTP status code, redirects and retries included; of "
        'more than 20 codes, the others as `Other`. Example: `{"200": 990, "404": 10}`.',
    ),
]
MAX_EXAMPLES = 5


class Summary(StatusModel):
    """Measurements of the whole run."""

    window: Text = Field(
        description="Length of the window: the load without its warm-up. Example: 60s."
    )
    iterations: IterationCounts
    requests: RequestCounts
    attempts: AttemptCounts
    clock: Literal["Perfrun", "Tool"] = Field(
        default="Perfrun",
        description="Whose clock the times are from. Perfrun: from when a request was due. Tool: "
        "the script's own tool measured them; status.script.clock says what they include.",
    )
    capacity: Text | None = Field(
        default=None,
        description="Result of a capacity search: the highest rate that met the objectives. "
        "Example: 1200/s.",
    )
    throughput: Text = Field(description="Successful requests per second of the window.")
    transactions: Text = Field(
        description="Iterations per second of the window whose steps all succeeded."
    )
    success_rate: Text | None = Field(
        default=None, description="Share of requests that succeeded. Example: 99.94%."
    )
    error_rate: Text | None = Field(
        default=None, description="Share of requests that failed, including timeouts."
    )
    timeout_rate: Text | None = Field(default=None, description="Share of requests that timed out.")
    latency: LatencyStatus | None = None
    errors: Errors = Field(
        default={}, description="Number of failed requests by error class. Example: `{Timeout: 3}`."
    )
    status_codes: StatusCodes = {}


class StepStatus(StatusModel):
    """Measurements of one step."""

    name: StepName = Field(description="Name of the step.")
    scenario: StepName = Field(description="Name of its scenario.")
    requests: RequestCounts
    attempts: AttemptCounts
    throughput: Text = Field(description="Successful requests per second of the window.")
    success_rate: Text | None = Field(default=None, description="Share of requests that succeeded.")
    error_rate: Text | None = Field(
        default=None, description="Share of requests that failed, including timeouts."
    )
    timeout_rate: Text | None = Field(default=None, description="Share of requests that timed out.")
    latency: LatencyStatus | None = None
    measures: Annotated[dict[Name, MeasureStatus], Field(max_length=32)] = Field(
        default={}, description="Measurements of a page by metric, for example pageLoad."
    )
    errors: Errors = Field(default={}, description="Number of failed requests by error class.")
    messages: Annotated[dict[Name, Annotated[str, Field(max_length=200)]], Field(max_length=64)] = (
        Field(
            default={}, description="The message of the first failed request of each error class."
        )
    )
    status_codes: StatusCodes = {}
    examples: Annotated[
        dict[Name, Annotated[str, Field(max_length=200)]], Field(max_length=MAX_EXAMPLES)
    ] = Field(
        default={},
        description="The first failed request of each status code: method, path, and what was "
        "wrong. Only of the most frequent codes.",
    )


def figure_of(part: Summary | StepStatus | MeasureStatus, metric: str) -> str | None:
    """The figure of a metric, as in ``latency.p95``: fields are named after metrics.

    None if there is none, for example for a percentile with too few samples.
    """
    value: Any = part
    for name in metric.split("."):
        value = getattr(value, re.sub("([A-Z])", r"_\1", name).lower(), None)
    return None if value is None else str(value)


class SloStatus(StatusModel):
    """An objective and its result."""

    metric: Name = Field(description="Name of the metric.")
    of: Annotated[str, Field(max_length=200)] = Field(
        default="", description="What the metric is about, as in spec.slos. Empty: everything."
    )
    threshold: Annotated[str, Field(max_length=MAX_THRESHOLD)] | None = Field(
        default=None,
        description="For a threshold of a script: its expression, in the unit of the tool. "
        "Example: p(95)<500.",
    )
    max: Text | None = Field(default=None, description="The highest value allowed.")
    min: Text | None = Field(default=None, description="The lowest value allowed.")
    on_breach: Literal["Warn", "Fail"] = Field(
        default="Warn", description="Verdict when the objective is missed."
    )
    measured: Text | None = Field(
        default=None, description="The measured value. `≥` marks a lower bound."
    )
    unsupported: Sentence | None = Field(
        default=None,
        description="Why there is no measured value although there are samples. "
        "Example: needs 1000 samples, but there were 320.",
    )
    samples: Count = Field(default=0, description="Number of samples that the value is based on.")
    verdict: Verdict = Field(description="Verdict of the objective.")
    message: Sentence = Field(
        description="One sentence with the measured value, the limit and the verdict."
    )

    @property
    def subject(self) -> str:
        """``latency.p95 of list``."""
        return subject(self.metric, self.of)


class ToolMetricStatus(StatusModel):
    """A metric of a script's tool, over the samples of all workers, in the tool's own unit."""

    name: LongName = Field(
        description="Name of the metric, with the selector of a threshold. "
        "Example: `http_req_duration{name:list}`."
    )
    kind: Literal["Trend", "Rate", "Counter", "Gauge"] = Field(description="Kind of the metric.")
    figures: Annotated[dict[Annotated[str, Field(max_length=40)], Text], Field(max_length=16)] = (
        Field(
            default={},
            description="Statistics by name, as the tool calls them. A percentile with too few "
            "samples is left out. Example: `{avg: 12.4, p(95): 40.1}`.",
        )
    )


class ToolCheckStatus(StatusModel):
    """How often a check of a script held."""

    name: LongName = Field(description="Name of the check.")
    passed: Count = Field(description="How often it held.")
    failed: Count = Field(description="How often it did not hold.")


class ScriptStatus(StatusModel):
    """What the tool of a script measured besides requests."""

    tool: Text = Field(description="The tool. Example: k6.")
    versions: Annotated[list[LongName], Field(max_length=16)] = Field(
        default=[], description="Its version; several if workers differ."
    )
    files: Annotated[list[Name], Field(max_length=16)] = Field(
        default=[], description="SHA-256 of the files of the script; several if workers differ."
    )
    clock: Sentence = Field(
        default="", description="What the times of the tool include, and what they do not."
    )
    message: Sentence | None = Field(
        default=None, description="How the tool failed. Not set if it ended as it should."
    )
    metrics: Annotated[list[ToolMetricStatus], Field(max_length=MAX_TOOL_ROWS)] = Field(
        default=[], description="Metrics of the tool, those of the script first."
    )
    checks: Annotated[list[ToolCheckStatus], Field(max_length=MAX_TOOL_ROWS)] = Field(
        default=[], description="Checks of the script, those that failed first."
    )
    left_out: Count = Field(
        default=0, description="Number of metrics and checks that are not listed."
    )


class BenchmarkFigures(StatusModel):
    """Results of one benchmark."""

    name: Annotated[str, Field(max_length=200)] = Field(description="Name of the benchmark.")
    figures: Annotated[dict[Annotated[str, Field(max_length=40)], Text], Field(max_length=32)] = (
        Field(
            default={},
            description="Statistics by metric, as the tool computed them. "
            "Example: `{mean: 5.11us}`.",
        )
    )


class BenchmarkStatus(StatusModel):
    """Results of the command of a benchmark target."""

    memory_peak: Text | None = Field(
        default=None,
        description="Maximum resident memory of the command or of its largest child process. "
        "Example: 64Mi.",
    )
    results: Annotated[list[BenchmarkFigures], Field(max_length=MAX_BENCHMARKS_SHOWN)] = Field(
        default=[], description="The benchmarks and their statistics."
    )
    left_out: Count = Field(
        default=0, description="Number of benchmarks that `results` does not contain."
    )
    message: Sentence | None = Field(
        default=None, description="Why the command failed, or why there are no results."
    )


class Finding(StatusModel):
    """A problem of the load generator that limits what the measurements can prove."""

    type: Name = Field(description="Type of the finding. Example: Lag.")
    effect: Effect = Field(
        description="Inflating: measured times are too long. UnderLoading: there was less load "
        "than planned. Informing: no effect on verdicts."
    )
    message: Sentence = Field(
        description="What happened, the measured value and its limit, and what to do."
    )


class GeneratorStatus(StatusModel):
    """Health of the load generator: all workers together."""

    lag_p99: Text | None = Field(
        default=None,
        alias="lagP99",
        description="99th percentile of the delay with which iterations of an open load started. "
        "Example: 0.4ms.",
    )
    cpu: Text | None = Field(
        default=None,
        description="CPU time of the workers as a share of one core each. Example: 35%.",
    )
    throttled: Text | None = Field(
        default=None, description="Share of CPU periods in which a CPU limit throttled workers."
    )
    cpu_wait: Text | None = Field(
        default=None,
        description="Share of the time in which a worker could have run, but waited for a CPU that "
        "other programs used. Example: 0.3%.",
    )
    steal: Text | None = Field(
        default=None,
        description="Share of the time in which other virtual machines had the worker's CPU.",
    )
    ceiling: Text | None = Field(
        default=None,
        description="Rate of requests that the workers reached in their self-check before the "
        "load. Example: 9000/s.",
    )
    start_skew: Text | None = Field(
        default=None, description="Time between the start of the first and the last worker."
    )
    send_spread: Text | None = Field(
        default=None, description="Time between the first and the last request sent in a burst."
    )
    coverage: Text | None = Field(
        default=None, description="Share of the planned load that workers reported on."
    )
    reuse: Text | None = Field(
        default=None, description="Share of requests that used a connection that was already open."
    )
    findings: Annotated[list[Finding], Field(max_length=32)] = Field(
        default=[], description="Problems that limit what the measurements can prove."
    )


class ResultRef(StatusModel):
    """Where the full result is stored. Not set if it was not or is no longer stored."""

    config_maps: Annotated[list[Name], Field(max_length=16)] = Field(
        default=[], description="Names of the ConfigMaps that hold the parts of the result."
    )
    sha256: Name = Field(default="", description="SHA-256 of the result, in hexadecimal.")
    bytes: Count = Field(default=0, description="Size of the result, in bytes.")


class PerfRunStatus(StatusModel):
    """The most recently observed state of the run."""

    observed_generation: int | None = Field(
        default=None, description="The metadata.generation of the run that this status describes."
    )
    phase: Phase | None = Field(
        default=None,
        description="Queued: waits for its turn. Starting: workers start. Running: the load runs. "
        "Collecting: workers report. Done: the run has a verdict.",
    )
    verdict: Verdict | None = Field(
        default=None,
        description="Result of the run: the worst verdict of its objectives, or Error if it could "
        "not be judged. Set when the run is done.",
    )
    message: Sentence | None = Field(
        default=None,
        description="Explains the verdict. Before the load starts: what the run waits for.",
    )
    revision: Name | None = Field(
        default=None,
        description="Name of the ControllerRevision with the spec of the test that is run.",
    )
    comparison_key: Name | None = Field(
        default=None,
        description="Hash of what is measured. Only runs with the same key are compared.",
    )
    script_hash: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="SHA-256 of the files of a script: in a ConfigMap, when the run was accepted; "
        "in a volume, as the workers read them. It is a part of the comparison key.",
    )
    overridden: Sentence | None = Field(
        default=None,
        description="What the run overrides of its test, in one line. Example: "
        "load.scale: 0.1, labels.pull-request: 123.",
    )
    target: Annotated[str, Field(max_length=5000)] | None = Field(
        default=None,
        description="Host and port under load; of a script each of its targets, separated by "
        "commas. By default, one run at a time loads a target.",
    )
    queue: QueueStatus | None = None
    job: Name | None = Field(
        default=None, description="Name of the Job of the workers, once it is created."
    )
    launch_error: Sentence | None = Field(
        default=None, description="Why the last attempt to create the Job failed."
    )
    accepted_time: Time | None = Field(
        default=None,
        description="When the run first left the queue. load.startTimeout counts from then.",
    )
    turn_time: Time | None = Field(
        default=None,
        description="When the run last left the queue. A run whose pods are not scheduled may "
        "return to it.",
    )
    turns: Count | None = Field(
        default=None, description="How many times the run has left the queue."
    )
    start_deadline: Time | None = Field(
        default=None,
        description="When a run that returned to the queue must have started.",
    )
    start_time: Time | None = Field(default=None, description="When the load started.")
    load_end_time: Time | None = Field(default=None, description="When the load ended.")
    report_deadline: Time | None = Field(
        default=None, description="When the operator stops waiting for the reports of workers."
    )
    teardown_deadline: Time | None = Field(
        default=None,
        description="When the pod that replaces a lost worker 0 must have finished the teardown.",
    )
    completion_time: Time | None = Field(default=None, description="When the run was done.")
    workers: WorkerCounts | None = None
    progress: Sentence | None = Field(
        default=None, description="Progress of the load. Set while it runs."
    )
    stopped: Sentence | None = Field(default=None, description="Who or what ended the load early.")
    untidy: Sentence | None = Field(
        default=None, description="Why the teardown failed. The target may hold leftover data."
    )
    capacity: CapacityStatus | None = None
    summary: Summary | None = None
    steps: Annotated[list[StepStatus], Field(max_length=MAX_STEPS)] = Field(
        default=[], description="Measurements of each step."
    )
    slos: Annotated[list[SloStatus], Field(max_length=MAX_SLOS)] = Field(
        default=[], description="Results of the objectives."
    )
    observed: Annotated[list[ObservedStatus], Field(max_length=16)] = Field(
        default=[], description="Measurements of the entries of spec.observe."
    )
    benchmark: BenchmarkStatus | None = None
    script: ScriptStatus | None = None
    generator: GeneratorStatus | None = None
    environment: Environment | None = None
    not_compared: Sentence | None = Field(
        default=None,
        description="Why the trend leaves the run out: later runs are not compared with it. Not "
        "set if the run counts.",
    )
    result: ResultRef | None = None
    notified: Annotated[
        dict[Annotated[str, Field(max_length=16)], NoticeOutcome],
        Field(max_length=128),
    ] = Field(default={}, description="Result of each notification, by its id.")
    conditions: Conditions = Field(
        default=[], description="Conditions of the run: Complete, SLOMet, Reconciling, Stalled."
    )


class PerfRun(ApiModel):
    """One execution of a PerfTest, and its results."""

    model_config = ConfigDict(extra="ignore")

    metadata: RunMetadata
    spec: PerfRunSpec
    status: PerfRunStatus = PerfRunStatus()

    @property
    def test(self) -> str:
        """Its test with the namespace, as in ``shop/basket``."""
        return f"{self.metadata.namespace}/{self.spec.test_ref.name}"
