"""The progress of a run: a live view on a terminal, plain lines elsewhere."""

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live as LiveDisplay
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from perfrun.api.quantities import NS_PER_S, format_duration, format_percent, format_rate
from perfrun.cli.terminal.streams import InPlace
from perfrun.local.run import STOP_SECONDS, Progress
from perfrun.logic.plan.capacity import most_holds
from perfrun.logic.plan.run_plan import load_end, planned
from perfrun.logic.plan.shape import Shape

_OFTEN = 10
_LINE_SECONDS = 1.0
_LATER_SECONDS = 5.0
_BAR_WIDTH = 30
_GAP = 2
_LEFT_OUT = ("errors", "p99", "p50", "sent", "load", "dropped", "in flight", "p95")
"""Columns in the order in which they are left out if there is no room."""


class ProgressView(InPlace):
    """Shows each :class:`Progress` it is called with; a context manager."""

    def __init__(self, console: Console, place: str = "") -> None:
        """``place`` is its number among several tests, as in ``2 of 5``."""
        self._console = console
        self._place = place
        # A terminal that cannot move its cursor (TERM=dumb) gets lines.
        moves = console.is_terminal and not console.is_dumb_terminal
        super().__init__(
            LiveDisplay(console=console, auto_refresh=False, transient=True) if moves else None
        )
        self._to_file = not console.file.isatty()
        self._said = ""
        self._lines = 0
        self._next_line = 0.0

    def __call__(self, progress: Progress) -> None:
        """Show it; if not on a terminal, as a line every second, later every five."""
        if self._live is not None:
            screen = _screen(progress, self._console.width, self._place)
            self._live.update(screen, refresh=True)
            return
        if progress.waiting is None and not progress.live.workers and not progress.stopping:
            return  # T0 is set, and no interval has arrived yet
        now = time.monotonic()
        state = _state(progress)
        loading = progress.waiting is None and progress.stopping is None
        if state == self._said and not (loading and now >= self._next_line):
            return
        if self._place and not self._said:
            self._print(_title(progress, self._place))
        self._said = state
        self._lines += 1
        self._next_line = now + (_LINE_SECONDS if self._lines <= _OFTEN else _LATER_SECONDS)
        self._print(_line(progress, self._console.width))

    def _print(self, line: str) -> None:
        # A sentence is wrapped for a person, but stays one line in a log.
        self._console.print(Text(line), soft_wrap=self._to_file)


def _state(progress: Progress) -> str:
    """What is printed at once when it changes."""
    return f"{progress.stopping} {progress.waiting}"


def _line(progress: Progress, width: int) -> str:
    if progress.stopping is not None:
        return (
            f"stopping ({progress.stopping}){_waited_for(progress)}; press Ctrl-C again to end "
            "at once"
        )
    if progress.waiting is not None:
        return f"{progress.ready}/{progress.plan.load.workers} workers ready: {progress.waiting}"
    clock = _clock(progress)
    figures = [*_figures(progress), *_main_error(progress)]
    known = [(name, f"{name} {text}") for name, text in figures]
    shown = _fitting(known, width - len(clock) - _GAP)
    return (" " * _GAP).join([clock, *(text for _, text in shown)])


def _waited_for(progress: Progress) -> str:
    count = progress.live.in_flight
    if not count or progress.waiting is not None or progress.reported:
        return ""
    return f": waiting up to {STOP_SECONDS}s for {count:,} open request{'s' if count > 1 else ''}"


def _title(progress: Progress, place: str) -> str:
    name = f"{progress.plan.namespace}/{progress.plan.test}"
    return f"{place}: {name}" if place else name


def _main_error(progress: Progress) -> list[tuple[str, str]]:
    """The most frequent error class, for one line."""
    errors = progress.live.errors
    if not errors:
        return []
    kind = max(errors, key=lambda one: errors[one])
    return [("errors", kind if len(errors) == 1 else f"{kind} {errors[kind]:,} and others")]


