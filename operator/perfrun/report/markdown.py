"""Finished runs as Markdown: short enough for a merge request or the summary of a CI job.

Foreign text is escaped, so that it cannot add markup, links or mentions, or break a table.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from perfrun.api.run.perfrun import PerfRun, Summary, Verdict
from perfrun.api.sentence import printable
from perfrun.logic.comparison.contrast import p_text
from perfrun.logic.comparison.model import Comparison, Group, Row, Shown
from perfrun.report.advice import next_steps
from perfrun.report.console import MARKS, score
from perfrun.report.lines import (
    FigureTable,
    by_count,
    command_lines,
    explained,
    figure_tables,
    observed_lines,
    request_counts,
    script_lines,
    script_tables,
)
from perfrun.report.pages import HEAD, page_rows
from perfrun.report.steps import figure, number, step_notes, step_rows

_MARKED = re.compile(r"[\\`*_\[\]|~#!<>&@$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_MAX_CELLS = 8
"""Runs that stand side by side in a table of a comparison."""


def markdown(runs: Sequence[PerfRun]) -> str:
    """The summary; for several runs, first a table of all, then each run."""
    parts = [_overview(runs)] if len(runs) > 1 else []
    return "\n\n".join([*parts, *("\n\n".join(_run(run)) for run in runs)]) + "\n"


def comparison_markdown(comparison: Comparison) -> str:
    """A comparison as Markdown."""
    parts = [f"### Comparison of {escaped(comparison.title)}"]
    parts += [_bullets(comparison.conclusion)]
    if comparison.warnings:
        parts.append("**Not alike**\n\n" + _bullets(comparison.warnings))
    parts.append(_groups_table(comparison) if comparison.grouped else _cells_table(comparison))
    parts.append(_bullets(_who(comparison)))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Foreign text, escaped, on one line."""
    # As numeric entities: a backslash does not prevent that a name is mentioned, or a number
    # linked.
    line = " ".join(printable(text).split())
    return _MARKED.sub(lambda found: f"&#{ord(found[0])};", line)


def _overview(runs: Sequence[PerfRun]) -> str:
    rows = []
    for run in runs:
        status, summary = run.status, run.status.summary
        latency = summary.latency if summary else None
        rows.append(
            (
                escaped(run.test),
                _verdict(status.verdict),
                score(status.slos) if status.slos else "none",
                _or_none(latency.p95 if latency else None),
                _or_none(summary.throughput if summary else None),
                _or_none(summary.error_rate if summary else None),
            )
        )
    return _table(("Test", "Verdict", "Objectives", "p95", "Rate", "Errors"), rows)


def _run(run: PerfRun) -> Iterator[str]:
    status = run.status
    yield f"### {_verdict(status.verdict)}: {escaped(run.test)}"
    if status.message:
        yield escaped(status.message)
    yield _facts(run)
    if status.slos:
        rows = [(_verdict(slo.verdict), escaped(slo.message)) for slo in status.slos]
        yield _table((score(status.slos), "Objective"), rows)
    if status.benchmark is not None:
        yield "**Command**\n\n" + _bullets(command_lines(status))
        yield from map(_figures, figure_tables(status.benchmark))
    elif status.summary is not None:
        yield _steps(run, status.summary)
        if pages := page_rows(status.steps):
            yield _table(HEAD, [tuple(map(escaped, row)) for row in pages], right=True)
        yield _requests(status.summary)
        if why := list(explained(status.steps)):
            yield _bullets(why)
        if status.script is not None:
            yield "**Script**\n\n" + _bullets(script_lines(status.script))
            yield from map(_figures, script_tables(status.script))
    if status.observed:
        yield "**Observed**\n\n" + _bullets(observed_lines(status.observed))
    if status.generator is not None and status.generator.findings:
        found = (
            f"{escaped(one.type)}: {escaped(one.message)}" for one in status.generator.findings
        )
        yield "**Generator**\n\n" + _listed(found)
    if advice := next_steps(run):
        yield "**Next**\n\n" + _bullets(advice)


