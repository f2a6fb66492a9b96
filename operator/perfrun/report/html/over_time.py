"""Charts over the time of a load: response times, rates, iterations in flight, lag."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from perfrun.api.quantities import format_duration, parse_duration
from perfrun.api.test.metric import QUANTILES
from perfrun.measure.histogram import samples_for, supports
from perfrun.measure.sketch import Sketch
from perfrun.measure.wire import TIMEOUT
from perfrun.report.html.charts import (
    Area,
    Chart,
    ChartLine,
    Limit,
    Pieces,
    clock_of,
    connected,
    latency_limits,
)
from perfrun.report.html.errors import errors_chart
from perfrun.report.html.scales import Scale, count_axis, duration_axis, tick_number
from perfrun.report.html.timeline import Timeline, per_second

_FAR = 4
"""A limit this many times above all measured values is mentioned, but not drawn."""
_DRAWN = (("p50", "median"), ("p95", ""), ("p99", ""), ("max", "the slowest"))
_SHARES = {name: QUANTILES[name] for name in ("p50", "p95", "p99")}


def charts_over_time(timeline: Timeline) -> Iterator[Chart]:
    """The charts for which there is data."""
    if not timeline.starts:
        return
    series = timeline.series
    if any(sketch.count for sketch in series.latency):
        yield _latency(timeline)
    yield _rate(timeline)
    if any(series.failed):
        yield errors_chart(timeline)
    if any(series.in_flight):
        yield _in_flight(timeline)


def lag_chart(timeline: Timeline) -> Chart | None:
    """The lag of the load generator; None if none was measured."""
    return _lag(timeline) if timeline.rated and any(timeline.series.lag) else None


def _latency(timeline: Timeline) -> Chart:
    sketches = timeline.series.latency
    values = {
        name: [
            sketch.quantile(share) if supports(sketch.count, share) else None for sketch in sketches
        ]
        for name, share in _SHARES.items()
    }
    # The maximum is exact: the middle of its bucket would differ from the maximum in the table.
    values["max"] = [float(sketch.greatest) if sketch.count else None for sketch in sketches]
    known = [value for its in values.values() for value in its if value is not None]
    limits, notes = _limits(timeline, max(known))
    y = duration_axis([*known, *(limit.value for limit in limits)])
    pieces = {name: connected(timeline.starts, timeline.ends, its) for name, its in values.items()}
    lines = [
        ChartLine(f"{name}{f' ({what})' if what else ''}", pieces[name], f"q-{name}", name)
        for name, what in _DRAWN
        if pieces[name]
    ]
    shown = next(name for name in ("p95", "p50", "max") if any(values[name]))
    clock = clock_of(timeline.plan, "from when they were due")
    worst = max(value for value in values[shown] if value is not None)
    return Chart(
        key="latency",
        title="Response time",
        unit=_with_scale(f"of successful requests, {clock}; by when they ended", y),
        summary=(
            f"Percentiles of each {timeline.interval}. {shown} was at most "
            f"{format_duration(worst)}. {_limit_words(limits)}"
        ),
        x=timeline.x,
        y=y,
        x_title=timeline.x_title,
        columns=("time", *values),
        rows=timeline.rows(*(list(map(_duration, its)) for its in values.values())),
        lines=lines,
        areas=[
            _band(timeline, values, lower, upper, style)
            for lower, upper, style in (("p50", "p95", "band-1"), ("p95", "p99", "band-2"))
            if pieces[lower] and pieces[upper]
        ],
        spans=timeline.spans,
        moments=[*(replace(hold, label="") for hold in timeline.holds), *timeline.moments],
        limits=limits,
        notes=[
            *_two_maxima(timeline, max(known)),
            *notes,
            *_seldom(values, sketches),
            *_timeouts(timeline),
            "Each percentile here covers one point in time, and is accurate to 1%.",
        ],
        height=300,
    )


def _band(
    timeline: Timeline,
    values: Mapping[str, Sequence[float | None]],
    lower: str,
    upper: str,
    style: str,
) -> Area:
    """The area between two percentiles, if both are drawn."""
    both = [None not in pair for pair in zip(values[lower], values[upper], strict=True)]
    starts, ends = timeline.starts, timeline.ends

    def edge(name: str) -> Pieces:
        known = zip(values[name], both, strict=True)
        return connected(starts, ends, [value if there else None for value, there in known])

    return Area(f"{lower} to {upper}", edge(lower), edge(upper), style)


def _seldom(
    values: Mapping[str, Sequence[float | None]], sketches: Sequence[Sketch]
) -> Iterator[str]:
    """The curves that have gaps because there were too few requests."""
    points = sum(sketch.count > 0 for sketch in sketches)
    needed = [
        f"{name} {samples_for(_SHARES[name])}"
        for name in ("p50", "p95", "p99")
        if sum(value is not None for value in values[name]) < points
    ]
    if needed:
        yield f"Drawn only where a point has enough successful requests: {', '.join(needed)}."


def _two_maxima(timeline: Timeline, slowest: float) -> Iterator[str]:
    """Why the slowest request in the chart differs from the maximum in the table."""
    summary = timeline.reported.run.status.summary
    latency = summary.latency if summary is not None else None
    shown = latency.max if latency is not None else None
    here = format_duration(slowest)
    if shown is not None and shown != here:
        yield (
            f"The slowest request here took {here}; the max of the figures above, {shown}, covers "
            "only the window, and includes requests that timed out or were still open."
        )


def _timeouts(timeline: Timeline) -> Iterator[str]:
    timed_out = sum(timeline.series.errors.get(TIMEOUT, ()))
    if timed_out:
        yield (
            f"{timed_out:,} requests timed out and are not in this chart: see Errors, and the "
            "distribution, where they count."
        )


def _limits(timeline: Timeline, highest: float) -> tuple[list[Limit], list[str]]:
    """The limits of the drawn metrics, and a sentence for each that is far above the values."""
    limits, notes = [], []
    for slo in latency_limits(timeline.reported.run.status.slos, timeline.plan):
        value = parse_duration(slo.max)
        label = f"{slo.metric.partition('.')[2]} ≤ {slo.max}"
        if value > highest * _FAR:
            notes.append(f"The objective, {label}, lies far above the chart.")
        else:
            limits.append(Limit(value, label))
    return limits, notes


def _rate(timeline: Timeline) -> Chart:
    series = timeline.series
    started = timeline.counted(series.started)
    planned = timeline.counted(series.planned)
    succeeded = timeline.counted(series.succeeded)
    rated = timeline.rated
    drawn = [
        ("iterations planned", planned, "planned", ""),
        ("iterations started", started, "started", "started"),
        ("requests succeeded", succeeded, "succeeded", ""),
    ][0 if rated else 1 :]
    pieces = {
        name: timeline.steps(values, until_end=values is not succeeded)
        for name, values, _, _ in drawn
    }
    dropped = sum(series.planned) - sum(series.started)
    areas = []
    if rated and dropped:
        areas = [
            Area(
                "planned but not started",
                timeline.steps(started, until_end=True),
                timeline.steps(planned, until_end=True),
                "stripe-0",
            )
        ]
    sentence = (
        f"{sum(series.started):,} of {sum(series.planned):,} planned iterations were started"
        if rated
        else f"{sum(series.started):,} iterations were started"
    )
    return Chart(
        key="rate",
        title="Rate, planned and achieved" if rated else "Rate achieved",
        unit="a second",
        summary=f"{sentence}; {sum(series.succeeded):,} requests succeeded.",
        x=timeline.x,
        y=count_axis(max(*started, *succeeded, *(planned if rated else started)), tick_number),
        x_title=timeline.x_title,
        columns=("time", *(name for name, _, _, _ in drawn)),
        rows=timeline.rows(*(list(map(per_second, values)) for _, values, _, _ in drawn)),
        lines=[ChartLine(name, pieces[name], style, label) for name, _, style, label in drawn],
        areas=areas,
        spans=timeline.spans,
        moments=[*timeline.holds, *timeline.moments],
        notes=[f"{sentence}; requests are counted when they end."],
    )


def _in_flight(timeline: Timeline) -> Chart:
    values = timeline.series.in_flight
    highest = max(values)
    load, limits, notes = timeline.plan.load, [], []
    if load.open is not None:
        most = load.open.in_flight_limit(load.workers)
        if most <= highest * _FAR:
            limits.append(Limit(most, f"maxInFlight {most:,}"))
        else:
            notes.append(f"At most {most:,} were allowed.")
    return Chart(
        key="in-flight",
        title="Iterations in flight",
        unit="at the end of each point",
        summary=f"At most {highest:,} at a time.",
        x=timeline.x,
        y=count_axis(max(highest, *(limit.value for limit in limits), 1), tick_number),
        x_title=timeline.x_title,
        columns=("time", "in progress"),
        rows=timeline.rows([f"{value:,}" for value in values]),
        lines=[ChartLine("", timeline.steps(values), "started")],
        spans=timeline.spans,
        moments=timeline.moments,
        limits=limits,
        notes=notes,
        height=140,
    )


def _lag(timeline: Timeline) -> Chart:
    values = timeline.series.lag
    y = duration_axis([float(value) for value in values])
    return Chart(
        key="lag",
        title="Lag of the generator",
        unit=_with_scale("the worst of each point", y),
        summary=f"perfrun started iterations at most {format_duration(max(values))} late.",
        x=timeline.x,
        y=y,
        x_title=timeline.x_title,
        columns=("time", "lag"),
        rows=timeline.rows([_duration(value) for value in values]),
        lines=[ChartLine("", timeline.steps(values, until_end=True), "started")],
        spans=timeline.spans,
        moments=timeline.moments,
        height=140,
        notes=["Time between when an iteration was due and when perfrun started it."],
    )


def _limit_words(limits: Sequence[Limit]) -> str:
    return f"Limits: {', '.join(limit.label for limit in limits)}." if limits else ""


def _with_scale(text: str, y: Scale) -> str:
    return f"{text}; logarithmic" if y.logarithmic else text


def _duration(value: float | None) -> str:
    return "" if value is None else format_duration(value)
