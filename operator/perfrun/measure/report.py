"""The messages of a worker: ready, progress (advisory), and the final report."""

import gzip
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from perfrun.api.base import Sentence
from perfrun.api.test.metric import MEASURES
from perfrun.measure.benchmark import BenchmarkRecord
from perfrun.measure.histogram import Histogram, Room
from perfrun.measure.observed import MAX_OBSERVATIONS, Observation, add_observations
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import (
    MAX_WORKERS,
    GeneratorRecord,
    Outcome,
    PhaseRecord,
    Timing,
    timing_key,
)
from perfrun.measure.script import ScriptRecord, ToolThreshold, check_script_phase, fold_surplus
from perfrun.measure.series import MAX_POINTS, Series
from perfrun.measure.sketch import MAX_BUCKETS
from perfrun.measure.wire import (
    MAX_ERROR_CLASSES,
    ConservationError,
    Count,
    ErrorName,
    Moment,
    Nanoseconds,
    Rate,
    Wire,
    WireHistogram,
    law,
    parse_json,
    unzip,
)

MAX_REPORT_BYTES = 16 * 1024 * 1024
"""Maximum size of JSON: twice the limit of the compressed form, because histograms hardly
compress."""
MAX_REPORT_VALUES = 600_000
"""Maximum number of values in JSON. Most belong to a series: 420,000 if latencies are spread over
three decades in each second.
"""
MAX_REPORT_ROOM = 96 * 1024 * 1024
"""Memory that the decoded histograms of one report may take, in bytes."""
MAX_MERGED_ROOM = 256 * 1024 * 1024
"""Bytes of the histograms of all workers together."""
MAX_COUNT = 2**50
"""Maximum count in a point of a worker's series: the sum of 5,000 workers still fits into 63
bits."""
MAX_HOLDS = 1000
MAX_ABORTS = 16
MAX_FORBIDDEN = 4096
MAX_EXTRACTED, MAX_EXTRACTED_LENGTH = 2000, 64 * 1024
"""How many values a setup extracts, and how many characters each of them may have."""
TERMINATED = "terminated"
"""The reason of a worker that was stopped by a signal: an eviction, a drain, or a deletion."""
_TIMINGS = {timing_key(timing, outcome) for timing in Timing for outcome in Outcome}
_OUTCOMES = {outcome.value for outcome in Outcome}


Extracted = Annotated[
    dict[
        Annotated[str, Field(max_length=63)], Annotated[str, Field(max_length=MAX_EXTRACTED_LENGTH)]
    ],
    Field(max_length=MAX_EXTRACTED),
]
"""By variable."""


class Trouble(Wire):
    """Why a worker cannot continue: an error class, and a sentence for the user."""

    reason: str = Field(max_length=64)
    """DNS, Connect, TLS, Policy, Data, Internal."""
    message: Sentence


class Ready(Wire):
    """A worker is at the barrier, or cannot get there."""

    version: Literal[1] = 1
    ceiling: Rate = 0.0
    """Requests per second that it reached against itself."""
    trouble: Trouble | None = None
    """Set: the target cannot be reached; an error of the run, once startTimeout has passed."""
    final: bool = False
    """With ``trouble``: trying again will not help, for example if a Secret is missing."""
    setup: Extracted | None = None
    """From worker 0, after the setup: the extracted values. Never stored or shown."""
    aborts: list[ToolThreshold] = Field(default=[], max_length=MAX_ABORTS)
    """From worker 0: thresholds of its script that end the load."""
    script_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the script's files, as this worker has them."""
    master: (
        Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Fa-f.:\[\]]+:[0-9]{1,5}$")] | None
    ) = None
    """From worker 0: address and port of the tool's own master, once it listens."""


class Start(Wire):
    """The answer to :class:`Ready`."""

    start_in: Moment | None = None
    """ns until T0, negative if it has passed; None: not yet, ask again."""
    stop: str | None = None
    """If set: do not start; report with this reason."""
    setup: bool = False
    """Run the setup now, and send Ready again with the extracted values."""
    values: Extracted = {}
    """With ``start_in``: the values that the setup extracted."""
    master: str | None = None
    """Where the tool's own master listens, once worker 0 has reported it."""


