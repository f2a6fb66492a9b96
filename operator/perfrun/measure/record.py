"""Counts and times: by step, by scenario, by phase of the load, and for the generator.

Records of several workers add up; the conservation laws are checked on each and on the sum: planned
= started + dropped, and sent = succeeded + failed + censored.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from perfrun.api.quantities import NS_PER_MS
from perfrun.api.sentence import printable
from perfrun.measure.histogram import MAX_COUNT, Histogram
from perfrun.measure.picture import Picture
from perfrun.measure.series import Series as Series
from perfrun.measure.wire import (
    MAX_ERROR_CLASSES,
    MAX_RATE,
    MAX_STATUS_CODES,
    MAX_TOTAL,
    OTHER_ERRORS,
    TIMEOUT,
    Count,
    ErrorName,
    NameOfStep,
    Nanoseconds,
    Rate,
    StatusCode,
    Total,
    Wire,
    WireHistogram,
    class_among,
    law,
)
from perfrun.measure.wire import ConservationError as ConservationError

MAX_MACHINES = 16
MAX_WORKERS = 5000
MAX_STEPS, MAX_SCENARIOS = 2500, 50
"""Maximum number of steps in a plan."""


class Outcome(StrEnum):
    """How a request ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    """Any failure before the timeout: an error, an unexpected status or a failed check."""
    TIMEOUT = "timeout"
    """Also counted as failed; separate because it is slow, and latency covers it."""
    CENSORED = "censored"
    """Still open when the run ended: its age is a lower bound of its latency."""


class Timing(StrEnum):
    """The interval that a duration covers; it ends with the last byte of the response."""

    LATENCY = "latency"
    """Response time: from when the request was due."""
    SERVICE = "service"
    """Service time: from the first byte written of the last attempt."""
    DNS = "dns"
    """Time for DNS, if a connection had to be opened."""
    CONNECT = "connect"
    """TCP set-up of a connection, if one was opened."""
    TLS = "tls"
    """The TLS handshake of a connection, if one was opened."""
    TTFB = "ttfb"
    """From the first byte written to the first byte read."""
    BODY = "body"
    """From the first byte read to the last one."""


MAX_SLOWEST = 10
"""Slow requests per step whose trace ids are kept."""


class Traced(Wire):
    """A slow request, with its trace id."""

    latency: Nanoseconds
    trace_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    """Trace id of its W3C traceparent."""


_COUNTS_OF_STEP = (
    "sent",
    "succeeded",
    "failed",
    "censored",
    "attempts",
    "checks_passed",
    "checks_failed",
)
_COUNTS_OF_SCENARIO = ("planned", "started", "dropped", "finished", "failed", "censored")
LATE = 10 * NS_PER_MS
"""An iteration that starts later than this after its due time is counted as a late send, ns."""
_COUNTS_OF_GENERATOR = ("late_sends", "periods", "throttled_periods", "connections")
_TIMES_OF_GENERATOR = (
    "paused_time",
    "cpu_time",
    "wall_time",
    "waited_time",
    "stolen_time",
    "user_time",
)


WallTime = Annotated[float, Field(ge=0, le=2**40)]
"""Seconds since 1970."""
Machine = Annotated[str, Field(max_length=256)]
MAX_ERROR_TEXT = 200
ErrorText = Annotated[
    str,
    Field(max_length=MAX_ERROR_TEXT),
    AfterValidator(lambda text: printable(text, MAX_ERROR_TEXT)),
]


