"""From records to single figures, each with what is not known about it.

A request that timed out, or was still open at the end, took at least as long as was seen. A
figure that such a bound takes part in is a lower bound itself; it is shown as ``>=5s`` and never
told as if it were exact.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from perfrun.api.test.metric import MEASURES, QUANTILES, TIMINGS, Measure
from perfrun.api.test.slo import format_measured
from perfrun.logic.plan.shape import NS
from perfrun.logic.verdict.objectives import NEEDED_BEYOND, class_label
from perfrun.measure.histogram import Histogram
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

_BOUNDS = (Outcome.TIMEOUT, Outcome.CENSORED)


@dataclass(frozen=True)
class Figure:
    """A measured value: exactly ``low``, or something from ``low`` to ``high``."""

    low: float
    high: float
    samples: int

    @classmethod
    def exact(cls, value: float, samples: int) -> "Figure":
        """A value that is known."""
        return cls(value, value, samples)

    @property
    def known(self) -> bool:
        """Whether it is one value."""
        return self.low == self.high

    def text(self, metric: str, limits: Sequence[float]) -> str:
        """In the notation of the metric, never rounded across a limit; ``>=`` where not known."""
        return ("" if self.known else ">=") + format_measured(metric, self.low, list(limits))


@dataclass(frozen=True)
class NoFigure:
    """Why there is no figure."""

    reason: str
    """What follows "latency.p99 of list", as in "needs 1000 samples, there were 320"."""
    samples: int = 0
    unsupported: bool = False
    """There were samples, but too few for a percentile."""


class Distribution:
    """Durations of which some are known to be lower bounds."""

    def __init__(self, exact: Iterable[Histogram], bounds: Iterable[Histogram] = ()) -> None:
        lower = Histogram.merged(bounds)
        self.whole = Histogram.merged(exact)
        self.whole.add(lower)
        self._bound = lower.least if lower.count else None

    @property
    def count(self) -> int:
        """How many samples there are, bounds included."""
        return self.whole.count

    def statistic(self, name: str) -> Figure | NoFigure:
        """One of :data:`perfrun.api.test.metric.STATISTICS`, in ns."""
        if self.count == 0:
            return NoFigure("has no samples")
        if name in QUANTILES:
            return self._percentile(QUANTILES[name])
        value = {
            "avg": self.whole.mean,
            "min": self.whole.least,
            "max": self.whole.greatest,
        }[name]
        # The average is a bound as soon as one sample is; least and greatest from the bound on.
        exact = self._bound is None or (name != "avg" and value < self._bound)
        return Figure(value, value if exact else math.inf, self.count)

    def _percentile(self, quantile: float) -> Figure | NoFigure:
        if self.whole.beyond(quantile) < NEEDED_BEYOND:
            needed = round(NEEDED_BEYOND / (1 - quantile))
            return NoFigure(f"needs {needed} samples, there were {self.count}", self.count, True)
        value = self.whole.quantile(quantile)
        if self._bound is None:
            return Figure.exact(value, self.count)
        before = self.whole.below(self._bound)
        if before >= self.whole.count - self.whole.beyond(quantile):
            return Figure.exact(value, self.count)
        # In the first bound's own bucket the bucket's middle may be more than the bound.
        if self.whole.below(value) == before:
            value = float(self._bound)
        return Figure(value, math.inf, self.count)


@dataclass(frozen=True)
class Scope:
    """What an objective speaks of: all steps, one of them, a scenario's, or a class's."""

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
        """Iterations all of whose steps succeeded."""
        return sum(scenario.finished for scenario in self.scenarios)

    def distribution(self, timing: str) -> Distribution:
        """The durations of a timing. Failures that were fast count only in errorRate."""
        if timing == Timing.LATENCY and self.journeys:
            exact = [s.journeys.get(Outcome.SUCCESS) for s in self.scenarios]
            bounds = [s.journeys.get(o) for s in self.scenarios for o in _BOUNDS]
            return Distribution(_present(exact), _present(bounds))
        exact = [self._timing(timing, Outcome.SUCCESS)]
        bounds = [self._timing(timing, outcome) for outcome in _BOUNDS]
        if timing == Timing.CONNECT:
            # A connection that was made took as long as it took, whatever came after it.
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


def figure(metric: str, scope: Scope) -> Figure | NoFigure:
    """What was measured of a metric in a scope, in its unit (ns, 1/s, ratio, bytes, count)."""
    family, _, statistic = metric.partition(".")
    if family in TIMINGS:
        return scope.distribution(family).statistic(statistic)
    if family in MEASURES:
        return measured(scope, family, statistic)
    if metric == "dropped":
        planned = sum(record.planned for record in scope.scenarios)
        return _counted(sum(record.dropped for record in scope.scenarios), planned)
    whole = scope.sum
    if metric == "checkRate":
        checks = whole.checks_passed + whole.checks_failed
        return _ratio(whole.checks_passed, 0, checks, "made no checks")
    if whole.sent == 0:
        return NoFigure("has no samples: nothing was sent")
    if metric == "bytes.received":
        return Figure.exact(whole.bytes_received, whole.sent)
    if metric in ("throughput", "transactions"):
        return _per_second(scope, metric)
    # A request still open at the end may have come to anything.
    count = {
        "successRate": whole.succeeded,
        "errorRate": whole.failed,
        "timeoutRate": whole.errors.get("Timeout", 0),
    }[metric]
    return _ratio(count, whole.censored, whole.sent, "sent nothing")


def measured(scope: Scope, name: str, statistic: str) -> Figure | NoFigure:
    """A statistic of one of :data:`MEASURES`, in its unit."""
    histogram = scope.sum.measures.get(name)
    if histogram is None:
        return NoFigure("has no samples: no page gave any")
    found = Distribution([histogram]).statistic(statistic)
    if isinstance(found, NoFigure):
        return found
    return Figure.exact(_of_scale(MEASURES[name], found.low, statistic), found.samples)


def _of_scale(measure: Measure, value: float, statistic: str) -> float:
    # The middle of a bucket is between numbers that there are; an average may be.
    exact = measure.digits is None or statistic == "avg"
    plain = value / measure.scale
    return plain if exact else round(plain, measure.digits)


def _per_second(scope: Scope, metric: str) -> Figure | NoFigure:
    if scope.window <= 0:
        return NoFigure("has no window to be counted in", scope.sum.sent)
    count = scope.succeeded if metric == "throughput" else scope.finished
    return Figure.exact(count / (scope.window / NS), scope.sum.sent)


def _counted(count: int, planned: int) -> Figure | NoFigure:
    return Figure.exact(count, planned) if planned else NoFigure("has no samples: none was planned")


def _ratio(count: int, unknown: int, whole: int, empty: str) -> Figure | NoFigure:
    if whole == 0:
        return NoFigure(empty)
    return Figure(count / whole, (count + unknown) / whole, whole)


def _present(histograms: Iterable[Histogram | None]) -> list[Histogram]:
    return [histogram for histogram in histograms if histogram is not None]