class Interval(Wire):
    """The progress of a worker: cumulative counts since T0, and latencies since the last
    interval."""

    version: Literal[1] = 1
    sequence: Count
    elapsed: Nanoseconds
    """Since T0."""
    in_flight: Count
    planned: Count
    started: Count
    dropped: Count
    sent: Count
    succeeded: Count
    failed: Count
    errors: dict[ErrorName, Count] = Field(default={}, max_length=MAX_ERROR_CLASSES)
    latency: WireHistogram
    """Latencies of all requests that succeeded since the last interval."""

    def check(self) -> None:
        """Raise ConservationError unless the counts add up."""
        law("planned = started + dropped", self.planned, self.started + self.dropped)
        law("failed = sum of errors", self.failed, sum(self.errors.values()))
        if self.succeeded + self.failed > self.sent:
            raise ConservationError(f"more requests ended than the {self.sent} that were sent")
        if self.latency.count > self.succeeded:
            raise ConservationError(
                f"{self.latency.count} latencies for {self.succeeded} successes"
            )


class Hold(Wire):
    """A rate that a capacity search tries: all workers together generate it for this time."""

    number: int = Field(ge=1, le=MAX_HOLDS)
    """Number of the hold, from 1."""
    rate: Rate = Field(gt=0)
    """Iterations per second, over all workers."""
    start: Nanoseconds
    """After T0."""
    length: Nanoseconds = Field(gt=0)


class Order(Wire):
    """The answer to an :class:`Interval`."""

    stop: str | None = None
    """If set: end the load now; the text says who requested it, or which condition was true."""
    breached: bool = False
    """With ``stop``: it was a condition of ``stopWhen``."""
    hold: Hold | None = None
    """In a capacity search: the last announced hold. It is repeated in every answer."""
    cut: str | None = None
    """If set: a condition of ``stopWhen`` was true; end ``hold`` now, and wait for the next one."""
    done: bool = False
    """The capacity search is over: there are no more holds."""
    others_done: bool = False
    """Every other worker's report is stored: only this worker still sends requests."""
    repost: bool = False
    """Send the extracted values of the setup again: this coordinator is a new one."""