class StepRecord(Wire):
    """One step of one scenario in one phase."""

    scenario: NameOfStep
    step: NameOfStep
    sent: Count = 0
    succeeded: Count = 0
    failed: Count = 0
    censored: Count = 0
    attempts: Count = 0
    """Requests on the wire, including redirects: as the server counts them."""
    bytes_received: Total = 0
    checks_passed: Count = 0
    checks_failed: Count = 0
    errors: dict[ErrorName, Count] = Field(default={}, max_length=MAX_ERROR_CLASSES)
    """Failed requests by error class (Timeout, Status5xx, Connect, ...)."""
    messages: dict[ErrorName, ErrorText] = Field(default={}, max_length=MAX_ERROR_CLASSES)
    """The message of the first failure of each error class."""
    status_codes: dict[StatusCode, Count] = Field(default={}, max_length=MAX_STATUS_CODES + 1)
    """Answers by status code, those of redirects and retries included. ``Other``: all beyond the
    limit."""
    examples: dict[StatusCode, ErrorText] = Field(default={}, max_length=MAX_STATUS_CODES)
    """The first failed request of each status code: its method and path, and what was wrong."""
    timings: dict[str, WireHistogram] = {}
    """By :func:`timing_key`."""
    measures: dict[str, WireHistogram] = {}
    """By name of :data:`perfrun.api.test.metric.MEASURES`, in units of its scale: of successes."""
    slowest: list[Traced] = Field(default=[], max_length=MAX_SLOWEST)
    """With ``traceparent``: the slowest first."""

    def histogram(self, timing: Timing, outcome: Outcome) -> Histogram:
        """The histogram of a timing and outcome, created on first use."""
        return self.timings.setdefault(timing_key(timing, outcome), Histogram())

    def add(self, other: "StepRecord") -> None:
        """Add the counts of the same step from another worker."""
        add_fields(self, other, _COUNTS_OF_STEP)
        add_fields(self, other, ("bytes_received",), MAX_TOTAL)
        add_errors(self.errors, other.errors)
        messages = {**other.messages, **self.messages}
        self.messages = {name: messages[name] for name in self.errors if name in messages}
        add_status_codes(self.status_codes, other.status_codes)
        examples = {**other.examples, **self.examples}
        self.examples = {code: examples[code] for code in self.status_codes if code in examples}
        add_histograms(self.timings, other.timings)
        add_histograms(self.measures, other.measures)
        slowest = sorted([*self.slowest, *other.slowest], key=lambda one: -one.latency)
        self.slowest = slowest[:MAX_SLOWEST]

    def check(self) -> None:
        """Raise ConservationError unless the counts add up."""
        where = f"step {self.scenario}/{self.step}"
        law(
            f"{where}: sent = succeeded + failed + censored",
            self.sent,
            self.succeeded + self.failed + self.censored,
        )
        law(f"{where}: failed = sum of errors", self.failed, sum(self.errors.values()))
        if (answers := sum(self.status_codes.values())) > self.attempts:
            raise ConservationError(f"{where}: {answers} answers to {self.attempts} attempts")
        for outcome, count in (
            (Outcome.SUCCESS, self.succeeded),
            (Outcome.TIMEOUT, self.errors.get(TIMEOUT, 0)),
            (Outcome.CENSORED, self.censored),
        ):
            samples = self.timings.get(timing_key(Timing.LATENCY, outcome))
            law(
                f"{where}: one latency sample per {outcome} request",
                samples.count if samples else 0,
                count,
            )
        for name, histogram in self.measures.items():
            if histogram.count > self.succeeded:
                raise ConservationError(
                    f"{where}: {histogram.count} samples of {name} for {self.succeeded} successes"
                )


class ScenarioRecord(Wire):
    """The iterations of one scenario in one phase."""

    scenario: NameOfStep
    planned: Count = 0
    started: Count = 0
    dropped: Count = 0
    finished: Count = 0
    """Iterations in which all steps succeeded (transactions)."""
    failed: Count = 0
    censored: Count = 0
    journeys: dict[str, WireHistogram] = {}
    """By outcome: from the arrival to the end of the last step."""

    def add(self, other: "ScenarioRecord") -> None:
        """Add the counts of the same scenario from another worker."""
        add_fields(self, other, _COUNTS_OF_SCENARIO)
        add_histograms(self.journeys, other.journeys)

    def check(self) -> None:
        """Raise ConservationError unless the counts add up."""
        where = f"scenario {self.scenario}"
        law(f"{where}: planned = started + dropped", self.planned, self.started + self.dropped)
        law(
            f"{where}: started = finished + failed + censored",
            self.started,
            self.finished + self.failed + self.censored,
        )


class PhaseRecord(Wire):
    """Warm-up or window: steps and scenarios in the order of the plan."""

    steps: list[StepRecord] = []
    scenarios: list[ScenarioRecord] = []
    picture: Picture | None = None
    """For pages: the first visit that failed, or else the slowest one."""

    def add(self, other: "PhaseRecord") -> None:
        """Add the same phase of another worker."""
        mine = {(step.scenario, step.step): step for step in self.steps}
        for step in other.steps:
            if (found := mine.get((step.scenario, step.step))) is not None:
                found.add(step)
            else:
                self.steps.append(step.model_copy(deep=True))
        scenarios = {scenario.scenario: scenario for scenario in self.scenarios}
        if other.picture is not None and other.picture.is_worse(self.picture):
            self.picture = other.picture
        for scenario in other.scenarios:
            if (known := scenarios.get(scenario.scenario)) is not None:
                known.add(scenario)
            else:
                self.scenarios.append(scenario.model_copy(deep=True))

    def check(self) -> None:
        """Raise ConservationError unless the counts add up."""
        for step in self.steps:
            step.check()
        for scenario in self.scenarios:
            scenario.check()

    @property
    def attempts(self) -> int:
        """Requests on the wire in this phase."""
        return sum(step.attempts for step in self.steps)


