"""Charts over the time of a load: response times, rates, errors, what was under way, lag."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from perfrun.api.metric import QUANTILES
from perfrun.api.perfrun import SloStatus
from perfrun.api.quantities import NS_PER_S, format_duration, parse_duration
from perfrun.api.times import parse_time
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.measure.series import Series
from perfrun.report.html.charts import (
    Area,
    Chart,
    DataRow,
    Limit,
    Line,
    Moment,
    Pieces,
    Point,
    Span,
    connected,
    steps,
)
from perfrun.report.html.facts import moment
from perfrun.report.html.scales import (
    Scale,
    clock,
    count_axis,
    duration_axis,
    tick_number,
    time_axis,
)
from perfrun.report.html.svg import clean
from perfrun.report.source import Reported

MOST_POINTS = 300
"""More of them nobody sees on a page; each two are joined until there are no more."""
MOST_CLASSES = 6
"""Of errors, in a chart; the rarer ones are one more."""
MOST_HOLDS = 12
"""Of a capacity search, that are named in a chart."""
_COUNTS = ("planned", "started", "succeeded", "failed")
_FAR = 4
"""A limit this many times above everything that was measured is told, and not drawn."""
_DRAWN = (("p50", "median"), ("p95", ""), ("p99", ""), ("max", "the slowest"))
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True)
class Timeline:
    """The series of a run, ready to be drawn."""

    reported: Reported
    plan: RunPlan
    report: WorkerReport

    @cached_property
    def series(self) -> Series:
        """The series, in at most 300 points; counts that are not there are 0."""
        series = self.report.series.model_copy(deep=True)
        length = max(len(getattr(series, name)) for name in _COUNTS)
        for name in _COUNTS:
            setattr(series, name, getattr(series, name) or [0] * length)
        while len(series.started) > MOST_POINTS:
            series.halve()
        return series

    @cached_property
    def starts(self) -> list[int]:
        """Where each point begins, ns after T0."""
        return [index * self.series.resolution for index in range(len(self.series.started))]

    @cached_property
    def ends(self) -> list[int]:
        """Where each point ends."""
        return [start + self.series.resolution for start in self.starts]

    @cached_property
    def x(self) -> Scale:
        """The axis that all these charts share."""
        return time_axis(max(self.report.load_time, self.ends[-1] if self.ends else 0))

    @property
    def x_title(self) -> str:
        """From when the time is counted."""
        began = self.reported.run.status.start_time
        return f"time since {moment(began) if began else 'the load began'}"

    @property
    def interval(self) -> str:
        """How long a point is."""
        return clock(self.series.resolution)

    def charts(self) -> Iterator[Chart]:
        """Those that there is something to draw of."""
        if not self.starts:
            return
        if any(sketch.count for sketch in self.series.latency):
            yield _latency(self)
        yield _rate(self)
        if any(self.series.failed):
            yield _errors(self)
        if any(self.series.in_flight):
            yield _in_flight(self)

    def lag(self) -> Chart | None:
        """The generator's own lateness; None where there was none to have."""
        rated = self.plan.load.open is not None or self.plan.load.capacity is not None
        return _lag(self) if rated and any(self.series.lag) else None

    def missing(self) -> str | None:
        """What there is nothing to draw of, and why; None: nothing is missing."""
        if not self.starts:
            return "The result holds no course of the load over time."
        if not self.series.latency:
            return (
                "The result is of a perfrun that kept no response times, error classes, requests "
                "under way and lag over time: only rates are drawn."
            )
        return None

    @cached_property
    def spans(self) -> list[Span]:
        """What is not of the window."""
        warmup, end = self.plan.load.warmup or 0, self.report.load_time
        spans = [Span(0, min(warmup, end), "warm-up, not judged")] if warmup else []
        if self.ends and self.ends[-1] - end >= self.series.resolution:
            spans.append(Span(end, self.ends[-1], "load over"))
        return spans

    @cached_property
    def moments(self) -> list[Moment]:
        """When the load was stopped."""
        stopped = self.report.stopped
        return [Moment(self.report.load_time, f"stopped {clean(stopped, 40)}")] if stopped else []

    @cached_property
    def holds(self) -> list[Moment]:
        """When each rate of a capacity search began to be held."""
        status = self.reported.run.status
        holds = status.capacity.holds if status.capacity is not None else []
        named = len(holds) <= MOST_HOLDS
        return [
            Moment(at, hold.rate if named else "", "hold")
            for hold in holds
            if (at := _between(status.start_time, hold.start_time)) is not None
        ]

    def counted(self, values: Sequence[int], *, until_end: bool) -> list[float]:
        """A second; ``until_end``: of what ends with the load, whose last point may be a part."""
        load_end = self.report.load_time
        rates = []
        for start, end, value in zip(self.starts, self.ends, values, strict=True):
            over = min(end, load_end) if until_end and start < load_end else end
            rates.append(value * NS_PER_S / (over - start))
        return rates

    def steps(self, values: Sequence[float], *, until_end: bool = False) -> Pieces:
        """One level for each point; ``until_end``: until the load is over."""
        count = len(values)
        ends = self.ends
        if until_end:
            count = sum(start < self.report.load_time for start in self.starts)
            ends = [min(end, self.report.load_time) for end in self.ends]
        return steps(self.starts[:count], ends[:count], values[:count])

    def span_text(self, index: int) -> str:
        """``30s to 31s``, for a table."""
        return f"{clock(self.starts[index])} to {clock(self.ends[index])}"

    def rows(self, *columns: Sequence[str]) -> list[DataRow]:
        """The table of a chart: when, and a text of each column."""
        return [
            DataRow((self.starts[index] + self.ends[index]) / 2, (self.span_text(index), *cells))
            for index, cells in enumerate(zip(*columns, strict=True))
        ]


