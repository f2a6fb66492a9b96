"""What a worker says: that it is ready, how it goes (advisory), and at the end everything."""

import gzip
import io
import json
from typing import Any, Literal

from pydantic import Field

from perfrun.api.metric import MEASURES
from perfrun.api.sentence import Sentence
from perfrun.measure.benchmark import BenchmarkRecord
from perfrun.measure.observed import MOST_OBSERVATIONS, Observation, add_observations
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import (
    GeneratorRecord,
    Outcome,
    PhaseRecord,
    Timing,
    timing_key,
)
from perfrun.measure.series import MOST_POINTS, Series
from perfrun.measure.sketch import MOST_BUCKETS
from perfrun.measure.wire import Wire, WireHistogram

MAX_REPORT_BYTES = 32 * 1024 * 1024
MOST_ERROR_CLASSES = 64
MOST_COUNT = 2**53
"""In a point of a worker's series: those of a thousand workers still fit into 63 bits."""
TERMINATED = "terminated"
"""Why a worker ended that was sent a signal: by an eviction, a drain, or somebody's deletion."""
_TIMINGS = {timing_key(timing, outcome) for timing in Timing for outcome in Outcome}
_OUTCOMES = {outcome.value for outcome in Outcome}


class Trouble(Wire):
    """Why a worker cannot go on: an error class, and a sentence for the user."""

    reason: str = Field(max_length=64)
    """DNS, Connect, TLS, Policy, Data, Internal."""
    message: Sentence


class Ready(Wire):
    """A worker stands at the barrier (or never will)."""

    version: Literal[1] = 1
    ceiling: float = 0.0
    """Requests a second that it reached against itself."""
    trouble: Trouble | None = None
    """Set: the target cannot be reached; an error of the run, once startTimeout has passed."""
    final: bool = False
    """With trouble: trying again will not help, as with a missing Secret."""
    setup: dict[str, str] | None = None
    """Worker 0, once it has run the setup: what that has extracted. Never kept or shown."""


class Start(Wire):
    """The answer to :class:`Ready`."""

    start_in: int | None = None
    """ns until T0, negative where it has passed; None: not yet, ask again."""
    stop: str | None = None
    """Set: do not start; report what there is, with this reason."""
    setup: bool = False
    """Run the setup now, and say ready again with what it has extracted."""
    values: dict[str, str] = {}
    """With ``start_in``: what the setup has extracted."""


class Interval(Wire):
    """How far a worker is: cumulative counts since T0, and latencies since the last interval."""

    version: Literal[1] = 1
    sequence: int
    elapsed: int
    """ns since T0."""
    in_flight: int
    planned: int
    started: int
    dropped: int
    sent: int
    succeeded: int
    failed: int
    errors: dict[str, int] = {}
    latency: WireHistogram
    """Of all requests that succeeded since the last interval."""


class Hold(Wire):
    """A rate that a capacity search tries: all workers together put it on for so long."""

    number: int = Field(ge=1)
    """Of the search's holds, from 1."""
    rate: float = Field(gt=0)
    """Iterations a second, of all workers."""
    start: int
    """ns after T0."""
    length: int = Field(gt=0)
    """ns."""


class Order(Wire):
    """The answer to an :class:`Interval`."""

    stop: str | None = None
    """Set: end the load now; the text says who asked, or which condition was true."""
    breached: bool = False
    """With ``stop``: it was a condition of ``stopWhen``."""
    hold: Hold | None = None
    """A capacity search: the hold that was told last. It is told again and again."""
    cut: str | None = None
    """Set: a condition of ``stopWhen`` was true, end ``hold`` now, and wait for the next one."""
    done: bool = False
    """The capacity search is over: there are no more holds."""
    others_done: bool = False
    """Every other worker's report is stored: nothing is sent any more but by this one."""
    repost: bool = False
    """Say again what the setup has extracted: this coordinator is a new one."""