class GeneratorRecord(Wire):
    """The health of the load generator, so that its own faults are not blamed on the target."""

    lag: WireHistogram
    """Time between when an iteration was due and when the pacer released it."""
    late_sends: Count = 0
    """Iterations released more than 10 ms after they were due."""
    longest_stall: Nanoseconds = 0
    """The longest pause of the event loop, ns."""
    paused_time: Total = 0
    """Total time of all pauses of the event loop, summed over workers, ns."""
    pauses: WireHistogram
    """The length of each of these pauses, once for each request that was open meanwhile."""
    cpu_time: Total = 0
    """ns of CPU over the window, all workers."""
    wall_time: Total = 0
    """ns of the window, summed over workers."""
    waited_time: Total = 0
    """ns in which a worker could have run, and waited for a CPU; summed over workers."""
    stolen_time: Total = 0
    """ns for which other virtual machines had its CPU; summed over workers."""
    periods: Count = 0
    throttled_periods: Count = 0
    """Periods of the cgroup's CPU quota in the window."""
    ceiling: Rate = 0.0
    """Requests per second that the worker reached against itself before the start."""
    exhausted: dict[ErrorName, Count] = Field(default={}, max_length=MAX_ERROR_CLASSES)
    """How often the generator ran out of Ports, Descriptors or Memory."""
    first_send: Nanoseconds = 0
    last_send: Nanoseconds = 0
    """Times of first attempts in the window, ns after T0; a burst's spread is their difference."""
    started_at: list[WallTime] = Field(default=[], max_length=MAX_WORKERS)
    """Wall time (s since 1970) of each worker's T0: they should agree."""
    user_time: Total = 0
    """ns in which users were active in the load, summed over users (closed loads)."""
    connections: Count = 0
    """Connections opened."""
    machines: list[Annotated[str, Field(max_length=256)]] = Field(
        default=[], max_length=MAX_MACHINES
    )
    """Processor and architecture under each worker; each kind once."""

    @classmethod
    def empty(cls) -> Self:
        """An empty record."""
        return cls(lag=Histogram(), pauses=Histogram())

    def add(self, other: "GeneratorRecord") -> None:
        """Add another worker."""
        self.first_send = _earliest(
            self.lag.count, self.first_send, other.lag.count, other.first_send
        )
        self.last_send = max(self.last_send, other.last_send)
        self.lag.add(other.lag)
        add_fields(self, other, _COUNTS_OF_GENERATOR)
        add_fields(self, other, _TIMES_OF_GENERATOR, MAX_TOTAL)
        self.ceiling = min(self.ceiling + other.ceiling, MAX_RATE)
        self.longest_stall = max(self.longest_stall, other.longest_stall)
        self.pauses.add(other.pauses)
        add_errors(self.exhausted, other.exhausted)
        self.started_at.extend(other.started_at)
        self.machines = sorted({*self.machines, *other.machines})[:MAX_MACHINES]

    def check(self) -> None:
        """Raise ConservationError if a part is more than its whole."""
        for what, part, of, whole in (
            ("late sends", self.late_sends, "samples of lag", self.lag.count),
            ("throttled periods", self.throttled_periods, "periods", self.periods),
        ):
            if part > whole:
                raise ConservationError(f"generator: {part} {what} of {whole} {of}")
        if self.first_send > self.last_send:
            raise ConservationError(
                f"generator: first send at {self.first_send} ns, last one at {self.last_send} ns"
            )

    @property
    def start_skew(self) -> int:
        """Time between the first worker's T0 and the last one's, ns."""
        if not self.started_at:
            return 0
        return round((max(self.started_at) - min(self.started_at)) * 1e9)


def timing_key(timing: Timing, outcome: Outcome) -> str:
    """The key of a histogram in :attr:`StepRecord.timings`."""
    return f"{timing.value}/{outcome.value}"


def add_fields(into: object, other: object, names: Iterable[str], most: int = MAX_COUNT) -> None:
    """Add the named fields of ``other`` to those of ``into``. Raises ValueError for a sum above
    ``most``.
    """
    for name in names:
        setattr(into, name, _sum(name, getattr(into, name) + getattr(other, name), most))


def add_counts(into: dict[str, int], other: dict[str, int]) -> None:
    """Add the counts of ``other`` into ``into``, key by key. Raises ValueError as above."""
    for key, count in other.items():
        into[key] = _sum(key, into.get(key, 0) + count, MAX_COUNT)


def add_errors(into: dict[str, int], other: dict[str, int]) -> None:
    """Add counts by error class; classes beyond :data:`MAX_ERROR_CLASSES` become one."""
    for key, count in other.items():
        add_counts(into, {class_among(into, key): count})


def add_status_codes(into: dict[str, int], other: Mapping[str, int]) -> None:
    """Add answers by status code; codes beyond :data:`MAX_STATUS_CODES` become one."""
    add_counts(into, dict(other))
    codes = sorted(into.keys() - {OTHER_ERRORS}, key=lambda code: (into[code], code))
    for code in codes[: max(0, len(codes) - MAX_STATUS_CODES)]:  # the rarest
        add_counts(into, {OTHER_ERRORS: into.pop(code)})


def _sum(name: str, value: int, most: int) -> int:
    if value > most:
        raise ValueError(f"{name} adds up to {value}, more than the limit of {most}")
    return value


def add_histograms(into: dict[str, Histogram], other: dict[str, Histogram]) -> None:
    """Add the samples of ``other`` into ``into``, key by key. Raises ValueError as above."""
    for key, histogram in other.items():
        if (known := into.get(key)) is not None:
            known.add(histogram)
        else:
            into[key] = histogram.copy()


def total(steps: Iterable[StepRecord]) -> StepRecord:
    """The sum of several steps, under no name."""
    whole = StepRecord(scenario="", step="")
    for step in steps:
        whole.add(step)
    return whole


def _earliest(mine: int, first: int, theirs: int, other: int) -> int:
    if not mine or not theirs:
        return first if mine else other
    return min(first, other)
