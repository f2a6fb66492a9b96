"""Counts and times while the load runs: appended one by one, folded into histograms in bulk."""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from heapq import heappush, heapreplace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from perfrun.api.test.metric import MEASURES
from perfrun.engine.compiled import CompiledScenario
from perfrun.measure.histogram import Histogram
from perfrun.measure.picture import Picture
from perfrun.measure.record import (
    MAX_ERROR_TEXT,
    MAX_SLOWEST,
    Outcome,
    PhaseRecord,
    ScenarioRecord,
    StepRecord,
    Timing,
    Traced,
    add_counts,
    add_fields,
    add_status_codes,
    timing_key,
)
from perfrun.measure.wire import MAX_NAME, MAX_STATUS_CODES, OTHER_ERRORS, class_among
from perfrun.reach.foreign import foreign


class Fold(Protocol):
    """A container that samples are folded into."""

    def fold(self, values: npt.NDArray[np.int64]) -> None:
        """Add samples."""


class Folded:
    """Samples in a histogram that is created on demand: a plan may have 2500 steps, and a histogram
    takes 184 KiB.
    """

    __slots__ = ("_histogram",)

    def __init__(self) -> None:
        self._histogram: Histogram | None = None

    def fold(self, values: npt.NDArray[np.int64]) -> None:
        """Add samples."""
        if self._histogram is None:
            self._histogram = Histogram()
        self._histogram.fold(values)

    def histogram(self) -> Histogram | None:
        """All samples so far; None if there are none."""
        return self._histogram

    def take(self) -> Histogram:
        """The samples since the last call."""
        taken, self._histogram = self._histogram, None
        return taken or Histogram()


class Greatest:
    """The greatest of some samples."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value = 0

    def fold(self, values: npt.NDArray[np.int64]) -> None:
        """Add samples."""
        self._value = max(self._value, int(values.max()))

    def take(self) -> int:
        """The greatest sample since the last call; 0 if there was none."""
        taken, self._value = self._value, 0
        return taken


class Samples:
    """Durations (ns) of one kind: an array to append to, and the container that it is folded
    into."""

    __slots__ = ("_folded", "_into", "values")

    def __init__(self, folded: Folded | None = None, *more: Fold) -> None:
        # Not a list: its integers would stay in memory, and become an array anyway.
        self.values = array("q")
        self._folded = folded or Folded()
        self._into: tuple[Fold, ...] = (self._folded, *more)

    def fold(self) -> None:
        """Fold the appended samples."""
        if not self.values:
            return
        values = np.array(self.values, dtype=np.int64)
        del self.values[:]  # in place: the hot path keeps a reference to its append
        for into in self._into:
            into.fold(values)

    def histogram(self) -> Histogram | None:
        """All samples so far in the (first) histogram; None if there are none."""
        self.fold()
        return self._folded.histogram()


class ErrorClasses:
    """The error classes of a whole load: servers choose some of them, but messages are bounded.

    Classes beyond :data:`MAX_ERROR_CLASSES` are counted as one.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[str] = set()

    def name(self, error: str) -> str:
        """The class that an error is counted under."""
        plain = str(error)[:MAX_NAME]  # an ErrorClass too
        name = class_among(self._known, plain or OTHER_ERRORS)
        self._known.add(name)
        return name


