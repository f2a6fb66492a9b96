"""Runs as CSV (RFC 4180): a line for each step, or for each point in time.

The first line has the names of the columns, with their units; a field without a figure is empty.
Who opens it in a spreadsheet did not write its texts: one that the spreadsheet would execute as a
formula has an apostrophe before it, as OWASP advises.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from perfrun.api.quantities import NS_PER_S, parse_duration
from perfrun.api.run.perfrun import PerfRun, StepStatus, Summary
from perfrun.api.test.metric import QUANTILES
from perfrun.logic.comparison.model import Reported
from perfrun.measure.histogram import supports
from perfrun.measure.report import WorkerReport
from perfrun.measure.result import RunResult
from perfrun.measure.sketch import Sketch
from perfrun.report.figures import LATENCIES, RATES, Figure, of_load, tool_figures

STEPS, TIMELINE, TOOL = "steps.csv", "timeline.csv", "tool.csv"
_RUN = ("namespace", "test", "run", "start_time")
_TOOL = ("metric", "kind", "statistic", "value")
_COUNTS = ("sent", "succeeded", "failed", "censored")
_SUFFIXES = {"seconds": "_s", "per second": "_per_s", "ratio": "_ratio"}
_SERIES = ("planned", "started", "succeeded", "failed", "in_flight")
_PERCENTILES = {f"latency_{name}_s": share for name, share in QUANTILES.items()}

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that a spreadsheet executes, perhaps after a white space."""

Line = dict[str, object]


def steps_csv(runs: Sequence[Reported]) -> str:
    """A line for all steps of a run together (without a name), and one for each step; all runs in
    one table."""
    return _table([line for one in runs for line in _steps(one.run)])


def timeline_csv(runs: Sequence[Reported]) -> str:
    """The points in time of all runs whose result is kept, including the warm-up."""
    return _table(
        [
            line
            for one in runs
            if one.result is not None and one.result.report is not None
            for line in _points(one.run, one.result, one.result.report)
        ]
    )


def tool_csv(runs: Sequence[Reported]) -> str:
    """What the tools of scripts measured besides requests: a line for each statistic, and two for
    each check."""
    return _table([line for one in runs for line in _of_tool(one.run)])


def csv_files(runs: Sequence[Reported]) -> Mapping[str, str]:
    """All of them, by the names of their files; that of tools only with runs of scripts."""
    files = {STEPS: steps_csv(runs), TIMELINE: timeline_csv(runs)}
    if any(one.run.status.script is not None for one in runs):
        files[TOOL] = tool_csv(runs)
    return files


def _of_tool(run: PerfRun) -> Iterator[Line]:
    script = run.status.script
    if script is None:
        return
    rows = [
        (one.metric, one.kind, statistic, value)
        for one in tool_figures(script)
        for statistic, value in one.values.items()
    ]
    for check in script.checks:
        rows.append((check.name, "Check", "passed", float(check.passed)))
        rows.append((check.name, "Check", "failed", float(check.failed)))
    about = {**_run(run), "tool": script.tool}
    for row in rows:
        yield {**about, **dict(zip(_TOOL, row, strict=True))}


def _table(lines: Sequence[Line]) -> str:
    columns = list(dict.fromkeys(name for line in lines for name in line)) or list(_RUN)
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end as RFC 4180 says: CRLF
    writer.writerow(map(_inert, columns))
    writer.writerows([_inert(line.get(name, "")) for name in columns] for line in lines)
    return text.getvalue()


def _inert(value: object) -> object:
    """A text that no spreadsheet takes for a formula; numbers stay."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _run(run: PerfRun) -> Line:
    metadata = run.metadata
    values = (
        metadata.namespace,
        run.spec.test_ref.name,
        metadata.name,
        run.status.start_time or "",
    )
    return dict(zip(_RUN, values, strict=True))


def _steps(run: PerfRun) -> Iterator[Line]:
    status = run.status
    if status.summary is None:
        return
    window = parse_duration(status.summary.window) / NS_PER_S
    parts: list[tuple[str, str, Summary | StepStatus]] = [("", "", status.summary)]
    parts += [(step.scenario, step.name, step) for step in status.steps]
    for scenario, step, part in parts:
        figures = dict(of_load(part, (*RATES, *LATENCIES)))
        yield {
            **_run(run),
            "scenario": scenario,
            "step": step,
            "window_s": window,
            **{name: getattr(part.requests, name) for name in _COUNTS},
            "attempts": part.attempts.window,
            **{_column(name, one): _value(one) for name, one in figures.items()},
            "lower_bounds": " ".join(
                _column(name, one) for name, one in figures.items() if one.lower_bound
            ),
        }


def _column(metric: str, one: Figure) -> str:
    """``latency_p95_s``, ``throughput_per_s``, ``error_ratio``."""
    return metric.replace(".", "_").replace("Rate", "") + _SUFFIXES[one.unit]


def _value(one: Figure) -> object:
    return "" if one.value is None else one.value


def _points(run: PerfRun, result: RunResult, report: WorkerReport) -> Iterator[Line]:
    series, warmup = report.series, result.plan.load.warmup or 0
    columns = {name: getattr(series, name) for name in _SERIES}
    length = max(map(len, (*columns.values(), series.lag, series.latency)))
    about = _run(run)
    for index in range(length):
        start = index * series.resolution
        lag = _at(series.lag, index)
        yield {
            **about,
            "start_s": start / NS_PER_S,
            "end_s": (start + series.resolution) / NS_PER_S,
            "part": _part(start, warmup, report.load_time),
            **{name: _at(values, index) for name, values in columns.items()},
            "lag_max_s": lag / NS_PER_S if isinstance(lag, int) else "",
            **(_latency(series.latency[index]) if index < len(series.latency) else {}),
            **{f"failed_{kind}": _at(values, index) for kind, values in series.errors.items()},
        }


def _at(values: Sequence[int], index: int) -> object:
    return values[index] if index < len(values) else ""


def _part(start: int, warmup: int, load_time: int) -> str:
    if start < warmup:
        return "warmup"
    return "window" if start < load_time else "after"


def _latency(sketch: Sketch) -> Line:
    """Percentiles that have enough samples, and the maximum."""
    found = {
        name: sketch.quantile(share) if supports(sketch.count, share) else None
        for name, share in _PERCENTILES.items()
    }
    found["latency_max_s"] = float(sketch.greatest) if sketch.count else None
    return {name: "" if ns is None else round(ns) / NS_PER_S for name, ns in found.items()}
