"""The figures of a run for programs: numbers, in one unit for each metric; null with a reason.

They are read from the status, so they agree with all other reports: three digits, and never rounded
across a limit. :mod:`perfrun.report.schema` describes the documents that contain them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from perfrun.api.base import ApiModel
from perfrun.api.quantities import AT_LEAST, NS_PER_S, parse_duration
from perfrun.api.run.perfrun import (
    PerfRun,
    PerfRunStatus,
    RequestCounts,
    ScriptStatus,
    SloStatus,
    StepStatus,
    Summary,
    Unsupported,
    Verdict,
    figure_of,
)
from perfrun.api.test.metric import (
    CAPACITY,
    ERROR_RATE,
    LATENCY,
    MEMORY_PEAK,
    METRICS,
    STATISTICS,
    SUCCESS_RATE,
    THROUGHPUT,
    TIMEOUT_RATE,
    TRANSACTIONS,
    Notation,
    row_of,
    subject,
)
from perfrun.api.test.slo import parse_measured

Unit = Literal["seconds", "per second", "ratio", "count", "bytes", "cores", "number"]
UNITS: dict[Notation, Unit] = {
    Notation.DURATION: "seconds",
    Notation.RATE: "per second",
    Notation.PERCENT: "ratio",
    Notation.COUNT: "count",
    Notation.BYTES: "bytes",
    Notation.CORES: "cores",
    Notation.NUMBER: "number",
}
RATES = (THROUGHPUT, SUCCESS_RATE, ERROR_RATE, TIMEOUT_RATE)
LATENCIES = tuple(f"{LATENCY}.{statistic}" for statistic in STATISTICS)
_OF_MEASURE = ("p50", "p75", "p95", "max")


class Figure(ApiModel):
    """One measured value."""

    value: float | None = Field(description="In `unit`; null where there is none.")
    unit: Unit = Field(description="A ratio is from 0 to 1.")
    lower_bound: bool = Field(
        description="The value is at least this: requests timed out or were still open."
    )
    reason: str | None = Field(description="Why `value` is null; else null.")


Figures = dict[str, Figure]


class StepFigures(ApiModel):
    """One step."""

    scenario: str
    step: str
    requests: RequestCounts
    attempts: int = Field(description="Requests on the wire in the window, redirects included.")
    metrics: Figures = Field(description="By the name of the metric, as in spec.slos.")
    errors: dict[str, int] = Field(description="Failed requests by error class.")
    status_codes: dict[str, int] = Field(description="Answers by HTTP status code.")


class ObjectiveFigures(ApiModel):
    """An objective, with its limits in the unit of the measured value."""

    metric: str
    of: str = Field(description="A step, scenario or class; empty: everything.")
    threshold: str | None = Field(
        description="The expression of a threshold of a script; else null."
    )
    measured: Figure
    max: float | None = Field(description="The highest value allowed, in the unit of `measured`.")
    min: float | None = Field(description="The lowest value allowed, in the unit of `measured`.")
    samples: int
    verdict: Verdict


class ToolFigures(ApiModel):
    """A metric of a script's tool."""

    metric: str = Field(description="As the tool calls it, with the selector of a threshold.")
    kind: str = Field(description="Trend, Rate, Counter or Gauge.")
    values: dict[str, float] = Field(
        description="By statistic, in the unit of the tool (k6: times in ms)."
    )


class FiguresDocument(ApiModel):
    """All figures of a run, as numbers."""

    clock: Literal["Perfrun", "Tool"] | None = Field(
        description="Whose clock times are from: Tool for a script; null where nothing was "
        "measured."
    )

    window_seconds: float | None = Field(
        description="Length of what was judged: the load without its warm-up."
    )
    requests: RequestCounts | None = Field(description="Null where nothing was measured.")
    metrics: Figures = Field(description="Of all steps together, by the name of the metric.")
    steps: list[StepFigures] = Field(description="In the order of the test.")
    objectives: list[ObjectiveFigures]
    tool: list[ToolFigures] = Field(description="Metrics of a script's own tool.")


