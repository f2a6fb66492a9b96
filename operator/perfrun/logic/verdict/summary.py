"""What a user reads about a run's measurements: the summary, and each step in figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from perfrun.api.quantities import format_duration, format_rate
from perfrun.api.run.perfrun import (
    MAX_EXAMPLES,
    MAX_STEPS,
    AttemptCounts,
    IterationCounts,
    LatencyStatus,
    MeasureStatus,
    RequestCounts,
    StepStatus,
    Summary,
    Unsupported,
)
from perfrun.api.test.metric import (
    ERROR_RATE,
    LATENCY,
    MEASURES,
    STATISTICS,
    SUCCESS_RATE,
    THROUGHPUT,
    TIMEOUT_RATE,
    TRANSACTIONS,
)
from perfrun.logic.verdict.readings import Distribution, NoReading, Reading, Scope, read, scope
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import PhaseRecord, StepRecord
from perfrun.measure.report import WorkerReport

MAX_ERRORS = 64

Limits = Mapping[str, Sequence[float]]
"""By metric, the limits across which a figure of it may not be rounded."""


def summarise(plan: RunPlan, report: WorkerReport, limits: Limits) -> Summary:
    """The whole run in figures."""
    whole = scope(plan, report.window, "", report.window_time)
    warmup = scope(plan, report.warmup, "", 0)
    return Summary(
        window=format_duration(report.window_time),
        clock="Perfrun" if plan.target.script is None else "Tool",
        iterations=IterationCounts(
            planned=sum(record.planned for record in whole.scenarios),
            started=sum(record.started for record in whole.scenarios),
            dropped=sum(record.dropped for record in whole.scenarios),
        ),
        attempts=AttemptCounts(
            setup=report.setup.attempts,
            warmup=warmup.sum.attempts,
            window=whole.sum.attempts,
            teardown=report.teardown.attempts,
        ),
        **_figures(whole, limits, THROUGHPUT, TRANSACTIONS),
    )


def steps(plan: RunPlan, report: WorkerReport, limits: Limits) -> list[StepStatus]:
    """Each step in figures, in the order of the plan; at most 100."""
    warmup = {(step.scenario, step.step): step.attempts for step in report.warmup.steps}
    statuses = []
    for record in report.window.steps[:MAX_STEPS]:
        one = scope(plan, PhaseRecord(steps=[record]), "", report.window_time)
        figures = _figures(one, limits, THROUGHPUT)
        statuses.append(
            StepStatus(
                name=record.step,
                scenario=record.scenario,
                attempts=AttemptCounts(
                    warmup=warmup.get((record.scenario, record.step), 0), window=record.attempts
                ),
                measures=_measures(one, limits),
                messages={
                    name: it for name, it in record.messages.items() if name in figures["errors"]
                },
                examples=_examples(record),
                **figures,
            )
        )
    return statuses


def _requests(record: StepRecord) -> RequestCounts:
    return RequestCounts(
        sent=record.sent,
        succeeded=record.succeeded,
        failed=record.failed,
        censored=record.censored,
    )


def _figures(part: Scope, limits: Limits, *rates: str) -> dict[str, Any]:
    """What a summary and a step have in common, by field; ``rates`` are those to include."""

    def text(metric: str) -> str | None:
        return _text(read(metric, part), metric, limits)

    return {
        "requests": _requests(part.sum),
        **{metric: text(metric) or format_rate(0.0) for metric in rates},
        "success_rate": text(SUCCESS_RATE),
        "error_rate": text(ERROR_RATE),
        "timeout_rate": text(TIMEOUT_RATE),
        "latency": _latency(part.distribution(LATENCY), limits),
        "errors": dict(Counter(part.sum.errors).most_common(MAX_ERRORS)),
        "status_codes": dict(Counter(part.sum.status_codes).most_common()),
    }


def _examples(record: StepRecord) -> dict[str, str]:
    """Those of the most frequent status codes."""
    found = (code for code, _ in Counter(record.status_codes).most_common())
    known = [code for code in found if code in record.examples]
    return {code: record.examples[code] for code in known[:MAX_EXAMPLES]}


def _text(found: Reading | NoReading, metric: str, limits: Limits) -> str | None:
    return found.text(metric, limits.get(metric, ())) if isinstance(found, Reading) else None


def _unsupported(found: Mapping[str, Reading | NoReading]) -> list[Unsupported] | None:
    """By statistic: those that have too few samples."""
    lacking = [
        Unsupported(statistic=name, reason=one.reason)
        for name, one in found.items()
        if isinstance(one, NoReading) and one.unsupported
    ]
    return lacking or None


def _latency(distribution: Distribution, limits: Limits) -> LatencyStatus | None:
    if distribution.count == 0:
        return None
    found = {name: distribution.statistic(name) for name in STATISTICS}
    return LatencyStatus(
        **{name: _text(one, f"{LATENCY}.{name}", limits) for name, one in found.items()},
        unsupported=_unsupported(found),
    )


def _measures(scope: Scope, limits: Limits) -> dict[str, MeasureStatus]:
    return {
        name: _measure(scope, name, histogram.count, limits)
        for name in MEASURES
        if (histogram := scope.sum.measures.get(name)) is not None
    }


def _measure(scope: Scope, name: str, samples: int, limits: Limits) -> MeasureStatus:
    found = {its: read(f"{name}.{its}", scope) for its in ("p50", "p75", "p95", "max")}
    return MeasureStatus(
        samples=samples,
        **{its: _text(one, f"{name}.{its}", limits) for its, one in found.items()},
        unsupported=_unsupported(found),
    )
