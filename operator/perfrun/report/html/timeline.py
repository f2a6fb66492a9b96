"""The series of a run on the time axis that all its charts share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from perfrun.api.quantities import NS_PER_S
from perfrun.api.test.metric import QUANTILES
from perfrun.api.times import parse_time
from perfrun.logic.comparison.model import Reported
from perfrun.measure.histogram import supports
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.measure.series import Series
from perfrun.report.html.charts import DataRow, Moment, Pieces, Span, steps
from perfrun.report.html.facts import moment
from perfrun.report.html.scales import Scale, clock, time_axis

MAX_POINTS = 300
"""Maximum points in a chart; if there are more, adjacent points are merged."""
MIN_POINTS = 30
"""At least this many points remain when points are merged because they have too few samples for a
percentile."""
MAX_HOLDS = 12
"""Maximum holds of a capacity search that are named in a chart."""
_COUNTS = ("planned", "started", "succeeded", "failed")


@dataclass(frozen=True)
class Timeline:
    """The series of a run, ready to be drawn."""

    reported: Reported
    plan: RunPlan
    report: WorkerReport

    @cached_property
    def series(self) -> Series:
        """The series, with points that are long enough to be drawn; missing counts are 0."""
        series = self.report.series.model_copy(deep=True)
        length = max(len(getattr(series, name)) for name in _COUNTS)
        for name in _COUNTS:
            setattr(series, name, getattr(series, name) or [0] * length)
        while len(series.started) > MAX_POINTS or (
            len(series.started) >= 2 * MIN_POINTS and not _has_p95(series)
        ):
            series.halve()
        return series

    @cached_property
    def starts(self) -> list[int]:
        """Where each point begins, ns after T0."""
        return [index * self.series.resolution for index in range(len(self.series.started))]

    @cached_property
    def ends(self) -> list[int]:
        """Where each point ends."""
        ends = [start + self.series.resolution for start in self.starts]
        if ends and self.starts[-1] < self.report.load_time < ends[-1]:
            ends[-1] = self.report.load_time  # nothing came after the load
        return ends

    @cached_property
    def x(self) -> Scale:
        """The axis that all charts over time share."""
        return time_axis(max(self.report.load_time, self.ends[-1] if self.ends else 0))

    @property
    def x_title(self) -> str:
        """The moment from which the time is counted."""
        began = self.reported.run.status.start_time
        return f"time since {moment(began) if began else 'the load began'}"

    @property
    def interval(self) -> str:
        """The length of a point."""
        return clock(self.series.resolution)

    def stopped(self) -> str | None:
        """Why the load ended early."""
        return f"The load was stopped {self.report.stopped}." if self.report.stopped else None

    def missing(self) -> str | None:
        """Which charts are missing, and why; None: none is missing."""
        if not self.starts:
            return "The result has no data over time."
        if not self.series.latency:
            return (
                "The result comes from a version of perfrun that did not record response "
                "times, error classes, requests in flight and lag over time: only rates are "
                "drawn."
            )
        return None

    @cached_property
    def spans(self) -> list[Span]:
        """The parts of the load outside of the window."""
        warmup, end = self.plan.load.warmup or 0, self.report.load_time
        spans = [Span(0, min(warmup, end), "warm-up, not judged")] if warmup else []
        if self.ends and self.ends[-1] - end >= self.series.resolution:
            spans.append(Span(end, self.ends[-1], "load over"))
        return spans

    @cached_property
    def moments(self) -> list[Moment]:
        """The moment at which the load was stopped."""
        return [Moment(self.report.load_time, "stopped")] if self.report.stopped else []

    @cached_property
    def holds(self) -> list[Moment]:
        """The moments at which the holds of a capacity search began."""
        status = self.reported.run.status
        holds = status.capacity.holds if status.capacity is not None else []
        named = len(holds) <= MAX_HOLDS
        return [
            Moment(at, hold.rate if named else "", "hold")
            for hold in holds
            if (at := _between(status.start_time, hold.start_time)) is not None
        ]

    def counted(self, values: Sequence[int]) -> list[float]:
        """Rates per second. The point in which the load ends counts until then."""
        load_end = self.report.load_time
        rates = []
        for start, end, value in zip(self.starts, self.ends, values, strict=True):
            over = min(end, load_end) if start < load_end else end
            rates.append(value * NS_PER_S / (over - start))
        return rates

    def steps(self, values: Sequence[float], *, until_end: bool = False) -> Pieces:
        """A step curve with one level for each point; ``until_end``: until the load is over."""
        count = len(values)
        ends = self.ends
        if until_end:
            count = sum(start < self.report.load_time for start in self.starts)
            ends = [min(end, self.report.load_time) for end in self.ends]
        return steps(self.starts[:count], ends[:count], values[:count])

    @property
    def rated(self) -> bool:
        """Whether iterations are due at a rate."""
        return self.plan.load.open is not None or self.plan.load.capacity is not None

    def span_text(self, index: int) -> str:
        """``30s to 31s``, for a table."""
        return f"{clock(self.starts[index])} to {clock(self.ends[index])}"

    def rows(self, *columns: Sequence[str]) -> list[DataRow]:
        """The rows of a chart's table: the time, and a text for each column."""
        return [
            DataRow((self.starts[index] + self.ends[index]) / 2, (self.span_text(index), *cells))
            for index, cells in enumerate(zip(*columns, strict=True))
        ]


def _has_p95(series: Series) -> bool:
    """Whether most points with samples have enough for a p95."""
    counts = [count for sketch in series.latency if (count := sketch.count)]
    return 2 * sum(supports(count, QUANTILES["p95"]) for count in counts) >= len(counts)


def _between(start: str | None, end: str | None) -> float | None:
    """ns from one time to another; None if one of them is not known."""
    try:
        return (parse_time(end or "") - parse_time(start or "")).total_seconds() * NS_PER_S
    except ValueError:
        return None


def per_second(value: float) -> str:
    """A rate, as tables show it."""
    return f"{value:,.1f}".removesuffix(".0")
