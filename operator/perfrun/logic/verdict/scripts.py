"""What the tool of a script measured: its thresholds, its figures, and what is in doubt.

The tool has a population of its own: ``http_req_duration`` includes failed requests, ``latency.*``
does not. A threshold is judged on the tool's, over the samples of all workers, with the tool's own
statistics: a percentile is interpolated between two samples, as k6 does.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from perfrun.api.quantities import NS_PER_S, format_duration, format_number
from perfrun.api.run.perfrun import (
    MAX_TOOL_ROWS,
    Effect,
    Finding,
    ScriptStatus,
    ToolCheckStatus,
    ToolMetricStatus,
)
from perfrun.api.sentence import cut
from perfrun.logic.plan.thresholds import (
    METHODS,
    Expression,
    MetricSelector,
    parse_expression,
    parse_selector,
    stop_condition,
)
from perfrun.logic.verdict.objectives import Objective
from perfrun.logic.verdict.readings import NoReading, Reading
from perfrun.measure.histogram import HIGHEST_US, LOWEST_US, Histogram, samples_for, supports
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.measure.script import (
    MAX_METRICS,
    MAX_STEPS,
    OTHER,
    SCALE,
    ScriptRecord,
    ToolMetric,
    ToolThreshold,
)

_OF_EACH = ("vus", "vus_max")
"""Gauges of k6 that would be added up over its instances."""
_STARTED = 0.99
"""Share of iterations that must have started for dropped ones to be a remark only."""
_NS_PER_US = 1000
_FIRST, _LAST = LOWEST_US * _NS_PER_US, (HIGHEST_US - HIGHEST_US // 2048) * _NS_PER_US
"""Within the first and the last bucket of a histogram, ns."""


class JudgedThreshold(NamedTuple):
    """A threshold as an objective, and what was measured."""

    objective: Objective
    reading: Reading | NoReading


def judged_thresholds(plan: RunPlan, report: WorkerReport) -> list[JudgedThreshold]:
    """The thresholds of a script, unless the test ignores them; in their order."""
    target, record = plan.target.script, report.script
    if target is None or record is None or target.thresholds == "Ignore":
        return []
    return [_judged(one, record, report) for one in record.thresholds]


def _judged(one: ToolThreshold, record: ScriptRecord, report: WorkerReport) -> JudgedThreshold:
    try:
        selector, expression = parse_selector(one.metric), parse_expression(one.source)
    except ValueError as error:
        unread = Objective.of_threshold(one.metric, "", one.source, None)
        return JudgedThreshold(unread, NoReading(f"is not judged: {error}"))
    metric = f"{selector.metric} {expression.written}"
    objective = Objective.of_threshold(metric, selector.shown, one.source, expression)
    found = record.metrics.get(one.metric)
    if found is None or not found.samples:
        return JudgedThreshold(objective, _without_samples(selector, expression, record))
    return JudgedThreshold(objective, _reading(selector.metric, found, expression, report))


def _without_samples(
    selector: MetricSelector, expression: Expression, record: ScriptRecord
) -> Reading | NoReading:
    if record.left_out:
        what = f"the script has more than {MAX_METRICS} metrics, and this one was left out"
        return NoReading(f"is not known: {what}")
    if expression.method == "count" and record.metrics:
        return _exact(0.0, 0, expression)
    if selector.tags and selector.metric in record.metrics:
        return NoReading(f"has no samples: none of {selector.metric} has these tags")
    return NoReading("has no samples")


def _reading(
    name: str, metric: ToolMetric, expression: Expression, report: WorkerReport
) -> Reading | NoReading:
    method = expression.method
    if method not in METHODS[metric.kind]:
        allowed = ", ".join(METHODS[metric.kind])
        return NoReading(f"is not judged: a {metric.kind} has only {allowed}", metric.samples)
    if metric.kind == "Gauge":
        return _last(metric, expression, report.workers, name)
    if metric.kind == "Counter" and method == "rate":
        if report.load_time <= 0:
            return NoReading("has no value, because the load has no length", metric.samples)
        note = f" over {format_duration(report.load_time)}"
        return _exact(
            metric.total / (report.load_time / NS_PER_S), metric.samples, expression, note
        )
    quantile = expression.quantile
    if quantile is None or quantile in (0.0, 1.0):
        statistic = {0.0: "min", 1.0: "max", None: method}[quantile]
        return _exact(_SIMPLE[statistic](metric), metric.samples, expression)
    return _percentile(metric, quantile, expression)


_SIMPLE: Mapping[str, Callable[[ToolMetric], float]] = {
    "avg": lambda metric: metric.total / metric.samples,
    "min": lambda metric: metric.least,
    "max": lambda metric: metric.greatest,
    "count": lambda metric: metric.total,
    "rate": lambda metric: metric.passed / metric.samples,
}


def _last(metric: ToolMetric, expression: Expression, workers: int, name: str) -> Reading:
    """The last value of a Gauge: of several workers, somewhere between its extremes."""
    if workers == 1:
        return _exact(metric.last, metric.samples, expression)
    doubt = f"each of {workers} workers has a last value of its own"
    most = metric.greatest
    if name in _OF_EACH:
        doubt, most = f"each of {workers} workers has users of its own", most * workers
    return _between(metric.least, most, metric.samples, expression, doubt)


def _percentile(metric: ToolMetric, quantile: float, expression: Expression) -> Reading | NoReading:
    if not supports(metric.samples, quantile):
        needed = samples_for(quantile)
        return NoReading(
            f"needs {needed} samples, but there were {metric.samples}", metric.samples, True
        )
    values = metric.values
    assert values is not None  # ToolMetric.check
    low, middle, high = _interpolated(values, quantile)
    value = middle / SCALE
    if values.clamped and low <= _FIRST:
        doubt = "the histogram does not tell values apart that are this small"
        return _between(metric.least, max(value, metric.least), metric.samples, expression, doubt)
    if values.clamped and high >= _LAST:
        doubt = "the histogram does not tell values apart that are this large"
        return _between(min(low / SCALE, value), metric.greatest, metric.samples, expression, doubt)
    return _exact(value, metric.samples, expression)


def _interpolated(values: Histogram, quantile: float) -> tuple[float, float, float]:
    """The samples around a quantile, and what k6 says is between them."""
    place = quantile * (values.count - 1)
    low, high = values.ranked(math.floor(place) + 1), values.ranked(math.ceil(place) + 1)
    return low, low + (high - low) * (place - math.floor(place)), high


def _exact(value: float, samples: int, expression: Expression, note: str = "") -> Reading:
    return Reading(value, value, samples, note, shown=format_number(value, [expression.limit]))


def _between(low: float, high: float, samples: int, expression: Expression, doubt: str) -> Reading:
    if low == high:
        return _exact(low, samples, expression)
    texts = [format_number(value, [expression.limit]) for value in (low, high)]
    return Reading(low, high, samples, doubt=doubt, shown=" to ".join(texts))


# --- in figures ---------------------------------------------------------------------------------

_CLOCKS: Mapping[str, str] = {
    "k6": "times are k6's own, from when it sends a request: what waits for a free user of a slow "
    "target is not in them, and only its arrival-rate executors keep that in bounds (iterations "
    "that are then dropped are counted)",
    "Locust": "times are Locust's own, from when a user sends a request: users wait for a slow "
    "target meanwhile, so requests that were never sent are not in them",
    "JMeter": "times are JMeter's own (elapsed), from when a thread sends a request: threads wait "
    "for a slow target meanwhile, so requests that were never sent are not in them",
}
_PERCENTILES = {"med": 0.5, "p(90)": 0.9, "p(95)": 0.95, "p(99)": 0.99}
_OF_TOOLS = ("http_", "data_", "iteration", "vus", "group_", "checks", "dropped_", "ws_", "grpc_")
"""How the names of k6's own metrics begin."""


