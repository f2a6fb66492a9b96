"""A finished run for a terminal: verdict first, then the figures, then what to do next.

Nothing is said by colour alone, and everything fits 80 columns.
"""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from perfrun.api.perfrun import (
    Finding,
    GeneratorStatus,
    LatencyStatus,
    PerfRun,
    SloStatus,
    StepStatus,
    Summary,
    Verdict,
)
from perfrun.api.times import parse_time
from perfrun.report.advice import next_steps

STYLES: dict[Verdict, str] = {
    Verdict.PASS: "green",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "red",
    Verdict.ERROR: "red",
}
_MARKS: dict[Verdict, str] = {
    Verdict.PASS: "✔",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.INCONCLUSIVE: "?",
    Verdict.WARN: "▲",
    Verdict.FAIL: "✘",
    Verdict.ERROR: "✘",
}
_ASCII_MARKS: dict[Verdict, str] = {
    Verdict.PASS: "+",
    Verdict.NOT_APPLICABLE: "-",
    Verdict.INCONCLUSIVE: "?",
    Verdict.WARN: "!",
    Verdict.FAIL: "x",
    Verdict.ERROR: "x",
}
_STATISTICS = ("avg", "p50", "p95", "p99", "max")
_ALL = "all steps"
_MOST_STEPS = 30


def print_run(run: PerfRun, console: Console) -> None:
    """Print a finished run. Texts that come from users are never read as markup."""
    rendered = render_run(run, ascii_only=not console.encoding.lower().startswith("utf"))
    if console.is_terminal:
        console.print(rendered)
        return
    with console.capture() as capture:
        console.print(rendered)
    # rich pads to the width of the console, which is noise in a file.
    for line in capture.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)


def render_run(run: PerfRun, *, ascii_only: bool = False) -> RenderableType:
    """The whole of it, for any rich console."""
    marks = _ASCII_MARKS if ascii_only else _MARKS
    status = run.status
    parts: list[RenderableType] = [_headline(run, marks)]
    if status.summary is not None:
        parts += [_latencies(status.summary, status.steps), *_counts(status.summary)]
    if status.slos:
        parts.append(_objectives(status.slos, marks))
    if status.generator is not None:
        parts.append(_generator(status.generator, run))
    if advice := next_steps(run):
        parts.append(_labelled("Next", advice))
    return Group(*_spaced(parts))


def _headline(run: PerfRun, marks: dict[Verdict, str]) -> RenderableType:
    status = run.status
    verdict = status.verdict
    first = Text(style="bold")
    if verdict is None:
        first.append(str(status.phase or "not started yet"))
    else:
        first.append(f"{marks[verdict]} {verdict.value.upper()}", style=STYLES[verdict])
    first.append(f"  {run.metadata.namespace}/{run.spec.test_ref.name}")
    lines: list[RenderableType] = [first]
    if status.message:
        lines.append(Padding(Text(_sentence(status.message)), (0, 0, 0, 2)))
    facts = [f"run {run.metadata.name}"]
    if status.start_time:
        facts.append(f"started {parse_time(status.start_time):%Y-%m-%d %H:%M:%S} UTC")
    if status.summary is not None:
        facts.append(f"window {status.summary.window}")
    lines.append(Padding(Text(", ".join(facts), style="dim"), (0, 0, 0, 2)))
    return Group(*lines)


def _latencies(summary: Summary, steps: Sequence[StepStatus]) -> RenderableType:
    table = _table()
    table.add_column("Step", overflow="fold", min_width=8)
    table.add_column("Rate", justify="right")
    table.add_column("Errors", justify="right")
    for statistic in _STATISTICS:
        table.add_column(statistic, justify="right")
    if len(steps) != 1:
        table.add_row(*_row(_ALL, summary), style="bold")
    scenarios = {step.scenario for step in steps}
    for step in steps[:_MOST_STEPS]:
        name = step.name if len(scenarios) == 1 else f"{step.scenario}/{step.name}"
        table.add_row(*_row(name, step))
    if len(steps) > _MOST_STEPS:
        table.add_row(f"and {len(steps) - _MOST_STEPS} more")
    table.caption_justify = "left"
    if any(_lacking(latency) for latency in (summary.latency, *(step.latency for step in steps))):
        table.caption = "n/a: too few samples beyond that percentile"
    return table