class WorkerReport(Wire):
    """Everything that a worker, or by :meth:`add` all workers together, measured."""

    version: Literal[1] = 1
    workers: int = Field(default=1, ge=1, le=MAX_WORKERS)
    """Number of workers whose reports it contains."""
    warmup: PhaseRecord
    window: PhaseRecord
    generator: GeneratorRecord
    series: Series
    window_time: Nanoseconds
    """Length of the window; a burst's window ends with its last outcome."""
    load_time: Nanoseconds
    """From T0 to the end of the load (planned end, or an earlier stop)."""
    stopped: Sentence | None = None
    """If set: the load ended early, for this reason; :data:`TERMINATED` if no reporting worker was
    left to continue it."""
    breached: bool = False
    """With ``stopped``: the reason is a condition of ``stopWhen`` that was true."""
    hold: int = Field(default=0, ge=0, le=MAX_HOLDS)
    """A capacity search: the number of the hold that the window is; earlier ones are in the
    warm-up. 0: none was held, or it is another load."""

    setup: PhaseRecord = PhaseRecord()
    teardown: PhaseRecord = PhaseRecord()
    """Each is one iteration of a scenario of that name, by worker 0; the teardown by another worker
    if worker 0 was lost."""
    untidy: Sentence | None = None
    """What went wrong with the teardown."""
    forbidden: str | None = Field(default=None, max_length=MAX_FORBIDDEN)
    """The message of a policy that refused a host."""
    observed: list[Observation] = Field(default=[], max_length=MAX_OBSERVATIONS)
    """Observations of ``spec.observe``, by name and metric."""
    benchmark: BenchmarkRecord | None = None
    """The results of a benchmark target."""
    script: ScriptRecord | None = None
    """What the tool of a script measured besides requests."""
    late: Nanoseconds = 0
    """How long after its start the last worker learned of the hold."""

    @classmethod
    def of_nothing(cls) -> "WorkerReport":
        """The report of a worker that generated no load."""
        return cls(
            warmup=PhaseRecord(),
            window=PhaseRecord(),
            generator=GeneratorRecord.empty(),
            series=Series(),
            window_time=0,
            load_time=0,
        )

    def add_teardown(self, other: "WorkerReport") -> None:
        """Add the report of the worker that only ran the teardown."""
        self.teardown.add(other.teardown)
        self.untidy = self.untidy or other.untidy

    def add(self, other: "WorkerReport") -> None:
        """Add another worker. Associative and commutative except for the order of lists.

        In a capacity search the window is the last hold: a worker that did not learn of it has
        none.
        """
        if other.hold < self.hold:
            other = other.model_copy(deep=True)
            other._close_window()
        elif self.hold < other.hold:
            self._close_window()
            self.hold = other.hold
        self.workers += other.workers
        self.warmup.add(other.warmup)
        self.window.add(other.window)
        self.setup.add(other.setup)
        self.teardown.add(other.teardown)
        self.generator.add(other.generator)
        self.series.add(other.series)
        self.window_time = max(self.window_time, other.window_time)
        self.load_time = max(self.load_time, other.load_time)
        self.untidy = self.untidy or other.untidy
        self.forbidden = self.forbidden or other.forbidden
        ended_by = max(self, other, key=_end_rank)
        self.stopped, self.breached = ended_by.stopped, ended_by.breached
        self.late = max(self.late, other.late)
        self.benchmark = self.benchmark or other.benchmark
        self._add_script(other)
        add_observations(self.observed, other.observed)

    def _add_script(self, other: "WorkerReport") -> None:
        if other.script is None:
            return
        if self.script is None:
            self.script = other.script.model_copy(deep=True)
        else:
            self.script.add(other.script)
        self.script.renamed += fold_surplus(self.window)

    def _close_window(self) -> None:
        """Count the window as an earlier hold."""
        self.warmup.add(self.window)
        self.window = PhaseRecord()
        self.window_time = self.late = 0
        known = GeneratorRecord.empty()
        known.ceiling, known.started_at = self.generator.ceiling, self.generator.started_at
        self.generator = known

    def check(self) -> None:
        """Raise ConservationError unless the laws of measuring hold."""
        for phase in (self.setup, self.warmup, self.window, self.teardown):
            phase.check()
        self.generator.check()
        self.series.check()
        if self.script is not None:
            self.script.check()

    def pack(self) -> bytes:
        """The report as it is sent and stored: JSON in gzip, the same bytes for the same report."""
        return gzip.compress(self.to_bytes(), compresslevel=6, mtime=0)

    @classmethod
    def unpack(cls, packed: bytes, plan: RunPlan | None = None) -> "WorkerReport":
        """The reverse of :meth:`pack`. Raises ValueError for anything else, or too much.

        With ``plan`` also for other steps than the plan's, before any histogram is decoded, and for
        counts that do not add up.
        """
        raw = parse_json(unzip(packed, MAX_REPORT_BYTES), MAX_REPORT_VALUES)
        if plan is None:
            return read_report(raw)
        check_belongs(raw, plan)
        report = read_report(raw)
        _check_is_one(report)
        return report

    @property
    def histogram_bytes(self) -> int:
        """Approximate memory of all histograms."""
        return sum(one.size for one in self._histograms())

    def _histograms(self) -> Iterator[Histogram]:
        yield self.generator.lag
        yield self.generator.pauses
        for phase in (self.setup, self.warmup, self.window, self.teardown):
            for step in phase.steps:
                yield from step.timings.values()
                yield from step.measures.values()
            for scenario in phase.scenarios:
                yield from scenario.journeys.values()
        if self.script is not None:
            yield from self.script.histograms()


def read_report(raw: Any) -> WorkerReport:
    """The report of a parsed document, within its bounds. Raises ValueError."""
    return WorkerReport.model_validate(raw, context=Room(MAX_REPORT_ROOM))


def _check_is_one(report: WorkerReport) -> None:
    """Raise ValueError unless a report is from one worker, and adds up."""
    if (
        report.workers != 1
        or max(len(report.generator.started_at), len(report.generator.machines)) > 1
    ):
        raise ValueError("a report of several workers")
    try:
        report.check()
    except ConservationError as error:
        raise ValueError(str(error)) from error


def add_report(whole: WorkerReport | None, report: WorkerReport) -> WorkerReport:
    """``whole`` with one more report added. Raises ValueError for too much in total.

    After that, ``whole`` must not be used any more.
    """
    if whole is None:
        return report
    whole.add(report)
    if whole.histogram_bytes > MAX_MERGED_ROOM:
        raise ValueError(
            f"the histograms of all workers take more than {MAX_MERGED_ROOM // 1024**2} MiB "
            f"together: test fewer steps at once"
        )
    return whole


def _end_rank(report: WorkerReport) -> int:
    """Why the whole load ended, judging by the end of one worker's load: a condition or a request
    ends it for all; if a worker was stopped alone, the others continue it.
    """
    if report.breached:
        return 3
    if report.stopped is None:
        return 1
    return 0 if report.stopped == TERMINATED else 2


