"""From values to positions on an axis, and the ticks."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from perfrun.api.quantities import NS_PER_MS, NS_PER_S, NS_PER_US

WIDE_RANGE = 30
"""If the highest duration is this many times the lowest one, the axis is logarithmic."""

LABELLED_RANGE = 5000
"""Up to this ratio, the 2 and 5 of each decade have labels as well."""

Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on an axis; ``minor`` ticks are left out if there is little space."""

    at: float
    """0 is the start of the axis, 1 its end."""
    label: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from ``low`` to ``high``."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The position of a value: 0 to 1, clamped to the axis."""
        return min(1.0, max(0.0, _place(value, self.low, self.high, log=self.logarithmic)))

    def covers(self, value: float) -> bool:
        """Whether a value is on the axis."""
        return self.low <= value <= self.high


def count_axis(highest: float, format: Format) -> Scale:
    """From 0 to somewhat above ``highest``, in steps of 1, 2 or 5."""
    return _linear(highest, _decimal_step(max(highest, 1e-9) / 3), format)


def range_axis(low: float, high: float, format: Format) -> Scale:
    """From somewhat below ``low`` to somewhat above ``high``; it need not begin at 0."""
    reach = high - low or abs(high) * 0.1 or 1.0
    low, high = low - reach * 0.08, high + reach * 0.08
    step = _decimal_step((high - low) / 4)
    first, last = math.ceil(low / step), math.floor(high / step)
    ticks = [
        Tick(_place(number * step, low, high, log=False), format(number * step))
        for number in range(first, last + 1)
    ]
    return Scale(low, high, tuple(ticks))


def duration_axis(values: Iterable[float]) -> Scale:
    """An axis for durations (ns): from 0, or logarithmic if they are far apart."""
    positive = [value for value in values if value > 0]
    low, high = min(positive, default=NS_PER_MS), max(positive, default=NS_PER_MS)
    if high / low <= WIDE_RANGE:
        unit = _unit(high)
        return _linear(high, _decimal_step(high / unit / 3) * unit, tick_duration)
    bottom, top = _below(low), _above(high)
    ticks = [
        Tick(_place(value, bottom, top, log=True), tick_duration(value), minor=digit != 1)
        for digit, value in _digits(bottom, top)
        if digit == 1 or top / bottom <= LABELLED_RANGE
    ]
    return Scale(bottom, top, tuple(ticks), logarithmic=True)


def time_axis(end: int) -> Scale:
    """An axis for the time since the start of the load (ns), in minutes and seconds."""
    if 0 < end < 2 * NS_PER_S:
        part = _decimal_step(end / 5)
        places = [number * part for number in range(int(end / part) + 1)]
        return Scale(0, end, tuple(Tick(at / end, tick_duration(at)) for at in places))
    end = max(end, NS_PER_S)
    step = next((one for one in _TIME_STEPS if end / (one * NS_PER_S) <= 9), None)
    if step is None:
        step = math.ceil(end / NS_PER_S / 9 / 86400) * 86400
    count = int(end // (step * NS_PER_S))
    ticks = [
        Tick(
            number * step * NS_PER_S / end,
            clock(number * step * NS_PER_S),
            minor=count > 5 and number % 2 == 1,
        )
        for number in range(count + 1)
    ]
    return Scale(0, end, tuple(ticks))


def percentile_axis(count: int) -> Scale:
    """An axis for shares of ``count`` samples, on which each decade of the tail has the same width.
    :func:`beyond` gives the position of a share."""
    end = math.log10(max(count, 20))
    shares = ((0.0, "0%"), (0.5, "50%"), (0.9, "90%"), *_nines(end))
    ticks = [
        Tick(beyond(share) / end, label, minor=index == 0)
        for index, (share, label) in enumerate(shares)
        if beyond(share) <= end
    ]
    return Scale(0, end, tuple(ticks))


def beyond(share: float) -> float:
    """The position of a share on a percentile axis: 1 for 90%, 2 for 99%, and so on."""
    return -math.log10(max(1 - share, 1e-12))


def tick_duration(ns: float) -> str:
    """``500us``, ``20ms``, ``1.5s``."""
    unit, name = next(
        ((size, name) for size, name in _UNITS if ns >= size * 0.9999), (NS_PER_US, "us")
    )
    return f"{ns / unit:.6g}{name}" if ns else "0"


def tick_number(value: float) -> str:
    """``1,500``, ``0.5``."""
    return f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"


def clock(ns: float) -> str:
    """``1m 30s`` after the start; tenths of a second if there are any; ``17ms``."""
    if 0 < ns < NS_PER_S / 10:
        return f"{ns / NS_PER_MS:.3g}ms"
    hours, rest = divmod(round(ns / NS_PER_S, 1), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return " ".join(f"{number:g}{unit}" for number, unit in parts if number) or "0s"


_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_UNITS = ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "us"))


def _linear(highest: float, step: float, format: Format) -> Scale:
    count = max(1, math.ceil(highest * 1.02 / step))
    ticks = [Tick(number / count, format(number * step)) for number in range(count + 1)]
    return Scale(0, count * step, tuple(ticks))


def _place(value: float, low: float, high: float, *, log: bool) -> float:
    if log:
        return math.log(max(value, low) / low) / math.log(high / low)
    return (value - low) / (high - low)


def _decimal_step(least: float) -> float:
    decade: float = 10.0 ** math.floor(math.log10(least))
    return next(decade * digit for digit in (1, 2, 5, 10) if decade * digit >= least * 0.9999)


def _unit(ns: float) -> int:
    return next((size for size, _ in _UNITS if ns >= size), NS_PER_US)


def _digits(low: float, high: float) -> list[tuple[int, float]]:
    """The 1, 2 and 5 of each decade, starting at ``low``, up to ``high``."""
    first = math.floor(math.log10(low) + 1e-9)
    last = math.ceil(math.log10(high) - 1e-9)
    found = [
        (digit, digit * 10.0**decade) for decade in range(first, last + 1) for digit in (1, 2, 5)
    ]
    return [(digit, value) for digit, value in found if low * 0.9999 <= value <= high * 1.0001]


def _below(value: float) -> float:
    return max(value for _, value in _digits(value / 10, value))


def _above(value: float) -> float:
    return min(found for _, found in _digits(value, value * 10) if found >= value)


def _nines(end: float) -> Sequence[tuple[float, str]]:
    """99%, 99.9%, and so on."""
    return [
        (1 - 10.0**-nines, f"99.{'9' * (nines - 2)}%" if nines > 2 else "99%")
        for nines in range(2, int(end) + 1)
    ]