def run_figures(run: PerfRun) -> FiguresDocument:
    """The figures of a run; empty if nothing was measured."""
    status, summary = run.status, run.status.summary
    return FiguresDocument(
        clock=summary.clock if summary else None,
        window_seconds=parse_duration(summary.window) / NS_PER_S if summary else None,
        requests=summary.requests if summary else None,
        metrics=dict(_of_all(status)),
        steps=[
            StepFigures(
                scenario=step.scenario,
                step=step.name,
                requests=step.requests,
                attempts=step.attempts.window,
                metrics=dict(of_step(step)),
                errors=step.errors,
                status_codes=step.status_codes,
            )
            for step in status.steps
        ],
        objectives=[
            _objective(slo) for slo in status.slos if slo.metric in METRICS or slo.threshold
        ],
        tool=tool_figures(status.script),
    )


def tool_figures(script: ScriptStatus | None) -> list[ToolFigures]:
    """The metrics of a script's tool."""
    metrics = script.metrics if script is not None else []
    return [
        ToolFigures(metric=one.name, kind=one.kind, values=_values(one.figures)) for one in metrics
    ]


def _values(figures: Mapping[str, str]) -> dict[str, float]:
    known = ((name, _number("", text)) for name, text in figures.items())
    return {name: value for name, value in known if value is not None}


def of_step(step: StepStatus) -> Iterator[tuple[str, Figure]]:
    """The metrics of a step, and of the pages that it visits."""
    yield from of_load(step, (*RATES, *LATENCIES))
    for name, measure in step.measures.items():
        lacking = _reasons(measure.unsupported)
        for statistic in _OF_MEASURE:
            metric = f"{name}.{statistic}"
            if metric in METRICS:
                text = figure_of(measure, statistic)
                reason = lacking.get(statistic, "has no samples: no page provided any")
                yield metric, figure(metric, text, reason)


def _of_all(status: PerfRunStatus) -> Iterator[tuple[str, Figure]]:
    summary = status.summary
    if summary is None:
        return
    yield from of_load(summary, (*RATES, TRANSACTIONS, *LATENCIES))
    if status.capacity is not None:
        yield CAPACITY, figure(CAPACITY, summary.capacity, "no rate met the objectives")
    for one in status.observed:
        for metric, text in one.figures.items():
            if metric in METRICS:
                yield subject(metric, one.name), figure(metric, text, "")
    if (benchmark := status.benchmark) is not None:
        yield MEMORY_PEAK, figure(MEMORY_PEAK, benchmark.memory_peak, "was not measured")
        for result in benchmark.results:
            for metric, text in result.figures.items():
                if metric in METRICS:
                    yield subject(metric, result.name), figure(metric, text, "")


def of_load(part: Summary | StepStatus, metrics: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    """The figures of these metrics of requests."""
    latency = part.latency
    lacking = _reasons(latency.unsupported if latency is not None else None)
    nothing = "has no samples: no request was sent"
    quick = "has no samples: no request succeeded, timed out or was still open"
    for metric in metrics:
        timed = METRICS[metric].family == LATENCY and part.requests.sent
        reason = lacking.get(METRICS[metric].statistic, quick if timed else nothing)
        yield metric, figure(metric, figure_of(part, metric), reason)


def _reasons(unsupported: Sequence[Unsupported] | None) -> dict[str, str]:
    return {one.statistic: one.reason for one in unsupported or ()}


def figure(metric: str, text: str | None, reason: str) -> Figure:
    """A figure of a status as a number; ``reason`` says why there may be none."""
    value = _number(metric, text)
    known = value is not None
    return Figure(
        value=value,
        unit=UNITS[row_of(metric).kind],
        lower_bound=known and str(text).startswith(AT_LEAST),
        reason=None if known else reason,
    )


def _number(metric: str, text: str | int | None) -> float | None:
    if text is None:
        return None
    try:
        value = parse_measured(metric, str(text).removeprefix(AT_LEAST))
    except ValueError:  # the file may have been written by somebody else
        return None
    return value / NS_PER_S if row_of(metric).kind is Notation.DURATION else value


def _objective(slo: SloStatus) -> ObjectiveFigures:
    reason = slo.unsupported or slo.message.removeprefix(slo.subject).strip()
    return ObjectiveFigures(
        metric=slo.metric,
        of=slo.of,
        threshold=slo.threshold,
        measured=figure(slo.metric, slo.measured, reason),
        max=_number(slo.metric, slo.max),
        min=_number(slo.metric, slo.min),
        samples=slo.samples,
        verdict=slo.verdict,
    )
