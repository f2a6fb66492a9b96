"""Which metrics the runs have in common, and what each run measured of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from perfrun.api.run.perfrun import (
    PerfRun,
    PerfRunStatus,
    SloStatus,
    StepStatus,
    Summary,
    figure_of,
)
from perfrun.api.test.metric import (
    MEMORY_PEAK,
    METRICS,
    TIMINGS,
    Direction,
    MetricSource,
    Notation,
    direction,
    subject,
)
from perfrun.api.test.slo import parse_measured

_OVERALL = sorted(
    (name for name, row in METRICS.items() if row.place.comparison),
    key=lambda name: METRICS[name].place.comparison,
)
_OF_PARTS = [row for row in METRICS.values() if row.place.part]
_MAX_STEPS = 30


@dataclass(slots=True)
class Measurable:
    """A metric of something, and the measured values as text, by the number of the run."""

    metric: str
    of: str
    kind: Notation
    objective: bool = False
    texts: dict[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``latency.p95 of list``."""
        return subject(self.metric, self.of)

    @property
    def direction(self) -> Direction:
        """Which direction is better."""
        return direction(self.metric)

    def value(self, run: int) -> float | None:
        """In the unit of the metric; None if it is unknown or only a bound."""
        text = self.texts.get(run)
        try:
            return None if text is None else parse_measured(self.metric, text)
        except ValueError:
            return None


def measurables(runs: Sequence[PerfRun]) -> list[Measurable]:
    """Everything that at least one run has a figure for: all steps together, objectives, single
    steps.
    """
    found: dict[tuple[str, str], Measurable] = {}
    mixed = len(clocks(runs)) > 1
    for number, run in enumerate(runs):
        for metric, of, text, objective in _figures(run):
            if mixed and METRICS[metric].family in TIMINGS:
                continue  # of clocks that differ in what they include
            one = found.setdefault((metric, of), Measurable(metric, of, METRICS[metric].kind))
            one.objective = one.objective or objective
            if text is not None:
                one.texts.setdefault(number, text)
    parts = [_parts(run.status) for run in runs]
    for one in found.values():
        for number, of_run in enumerate(parts):
            # An objective of one run may be about a figure that others have without it.
            part = None if number in one.texts else of_run.get(one.of)
            if part is not None and (text := figure_of(part, one.metric)) is not None:
                one.texts[number] = text
    order = {metric: place for place, metric in enumerate(_OVERALL)}
    known = [
        one
        for one in found.values()
        if (one.texts or one.objective) and not _same_as_all(one, found, runs)
    ]
    # Sorting is stable: figures of all steps together come first, the others in the order of the
    # runs.
    return sorted(known, key=lambda one: (one.of != "", order.get(one.metric, len(order))))


def clocks(runs: Iterable[PerfRun]) -> set[str]:
    """Whose clocks the times of the runs are from."""
    return {run.status.summary.clock for run in runs if run.status.summary is not None}


def _same_as_all(
    one: Measurable, found: dict[tuple[str, str], Measurable], runs: Sequence[PerfRun]
) -> bool:
    """Whether it is about the only step of the runs, and so repeats the figure of all steps."""
    if any([step.name for step in run.status.steps] != [one.of] for run in runs):
        return False
    whole = found.get((one.metric, ""))
    if whole is None or whole.texts != one.texts:
        return False
    whole.objective = whole.objective or one.objective
    return True


def _figures(run: PerfRun) -> Iterator[tuple[str, str, str | None, bool]]:
    """Metric, what it is about, its text, and whether it comes from an objective."""
    status = run.status
    # An objective's text comes first, because it is never rounded across a limit.
    yield from ((slo.metric, slo.of, slo.measured, True) for slo in _known(status.slos))
    if status.summary is not None:
        for metric in _OVERALL:
            yield metric, "", figure_of(status.summary, metric), False
    for step in status.steps[:_MAX_STEPS]:
        for row in _OF_PARTS:
            if row.source is MetricSource.LOAD and len(status.steps) > 1:
                yield row.name, _name(step, status.steps), figure_of(step, row.name), False
            elif row.family in step.measures:
                text = figure_of(step.measures[row.family], row.statistic)
                yield row.name, _name(step, status.steps), text, False
    if status.benchmark is not None:
        yield MEMORY_PEAK, "", status.benchmark.memory_peak, False
        for one in status.benchmark.results[:_MAX_STEPS]:
            for row in _OF_PARTS:
                if row.source is MetricSource.BENCHMARK:
                    yield row.name, one.name, one.figures.get(row.name), False


def _parts(status: PerfRunStatus) -> dict[str, Summary | StepStatus]:
    """Each step by its name, the first of several; all of them together by an empty one."""
    parts: dict[str, Summary | StepStatus] = {
        _name(step, status.steps): step for step in reversed(status.steps)
    }
    return parts if status.summary is None else {**parts, "": status.summary}


def _known(slos: Iterable[SloStatus]) -> Iterator[SloStatus]:
    return (slo for slo in slos if slo.metric in METRICS)


def _name(step: StepStatus, steps: Sequence[StepStatus]) -> str:
    """The step's name; with its scenario if several have a step of that name."""
    alike = sum(other.name == step.name for other in steps)
    return step.name if alike == 1 else f"{step.scenario}/{step.name}"