def _between(start: str | None, end: str | None) -> float | None:
    """ns from one time to another; None where one of them is not known."""
    try:
        return (parse_time(end or "") - parse_time(start or "")).total_seconds() * NS_PER_S
    except ValueError:
        return None


def _latency(timeline: Timeline) -> Chart:
    sketches = timeline.series.latency
    values = {
        name: [sketch.quantile(share) for sketch in sketches] for name, share in _SHARES.items()
    }
    known = [value for its in values.values() for value in its if value is not None]
    limits, notes = _limits(timeline, max(known))
    y = duration_axis([*known, *(limit.value for limit in limits)])
    pieces = {name: connected(timeline.starts, timeline.ends, its) for name, its in values.items()}
    lines = [
        Line(f"{name}{f' ({what})' if what else ''}", pieces[name], f"q-{name}", name)
        for name, what in _DRAWN
    ]
    worst = max(value for value in values["p95"] if value is not None)
    return Chart(
        key="latency",
        title="Response time",
        unit=_with_scale("of successful requests, from when they were due", y),
        summary=f"Percentiles of each {timeline.interval}. p95 was {format_duration(worst)} at "
        f"most. {_limit_words(limits)}",
        x=timeline.x,
        y=y,
        x_title=timeline.x_title,
        columns=("time", *values),
        rows=timeline.rows(*(list(map(_duration, its)) for its in values.values())),
        lines=lines,
        areas=[
            Area("p50 to p95", pieces["p50"], pieces["p95"], "band-1"),
            Area("p95 to p99", pieces["p95"], pieces["p99"], "band-2"),
        ],
        spans=timeline.spans,
        moments=[*timeline.holds, *timeline.moments],
        limits=limits,
        notes=[*notes, *_timeouts(timeline)],
        height=300,
    )


def _timeouts(timeline: Timeline) -> Iterator[str]:
    timed_out = sum(timeline.series.errors.get("Timeout", ()))
    if timed_out:
        yield (
            f"{timed_out:,} requests timed out and are not in this chart: see Errors, and the "
            "distribution, where they count."
        )


def _limits(timeline: Timeline, highest: float) -> tuple[list[Limit], list[str]]:
    """Limits of what is drawn, and sentences about those that lie far above."""
    limits, notes = [], []
    for slo in latency_limits(timeline.reported.run.status.slos, timeline.plan):
        value = parse_duration(slo.max)
        label = f"{slo.metric.removeprefix('latency.')} at most {slo.max}"
        if value > highest * _FAR:
            notes.append(f"The objective, {label}, lies far above the chart.")
        else:
            limits.append(Limit(value, label))
    return limits, notes


def latency_limits(slos: Sequence[SloStatus], plan: RunPlan) -> list[SloStatus]:
    """Objectives on the response time of all requests: of a test's only step as well."""
    of_all = {""}
    if sum(len(scenario.steps) for scenario in plan.scenarios) == 1:
        of_all |= {plan.scenarios[0].name, plan.scenarios[0].steps[0].name}
    return [slo for slo in slos if slo.of in of_all and is_latency_limit(slo)]


def is_latency_limit(slo: SloStatus) -> bool:
    """Whether an objective limits a percentile of the response time, or its maximum."""
    family, _, statistic = slo.metric.partition(".")
    if family != "latency" or statistic not in (*QUANTILES, "max") or slo.max is None:
        return False
    try:
        return parse_duration(slo.max) > 0
    except ValueError:
        return False