class WorkerReport(Wire):
    """Everything that a worker, or by :meth:`add` all workers together, measured."""

    version: Literal[1] = 1
    workers: int = 1
    """How many workers' reports are in here."""
    warmup: PhaseRecord
    window: PhaseRecord
    generator: GeneratorRecord
    series: Series
    window_time: int
    """ns of the window; a burst's ends with its last outcome."""
    load_time: int
    """ns from T0 to the end of the load (planned end, or an earlier stop)."""
    stopped: str | None = None
    """Set: the load ended before its plan, for this reason; :data:`TERMINATED` where no worker that
    reported was left to go on with it."""
    breached: bool = False
    """With ``stopped``: the reason is a condition of ``stopWhen`` that was true."""
    hold: int = 0
    """A capacity search: the number of the hold that the window is; earlier ones are in the
    warm-up. 0: none was held, or it is another load."""

    setup: PhaseRecord = PhaseRecord()
    teardown: PhaseRecord = PhaseRecord()
    """Each one iteration of a scenario of that name, by worker 0; the teardown by another one
    where that was lost."""
    untidy: Sentence | None = None
    """What went wrong with the teardown."""
    forbidden: str | None = Field(default=None, max_length=4096)
    """What a policy said of a host that was to be connected to."""
    observed: list[Observation] = Field(default=[], max_length=MOST_OBSERVATIONS)
    """What was seen of ``spec.observe``, by name and metric."""
    benchmark: BenchmarkRecord | None = None
    """What the target said of itself, where it is a benchmark."""
    late: int = 0
    """How long after its start, ns, the hold was taken up by the worker that heard of it last."""

    @classmethod
    def of_nothing(cls) -> "WorkerReport":
        """The report of a worker that has put on no load."""
        return cls(
            warmup=PhaseRecord(),
            window=PhaseRecord(),
            generator=GeneratorRecord.empty(),
            series=Series(),
            window_time=0,
            load_time=0,
        )

    def add_teardown(self, other: "WorkerReport") -> None:
        """Take in what a worker has reported that only ran the teardown."""
        self.teardown.add(other.teardown)
        self.untidy = self.untidy or other.untidy

    def add(self, other: "WorkerReport") -> None:
        """Take another worker in. Associative and commutative but for the order of lists.

        Of a capacity search the window is the last hold: who did not hear of it has none.
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
        ended_by = max(self, other, key=_says_more)
        self.stopped, self.breached = ended_by.stopped, ended_by.breached
        self.late = max(self.late, other.late)
        self.benchmark = self.benchmark or other.benchmark
        add_observations(self.observed, other.observed)

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
        self.series.check()

    def pack(self) -> bytes:
        """The report as it is sent and stored: JSON in gzip, the same bytes for the same report."""
        return gzip.compress(self.to_bytes(), compresslevel=6, mtime=0)

    @classmethod
    def unpack(cls, packed: bytes, plan: RunPlan | None = None) -> "WorkerReport":
        """The reverse of :meth:`pack`. Raises ValueError for anything else, or too much.

        With ``plan`` also for what does not belong to it, before any histogram is made: a few
        kilobytes of gzip can hold thousands, and each takes 184 KiB.
        """
        data = unzip(packed)
        if plan is not None:
            check_belongs(json.loads(data), plan)
        return cls.model_validate_json(data)


def _says_more(report: WorkerReport) -> int:
    """How much the end of one worker's load says of the whole load's: a condition that was true,
    or an order, ends it for all; a worker that was ended by itself leaves it to the others."""
    if report.breached:
        return 3
    if report.stopped is None:
        return 1
    return 0 if report.stopped == TERMINATED else 2


def check_belongs(raw: Any, plan: RunPlan) -> None:
    """Raise ValueError unless a report has the steps and scenarios of its plan, each once."""
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
            named = [(record["scenario"], record["step"]) for record in phase["steps"]]
            scenarios = [record["scenario"] for record in phase["scenarios"]]
            if len(set(named)) < len(named) or not steps.issuperset(named):
                raise ValueError("a report with steps that are not in its plan, or are there twice")
            if len(set(scenarios)) < len(scenarios) or len(scenarios) > len(plan.scenarios):
                raise ValueError("a report with scenarios that are not in its plan")
            for record in phase["steps"]:
                if not _TIMINGS.issuperset(record["timings"]):
                    raise ValueError("a report with timings that there are not")
                if not MEASURES.keys() >= set(record.get("measures", ())):
                    raise ValueError("a report with measures that there are not")
                if max(len(record["errors"]), len(record.get("said", ()))) > MOST_ERROR_CLASSES:
                    raise ValueError("a report with too many classes of errors")
            seen = phase.get("picture")
            if seen is not None and (seen["scenario"], seen["step"]) not in steps:
                raise ValueError("a report with a picture of a step that is not in its plan")
            if not all(_OUTCOMES.issuperset(record["journeys"]) for record in phase["scenarios"]):
                raise ValueError("a report with outcomes that there are not")
        _check_series(raw["series"])
        _check_observed(raw.get("observed", []), plan)
        if raw.get("benchmark") is not None and plan.target.benchmark is None:
            raise ValueError("a report of a benchmark, which its plan is not")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("a report that is not laid out like one") from error


def _check_observed(raw: Any, plan: RunPlan) -> None:
    """Raise ValueError for what is not in the plan, or is there twice; the points have bounds."""
    named = [(one["name"], one["metric"]) for one in raw]
    if not {thing.name for thing in plan.observe}.issuperset(name for name, _ in named):
        raise ValueError("a report with something observed that is not in its plan")
    if len(set(named)) < len(named):
        raise ValueError("a report with something observed that is there twice")


def _check_series(raw: Any) -> None:
    """Raise ValueError for a series that is larger than a worker's can be."""
    errors, sketches = raw["errors"], raw["latency"]
    if len(errors) > MOST_ERROR_CLASSES:
        raise ValueError("a report with too many classes of errors in its series")
    names = ("planned", "started", "succeeded", "failed", "inFlight", "lag")
    lists = [*(raw[name] for name in names), *errors.values()]
    if any(len(points) > MOST_POINTS for points in (*lists, sketches)):
        raise ValueError(f"a report with a series of more than {MOST_POINTS} points")
    if any(len(sketch["buckets"]) > MOST_BUCKETS for sketch in sketches):
        raise ValueError(f"a report with a point of more than {MOST_BUCKETS} latency buckets")
    if any(
        max(counts, default=0) > MOST_COUNT
        for counts in (*lists, *(sketch["counts"] for sketch in sketches))
    ):
        raise ValueError(f"a report with a point that counts more than {MOST_COUNT}")


def unzip(packed: bytes) -> bytes:
    """The unpacked bytes, at most 32 MiB. Raises ValueError for anything but such a gzip."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            data = file.read(MAX_REPORT_BYTES + 1)
    except (OSError, EOFError) as error:
        raise ValueError("not a gzip-compressed report") from error
    if len(data) > MAX_REPORT_BYTES:
        raise ValueError(f"a report of more than {MAX_REPORT_BYTES} bytes")
    return data


def merge(reports: list[WorkerReport]) -> WorkerReport:
    """One report of several workers'; its laws are checked. Needs at least one."""
    whole = reports[0].model_copy(deep=True)
    for report in reports[1:]:
        whole.add(report)
    whole.check()
    return whole