def status_of_script(report: WorkerReport) -> ScriptStatus | None:
    """What a user reads about the tool; None if the target is not a script."""
    record = report.script
    if record is None:
        return None
    metrics = sorted(
        record.metrics.items(), key=lambda item: (item[0].startswith(_OF_TOOLS), item[0])
    )
    checks = sorted(record.checks.items(), key=lambda item: (item[1].failed == 0, item[0]))
    return ScriptStatus(
        tool=record.tool,
        versions=record.versions,
        files=record.files,
        clock=_CLOCKS.get(record.tool, ""),
        message=cut("; ".join(record.failures)) if record.failures else None,
        metrics=[
            ToolMetricStatus(name=name, kind=one.kind, figures=_figures(one, report))
            for name, one in metrics[:MAX_TOOL_ROWS]
        ],
        checks=[
            ToolCheckStatus(name=name, passed=one.passed, failed=one.failed)
            for name, one in checks[:MAX_TOOL_ROWS]
        ],
        left_out=max(len(metrics) - MAX_TOOL_ROWS, 0) + max(len(checks) - MAX_TOOL_ROWS, 0),
    )


def _figures(metric: ToolMetric, report: WorkerReport) -> dict[str, str]:
    """The statistics of a metric that its samples support, under the tool's names."""
    if not metric.samples:
        return {}
    values: dict[str, float] = {}
    match metric.kind:
        case "Trend" if metric.values is not None:
            values = {name: _SIMPLE[name](metric) for name in ("avg", "min", "max")}
            known = {name: q for name, q in _PERCENTILES.items() if supports(metric.samples, q)}
            values |= {
                name: _interpolated(metric.values, q)[1] / SCALE for name, q in known.items()
            }
        case "Rate":
            values = {"rate": _SIMPLE["rate"](metric), "passes": metric.passed}
        case "Counter":
            values = {"count": metric.total}
            if report.load_time > 0:
                values["rate"] = metric.total / (report.load_time / NS_PER_S)
        case "Gauge" if report.workers == 1:
            values = {"value": metric.last}
    if metric.kind == "Gauge":
        values |= {"min": metric.least, "max": metric.greatest}
    if metric.kind in ("Trend", "Rate"):
        values["samples"] = metric.samples
    return {name: format_number(value) for name, value in values.items()}