class StepTally:
    """One step in one phase. The hot path counts here, by attribute."""

    __slots__ = (
        "add_body",
        "add_latency",
        "add_quick",
        "add_service",
        "add_ttfb",
        "attempts",
        "body",
        "bytes_received",
        "censored",
        "checks_failed",
        "checks_passed",
        "classes",
        "counted",
        "errors",
        "examples",
        "latency",
        "measures",
        "messages",
        "others",
        "quick",
        "scenario",
        "sent",
        "service",
        "slowest",
        "status_codes",
        "step",
        "ttfb",
        "usual",
    )

    def __init__(
        self, scenario: str, step: str, recent: Folded, classes: ErrorClasses | None = None
    ) -> None:
        self.scenario, self.step = scenario, step
        self.classes = classes or ErrorClasses()
        self.sent = self.censored = self.attempts = 0
        self.bytes_received = self.checks_passed = self.checks_failed = 0
        self.errors: dict[str, int] = {}
        self.messages: dict[str, str] = {}
        """The message of the first failure of each class."""
        self.status_codes: defaultdict[int, int] = defaultdict(int)
        """Answers by status code, but for successes with the usual one."""
        self.usual = self.counted = 0
        """The status code of most successes (0: not known yet), and how many successes are among
        ``status_codes``: the others had the usual one, and need no count of their own."""
        self.examples: dict[int, str] = {}
        """The first failure of each status code."""
        self.latency = Samples(Folded(), recent)
        service, ttfb = Folded(), Folded()
        self.service, self.ttfb = Samples(service), Samples(ttfb)
        self.quick = Samples(service, ttfb)
        """Service times of responses that arrived at once: their first byte is also their last."""
        self.body = Samples()
        """Time from first to last byte of responses that did not arrive at once."""
        self.add_body = self.body.values.append
        self.add_latency = self.latency.values.append
        self.add_service = self.service.values.append
        self.add_ttfb = self.ttfb.values.append
        self.add_quick = self.quick.values.append
        self.slowest: list[tuple[int, str]] = []
        """A heap of the slowest requests: ns, and trace id."""
        self.others: dict[str, Samples] = {}
        """All other timings, by timing key."""
        self.measures: dict[str, Samples] = {}
        """By name of :data:`perfrun.api.test.metric.MEASURES`."""

    def sample(self, timing: Timing, outcome: Outcome, value: int) -> None:
        """Record a duration (ns) other than the usual three of a success."""
        key = timing_key(timing, outcome)
        if (samples := self.others.get(key)) is None:
            samples = self.others[key] = Samples()
        samples.values.append(value)

    def measure(self, measures: Mapping[str, float]) -> None:
        """Record other measurements of a success: ns, or plain numbers."""
        for name, value in measures.items():
            if (samples := self.measures.get(name)) is None:
                samples = self.measures[name] = Samples()
            its = MEASURES[name]
            kept = value if its.digits is None else round(value, its.digits)
            samples.values.append(round(kept * its.scale))

    def note_slow(self, latency: int, trace_id: str) -> None:
        """Keep the trace id of a request, if it is among the slowest."""
        if len(self.slowest) < MAX_SLOWEST:
            heappush(self.slowest, (latency, trace_id))
        elif latency > self.slowest[0][0]:
            heapreplace(self.slowest, (latency, trace_id))

    def fail(self, error: str, message: str = "", number: int = 1) -> None:
        """Count ``number`` failed requests by their class; ``message`` is the reason, in words."""
        name = self.classes.name(error)
        self.errors[name] = self.errors.get(name, 0) + number
        if message and name not in self.messages:
            self.messages[name] = foreign(message, MAX_ERROR_TEXT)

    def note_fine(self, status: int) -> None:
        """Count a success that does not have the usual status code; the first has it."""
        if not self.usual:
            self.usual = status
            self.status_codes[status] += 0  # codes stand in the order in which they came
        else:
            self.status_codes[status] += 1
            self.counted += 1

    def lacks_example(self, status: int) -> bool:
        """Whether no failure with this status code is kept yet, and there is room for one."""
        return status not in self.examples and len(self.examples) < MAX_STATUS_CODES

    def note_example(self, status: int, text: str) -> None:
        """Keep a failed request: its method and path, and what was wrong."""
        self.examples[status] = foreign(text, MAX_ERROR_TEXT)

    @property
    def succeeded(self) -> int:
        """Requests that succeeded: each has one latency."""
        folded = self.latency.histogram()
        return folded.count if folded is not None else 0

    @property
    def failed(self) -> int:
        """Failed requests of all classes."""
        return sum(self.errors.values())

    def samples(self) -> Iterator[Samples]:
        """Everything that can be folded."""
        yield self.latency
        yield self.quick
        yield self.service
        yield self.ttfb
        yield self.body
        yield from self.others.values()
        yield from self.measures.values()

    def record(self) -> StepRecord:
        """The counts in the form of the report."""
        self.quick.fold()
        usual = {
            timing_key(Timing.BODY, Outcome.SUCCESS): self.body,
            timing_key(Timing.LATENCY, Outcome.SUCCESS): self.latency,
            timing_key(Timing.SERVICE, Outcome.SUCCESS): self.service,
            timing_key(Timing.TTFB, Outcome.SUCCESS): self.ttfb,
        }
        timings = {
            key: histogram
            for key, samples in {**usual, **self.others}.items()
            if (histogram := samples.histogram()) is not None
        }
        if (body := self.body.histogram()) is not None:
            body.fold(np.zeros(self.succeeded - body.count, dtype=np.int64))
        codes: dict[str, int] = {}
        answers = dict(self.status_codes)
        if self.usual:
            answers[self.usual] += self.succeeded - self.counted
        add_status_codes(codes, {str(code): count for code, count in answers.items()})
        return StepRecord(
            scenario=self.scenario,
            step=self.step,
            sent=self.sent,
            succeeded=self.succeeded,
            failed=self.failed,
            censored=self.censored,
            attempts=self.attempts,
            bytes_received=self.bytes_received,
            checks_passed=self.checks_passed,
            checks_failed=self.checks_failed,
            errors=dict(self.errors),
            messages=dict(self.messages),
            status_codes=codes,
            examples={
                str(code): text for code, text in self.examples.items() if str(code) in codes
            },
            timings=timings,
            measures={
                name: histogram
                for name, samples in self.measures.items()
                if (histogram := samples.histogram()) is not None
            },
            slowest=[
                Traced(latency=latency, trace_id=trace_id)
                for latency, trace_id in sorted(self.slowest, reverse=True)
            ],
        )