def _row(name: str, part: Summary | StepStatus) -> list[Text]:
    latency = part.latency or LatencyStatus()
    figures = [_figure(getattr(latency, statistic)) for statistic in _STATISTICS]
    return [Text(text) for text in (name, part.throughput, part.error_rate or "n/a", *figures)]


def _figure(text: str | None) -> str:
    return "n/a" if text in (None, "unsupported") else str(text)


def _lacking(latency: LatencyStatus | None) -> bool:
    return latency is not None and any(
        getattr(latency, statistic) == "unsupported" for statistic in _STATISTICS
    )


def _counts(summary: Summary) -> list[RenderableType]:
    iterations, requests = summary.iterations, summary.requests
    lines = [
        f"{_number(requests.sent)} sent: {_number(requests.succeeded)} succeeded, "
        f"{_number(requests.failed)} failed"
        + (f", {_number(requests.censored)} still open at the end" if requests.censored else "")
    ]
    if iterations.dropped:
        lines.append(
            f"{_number(iterations.dropped)} of {_number(iterations.planned)} iterations dropped: "
            "they could not be started in time"
        )
    if summary.errors:
        kinds = sorted(summary.errors.items(), key=lambda item: -item[1])
        lines.append("errors: " + ", ".join(f"{kind} {_number(n)}" for kind, n in kinds))
    return [_labelled("Requests", lines)]


def _objectives(slos: Sequence[SloStatus], marks: dict[Verdict, str]) -> RenderableType:
    table = _table()
    table.add_column("Objective", no_wrap=True)
    table.add_column(_score(slos), overflow="fold", ratio=1)
    for slo in slos:
        mark = Text(f"{marks[slo.verdict]} {slo.verdict.value}", style=STYLES[slo.verdict])
        table.add_row(mark, Text(_sentence(slo.message)))
    return table


def _score(slos: Sequence[SloStatus]) -> str:
    counted = [slo for slo in slos if slo.verdict is not Verdict.NOT_APPLICABLE]
    return f"{sum(slo.verdict is Verdict.PASS for slo in counted)} of {len(counted)} met"


def _generator(generator: GeneratorStatus, run: PerfRun) -> RenderableType:
    workers = run.status.workers
    known = (
        ("workers", f"{workers.reported}/{workers.planned}" if workers else None),
        ("lag p99", generator.lag_p99),
        ("CPU", generator.cpu),
        ("throttled", generator.throttled),
        ("ceiling", generator.ceiling),
        ("start skew", generator.start_skew),
        ("send spread", generator.send_spread),
        ("coverage", generator.coverage),
    )
    figures = ", ".join(f"{name} {text}" for name, text in known if text)
    return _labelled("Generator", [figures, *(_finding(one) for one in generator.findings)])


def _finding(finding: Finding) -> str:
    return f"! {finding.type}: {finding.message}"


def _labelled(label: str, lines: Sequence[str]) -> RenderableType:
    """Lines beside a label; long ones wrap under themselves."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=False)
    grid.add_column(width=10, style="bold")
    grid.add_column(overflow="fold")
    for number, line in enumerate(lines):
        grid.add_row("" if number else label, Text(_sentence(line)))
    return grid


def _table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style="bold",
        padding=(0, 1),
        collapse_padding=False,
    )


def _spaced(parts: Iterable[RenderableType]) -> list[RenderableType]:
    spaced: list[RenderableType] = []
    for part in parts:
        spaced += [part, Text()]
    return spaced[:-1]


def _sentence(text: str) -> str:
    """Without control characters: what a target answers must not steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _number(count: int) -> str:
    return f"{count:,}"
