"""Counts and times while the load runs: appended one by one, folded into histograms in bulk."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from perfrun.engine.errors import ErrorClass
from perfrun.engine.request import CompiledScenario
from perfrun.measure.histogram import Histogram
from perfrun.measure.record import (
    Outcome,
    PhaseRecord,
    ScenarioRecord,
    StepRecord,
    Timing,
    add_counts,
    timing_key,
)

FOLD_FROM = 256
"""Samples that are worth the fixed cost of a fold (about 40 us)."""


class Recent:
    """Samples since they were last asked for."""

    __slots__ = ("_histogram",)

    def __init__(self) -> None:
        self._histogram = Histogram()

    def fold(self, values: npt.NDArray[np.int64]) -> None:
        """Take samples in."""
        self._histogram.fold(values)

    def take(self) -> Histogram:
        """The samples since the last call."""
        taken, self._histogram = self._histogram, Histogram()
        return taken


class Samples:
    """Durations (ns) of one kind: a list to append to, and the histogram it is folded into."""

    __slots__ = ("_folded", "_recent", "values")

    def __init__(self, recent: Recent | None = None) -> None:
        self.values: list[int] = []
        # Made when it is needed: a plan may have 2500 steps, and a histogram takes 184 KiB.
        self._folded: Histogram | None = None
        self._recent = recent

    def fold(self) -> None:
        """Move what was appended into the histogram."""
        if not self.values:
            return
        values = np.array(self.values, dtype=np.int64)
        self.values.clear()  # in place: the hot path holds on to its append
        if self._folded is None:
            self._folded = Histogram()
        self._folded.fold(values)
        if self._recent is not None:
            self._recent.fold(values)

    def histogram(self) -> Histogram | None:
        """All samples so far; None where there are none."""
        self.fold()
        return self._folded


class StepTally:
    """One step in one phase. The hot path counts here, by attribute."""

    __slots__ = (
        "add_latency",
        "add_service",
        "add_ttfb",
        "attempts",
        "bytes_received",
        "censored",
        "checks_failed",
        "checks_passed",
        "errors",
        "others",
        "scenario",
        "sent",
        "service",
        "step",
        "succeeded",
        "success",
        "ttfb",
    )

    def __init__(self, scenario: str, step: str, recent: Recent) -> None:
        self.scenario, self.step = scenario, step
        self.sent = self.succeeded = self.censored = self.attempts = 0
        self.bytes_received = self.checks_passed = self.checks_failed = 0
        self.errors: dict[str, int] = {}
        self.success = Samples(recent)
        self.service = Samples()
        self.ttfb = Samples()
        self.add_latency = self.success.values.append
        self.add_service = self.service.values.append
        self.add_ttfb = self.ttfb.values.append
        self.others: dict[str, Samples] = {}
        """All timings but the three above, by timing key."""

    def sample(self, timing: Timing, outcome: Outcome, value: int) -> None:
        """Record a duration (ns) that is not one of a success's usual three."""
        key = timing_key(timing, outcome)
        if (samples := self.others.get(key)) is None:
            samples = self.others[key] = Samples()
        samples.values.append(value)

    def fail(self, error: ErrorClass) -> None:
        """Count a failed request."""
        self.errors[error.value] = self.errors.get(error.value, 0) + 1

    @property
    def failed(self) -> int:
        """Failed requests of all classes."""
        return sum(self.errors.values())

    def samples(self) -> Iterator[Samples]:
        """Everything that can be folded."""
        yield self.success
        yield self.service
        yield self.ttfb
        yield from self.others.values()

    def record(self) -> StepRecord:
        """What was counted, as it is reported."""
        usual = {
            timing_key(Timing.LATENCY, Outcome.SUCCESS): self.success,
            timing_key(Timing.SERVICE, Outcome.SUCCESS): self.service,
            timing_key(Timing.TTFB, Outcome.SUCCESS): self.ttfb,
        }
        timings = {
            key: histogram
            for key, samples in {**usual, **self.others}.items()
            if (histogram := samples.histogram()) is not None
        }
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
            timings=timings,
        )