class ScenarioTally:
    """The iterations of one scenario in one phase."""

    __slots__ = (
        "censored",
        "dropped",
        "failed",
        "journeys",
        "name",
        "picture",
        "steps",
    )

    def __init__(self, scenario: CompiledScenario, recent: Folded, classes: ErrorClasses) -> None:
        self.name = scenario.name
        self.dropped = self.failed = self.censored = 0
        self.journeys = {outcome: Samples() for outcome in Outcome}
        self.picture: Picture | None = None
        """Picture of its worst visit."""
        self.steps = [
            StepTally(scenario.name, step.name, recent, classes) for step in scenario.steps
        ]

    @property
    def started(self) -> int:
        """Iterations that were started: each sends its first step."""
        return self.steps[0].sent

    @property
    def finished(self) -> int:
        """Iterations whose last step, and so every step, succeeded."""
        return self.steps[-1].succeeded

    def record(self) -> ScenarioRecord:
        """The counts in the form of the report."""
        return ScenarioRecord(
            scenario=self.name,
            planned=self.started + self.dropped,
            started=self.started,
            dropped=self.dropped,
            finished=self.finished,
            failed=self.failed,
            censored=self.censored,
            journeys=self._journeys(),
        )

    def _journeys(self) -> dict[str, Histogram]:
        found = {outcome.value: samples.histogram() for outcome, samples in self.journeys.items()}
        if len(self.steps) == 1:
            found[Outcome.SUCCESS.value] = self.steps[0].latency.histogram()
        return {
            outcome: Histogram.merged([histogram])
            for outcome, histogram in found.items()
            if histogram is not None
        }


class PhaseTally:
    """Warm-up or window."""

    __slots__ = ("scenarios",)

    def __init__(
        self, scenarios: list[CompiledScenario], recent: Folded, classes: ErrorClasses
    ) -> None:
        self.scenarios = [ScenarioTally(scenario, recent, classes) for scenario in scenarios]

    def record(self) -> PhaseRecord:
        """The counts in the form of the report."""
        record = PhaseRecord(
            steps=[step.record() for scenario in self.scenarios for step in scenario.steps],
            scenarios=[scenario.record() for scenario in self.scenarios],
        )
        for scenario in self.scenarios:
            record.add(PhaseRecord(picture=scenario.picture))
        return record


