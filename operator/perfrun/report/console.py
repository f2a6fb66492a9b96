"""Finished runs for a terminal: the verdict first, then the figures, then what to do next. For
several runs, also the slowest ones.

Colour is never the only sign. A narrow terminal gets fewer columns, never truncated figures.
"""

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from perfrun.api.quantities import AT_LEAST, parse_duration
from perfrun.api.run.perfrun import (
    CapacityStatus,
    Finding,
    GeneratorStatus,
    PerfRun,
    SloStatus,
    StepStatus,
    Summary,
    Verdict,
)
from perfrun.api.sentence import printable
from perfrun.api.times import parse_time
from perfrun.logic.comparison.model import NO_FIGURE
from perfrun.report.advice import next_steps
from perfrun.report.lines import (
    FigureTable,
    by_count,
    code_lines,
    code_rows,
    command_lines,
    explained,
    figure_tables,
    observed_lines,
    request_counts,
    script_lines,
    script_tables,
)
from perfrun.report.pages import HEAD, PageRow, fitting, page_rows
from perfrun.report.steps import figure, number, simple_table, steps_table

STYLES: dict[Verdict, str] = {
    Verdict.PASS: "green",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "red",
    Verdict.ERROR: "red",
}
MARKS: dict[Verdict, str] = {
    Verdict.PASS: "✔",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.INCONCLUSIVE: "?",
    Verdict.WARN: "▲",
    Verdict.FAIL: "✘",
    Verdict.ERROR: "✘",
}
_WIDTH = 80


def print_run(run: PerfRun, console: Console) -> None:
    """Print a finished run. Texts that come from users are never read as markup."""
    print_plain(render_run(run, width=console.width), console)


def print_plain(rendered: RenderableType, console: Console) -> None:
    """Print something to a terminal, or to a file without trailing spaces."""
    if console.is_terminal:
        console.print(rendered)
        return
    with console.capture() as capture:
        console.print(rendered)
    # rich pads lines to the width of the console.
    for line in capture.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)


def render_run(run: PerfRun, *, width: int = _WIDTH) -> RenderableType:
    """The whole report, for any rich console that is ``width`` columns wide."""
    status = run.status
    parts: list[RenderableType] = [_headline(run)]
    if status.benchmark is not None:
        parts.append(_labelled("Command", command_lines(status)))
        parts += [_figures(table, width) for table in figure_tables(status.benchmark)]
    elif status.summary is not None:
        parts.append(steps_table(status.summary, status.steps, width))
        if rows := page_rows(status.steps):
            parts.append(_pages(rows, width))
        parts.append(_counts(status.summary, status.steps, status.generator))
        if status.script is not None:
            parts.append(_labelled("Script", script_lines(status.script)))
            parts += [_figures(table, width) for table in script_tables(status.script)]
    if status.capacity is not None and status.capacity.holds:
        parts.append(_search(status.capacity))
    if status.slos:
        parts.append(_objectives(status.slos))
    if status.observed:
        parts.append(_labelled("Observed", observed_lines(status.observed)))
    if status.generator is not None:
        parts.append(_generator(status.generator, run))
    if advice := next_steps(run):
        parts.append(_labelled("Next", advice))
    return Group(*_spaced(parts))


def _headline(run: PerfRun) -> RenderableType:
    status = run.status
    verdict = status.verdict
    first = Text(style="bold")
    if verdict is None:
        first.append(str(status.phase or "not started yet"))
    else:
        first.append(f"{MARKS[verdict]} {verdict.value.upper()}", style=STYLES[verdict])
    first.append(f"  {run.test}")
    lines: list[RenderableType] = [first]
    if status.message:
        lines.append(Padding(Text(printable(status.message)), (0, 0, 0, 2)))
    facts = [f"run {run.metadata.name}"]
    if status.start_time:
        facts.append(f"started {parse_time(status.start_time):%Y-%m-%d %H:%M:%S} UTC")
    if status.summary is not None:
        facts.append(f"window {status.summary.window}")
    lines.append(Padding(Text(", ".join(facts), style="dim"), (0, 0, 0, 2)))
    if status.overridden:
        text = f"overrides {printable(status.overridden)}"
        lines.append(Padding(Text(text, style="dim"), (0, 0, 0, 2)))
    return Group(*lines)


def _figures(table: FigureTable, width: int) -> RenderableType:
    """A table of benchmarks that have the same statistics."""
    columns = table.fitting(width)
    shown = simple_table()
    shown.add_column(table.head, overflow="fold")
    for column in columns:
        shown.add_column(column, no_wrap=True, justify="right")
    for name, figures in table.rows:
        shown.add_row(Text(printable(name)), *(Text(figures[column]) for column in columns))
    if left := table.columns[len(columns) :]:
        return Group(shown, Text(f"no space for {', '.join(left)}", style="dim"))
    return shown


def _pages(rows: Sequence[PageRow], width: int) -> RenderableType:
    """A step is named once, beside the first of its measurements."""
    shown = fitting(rows, width)
    table = simple_table()
    for index in shown:
        is_text = index < 2
        table.add_column(
            HEAD[index],
            justify="left" if is_text else "right",
            overflow="fold" if is_text else "ellipsis",
            no_wrap=not is_text,
        )
    before = None
    for row in rows:
        name = "" if row.step == before else row.step
        table.add_row(*(Text((name, *row[1:])[index]) for index in shown))
        before = row.step
    left_out = [name for index, name in enumerate(HEAD) if index not in shown]
    if left_out:
        return Group(table, Text(f"no space for {', '.join(left_out)}", style="dim"))
    return table


