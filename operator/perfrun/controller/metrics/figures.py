"""The figures of the last finished run of each test.

A percentile without enough samples, or one that is only a lower bound, is an absent series.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily

from perfrun.api.quantities import NS_PER_S, parse_duration, parse_percent, parse_rate
from perfrun.api.run.perfrun import PerfRun, SloStatus, StepStatus, Summary, Verdict
from perfrun.api.test.metric import METRICS, QUANTILES, Notation
from perfrun.api.test.slo import parse_measured
from perfrun.api.times import parse_time
from perfrun.controller.metrics.families import TEST, add, number
from perfrun.controller.objects.store import Key

T = TypeVar("T")

_STEP = [*TEST, "step"]
_SLO = [*TEST, "metric", "of", "bound", "on_breach"]


class PartFigures(NamedTuple):
    """Figures of a step, or of the whole run (step "")."""

    step: str
    latency: dict[float, float]
    """Seconds by quantile."""
    throughput: float | None
    error_ratio: float | None
    status_codes: dict[str, int]


class SloFigures(NamedTuple):
    """One bound of an objective, in base units."""

    labels: tuple[str, str, str, str]
    measured: float | None
    limit: float | None
    met: float | None


class RunFigures(NamedTuple):
    """What is shown of a finished run: read once, not at each scrape."""

    completed: float
    """Seconds since 1970."""
    verdict: Verdict | None
    parts: list[PartFigures]
    slos: list[SloFigures]


def completed(run: PerfRun) -> float:
    """When it ended, in seconds since 1970; 0 if it does not say."""
    text = run.status.completion_time
    return parse_time(text).timestamp() if text else 0.0


def figures_of(run: PerfRun) -> RunFigures:
    """The figures of a finished run, as its status has them."""
    status = run.status
    whole = [_part("", status.summary)] if status.summary is not None else []
    return RunFigures(
        completed=completed(run),
        verdict=status.verdict,
        parts=[
            *whole,
            *(_part(step.name, step) for step in status.steps if status.script is None),
        ],
        # Names that a script chooses, as those of thresholds, are no labels.
        slos=[it for slo in status.slos if slo.threshold is None for it in _bounds(slo)],
    )


def figure_families(last: Mapping[Key, RunFigures]) -> Iterator[Metric]:
    """Latency, throughput, errors and status codes by step."""
    latency = SummaryMetricFamily(
        "perfrun_latency_seconds",
        'Response time in the last run; step "" means all steps.',
        labels=_STEP,
    )
    throughput = GaugeMetricFamily(
        "perfrun_throughput", "Successful requests per second in the last run.", labels=_STEP
    )
    errors = GaugeMetricFamily(
        "perfrun_error_ratio", "Share of failed requests in the last run.", labels=_STEP
    )
    answers = GaugeMetricFamily(
        "perfrun_answers",
        "Answers in the window of the last run by HTTP status code; a step has at most 20 "
        "codes, and Other for all others.",
        labels=[*_STEP, "code"],
    )
    for key, run in last.items():
        for part in run.parts:
            labels = [*key, part.step]
            for code, count in part.status_codes.items():
                add(answers, [*labels, code], count)
            named = dict(zip(_STEP, labels, strict=True))
            for quantile, seconds in part.latency.items():
                latency.add_sample(
                    "perfrun_latency_seconds", {**named, "quantile": str(quantile)}, seconds
                )
            add(throughput, labels, part.throughput)
            add(errors, labels, part.error_ratio)
    yield from (latency, throughput, errors, answers)


def objective_families(last: Mapping[Key, RunFigures]) -> Iterator[Metric]:
    """The verdict, and the objectives that it follows from."""
    verdict = GaugeMetricFamily(
        "perfrun_verdict",
        "1 for the verdict of the last run, 0 for the others.",
        labels=[*TEST, "verdict"],
    )
    measured = GaugeMetricFamily(
        "perfrun_slo_measured",
        "Measured value of an objective in the last run, in base units.",
        labels=_SLO,
    )
    limit = GaugeMetricFamily(
        "perfrun_slo_limit", "The limit of an objective, in base units.", labels=_SLO
    )
    met = GaugeMetricFamily(
        "perfrun_slo_met", "1: met, 0: missed; absent: inconclusive.", labels=_SLO
    )
    finished = GaugeMetricFamily(
        "perfrun_last_run_timestamp_seconds", "When the last run ended.", labels=TEST
    )
    for key, run in last.items():
        finished.add_metric(list(key), run.completed)
        for each in Verdict:
            verdict.add_metric([*key, each.value], float(run.verdict is each))
        for slo in run.slos:
            labels = [*key, *slo.labels]
            add(measured, labels, slo.measured)
            add(limit, labels, slo.limit)
            add(met, labels, slo.met)
    yield from (verdict, measured, limit, met, finished)


def _part(step: str, part: Summary | StepStatus) -> PartFigures:
    latency = {
        quantile: _parsed(parse_duration, getattr(part.latency, stat, None))
        for stat, quantile in QUANTILES.items()
    }
    return PartFigures(
        step,
        {
            quantile: seconds
            for quantile, ns in latency.items()
            if (seconds := number(ns, NS_PER_S)) is not None
        },
        _parsed(parse_rate, part.throughput),
        _parsed(parse_percent, part.error_rate),
        part.status_codes,
    )


def _bounds(slo: SloStatus) -> Iterator[SloFigures]:
    for bound, text in (("max", slo.max), ("min", slo.min)):
        if text is not None:
            yield SloFigures(
                labels=(slo.metric, slo.of, bound, slo.on_breach),
                measured=_base(slo.metric, slo.measured),
                limit=_base(slo.metric, text),
                met=_met(slo),
            )


def _parsed(parse: Callable[[object], T], text: str | None) -> T | None:
    """The number in a figure of a status; None if there is none, and for ``≥5s``."""
    try:
        return parse(text)
    except (ValueError, OverflowError):
        return None


def _base(metric: str, text: str | None) -> float | None:
    """A measurement or limit in base units: seconds, per second, ratio, bytes, cores, count."""
    if text is None:
        return None
    try:
        value = parse_measured(metric, text)
    except (ValueError, KeyError, OverflowError):
        return None
    return number(value, NS_PER_S if METRICS[metric].kind is Notation.DURATION else 1)


def _met(slo: SloStatus) -> float | None:
    if slo.verdict is Verdict.PASS:
        return 1.0
    return 0.0 if slo.verdict in (Verdict.WARN, Verdict.FAIL) else None