# --- what is in doubt ---------------------------------------------------------------------------


def differing_workers(report: WorkerReport) -> str | None:
    """Why the figures of several workers are not those of one script; None: they are."""
    record = report.script
    if record is None:
        return None
    for what, kinds in (("files of the script", record.files), ("versions", record.versions)):
        if len(kinds) > 1:
            shown = ", ".join(kind[:12] for kind in kinds[:4])
            return f"workers of this run had different {what}: {shown}. Nothing is judged"
    return None


def script_findings(plan: RunPlan, report: WorkerReport) -> list[Finding]:
    """What limits what the measurements of a tool can prove."""
    target, record = plan.target.script, report.script
    if target is None or record is None:
        return []
    return [found for rule in _RULES if (found := rule(plan, record, report)) is not None]


def _failed(_: RunPlan, record: ScriptRecord, report: WorkerReport) -> Finding | None:
    # A stop ends the tool, whatever it says then.
    if not record.failures or report.stopped is not None:
        return None
    more = f" (and {len(record.failures) - 1} more)" if len(record.failures) > 1 else ""
    return finding_of("ToolFailed", "UnderLoading", f"{record.failures[0]}{more}")


def _dropped(_: RunPlan, record: ScriptRecord, report: WorkerReport) -> Finding | None:
    dropped = record.dropped_iterations
    started = sum(one.started for one in report.window.scenarios)
    if not dropped:
        return None
    few = started >= _STARTED * (started + dropped)
    return finding_of(
        "Dropped",
        "Informing" if few else "UnderLoading",
        f"{dropped} of {started + dropped} iterations were dropped by {record.tool}, because no "
        "user was free when they were due: the target is slower than the load, or the script has "
        "too few users (maxVUs), and nothing is known about the requests that were not sent",
    )


def _shed(_: RunPlan, record: ScriptRecord, __: WorkerReport) -> Finding | None:
    if not record.shed:
        return None
    seconds = len(record.shed_seconds)
    return finding_of(
        "SamplesShed",
        "UnderLoading",
        f"{record.shed} rows of {record.tool} were not read, in {seconds} seconds of the load, "
        "because a worker could not keep up: their requests are missing; use more workers, or "
        "give them more CPU",
    )


def _unreadable(_: RunPlan, record: ScriptRecord, __: WorkerReport) -> Finding | None:
    if not record.unreadable:
        return None
    return finding_of(
        "SamplesUnreadable",
        "UnderLoading",
        f"{record.unreadable} rows of {record.tool} could not be read: their requests are missing",
    )


def _many_names(_: RunPlan, record: ScriptRecord, __: WorkerReport) -> Finding | None:
    sentences = []
    if record.renamed:
        sentences.append(
            f"{record.renamed} requests are counted under the name {OTHER}, because there are more "
            f"than {MAX_STEPS} names"
        )
    if record.left_out:
        sentences.append(
            f"{record.left_out} samples of metrics and checks were left out, because there are "
            f"more than {MAX_METRICS} of them"
        )
    if not sentences:
        return None
    hint = "give requests that are alike one name (in k6 the tag name)"
    return finding_of("ManyNames", "Informing", f"{'; '.join(sentences)}: {hint}")


def _undivided(plan: RunPlan, _: ScriptRecord, __: WorkerReport) -> Finding | None:
    target = plan.target.the_script
    if target.divided != "None" or plan.load.workers == 1:
        return None
    return finding_of(
        "NotDivided",
        "Informing",
        f"each of {plan.load.workers} workers ran the whole script (split: None): this is "
        f"{plan.load.workers} times its load",
    )


def _no_abort(plan: RunPlan, record: ScriptRecord, _: WorkerReport) -> Finding | None:
    if plan.target.the_script.thresholds == "Ignore":
        return None
    found = [one for one in record.thresholds if one.abort and stop_condition(one) is None]
    if not found:
        return None
    shown = ", ".join(f"{one.metric}: {one.source}" for one in found[:4])
    return finding_of(
        "NoAbort",
        "Informing",
        f"a miss of these thresholds ends no load, although they have abortOnFail, because no "
        f"condition of stopWhen is about the same: {shown}",
    )


def finding_of(kind: str, effect: Effect, message: str) -> Finding:
    """A finding; foreign text in its message is cut where a status has no room for it."""
    return Finding(type=kind, effect=effect, message=cut(message))


_RULES: tuple[Callable[[RunPlan, ScriptRecord, WorkerReport], Finding | None], ...] = (
    _failed,
    _shed,
    _unreadable,
    _dropped,
    _many_names,
    _undivided,
    _no_abort,
)