def _screen(progress: Progress, width: int, place: str) -> RenderableType:
    title = Text(_title(progress, place), style="bold", no_wrap=True, overflow="ellipsis")
    if progress.stopping is not None or progress.waiting is not None:
        return Group(title, Text(_line(progress, width)))
    clock = _clock(progress)
    bar = Table.grid(padding=(0, 1))
    bar_width = max(min(_BAR_WIDTH, width - len(clock) - 1), 1)
    bar.add_row(
        ProgressBar(total=1.0, completed=_share(progress), width=bar_width),
        Text(clock, no_wrap=True, overflow="ellipsis"),
    )
    figures = Table.grid(padding=(0, _GAP))
    known = _fitting(_figures(progress), width)
    figures.add_row(*(Text(name, style="dim") for name, _ in known))
    figures.add_row(*(Text(text) for _, text in known))
    parts: list[RenderableType] = [title, bar, figures]
    if progress.live.errors:
        kinds = sorted(progress.live.errors.items(), key=lambda item: -item[1])
        parts.append(Text("errors: " + ", ".join(f"{kind} {count:,}" for kind, count in kinds[:6])))
    return Group(*parts)


def _fitting(figures: list[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    """The figures (by name, and as they are shown) for which there is room."""
    shown = list(figures)
    for name in _LEFT_OUT:
        needed = sum(max(len(name), len(text)) + _GAP for name, text in shown) - _GAP
        if needed <= width:
            break
        shown = [one for one in shown if one[0] != name]
    return shown


def _clock(progress: Progress) -> str:
    elapsed, end = progress.live.elapsed, load_end(progress.plan)
    if progress.live.search is not None:
        clock = f"{_time(elapsed)}: {progress.live.search.line()}"
        return f"{clock} (collecting)" if progress.reported else clock
    if (most := _most(progress)) is not None:
        return f"{_time(elapsed)} of at most {_time(most)}"
    if end is None:
        return f"{progress.live.succeeded + progress.live.failed:,}/{planned(progress.plan):,}"
    clock = f"{_time(min(elapsed, end))}/{_time(end)}"
    if progress.plan.load.until_stopped:
        clock = f"{_time(min(elapsed, end))} until Ctrl-C (at most {_time(end)})"
    if elapsed >= end or progress.reported:
        return f"{clock} (collecting: {progress.reported}/{progress.plan.load.workers})"
    return f"{clock} (warm-up)" if elapsed < (progress.plan.load.warmup or 0) else clock


def _most(progress: Progress) -> int | None:
    """ns that a benchmark or a script may take; None for a load that perfrun makes."""
    plan = progress.plan
    return plan.load.max_duration if plan.target.benchmark is None else plan.target.timeout


def _level(progress: Progress) -> list[tuple[str, str]]:
    """The current target: a rate of iterations, or a number of users."""
    load, end = progress.plan.load, load_end(progress.plan)
    if end is None:
        return []
    level = Shape.of(load).level(min(progress.live.elapsed, end - 1))
    if load.open is not None:
        return [("load", format_rate(level))]
    users = round(level)
    return [("load", f"{users:,} user{'s' if users != 1 else ''}")]


def _time(ns: int) -> str:
    """``45s``, ``12m05s``, ``3h00m``."""
    seconds = round(ns / NS_PER_S)
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 7200:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"


def _share(progress: Progress) -> float:
    end = load_end(progress.plan)
    if (search := progress.live.search) is not None:
        # The number of holds is not known in advance, but a bar has to show progress towards
        # something.
        assert progress.plan.load.capacity is not None
        return min(1.0, search.hold / most_holds(progress.plan.load.capacity))
    if (most := _most(progress)) is not None:
        return min(1.0, progress.live.elapsed / most)
    if end is None:
        return (progress.live.succeeded + progress.live.failed) / planned(progress.plan)
    return min(1.0, progress.live.elapsed / end) if end else 0.0


def _figures(progress: Progress) -> list[tuple[str, str]]:
    live = progress.live
    if progress.plan.target.benchmark is not None:
        return []  # the one command that runs has no figures before it ends
    ended = live.succeeded + live.failed
    figures = [
        *_level(progress),
        # Including failed ones: the report's Rate counts successes.
        ("answers/s", f"{live.rate:,.{0 if live.rate >= 10 else 1}f}".removesuffix(".0")),
        ("in flight", f"{live.in_flight:,}"),
        ("sent", f"{live.sent:,}"),
        ("failed", f"{live.failed:,} ({format_percent(live.failed / ended if ended else 0.0)})"),
    ]
    if live.dropped:
        figures.append(("dropped", f"{live.dropped:,}"))
    return figures + [(name, format_duration(ns)) for name, ns in live.recent.items()]
