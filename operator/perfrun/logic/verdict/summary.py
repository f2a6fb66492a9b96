"""What a user reads of a run's measurements: the summary, and each step in figures."""

from collections import Counter
from collections.abc import Mapping, Sequence

from perfrun.api.quantities import format_duration, format_rate
from perfrun.api.run.perfrun import (
    MOST_STEPS,
    AttemptCounts,
    IterationCounts,
    LatencyStatus,
    MeasureStatus,
    RequestCounts,
    StepStatus,
    Summary,
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
from perfrun.logic.verdict.readings import Distribution, Reading, Scope, read, scope
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import PhaseRecord, StepRecord
from perfrun.measure.report import WorkerReport

MOST_ERRORS = 64

Limits = Mapping[str, Sequence[float]]
"""By metric, what a figure of it may not be rounded across."""


def summarise(plan: RunPlan, report: WorkerReport, limits: Limits) -> Summary:
    """The whole run in figures."""
    whole = scope(plan, report.window, "", report.window_time)
    warmup = scope(plan, report.warmup, "", 0)
    return Summary(
        window=format_duration(report.window_time),
        iterations=IterationCounts(
            planned=sum(record.planned for record in whole.scenarios),
            started=sum(record.started for record in whole.scenarios),
            dropped=sum(record.dropped for record in whole.scenarios),
        ),
        requests=_requests(whole.sum),
        attempts=AttemptCounts(
            setup=report.setup.attempts,
            warmup=warmup.sum.attempts,
            window=whole.sum.attempts,
            teardown=report.teardown.attempts,
        ),
        throughput=_rate(whole, THROUGHPUT, limits),
        transactions=_rate(whole, TRANSACTIONS, limits),
        success_rate=_ratio(whole, SUCCESS_RATE, limits),
        error_rate=_ratio(whole, ERROR_RATE, limits),
        timeout_rate=_ratio(whole, TIMEOUT_RATE, limits),
        latency=_latency(whole.distribution(LATENCY), limits),
        errors=_errors(whole.sum),
    )


def steps(plan: RunPlan, report: WorkerReport, limits: Limits) -> list[StepStatus]:
    """Each step in figures, in the order of the plan; at most 100."""
    warmup = {(step.scenario, step.step): step.attempts for step in report.warmup.steps}
    statuses = []
    for record in report.window.steps[:MOST_STEPS]:
        one = scope(plan, PhaseRecord(steps=[record]), "", report.window_time)
        statuses.append(
            StepStatus(
                name=record.step,
                scenario=record.scenario,
                requests=_requests(record),
                attempts=AttemptCounts(
                    warmup=warmup.get((record.scenario, record.step), 0), window=record.attempts
                ),
                throughput=_rate(one, THROUGHPUT, limits),
                success_rate=_ratio(one, SUCCESS_RATE, limits),
                error_rate=_ratio(one, ERROR_RATE, limits),
                timeout_rate=_ratio(one, TIMEOUT_RATE, limits),
                latency=_latency(one.distribution(LATENCY), limits),
                measures=_measures(one, limits),
                errors=(errors := _errors(record)),
                said={name: said for name, said in record.said.items() if name in errors},
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


def _rate(scope: Scope, metric: str, limits: Limits) -> str:
    measured = read(metric, scope)
    per_second = measured.low if isinstance(measured, Reading) else 0.0
    return format_rate(per_second, limits.get(metric, ()))


def _ratio(scope: Scope, metric: str, limits: Limits) -> str | None:
    measured = read(metric, scope)
    if not isinstance(measured, Reading):
        return None
    return measured.text(metric, limits.get(metric, ()))


def _latency(distribution: Distribution, limits: Limits) -> LatencyStatus | None:
    if distribution.count == 0:
        return None
    texts = {}
    for name in STATISTICS:
        metric = f"{LATENCY}.{name}"
        measured = distribution.statistic(name)
        if isinstance(measured, Reading):
            texts[name] = measured.text(metric, limits.get(metric, ()))
        else:
            texts[name] = "unsupported"
    return LatencyStatus(**texts)


def _measures(scope: Scope, limits: Limits) -> dict[str, MeasureStatus]:
    return {
        name: MeasureStatus(
            samples=histogram.count,
            **{its: _text(scope, f"{name}.{its}", limits) for its in ("p50", "p75", "p95", "max")},
        )
        for name in MEASURES
        if (histogram := scope.sum.measures.get(name)) is not None
    }


def _text(scope: Scope, metric: str, limits: Limits) -> str:
    measured = read(metric, scope)
    if isinstance(measured, Reading):
        return measured.text(metric, limits.get(metric, ()))
    return "unsupported"


def _errors(record: StepRecord) -> dict[str, int]:
    return dict(Counter(record.errors).most_common(MOST_ERRORS))
