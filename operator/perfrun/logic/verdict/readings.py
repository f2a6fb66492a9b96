"""From records to single figures, each with what is not known about it.

A request that timed out, or was still open at the end, took at least as long as was seen. A figure
that depends on such a bound is a lower bound itself; it is shown as ``≥5s`` and never as if it
were exact.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from perfrun.api.quantities import AT_LEAST
from perfrun.api.test.metric import (
    BYTES_RECEIVED,
    CAPACITY,
    CHECK_RATE,
    DROPPED,
    ERROR_RATE,
    MEASURES,
    METRICS,
    QUANTILES,
    SUCCESS_RATE,
    THROUGHPUT,
    TIMEOUT_RATE,
    TIMINGS,
    TRANSACTIONS,
    Metric,
    MetricSource,
)
from perfrun.api.test.slo import format_measured
from perfrun.logic.plan.shape import NS
from perfrun.logic.verdict.objectives import class_label
from perfrun.logic.verdict.own_delays import Miss
from perfrun.measure.histogram import Histogram, samples_for, supports
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import (
    Outcome,
    PhaseRecord,
    ScenarioRecord,
    StepRecord,
    Timing,
    timing_key,
    total,
)
from perfrun.measure.wire import TIMEOUT

_BOUNDS = (Outcome.TIMEOUT, Outcome.CENSORED)


@dataclass(frozen=True)
class Reading:
    """The measured value of a metric: exactly ``low``, or something from ``low`` to ``high``."""

    low: float
    high: float
    samples: int
    note: str = ""
    """What follows the value in a sentence."""
    doubt: str = ""
    """Why it is not known exactly; for an exact value, why the true value may still differ."""
    shown: str | None = None
    """The value as it is written; None: in the notation of the metric."""
    nearly: bool = False
    """It is below its floor, but the load could hardly have given more: that counts as met."""
    miss: Miss | None = None
    """If it misses a limit: how far the generator's own delays may explain that."""

    @classmethod
    def exact(cls, value: float, samples: int, note: str = "", doubt: str = "") -> "Reading":
        """One value."""
        return cls(value, value, samples, note, doubt)

    @property
    def known(self) -> bool:
        """Whether it is one value."""
        return self.low == self.high

    def text(self, metric: str, limits: Sequence[float]) -> str:
        """In the notation of the metric, never rounded across a limit; ``≥`` if it is not known
        exactly.
        """
        if self.shown is not None:
            return self.shown
        return ("" if self.known else AT_LEAST) + format_measured(metric, self.low, list(limits))


@dataclass(frozen=True)
class NoReading:
    """Why there is no value."""

    reason: str
    """What follows "latency.p99 of list", as in "needs 1000 samples, there were 320"."""
    samples: int = 0
    unsupported: bool = False
    """There were samples, but too few for a percentile."""
    applicable: bool = True
    """False: nothing is missing, but the objective does not apply to this load."""


class Distribution:
    """Durations of which some are known to be lower bounds."""

    def __init__(self, exact: Iterable[Histogram], bounds: Iterable[Histogram] = ()) -> None:
        lower = Histogram.merged(bounds)
        self.whole = Histogram.merged(exact)
        self.whole.add(lower)
        self.bound = lower.least if lower.count else None
        """The shortest wait of requests that did not end (ns); None: all ended."""

    @property
    def count(self) -> int:
        """How many samples there are, including bounds."""
        return self.whole.count

    def statistic(self, name: str) -> Reading | NoReading:
        """One of :data:`perfrun.api.test.metric.STATISTICS`, in ns."""
        if self.count == 0:
            return NoReading("has no samples")
        if name in QUANTILES:
            return self.percentile(QUANTILES[name])
        value = {
            "avg": self.whole.mean,
            "min": self.whole.least,
            "max": self.whole.greatest,
        }[name]
        # The average is a bound as soon as one sample is; the extremes from the bound on.
        exact = self.bound is None or (name != "avg" and value < self.bound)
        return Reading(value, value if exact else math.inf, self.count)

    def percentile(self, quantile: float) -> Reading | NoReading:
        """The value (ns) that a share of the samples does not exceed, where they are enough."""
        if not supports(self.count, quantile):
            needed = samples_for(quantile)
            return NoReading(
                f"needs {needed} samples, but there were {self.count}", self.count, True
            )
        value = self.whole.quantile(quantile)
        if self.bound is None:
            return Reading.exact(value, self.count)
        before = self.whole.below(self.bound)
        if before >= self.whole.count - self.whole.beyond(quantile):
            return Reading.exact(value, self.count)
        # In the bucket of the first bound, the middle of the bucket may be more than the bound.
        if self.whole.below(value) == before:
            value = float(self.bound)
        return Reading(value, math.inf, self.count)