class ScenarioTally:
    """The iterations of one scenario in one phase."""

    __slots__ = (
        "censored",
        "dropped",
        "failed",
        "finished",
        "journeys",
        "name",
        "started",
        "steps",
    )

    def __init__(self, scenario: CompiledScenario, recent: Recent) -> None:
        self.name = scenario.name
        self.started = self.dropped = self.finished = self.failed = self.censored = 0
        self.journeys = {outcome: Samples() for outcome in Outcome}
        self.steps = [StepTally(scenario.name, step.name, recent) for step in scenario.steps]

    def record(self) -> ScenarioRecord:
        """What was counted, as it is reported."""
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
            found[Outcome.SUCCESS.value] = self.steps[0].success.histogram()
        return {
            outcome: Histogram.merged([histogram])
            for outcome, histogram in found.items()
            if histogram is not None
        }


class Phase:
    """Warm-up or window."""

    __slots__ = ("scenarios",)

    def __init__(self, scenarios: list[CompiledScenario], recent: Recent) -> None:
        self.scenarios = [ScenarioTally(scenario, recent) for scenario in scenarios]

    def record(self) -> PhaseRecord:
        """What was counted, as it is reported."""
        return PhaseRecord(
            steps=[step.record() for scenario in self.scenarios for step in scenario.steps],
            scenarios=[scenario.record() for scenario in self.scenarios],
        )


class Totals:
    """Cumulative counts since T0, over both phases."""

    __slots__ = ("dropped", "errors", "failed", "sent", "started", "succeeded")

    def __init__(self, phases: tuple[Phase, ...]) -> None:
        scenarios = [scenario for phase in phases for scenario in phase.scenarios]
        steps = [step for scenario in scenarios for step in scenario.steps]
        self.started = sum(scenario.started for scenario in scenarios)
        self.dropped = sum(scenario.dropped for scenario in scenarios)
        self.sent = sum(step.sent for step in steps)
        self.succeeded = sum(step.succeeded for step in steps)
        self.errors: dict[str, int] = {}
        for step in steps:
            add_counts(self.errors, step.errors)
        self.failed = sum(self.errors.values())

    @property
    def planned(self) -> int:
        """Iterations that were due."""
        return self.started + self.dropped


class Recorder:
    """All that is counted of a run, by phase."""

    def __init__(self, scenarios: list[CompiledScenario]) -> None:
        self._recent = Recent()
        self.warmup = Phase(scenarios, self._recent)
        self.window = Phase(scenarios, self._recent)
        self.lag = Samples()
        self.punctual = 0
        """Iterations without any lag, as those that start when another ends."""

    def lag_histogram(self) -> Histogram:
        """The lag of every iteration that was started."""
        whole = Histogram.merged(filter(None, [self.lag.histogram()]))
        whole.fold(np.zeros(self.punctual, dtype=np.int64))
        return whole

    def totals(self) -> Totals:
        """The counts as they stand."""
        return Totals((self.warmup, self.window))

    def fold_longest(self) -> None:
        """Fold the one list that holds most: called often, no call stalls the loop for long."""
        longest = max(self._samples(), key=lambda samples: len(samples.values))
        if len(longest.values) >= FOLD_FROM:
            longest.fold()

    def take_recent(self) -> Histogram:
        """The latencies of requests that succeeded since the last call."""
        for phase in (self.warmup, self.window):
            for scenario in phase.scenarios:
                for step in scenario.steps:
                    step.success.fold()
        return self._recent.take()

    def _samples(self) -> Iterator[Samples]:
        yield self.lag
        for phase in (self.warmup, self.window):
            for scenario in phase.scenarios:
                yield from scenario.journeys.values()
                for step in scenario.steps:
                    yield from step.samples()
