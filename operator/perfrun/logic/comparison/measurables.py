"""Which metrics runs have in common to be compared by, and what each of them measured."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from perfrun.api.run.perfrun import BenchmarkStatus, PerfRun, SloStatus, StepStatus, Summary
from perfrun.api.test.metric import METRICS, Direction, Kind, direction
from perfrun.api.test.slo import parse_measured
from perfrun.measure.benchmark import PEAK

_OVERALL: dict[str, Callable[[Summary], str | None]] = {
    "latency.p50": lambda summary: _latency(summary, "p50"),
    "latency.p95": lambda summary: _latency(summary, "p95"),
    "latency.p99": lambda summary: _latency(summary, "p99"),
    "latency.avg": lambda summary: _latency(summary, "avg"),
    "throughput": lambda summary: summary.throughput,
    "errorRate": lambda summary: summary.error_rate,
    "capacity": lambda summary: summary.capacity,
}
_OF_STEPS = ("latency.p95", "errorRate")
_OF_BENCHMARKS = ("mean", "ops", "avg", "p95", "rate")
_MOST_STEPS = 30


@dataclass(slots=True)
class Measurable:
    """A metric of something, and by the number of the run what was measured, as text."""

    metric: str
    of: str
    kind: Kind
    objective: bool = False
    texts: dict[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``latency.p95 of list``."""
        return f"{self.metric} of {self.of}" if self.of else self.metric

    @property
    def direction(self) -> Direction:
        """Which way it is better."""
        return direction(self.metric)

    def value(self, run: int) -> float | None:
        """In the unit of the metric; None where it is unknown, unsupported or only a bound."""
        text = self.texts.get(run)
        try:
            return None if text is None else parse_measured(self.metric, text)
        except ValueError:
            return None


def measurables(runs: Sequence[PerfRun]) -> list[Measurable]:
    """Everything that at least one run has a figure of: all steps, objectives, single steps."""
    found: dict[tuple[str, str], Measurable] = {}
    for number, run in enumerate(runs):
        for metric, of, text, objective in _figures(run):
            one = found.setdefault((metric, of), Measurable(metric, of, METRICS[metric]))
            one.objective = one.objective or objective
            if text is not None:
                one.texts.setdefault(number, text)
    order = {metric: place for place, metric in enumerate(_OVERALL)}
    known = [one for one in found.values() if one.texts and not _same_as_all(one, found, runs)]
    # Sorting is stable: what is of all steps first, then as the runs name it.
    return sorted(known, key=lambda one: (one.of != "", order.get(one.metric, len(order))))


def _same_as_all(
    one: Measurable, found: dict[tuple[str, str], Measurable], runs: Sequence[PerfRun]
) -> bool:
    """Whether it is of the only step that the runs have, and says what is said of all steps."""
    if any([step.name for step in run.status.steps] != [one.of] for run in runs):
        return False
    whole = found.get((one.metric, ""))
    if whole is None or whole.texts != one.texts:
        return False
    whole.objective = whole.objective or one.objective
    return True


def _figures(run: PerfRun) -> Iterator[tuple[str, str, str | None, bool]]:
    """Metric, of what, as text, and whether an objective says so."""
    status = run.status
    # An objective's text comes first: it is never rounded across a limit.
    yield from ((slo.metric, slo.of, slo.measured, True) for slo in _known(status.slos))
    if status.summary is not None:
        for metric, of_summary in _OVERALL.items():
            yield metric, "", of_summary(status.summary), False
    if len(status.steps) > 1:
        for step in status.steps[:_MOST_STEPS]:
            name = _name(step, status.steps)
            for metric in _OF_STEPS:
                text = step.error_rate if metric == "errorRate" else _latency(step, "p95")
                yield metric, name, text, False
    for step in status.steps[:_MOST_STEPS]:
        for measure, its in step.measures.items():
            if f"{measure}.p75" not in METRICS:
                continue
            text = None if its.p75 == "unsupported" else its.p75
            yield f"{measure}.p75", _name(step, status.steps), text, False
    if status.benchmark is not None:
        yield from _of_benchmarks(status.benchmark)


def _of_benchmarks(benchmark: BenchmarkStatus) -> Iterator[tuple[str, str, str | None, bool]]:
    yield PEAK, "", benchmark.memory_peak, False
    for one in benchmark.results[:_MOST_STEPS]:
        for metric in _OF_BENCHMARKS:
            yield metric, one.name, one.figures.get(metric), False


def _known(slos: Iterable[SloStatus]) -> Iterator[SloStatus]:
    return (slo for slo in slos if slo.metric in METRICS)


def _latency(part: Summary | StepStatus, statistic: str) -> str | None:
    text: str | None = getattr(part.latency, statistic, None)
    return None if text == "unsupported" else text


def _name(step: StepStatus, steps: Sequence[StepStatus]) -> str:
    """Its own; with its scenario where several have one of that name."""
    alike = sum(other.name == step.name for other in steps)
    return step.name if alike == 1 else f"{step.scenario}/{step.name}"