def _rate(timeline: Timeline) -> Chart:
    series, load = timeline.series, timeline.plan.load
    started = timeline.counted(series.started, until_end=True)
    planned = timeline.counted(series.planned, until_end=True)
    succeeded = timeline.counted(series.succeeded, until_end=False)
    rated = load.open is not None or load.capacity is not None
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
                "planned and not started",
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
        rows=timeline.rows(*(list(map(_rate_text, values)) for _, values, _, _ in drawn)),
        lines=[Line(name, pieces[name], style, label) for name, _, style, label in drawn],
        areas=areas,
        spans=timeline.spans,
        moments=[*timeline.holds, *timeline.moments],
        notes=[f"{sentence}; requests are counted when they end."],
    )


def _errors(timeline: Timeline) -> Chart:
    classes = _classes(timeline.series)
    rates = {name: timeline.counted(values, until_end=False) for name, values in classes.items()}
    whole = [0.0] * len(timeline.starts)
    areas = []
    for index, (name, values) in enumerate(rates.items()):
        below, whole = whole, [low + value for low, value in zip(whole, values, strict=True)]
        count = sum(classes[name])
        lower, upper = _bars(timeline, below, whole)
        areas.append(Area(f"{name}: {count:,}", lower, upper, f"stripe-{index}"))
    failed = sum(timeline.series.failed)
    told = ", ".join(f"{name} {sum(values):,}" for name, values in classes.items())
    return Chart(
        key="errors",
        title="Errors by class",
        unit="failed requests a second, warm-up included",
        summary=f"{failed:,} requests failed: {told}.",
        x=timeline.x,
        y=count_axis(max(whole), tick_number),
        x_title=timeline.x_title,
        columns=("time", *classes),
        rows=[
            row
            for row, sum_ in zip(
                timeline.rows(*(list(map(_rate_text, values)) for values in rates.values())),
                whole,
                strict=True,
            )
            if sum_
        ],
        areas=areas,
        spans=timeline.spans,
        moments=timeline.moments,
        height=180,
        notes=["The table has only those times at which requests failed."],
    )


def _classes(series: Series) -> dict[str, list[int]]:
    """The most frequent classes of errors by time, and the others as one."""
    if not series.errors:
        return {"failed": series.failed}
    by_count = sorted(series.errors.items(), key=lambda item: -sum(item[1]))
    shown = dict(by_count[:MOST_CLASSES])
    if rest := [points for _, points in by_count[MOST_CLASSES:]]:
        shown["others"] = [sum(column) for column in zip(*rest, strict=True)]
    return shown


def _bars(timeline: Timeline, lower: list[float], upper: list[float]) -> tuple[Pieces, Pieces]:
    """A rectangle for each point that has a height; those side by side are one outline."""
    low: list[list[Point]] = []
    high: list[list[Point]] = []
    before = False
    for start, end, bottom, top in zip(timeline.starts, timeline.ends, lower, upper, strict=True):
        if top > bottom:
            if not before:
                low.append([])
                high.append([])
            low[-1] += [(start, bottom), (end, bottom)]
            high[-1] += [(start, top), (end, top)]
        before = top > bottom
    return low, high


def _in_flight(timeline: Timeline) -> Chart:
    values = timeline.series.in_flight
    highest = max(values)
    load, limits, notes = timeline.plan.load, [], []
    if load.open is not None:
        most = load.open.max_in_flight or 1000 * load.workers
        if most <= highest * _FAR:
            limits.append(Limit(most, f"at most {most:,}"))
        else:
            notes.append(f"At most {most:,} were allowed.")
    return Chart(
        key="in-flight",
        title="Iterations under way",
        unit="at the end of each point",
        summary=f"At most {highest:,} at a time.",
        x=timeline.x,
        y=count_axis(max(highest, *(limit.value for limit in limits), 1), tick_number),
        x_title=timeline.x_title,
        columns=("time", "under way"),
        rows=timeline.rows([f"{value:,}" for value in values]),
        lines=[Line("", timeline.steps(values), "started")],
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
        summary=f"perfrun handed iterations over {format_duration(max(values))} late at most.",
        x=timeline.x,
        y=y,
        x_title=timeline.x_title,
        columns=("time", "lag"),
        rows=timeline.rows([_duration(value) for value in values]),
        lines=[Line("", timeline.steps(values, until_end=True), "started")],
        spans=timeline.spans,
        moments=timeline.moments,
        height=140,
        notes=["From when an iteration was due to when perfrun handed it over."],
    )


def _limit_words(limits: Sequence[Limit]) -> str:
    return f"Limits: {', '.join(limit.label for limit in limits)}." if limits else ""


def _with_scale(text: str, y: Scale) -> str:
    return f"{text}; logarithmic" if y.logarithmic else text


def _duration(value: float | None) -> str:
    return "" if value is None else format_duration(value)


def _rate_text(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")
