"""Charts of what was observed during the load, on the time axis of its response times."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from perfrun.api.run.perfrun import SloStatus
from perfrun.api.test.metric import (
    MEMORY,
    MEMORY_GROWTH,
    OBSERVABLES,
    OBSERVED,
    RESTARTS,
    Observable,
)
from perfrun.api.test.slo import format_measured, parse_measured
from perfrun.logic.verdict.observed import trend as trend_of
from perfrun.logic.verdict.observed import window
from perfrun.measure.observed import Observation
from perfrun.report.html.charts import Chart, ChartLine, DataRow, Limit, Pieces
from perfrun.report.html.scales import Scale, clock, count_axis, range_axis, tick_number
from perfrun.report.html.svg import clean
from perfrun.report.html.timeline import Timeline

MAX_CHARTS = 16
_GAP = 4
"""Points that are further apart than this multiple of the usual distance are not connected."""
_FAR = 4


def observed_charts(timeline: Timeline) -> Iterator[Chart]:
    """One chart for each observed object and metric."""
    places = {thing.name: place for place, thing in enumerate(timeline.plan.observe)}
    seen = [one for one in timeline.report.observed if _inside(one, timeline.x)]
    order = list(OBSERVABLES)
    seen.sort(key=lambda one: (places.get(one.name, len(places)), order.index(one.metric)))
    for number, one in enumerate(seen[:MAX_CHARTS]):
        # A chart of zero restarts would be empty.
        if one.metric != RESTARTS or len(set(one.values)) > 1:
            yield _chart(f"observed-{number}", one, timeline)


def unseen(timeline: Timeline) -> Iterator[str]:
    """A sentence for each object that could not be observed at all."""
    seen = {one.name for one in timeline.report.observed if one.values}
    reasons = {
        one.name: one.trouble
        for one in timeline.report.observed
        if one.name not in seen and one.trouble is not None
    }
    for name, why in reasons.items():
        yield f"{name} could not be observed: {why}"


def _chart(key: str, one: Observation, timeline: Timeline) -> Chart:
    drawn = OBSERVABLES[one.metric]
    points = [(at, value / drawn.divisor) for at, value in _inside(one, timeline.x)]
    text = _texts(one.metric)
    limits, notes = _limits(timeline.reported.run.status.slos, one, drawn)
    lines = [ChartLine(drawn.title, _pieces(points), "started")]
    if (fitted := _trend(one, timeline, drawn)) is not None:
        lines.append(fitted)
    values = [value for _, value in points]
    y = _axis([*values, *(limit.value for limit in limits)])
    least, greatest = text(min(values)), text(max(values))
    return Chart(
        key=key,
        title=f"{drawn.title} of {clean(one.name, 63)}",
        unit=drawn.unit,
        summary=f"From {least} to {greatest}.",
        x=timeline.x,
        y=y,
        x_title=timeline.x_title,
        columns=("time", drawn.title),
        rows=[DataRow(at, (clock(at), text(value))) for at, value in points],
        lines=lines,
        spans=timeline.spans,
        moments=timeline.moments,
        limits=limits,
        notes=[*notes, *_around(one, timeline.x, text, drawn)],
        height=160,
    )


def _inside(one: Observation, x: Scale) -> list[tuple[int, float]]:
    return [(at, v) for at, v in zip(one.at, one.values, strict=True) if x.covers(at)]


def _pieces(points: Sequence[tuple[float, float]]) -> Pieces:
    """The points, connected unless they are unusually far apart."""
    gaps = [after[0] - before[0] for before, after in pairwise(points)]
    longest = _GAP * median(gaps) if gaps else 0
    pieces: list[list[tuple[float, float]]] = [[points[0]]]
    for gap, point in zip(gaps, points[1:], strict=True):
        if gap > longest:
            pieces.append([])
        pieces[-1].append(point)
    return pieces


def _trend(one: Observation, timeline: Timeline, drawn: Observable) -> ChartLine | None:
    """The slope that memory.growth measures."""
    if one.metric != MEMORY:
        return None
    begin, end = window(timeline.plan, timeline.report)
    fitted = trend_of(one, begin, end)
    if fitted is None:
        return None
    ends = [(at, fitted.at(at) / drawn.divisor) for at in (begin, end)]
    grown = format_measured(MEMORY_GROWTH, fitted.slope * 1e9, [])
    return ChartLine(f"slope: {grown} per second", [ends], "planned")


def _limits(
    slos: Sequence[SloStatus], one: Observation, drawn: Observable
) -> tuple[list[Limit], list[str]]:
    """Limits of single values, and a sentence for each limit that is far above the values."""
    highest, limits, notes = max(one.values), [], []
    for slo in slos:
        if slo.of != one.name or slo.metric not in (f"{one.metric}.max", f"{one.metric}.min"):
            continue
        for word, text in (("at most", slo.max), ("at least", slo.min)):
            value = _parsed(slo.metric, text)
            if value is None:
                continue
            label = f"{slo.metric} {word} {text}"
            if value > highest * _FAR:
                notes.append(f"The objective, {label}, lies far above the chart.")
            else:
                limits.append(Limit(value / drawn.divisor, label))
    return limits, notes


def _parsed(metric: str, text: str | None) -> float | None:
    try:
        return None if text is None else parse_measured(metric, text)
    except ValueError:
        return None


def _around(
    one: Observation, x: Scale, text: Callable[[float], str], drawn: Observable
) -> Iterator[str]:
    """The values before and after the load, and problems."""
    points = list(zip(one.at, one.values, strict=True))
    before = [value for at, value in points if at < x.low]
    after = [value for at, value in points if at > x.high]
    parts = [f"{text(before[-1] / drawn.divisor)} before the load"] if before else []
    parts += [f"{text(after[-1] / drawn.divisor)} after it"] if after else []
    if parts:
        yield f"It was {' and '.join(parts)}."
    if one.trouble is not None:
        yield f"It could not be observed all the time: {one.trouble}"


def _texts(family: str) -> Callable[[float], str]:
    named = next(name for name, row in OBSERVED.items() if row.family == family)
    divisor = OBSERVABLES[family].divisor
    return lambda value: format_measured(named, value * divisor, [])


def _axis(values: Sequence[float]) -> Scale:
    low, high = min(values), max(values)
    if low < 0:
        return range_axis(low, high, tick_number)
    return count_axis(high or 1.0, tick_number)
