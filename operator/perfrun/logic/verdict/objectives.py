"""Objectives: those that a test sets, and the ready-made ones of a step's class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from perfrun.api.run.perfrun import MAX_THRESHOLD
from perfrun.api.test.load import Load
from perfrun.api.test.metric import (
    FIRST_CONTENTFUL_PAINT,
    LATENCY_P95,
    METRICS,
    PAGE_LOAD,
    QUANTILES,
    THROUGHPUT,
    TIME_TO_INTERACTIVE,
    Metric,
    row_of,
    subject,
)
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.scenario import Scenario, Step
from perfrun.api.test.slo import format_measured, parse_limit
from perfrun.logic.plan.run_plan import scenarios_of
from perfrun.logic.plan.shape import Shape
from perfrun.logic.plan.thresholds import Expression
from perfrun.measure.histogram import samples_for

_MAX_METRIC, _MAX_OF = 128, 200
"""Characters that a status has room for."""


class ClassObjective(NamedTuple):
    """One objective of a class."""

    metric: str
    max: str | None = None
    min: str | None = None


CLASS_OBJECTIVES: Mapping[str, tuple[ClassObjective, ...]] = {
    "Health": (
        ClassObjective(LATENCY_P95, max="100ms"),
        ClassObjective(THROUGHPUT, min="1000/s"),
    ),
    "Read": (
        ClassObjective(LATENCY_P95, max="500ms"),
        ClassObjective(THROUGHPUT, min="100/s"),
    ),
    "Write": (
        ClassObjective(LATENCY_P95, max="1s"),
        ClassObjective(THROUGHPUT, min="50/s"),
    ),
    "Complex": (
        ClassObjective(LATENCY_P95, max="2s"),
        ClassObjective(THROUGHPUT, min="10/s"),
    ),
    "SimpleQuery": (ClassObjective(LATENCY_P95, max="100ms"),),
    "ComplexQuery": (ClassObjective(LATENCY_P95, max="500ms"),),
    "WriteOperation": (ClassObjective(LATENCY_P95, max="200ms"),),
    "BatchOperation": (ClassObjective(LATENCY_P95, max="1s"),),
    "Page": (
        ClassObjective(f"{PAGE_LOAD}.p75", max="2s"),
        ClassObjective(f"{TIME_TO_INTERACTIVE}.p75", max="3s"),
        ClassObjective(f"{FIRST_CONTENTFUL_PAINT}.p75", max="1s"),
    ),
}


@dataclass(frozen=True)
class Objective:
    """One objective, parsed: limits in the unit of the measurement (ns, 1/s, ratio, bytes)."""

    metric: str
    of: str
    max: str | None
    """As the user wrote it."""
    min: str | None
    upper: float | None
    lower: float | None
    on_breach: Literal["Warn", "Fail"] = "Warn"
    from_class: str | None = None
    """The class that it belongs to; None if the test set it."""
    threshold: str | None = None
    """It is a threshold of a script, as it stands there."""
    expression: Expression | None = None
    """What that says; None if it cannot be read."""

    @classmethod
    def of_threshold(
        cls, metric: str, of: str, source: str, expression: Expression | None
    ) -> "Objective":
        """A threshold; a miss is Fail, as its tool ends with a failure then."""
        upper = expression.upper if expression is not None else None
        lower = expression.lower if expression is not None else None
        return cls(
            metric=metric[:_MAX_METRIC],
            of=of[:_MAX_OF],
            max=None if upper is None else _plain(upper),
            min=None if lower is None else _plain(lower),
            upper=upper,
            lower=lower,
            on_breach="Fail",
            threshold=source[:MAX_THRESHOLD],
            expression=expression,
        )

    @property
    def row(self) -> Metric:
        """What the table says about the metric."""
        return row_of(self.metric)

    @property
    def limits(self) -> list[float]:
        """The limits that exist."""
        return [limit for limit in (self.upper, self.lower) if limit is not None]

    @property
    def subject(self) -> str:
        """The subject of its sentence: ``latency.p95 of list``."""
        return subject(self.metric, self.of)


class Part(NamedTuple):
    """A step and its place: how often it runs in each iteration of the load, on average."""

    scenario: Scenario
    step: Step
    share: float


def objectives(spec: PerfTestSpec) -> list[Objective]:
    """The objectives of a test: its own in order, then those of its steps' classes.

    A test's own objective replaces a class's on the same metric of that step or of ``class/NAME``.
    """
    own = [
        Objective(
            metric=slo.metric,
            of=slo.of,
            max=_text(slo.max),
            min=_text(slo.min),
            upper=slo.upper,
            lower=slo.lower,
            on_breach=slo.on_breach,
        )
        for slo in spec.slos
    ]
    taken = {(objective.metric, objective.of) for objective in own}
    given = [
        _of_class(line, step.name, step.class_)
        for scenario in scenarios_of(spec)
        for step in scenario.steps
        if step.class_ is not None
        for line in CLASS_OBJECTIVES[step.class_]
        if taken.isdisjoint({(line.metric, step.name), (line.metric, class_label(step))})
    ]
    return own + given


def class_label(step: Step) -> str | None:
    """How ``of`` names the class of a step: ``class/Read``; None without a class."""
    return None if step.class_ is None else f"class/{step.class_}"


def parts(scenarios: Sequence[Scenario], of: str) -> list[Part]:
    """The steps that ``of`` names: all (""), one step, a scenario's, or a class's. May be empty."""
    weights = sum(scenario.weight for scenario in scenarios)
    return [
        Part(scenario, step, scenario.weight / weights)
        for scenario in scenarios
        for step in scenario.steps
        if of in ("", scenario.name, step.name, class_label(step))
    ]


def share(scenarios: Sequence[Scenario], metric: str, of: str) -> float:
    """How many samples of a metric an iteration of the load gives, on average.

    A scenario's latency and its transactions have one sample per iteration.
    """
    named = parts(scenarios, of)
    row = METRICS[metric]
    journeys = row.journey and any(of == part.scenario.name for part in named)
    if journeys or row.by_scenario:
        return sum({part.scenario.name: part.share for part in named}.values())
    return sum(part.share for part in named)


def out_of_reach(load: Load, scenarios: Sequence[Scenario], objective: Objective) -> str | None:
    """Why an open load cannot reach a floor even at its highest rate; None if it can."""
    if objective.lower is None:
        return None
    most = Shape.of(load).peak * share(scenarios, objective.metric, objective.of)
    if most >= objective.lower:
        return None
    shown = format_measured(objective.metric, most, [objective.lower])
    return f"cannot reach {objective.min}: the highest rate of the load gives {shown}"


def samples_needed(metric: str) -> int:
    """How many samples a metric needs: 200 for a p95; one if it is not a percentile."""
    quantile = QUANTILES.get(METRICS[metric].statistic)
    return 1 if quantile is None else samples_for(quantile)


def _of_class(line: ClassObjective, step: str, name: str) -> Objective:
    return Objective(
        metric=line.metric,
        of=step,
        max=line.max,
        min=line.min,
        upper=None if line.max is None else parse_limit(line.metric, line.max),
        lower=None if line.min is None else parse_limit(line.metric, line.min),
        from_class=name,
    )


def _plain(limit: float) -> str:
    """A limit of a threshold as a number of the API."""
    return str(int(limit)) if limit.is_integer() else repr(limit)


def _text(limit: str | int | None) -> str | None:
    return None if limit is None else str(limit)