class Totals:
    """Cumulative counts since T0, over all phases."""

    __slots__ = ("dropped", "errors", "failed", "sent", "started", "succeeded")

    def __init__(self, phases: tuple[PhaseTally, ...], before: "Totals | None" = None) -> None:
        """``before``: counts of windows that are closed."""
        scenarios = [scenario for phase in phases for scenario in phase.scenarios]
        steps = [step for scenario in scenarios for step in scenario.steps]
        self.started = sum(scenario.started for scenario in scenarios)
        self.dropped = sum(scenario.dropped for scenario in scenarios)
        self.sent = sum(step.sent for step in steps)
        self.succeeded = sum(step.succeeded for step in steps)
        self.errors: dict[str, int] = {}
        for step in steps:
            add_counts(self.errors, step.errors)
        if before is not None:
            add_fields(self, before, ("started", "dropped", "sent", "succeeded"))
            add_counts(self.errors, before.errors)
        self.failed = sum(self.errors.values())

    @property
    def planned(self) -> int:
        """Iterations that were due."""
        return self.started + self.dropped


class Recorder:
    """All counts of a run, by phase."""

    def __init__(self, scenarios: list[CompiledScenario]) -> None:
        self._scenarios = scenarios
        self._recent = Folded()
        self._classes = ErrorClasses()
        self.warmup = PhaseTally(scenarios, self._recent, self._classes)
        self.window = PhaseTally(scenarios, self._recent, self._classes)
        self.earlier = PhaseRecord()
        """The windows that are closed."""
        self._before: Totals | None = None
        self._worst_lag = Greatest()
        self.lag = Samples(None, self._worst_lag)
        """Lag of late iterations; those that start when another ends are never late."""

    def turn(self) -> None:
        """Close the window and open a new one; nothing may be in flight."""
        self._before = self.totals()
        self.earlier.add(self.window.record())
        self.window = PhaseTally(self._scenarios, self._recent, self._classes)
        self.lag.fold()
        self.lag = Samples(None, self._worst_lag)

    def lag_histogram(self) -> Histogram:
        """The lag of every iteration that was started since the last call."""
        whole = Histogram.merged(filter(None, [self.lag.histogram()]))
        started = Totals((self.warmup, self.window)).started
        whole.fold(np.zeros(started - whole.count, dtype=np.int64))
        return whole

    def totals(self) -> Totals:
        """The current counts."""
        return Totals((self.warmup, self.window), self._before)

    def sent(self) -> int:
        """Requests so far, in the warm-up and the current window."""
        return sum(
            step.sent
            for phase in (self.warmup, self.window)
            for scenario in phase.scenarios
            for step in scenario.steps
        )

    def fold_longest(self) -> None:
        """Fold the longest list: if this is called often, no call stalls the loop for long.

        It does so however short the list is. Otherwise the code and memory of a fold would be cold
        at the end of the second, which costs some ms on virtual machines.
        """
        max(self._samples(), key=lambda samples: len(samples.values)).fold()

    def take_recent(self) -> Histogram:
        """The latencies of requests that succeeded since the last call."""
        for phase in (self.warmup, self.window):
            for scenario in phase.scenarios:
                for step in scenario.steps:
                    step.latency.fold()
        return self._recent.take()

    def take_worst_lag(self) -> int:
        """The worst lag (ns) of an iteration that was started since the last call."""
        self.lag.fold()
        return self._worst_lag.take()

    def _samples(self) -> Iterator[Samples]:
        yield self.lag
        for phase in (self.warmup, self.window):
            for scenario in phase.scenarios:
                yield from scenario.journeys.values()
                for step in scenario.steps:
                    yield from step.samples()
