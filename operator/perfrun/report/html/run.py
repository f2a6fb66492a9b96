"""The page of one run."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from perfrun.api.run.perfrun import PerfRunStatus
from perfrun.api.test.metric import STATISTICS
from perfrun.logic.comparison.model import Reported
from perfrun.report.advice import next_steps
from perfrun.report.console import MARKS, score
from perfrun.report.html import facts
from perfrun.report.html.charts import Chart
from perfrun.report.html.distribution import distributions
from perfrun.report.html.observed import observed_charts, unseen
from perfrun.report.html.over_time import charts_over_time, lag_chart
from perfrun.report.html.page import render
from perfrun.report.html.phases import legend as phase_legend
from perfrun.report.html.phases import phase_bars
from perfrun.report.html.timeline import Timeline
from perfrun.report.lines import (
    code_rows,
    command_lines,
    figure_tables,
    script_lines,
    script_tables,
)
from perfrun.report.pages import caption, page_rows
from perfrun.report.steps import figure_notes


@dataclass
class _Drawn:
    """The charts of a run, and why some are missing."""

    charts: Sequence[Chart] = ()
    lag: Chart | None = None
    missing: list[str] = field(default_factory=list)
    stopped: str | None = None


def run_page(reported: Reported) -> str:
    """One run as a self-contained HTML page."""
    run, result = reported.run, reported.result
    status = run.status
    drawn = _draw(reported)
    report = result.report if result is not None else None
    picture = report.window.picture if report is not None else None
    bars = phase_bars(report.window.steps, status.steps) if report is not None else []
    mark = MARKS[status.verdict] if status.verdict is not None else "…"
    return render(
        "run.html.j2",
        status.verdict,
        mark,
        run=run,
        status=status,
        test=run.test,
        marks=MARKS,
        facts=facts,
        heading=facts.heading(run),
        score=score(status.slos),
        advice=next_steps(run),
        drawn=drawn,
        command=command_lines(status),
        tables=figure_tables(status.benchmark) if status.benchmark is not None else [],
        tool_lines=script_lines(status.script) if status.script is not None else [],
        tool_tables=script_tables(status.script),
        codes=code_rows(status.steps),
        pages=page_rows(status.steps),
        # Only base64, which was checked when it was read; too long to be shortened.
        picture=Markup(picture.jpeg) if picture is not None else None,  # noqa: S704
        caption=caption(picture) if picture is not None else "",
        traces=facts.slowest(report) if report is not None else [],
        environment=facts.environment(reported),
        generator=facts.generator(run),
        happened=facts.happened(run),
        asked=facts.objective_texts(result) if not status.slos else [],
        notes=_notes(status),
        phases=bars,
        phase_legend=phase_legend(),
        longest=max((bar.total for bar in bars), default=0.0),
        sections=[],  # each heading of the template adds itself
    )


def _notes(status: PerfRunStatus) -> list[str]:
    """The notes below the table of steps."""
    if status.summary is None:
        return []
    return list(figure_notes(status.summary, status.steps, STATISTICS))


def _draw(reported: Reported) -> _Drawn:
    result = reported.result
    why = facts.without_result(result)
    if why is not None or result is None or result.report is None:
        return _Drawn(missing=[why] if why else [])
    timeline = Timeline(reported, result.plan, result.report)
    if result.plan.target.benchmark is not None:  # a single command has no charts over time
        return _Drawn(list(observed_charts(timeline)), missing=list(unseen(timeline)))
    over_time = list(charts_over_time(timeline))
    charts = [
        *over_time[:1],  # the response times
        *observed_charts(timeline),
        *over_time[1:],
        *distributions(result.report, result.plan, reported.run.status),
    ]
    missing = timeline.missing()
    reasons = [*([missing] if missing else []), *unseen(timeline)]
    return _Drawn(charts, lag_chart(timeline), reasons, timeline.stopped())
