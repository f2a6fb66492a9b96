"""One metric in several runs: the change between two, and the statistics of two groups."""

import math
from collections.abc import Sequence
from statistics import median

from perfrun.api.test.metric import Direction, Notation
from perfrun.api.test.slo import format_measured
from perfrun.logic.comparison.groups import GroupTest, compare_groups, least_runs
from perfrun.logic.comparison.measurables import Measurable
from perfrun.logic.comparison.model import Change, Shown, Side, Statistics, Tone
from perfrun.logic.trend.detect import Level, percent, signed, smallest_change
from perfrun.logic.trend.detect import change as change_of

_RELATIVE = (Notation.DURATION, Notation.RATE, Notation.BYTES)
_MANY = 9.995


def change_between(of: Measurable, before: float, after: float) -> Change:
    """The change from ``before`` to ``after``."""
    relative = of.kind in _RELATIVE and before > 0
    return _change(of, after / before - 1 if relative else after - before, relative=relative)


def statistics_of(
    of: Measurable, baseline: Sequence[float], compared: Sequence[float]
) -> Statistics:
    """Two groups of at least one value each."""
    # A shift of logarithms is a ratio: runs vary in proportion to what they measure.
    relative = of.kind in _RELATIVE and min(*baseline, *compared) > 0
    test = compare_groups(_into(baseline, relative), _into(compared, relative))
    change = _change(of, _back(test.shift, relative), relative=relative)
    interval = smallest = None
    if test.low is not None and test.high is not None and test.smallest is not None:
        low, high, least = (
            _text(of, _back(shift, relative), relative=relative)
            for shift in (test.low, test.high, test.smallest)
        )
        interval = f"{low} to {high}"
        smallest = least.lstrip("+") if test.smallest else "any"
    shown = _shown(test)
    return Statistics(
        baseline=_side(of, baseline),
        compared=_side(of, compared),
        change=change,
        p=test.p,
        interval=interval,
        smallest=smallest,
        shown=shown,
        sentence=_sentence(of, test, change, smallest, shown),
    )


def standing_out(
    of: Measurable, baseline: Sequence[float], value: float, level: Level
) -> Statistics:
    """A single run compared with the spread of ten or more, by the rule of trends."""
    by = level.worse_by(value)
    change = _change(of, change_of(level.metric, by), relative=True)
    smallest = percent(smallest_change(level, 0.0))
    shown = Shown.DIFFERENT if abs(by) > level.noticed else Shown.NOT_SHOWN
    runs = f"{len(level.sample)} runs of the baseline"
    sentence = f"{of.name} is {change.text} from the median of {runs}"
    if shown is Shown.DIFFERENT:
        sentence += f", more than these runs vary{_meaning(change)}"
    else:
        sentence += f", within their own variation; {smallest} or more would stand out"
    return Statistics(
        baseline=_side(of, baseline),
        compared=_side(of, [value]),
        change=change,
        p=None,
        interval=None,
        smallest=smallest,
        shown=shown,
        sentence=sentence,
    )


def p_text(p: float) -> str:
    """``0.0079``; ``less than 0.0001``."""
    return "less than 0.0001" if p < 0.0001 else f"{p:.2g}"


def _into(values: Sequence[float], relative: bool) -> list[float]:
    return [math.log(value) for value in values] if relative else list(values)


def _back(shift: float, relative: bool) -> float:
    return math.expm1(shift) if relative else shift


def _side(of: Measurable, values: Sequence[float]) -> Side:
    middle = median(values)
    least, greatest = (format_measured(of.metric, one, []) for one in (min(values), max(values)))
    return Side(
        values=tuple(values),
        median=middle,
        text=format_measured(of.metric, middle, []),
        spread=least if least == greatest else f"{least} to {greatest}",
    )


def _shown(test: GroupTest) -> Shown:
    if test.shown:
        return Shown.DIFFERENT
    return Shown.TOO_FEW if test.low is None else Shown.NOT_SHOWN


def _sentence(
    of: Measurable, test: GroupTest, change: Change, smallest: str | None, shown: Shown
) -> str:
    p = f"p {p_text(test.p)}"
    if change.tone is Tone.SAME:
        return f"{of.name}: no change ({p})"
    match shown:
        case Shown.DIFFERENT:
            return f"{of.name} changed by {change.text}{_meaning(change)} ({p})"
        case Shown.NOT_SHOWN:
            return (
                f"{of.name}: no change detected ({change.text}, {p}); {smallest} would have "
                "been detected"
            )
        case Shown.TOO_FEW:
            return (
                f"{of.name}: {change.text}, which may be chance: with so few runs, p is at "
                f"least {p_text(test.least_p)}; {least_runs()} on each side are enough to show "
                "a change"
            )


def _meaning(change: Change) -> str:
    return f": {change.tone}" if change.tone in (Tone.BETTER, Tone.WORSE) else ""


def _change(of: Measurable, value: float, *, relative: bool) -> Change:
    text = _text(of, value, relative=relative)
    return Change(value=value, relative=relative, text=text, tone=_tone(of, value, text))


def _tone(of: Measurable, value: float, text: str) -> Tone:
    if not any(digit in text for digit in "123456789"):
        return Tone.SAME
    if of.direction is Direction.NEITHER:
        return Tone.NEUTRAL
    return Tone.BETTER if (value > 0) is (of.direction is Direction.HIGHER) else Tone.WORSE


def _text(of: Measurable, value: float, *, relative: bool) -> str:
    """A change with its sign; no change is ``0%``."""
    if relative and value > _MANY:
        return f"x{value + 1:,.0f}"
    if relative:
        return "0%" if abs(value) < 0.0005 else signed(value)
    sign = "-" if value < 0 else "+"
    if of.kind is Notation.PERCENT:
        points = f"{abs(value) * 100:.2f}".rstrip("0").rstrip(".")
        return f"{sign}{points} points" if points != "0" else "0 points"
    return sign + format_measured(of.metric, abs(value), []) if value else "0"