@dataclass(frozen=True)
class Scope:
    """What an objective is about: all steps, one of them, a scenario's, or a class's."""

    steps: Sequence[StepRecord]
    scenarios: Sequence[ScenarioRecord]
    journeys: bool
    """A scenario: its latency is from the arrival to the end of its last step."""
    window: int
    """ns."""

    @cached_property
    def sum(self) -> StepRecord:
        """All its steps together."""
        return total(self.steps)

    @property
    def succeeded(self) -> int:
        """Requests that succeeded."""
        return self.sum.succeeded

    @property
    def finished(self) -> int:
        """Iterations in which all steps succeeded."""
        return sum(scenario.finished for scenario in self.scenarios)

    def reached(self, row: Metric) -> int:
        """What is counted for a floor: iterations, or requests."""
        return self.finished if row.by_scenario else self.succeeded

    def distribution(self, timing: str) -> Distribution:
        """The durations of a timing. Fast failures count only in errorRate."""
        if timing == Timing.LATENCY and self.journeys:
            exact = [s.journeys.get(Outcome.SUCCESS) for s in self.scenarios]
            bounds = [s.journeys.get(o) for s in self.scenarios for o in _BOUNDS]
            return Distribution(_present(exact), _present(bounds))
        exact = [self._timing(timing, Outcome.SUCCESS)]
        bounds = [self._timing(timing, outcome) for outcome in _BOUNDS]
        if timing == Timing.CONNECT:
            # A connection that was opened took as long as it took, whatever happened afterwards.
            failures = self._timing(timing, Outcome.FAILURE)
            return Distribution(_present([*exact, *bounds, failures]))
        return Distribution(_present(exact), _present(bounds))

    def _timing(self, timing: str, outcome: Outcome) -> Histogram | None:
        return self.sum.timings.get(timing_key(Timing(timing), outcome))


def scope(plan: RunPlan, phase: PhaseRecord, of: str, window: int) -> Scope:
    """The part of a phase that ``of`` names."""
    classes = {
        (scenario.name, step.name): class_label(step)
        for scenario in plan.scenarios
        for step in scenario.steps
    }
    steps = [
        step
        for step in phase.steps
        if of in ("", step.scenario, step.step, classes.get((step.scenario, step.step)))
    ]
    names = {step.scenario for step in steps}
    return Scope(
        steps=steps,
        scenarios=[record for record in phase.scenarios if record.scenario in names],
        journeys=of != "" and any(record.scenario == of for record in phase.scenarios),
        window=window,
    )


def read(metric: str, scope: Scope) -> Reading | NoReading:
    """The measured value of a metric in a scope, in its unit (ns, 1/s, ratio, bytes, count)."""
    row = METRICS[metric]
    if row.family in TIMINGS:
        return scope.distribution(row.family).statistic(row.statistic)
    if row.source is MetricSource.PAGE:
        return _of_pages(scope, row)
    return _COUNTED[metric](scope)


def _of_pages(scope: Scope, row: Metric) -> Reading | NoReading:
    histogram = scope.sum.measures.get(row.family)
    if histogram is None:
        return NoReading("has no samples: no page provided any")
    found = Distribution([histogram]).statistic(row.statistic)
    if isinstance(found, NoReading):
        return found
    measure = MEASURES[row.family]
    value = found.low / measure.scale
    # The middle of a bucket lies between values that can occur; an average may be there.
    if measure.digits is not None and row.statistic != "avg":
        value = round(value, measure.digits)
    return Reading.exact(value, found.samples)


def _dropped(scope: Scope) -> Reading | NoReading:
    planned = sum(record.planned for record in scope.scenarios)
    if not planned:
        return NoReading("has no samples: no iteration was planned")
    return Reading.exact(sum(record.dropped for record in scope.scenarios), planned)


def _checks(scope: Scope) -> Reading | NoReading:
    passed = scope.sum.checks_passed
    return _ratio(passed, 0, passed + scope.sum.checks_failed, "has no samples: no check was made")


def _bytes(scope: Scope) -> Reading | NoReading:
    whole = scope.sum
    return Reading.exact(whole.bytes_received, whole.sent) if whole.sent else _NOTHING_SENT


def _per_second(scope: Scope, count: int) -> Reading | NoReading:
    sent = scope.sum.sent
    if not sent:
        return _NOTHING_SENT
    if scope.window <= 0:
        return NoReading("has no value, because the window has no length", sent)
    return Reading.exact(count / (scope.window / NS), sent)


def _of_sent(scope: Scope, count: int) -> Reading | NoReading:
    # A request that is still open at the end may have ended either way.
    return _ratio(count, scope.sum.censored, scope.sum.sent, _NOTHING_SENT.reason)


def _ratio(count: int, unknown: int, whole: int, empty: str) -> Reading | NoReading:
    if whole == 0:
        return NoReading(empty)
    return Reading(count / whole, (count + unknown) / whole, whole)


_NOTHING_SENT = NoReading("has no samples: no request was sent")
_COUNTED: dict[str, Callable[[Scope], Reading | NoReading]] = {
    THROUGHPUT: lambda scope: _per_second(scope, scope.succeeded),
    TRANSACTIONS: lambda scope: _per_second(scope, scope.finished),
    SUCCESS_RATE: lambda scope: _of_sent(scope, scope.sum.succeeded),
    ERROR_RATE: lambda scope: _of_sent(scope, scope.sum.failed),
    TIMEOUT_RATE: lambda scope: _of_sent(scope, scope.sum.errors.get(TIMEOUT, 0)),
    CHECK_RATE: _checks,
    DROPPED: _dropped,
    BYTES_RECEIVED: _bytes,
    CAPACITY: lambda _: NoReading("is the result of a capacity search"),
}


def _present(histograms: Iterable[Histogram | None]) -> list[Histogram]:
    return [histogram for histogram in histograms if histogram is not None]