def _facts(run: PerfRun) -> str:
    status = run.status
    facts = [f"Run {escaped(run.metadata.name)}"]
    if status.start_time:
        facts.append(f"started {escaped(status.start_time)}")
    if status.summary is not None:
        facts.append(f"window {escaped(status.summary.window)}")
        if status.summary.capacity is not None:
            facts.append(f"capacity {escaped(status.summary.capacity)}")
    if status.workers is not None:
        facts.append(f"workers {status.workers.reported}/{status.workers.planned}")
    if status.overridden:
        facts.append(f"overrides {escaped(status.overridden)}")
    return ", ".join(facts)


def _steps(run: PerfRun, summary: Summary) -> str:
    rows = step_rows(summary, run.status.steps)
    table = _table(tuple(rows[0]), [tuple(map(escaped, row.values())) for row in rows], right=True)
    return "\n\n".join([table, *map(escaped, step_notes(summary, run.status.steps))])


def _figures(table: FigureTable) -> str:
    rows = [
        (escaped(name), *(escaped(figures[column]) for column in table.columns))
        for name, figures in table.rows
    ]
    return _table((table.head, *table.columns), rows, right=True)


def _requests(summary: Summary) -> str:
    text = f"Requests: {request_counts(summary.requests)}"
    if summary.errors:
        text += f" ({escaped(by_count(summary.errors))})"
    if any(int(code) >= 400 for code in summary.status_codes if code.isdecimal()):
        text += f"; status codes: {escaped(by_count(summary.status_codes))}"
    if summary.iterations.dropped:
        text += f"; {number(summary.iterations.dropped)} iterations dropped"
    return text


def _groups_table(comparison: Comparison) -> str:
    head = ("Metric", "Baseline", "Compared", "Change", "99% interval", "p", "Shown", "From")
    rows = [_group_row(row) for row in comparison.rows]
    return _table(head, rows, right=True) + (
        "\n\nMedians of the runs, with the smallest and the largest value. From: the smallest "
        "change that could have been detected."
    )


def _group_row(row: Row) -> tuple[str, ...]:
    found = row.statistics
    if found is None:
        return (escaped(row.name), "", "", "", "", "", "not measured on both sides", "")
    return (
        escaped(row.name),
        f"{escaped(found.baseline.text)} ({escaped(found.baseline.spread)})",
        f"{escaped(found.compared.text)} ({escaped(found.compared.spread)})",
        escaped(found.change.text),
        escaped(found.interval or ""),
        p_text(found.p) if found.p is not None else "",
        found.change.tone.value if found.shown is Shown.DIFFERENT else found.shown.value,
        escaped(found.smallest or ""),
    )


def _cells_table(comparison: Comparison) -> str:
    columns = comparison.columns[:_MAX_CELLS]
    rows = []
    for row in comparison.rows:
        cells = [escaped(row.name)]
        for cell in row.cells[:_MAX_CELLS]:
            change = f" ({escaped(cell.change.text)})" if cell.change else ""
            cells.append(escaped(cell.text) + change)
        rows.append(tuple(cells))
    left = len(comparison.columns) - len(columns)
    more = f"\n\nand {left} more runs" if left else ""
    return _table(("Metric", *(escaped(one.name) for one in columns)), rows, right=True) + more


def _who(comparison: Comparison) -> Iterator[str]:
    for group in Group:
        runs = [one.name for one in comparison.columns if one.group is group]
        yield f"{group.value}: {', '.join(runs)}"


def _verdict(verdict: Verdict | None) -> str:
    return f"{MARKS[verdict]} {verdict.value}" if verdict is not None else "not done"


def _or_none(text: str | None) -> str:
    return escaped(figure(text))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = False) -> str:
    """``right``: all columns except the first contain figures."""
    lines = ["---", *(["--:" if right else "---"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, lines, *rows))


def _bullets(texts: Iterable[str]) -> str:
    return _listed(map(escaped, texts))


def _listed(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
