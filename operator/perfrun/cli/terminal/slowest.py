"""Which tests of an invocation took the longest."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from perfrun.api.quantities import parse_duration
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.times import parse_time
from perfrun.report.console import print_plain
from perfrun.report.steps import simple_table


def print_slowest(runs: Sequence[PerfRun], most: int, console: Console) -> None:
    """The ``most`` tests by how long their loads took, and where that is equal by their p95."""
    ordered = sorted(runs, key=_key, reverse=True)[:most]
    heading = f"Slowest {len(ordered)} of {len(runs)}" if len(ordered) < len(runs) else "Slowest"
    table = simple_table()
    table.add_column(heading, overflow="fold")
    for name in ("Load", "p95"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    for run in ordered:
        seconds = load_seconds(run)
        load = "n/a" if seconds is None else f"{seconds:.1f}s"
        test = run.test
        table.add_row(*map(Text, (test, load, _p95(run) or "n/a", run.status.verdict or "n/a")))
    print_plain(table, console)


def load_seconds(run: PerfRun) -> float | None:
    """How long the load of a run took; None where there was none."""
    start, end = run.status.start_time, run.status.load_end_time
    if start is None or end is None:
        return None
    return (parse_time(end) - parse_time(start)).total_seconds()


def _key(run: PerfRun) -> tuple[float, float]:
    p95 = _p95(run)
    latency = parse_duration(p95.removeprefix(">=")) if p95 is not None else -1
    seconds = load_seconds(run)
    return (-1.0 if seconds is None else round(seconds, 1), latency)


def _p95(run: PerfRun) -> str | None:
    summary = run.status.summary
    p95 = summary.latency.p95 if summary is not None and summary.latency is not None else None
    return None if p95 == "unsupported" else p95