def check_belongs(raw: Any, plan: RunPlan) -> None:
    """Raise ValueError unless a report has the steps and scenarios of its plan, each once.

    What a script names its requests is known only from its reports: there is a bound on how many.
    """
    of_load = [(one.name, step.name) for one in plan.scenarios for step in one.steps]
    of_setup = [("setup", step.name) for step in plan.setup]
    of_teardown = [("teardown", step.name) for step in plan.teardown]
    try:
        for phase, steps in (
            (raw["warmup"], set(of_load)),
            (raw["window"], set(of_load)),
            (raw["setup"], set(of_setup)),
            (raw["teardown"], set(of_teardown)),
        ):
            if plan.target.script is not None:
                check_script_phase(phase)
            else:
                _check_steps(phase, steps)
            _check_keys(phase)
        _check_series(raw["series"])
        _check_observed(raw.get("observed", []), plan)
        for kind in ("benchmark", "script"):
            if raw.get(kind) is not None and plan.target.kind != kind:
                raise ValueError(f"a report with {kind} results, although its plan is no {kind}")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("a report that is not in the expected format") from error


def _check_steps(phase: Any, steps: set[tuple[str, str]]) -> None:
    """Raise ValueError for steps and scenarios that are not in ``steps``, or occur twice."""
    named = [(record["scenario"], record["step"]) for record in phase["steps"]]
    scenarios = [record["scenario"] for record in phase["scenarios"]]
    if len(set(named)) < len(named) or not steps.issuperset(named):
        raise ValueError("a report with steps that are not in its plan or occur twice")
    known = {scenario for scenario, _ in steps}
    if len(set(scenarios)) < len(scenarios) or not known.issuperset(scenarios):
        raise ValueError("a report with scenarios that are not in its plan")
    seen = phase.get("picture")
    if seen is not None and (seen["scenario"], seen["step"]) not in steps:
        raise ValueError("a report with a picture of a step that is not in its plan")


def _check_keys(phase: Any) -> None:
    """Raise ValueError for unknown keys in the records of a phase, or too many of them."""
    for record in phase["steps"]:
        if not _TIMINGS.issuperset(record["timings"]):
            raise ValueError("a report with unknown timings")
        if not MEASURES.keys() >= set(record.get("measures", ())):
            raise ValueError("a report with unknown measures")
        if max(len(record["errors"]), len(record.get("messages", ()))) > MAX_ERROR_CLASSES:
            raise ValueError("a report with too many error classes")
    if not all(_OUTCOMES.issuperset(record["journeys"]) for record in phase["scenarios"]):
        raise ValueError("a report with unknown outcomes")


def _check_observed(raw: Any, plan: RunPlan) -> None:
    """Raise ValueError for observations that are not in the plan or occur twice, and for points
    beyond their bounds."""
    named = [(one["name"], one["metric"]) for one in raw]
    if not {thing.name for thing in plan.observe}.issuperset(name for name, _ in named):
        raise ValueError("a report with an observation that is not in its plan")
    if len(set(named)) < len(named):
        raise ValueError("a report with an observation that occurs twice")


def _check_series(raw: Any) -> None:
    """Raise ValueError for a series that is larger than a worker's can be."""
    errors, sketches = raw["errors"], raw["latency"]
    if len(errors) > MAX_ERROR_CLASSES:
        raise ValueError("a report with too many error classes in its series")
    names = ("planned", "started", "succeeded", "failed", "inFlight", "lag")
    lists = [*(raw[name] for name in names), *errors.values()]
    if any(len(points) > MAX_POINTS for points in (*lists, sketches)):
        raise ValueError(f"a report with a series of more than {MAX_POINTS} points")
    if any(len(sketch["buckets"]) > MAX_BUCKETS for sketch in sketches):
        raise ValueError(f"a report with a point with more than {MAX_BUCKETS} latency buckets")
    if any(
        max(counts, default=0) > MAX_COUNT
        for counts in (*lists, *(sketch["counts"] for sketch in sketches))
    ):
        raise ValueError(f"a report with a count above {MAX_COUNT} in a point")


def merge(reports: list[WorkerReport]) -> WorkerReport:
    """One report of several workers'; its laws are checked. Needs at least one."""
    whole = reports[0].model_copy(deep=True)
    for report in reports[1:]:
        whole.add(report)
    whole.check()
    return whole
