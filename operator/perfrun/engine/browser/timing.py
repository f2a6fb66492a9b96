"""From a browser's timing of a page to the figures of a visit.

First contentful paint, largest contentful paint, layout shift: as the browser gives them (W3C
Paint Timing, Largest Contentful Paint, Layout Instability). Time to interactive and total blocking
time: as web.dev/tti and web.dev/tbt define them, over the quiet window of the test.
"""

from typing import Any, NamedTuple

from perfrun.api.quantities import NS_PER_MS
from perfrun.api.test.metric import (
    FIRST_CONTENTFUL_PAINT,
    LARGEST_CONTENTFUL_PAINT,
    LAYOUT_SHIFT,
    PAGE_LOAD,
    TIME_TO_INTERACTIVE,
    TOTAL_BLOCKING_TIME,
)

LONG_TASK = 50.0
"""ms: longer tasks are long tasks (W3C Long Tasks); the time beyond it is blocking time."""
MAX_TIME = 3600_000.0
"""ms; larger values from a page are not trusted."""
MAX_SHIFT = 1000.0


class PageState(NamedTuple):
    """A page's state at a moment; times in ms after its navigation began."""

    now: float
    load: float
    """End of the load event; 0: not yet."""
    ready: float
    """End of the event DOMContentLoaded."""
    paint: float | None
    largest: float | None
    shift: float
    tasks: tuple[tuple[float, float], ...]
    """Start and duration of each long task."""

    @property
    def last_task_end(self) -> float:
        """0: there was no long task."""
        return max((start + length for start, length in self.tasks), default=0.0)


def seen_of(raw: Any) -> PageState | None:
    """The state from the answer of the page's script; None for anything invalid: pages can be
    hostile."""
    try:
        return PageState(
            now=_number(raw["now"]),
            load=_number(raw["load"]),
            ready=_number(raw["ready"]),
            paint=None if raw["paint"] is None else _number(raw["paint"]),
            largest=None if raw["largest"] is None else _number(raw["largest"]),
            shift=_number(raw["shift"], MAX_SHIFT),
            tasks=tuple((_number(start), _number(length)) for start, length in raw["tasks"]),
        )
    except (TypeError, KeyError, ValueError):
        return None


def _number(value: Any, most: float = MAX_TIME) -> float:
    number = float(value)
    if not 0 <= number <= most:
        raise ValueError(f"{number} is not a valid number")
    return number


def quiet_since(seen: PageState, crowded_until: float) -> float:
    """Since when a loaded page has had no long task and few open requests (ms).

    At the earliest since its load event, so that what a page does afterwards counts too.
    """
    return max(seen.load, seen.paint or 0.0, seen.last_task_end, crowded_until)


def interactive(seen: PageState) -> float | None:
    """Time to interactive of a quiet page, ms; None: nothing was painted."""
    if seen.paint is None:
        return None
    return max(seen.paint, seen.ready, seen.last_task_end)


def blocked(seen: PageState) -> float | None:
    """Total blocking time, ms: the time beyond 50 ms of each long task since the first paint."""
    if seen.paint is None:
        return None
    lengths = [start + length - max(start, seen.paint) for start, length in seen.tasks]
    return sum(max(0.0, length - LONG_TASK) for length in lengths)


def measures_of(seen: PageState) -> dict[str, float]:
    """The figures of a page that has loaded and is quiet: ns, and plain numbers."""
    times = {
        PAGE_LOAD: seen.load,
        TIME_TO_INTERACTIVE: interactive(seen),
        FIRST_CONTENTFUL_PAINT: seen.paint,
        LARGEST_CONTENTFUL_PAINT: seen.largest,
        TOTAL_BLOCKING_TIME: blocked(seen),
    }
    found = {name: ms * NS_PER_MS for name, ms in times.items() if ms is not None}
    return {**found, LAYOUT_SHIFT: seen.shift}