def _counts(
    summary: Summary, steps: Sequence[StepStatus], generator: GeneratorStatus | None
) -> RenderableType:
    iterations = summary.iterations
    lines = [request_counts(summary.requests)]
    if iterations.dropped:
        lines.append(
            f"{number(iterations.dropped)} of {number(iterations.planned)} iterations dropped: "
            + _why_dropped(generator)
        )
    if summary.errors:
        lines.append(f"errors: {by_count(summary.errors)}")
    if codes := code_rows(steps):
        lines.append(f"status codes: {by_count(summary.status_codes)}")
        lines += code_lines(codes)
    lines += explained(steps)
    return _labelled("Requests", lines)


def _why_dropped(generator: GeneratorStatus | None) -> str:
    found = {finding.type for finding in generator.findings} if generator else set()
    if found & {"SentBelowPlanned", "Coverage"}:
        return "they could not be started in time, see Generator"
    return "the target was slower than the load, and load.open.maxInFlight was reached"


def _objectives(slos: Sequence[SloStatus]) -> RenderableType:
    table = simple_table()
    table.add_column("Objective", no_wrap=True)
    table.add_column(score(slos), overflow="fold", ratio=1)
    for slo in slos:
        mark = Text(f"{MARKS[slo.verdict]} {slo.verdict.value}", style=STYLES[slo.verdict])
        table.add_row(mark, Text(printable(slo.message)))
    return table


def _search(capacity: CapacityStatus) -> RenderableType:
    """The holds of a capacity search, with the reason if one missed the objectives."""
    table = simple_table()
    for name in ("Hold", "Rate", "p95", "Errors"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("Outcome", overflow="fold", ratio=1)
    for index, hold in enumerate(capacity.holds, 1):
        outcome = hold.outcome or "not judged"
        text = f"{outcome}: {hold.message}" if outcome not in ("Met", "not judged") else outcome
        row = (
            str(index),
            hold.rate,
            figure(hold.p95),
            hold.error_rate or NO_FIGURE,
            printable(text),
        )
        table.add_row(*map(Text, row))
    return table


def score(slos: Sequence[SloStatus]) -> str:
    """``3 of 4 met``."""
    counted = [slo for slo in slos if slo.verdict is not Verdict.NOT_APPLICABLE]
    return f"{sum(slo.verdict is Verdict.PASS for slo in counted)} of {len(counted)} met"


def _generator(generator: GeneratorStatus, run: PerfRun) -> RenderableType:
    workers = run.status.workers
    known = (
        ("workers", f"{workers.reported}/{workers.planned}" if workers else None),
        ("lag p99", generator.lag_p99),
        ("CPU", generator.cpu),
        ("waited for CPU", generator.cpu_wait),
        ("throttled", generator.throttled),
        ("ceiling", generator.ceiling),
        ("connections reused", generator.reuse),
        ("start skew", generator.start_skew),
        ("send spread", generator.send_spread),
        ("coverage", generator.coverage),
    )
    figures = ", ".join(f"{name} {text}" for name, text in known if text)
    return _labelled("Generator", [figures, *(_finding(one) for one in generator.findings)])


def _finding(finding: Finding) -> str:
    return f"! {finding.type}: {finding.message}"


def _labelled(label: str, lines: Sequence[str]) -> RenderableType:
    """Lines beside a label; long lines wrap below themselves."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=False)
    grid.add_column(width=10, style="bold")
    grid.add_column(overflow="fold")
    for index, line in enumerate(lines):
        grid.add_row("" if index else label, Text(printable(line)))
    return grid


def _spaced(parts: Iterable[RenderableType]) -> list[RenderableType]:
    spaced: list[RenderableType] = []
    for part in parts:
        spaced += [part, Text()]
    return spaced[:-1]


def print_slowest(runs: Sequence[PerfRun], most: int, console: Console) -> None:
    """Print the ``most`` tests with the longest loads; ties are ordered by p95."""
    ordered = sorted(runs, key=_slowness, reverse=True)[:most]
    heading = f"Slowest {len(ordered)} of {len(runs)}" if len(ordered) < len(runs) else "Slowest"
    table = simple_table()
    table.add_column(heading, overflow="fold")
    for name in ("Load", "p95"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    for run in ordered:
        seconds = load_seconds(run)
        load = NO_FIGURE if seconds is None else f"{seconds:.1f}s"
        test = run.test
        cells = (test, load, _p95(run) or NO_FIGURE, run.status.verdict or NO_FIGURE)
        table.add_row(*map(Text, cells))
    print_plain(table, console)


def load_seconds(run: PerfRun) -> float | None:
    """How long the load of a run took; None if there was no load."""
    start, end = run.status.start_time, run.status.load_end_time
    if start is None or end is None:
        return None
    return (parse_time(end) - parse_time(start)).total_seconds()


def _slowness(run: PerfRun) -> tuple[float, float]:
    p95 = _p95(run)
    latency = parse_duration(p95.removeprefix(AT_LEAST)) if p95 is not None else -1
    seconds = load_seconds(run)
    return (-1.0 if seconds is None else round(seconds, 1), latency)


def _p95(run: PerfRun) -> str | None:
    summary = run.status.summary
    return summary.latency.p95 if summary is not None and summary.latency is not None else None
