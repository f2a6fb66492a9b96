"""Distributions on a percentile axis, on which each decade of the tail has the same width."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from perfrun.api.quantities import format_duration, parse_duration
from perfrun.api.run.perfrun import SloStatus
from perfrun.api.test.metric import QUANTILES, subject
from perfrun.logic.comparison.model import Reported
from perfrun.measure.histogram import NEEDED_BEYOND, Histogram, supports
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import Outcome, StepRecord, Timing, timing_key, total
from perfrun.measure.report import WorkerReport
from perfrun.report.html.charts import (
    Chart,
    ChartLine,
    DataRow,
    Limit,
    Point,
    is_latency_limit,
    latency_limits,
)
from perfrun.report.html.scales import beyond, duration_axis, percentile_axis
from perfrun.report.html.svg import clean

MAX_CURVES = 6
"""In one chart."""
_POINTS = 200
"""Of a curve."""
_MARKED = (0.5, 0.9, 0.99, 0.999, 0.9999)
_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 0.99999)


class Look(NamedTuple):
    """What distinguishes a curve from the others."""

    style: str
    mark: str = ""


_LOOKS = [Look(f"s{index}", mark) for index, mark in enumerate("●■◆▼★✚")]


@dataclass(frozen=True)
class Curve:
    """One distribution, as far as known."""

    name: str
    look: Look
    samples: Histogram
    bound: int | None
    """The shortest wait of requests that did not end (ns); None: all ended."""

    @property
    def known(self) -> float:
        """The share of samples up to which values are exact."""
        if self.bound is None:
            return 1.0
        return self.samples.below(self.bound) / self.samples.count

    @property
    def supported(self) -> float:
        """The share of samples up to which enough lie beyond."""
        return max(0.0, 1 - NEEDED_BEYOND / self.samples.count)

    def text(self, share: float) -> str:
        """The value at a share, as far as it is known."""
        if share > self.known and self.bound is not None:
            return f">={format_duration(self.bound)}"
        if not supports(self.samples.count, share):
            return "n/a"
        return format_duration(self.samples.quantile(share))

    def points(self, first: float, last: float) -> list[Point]:
        """From one share to another, evenly on the axis."""
        low, high = beyond(first), min(beyond(last), math.log10(max(self.samples.count, 2)))
        if high <= low:
            return []
        places = [low + (high - low) * index / _POINTS for index in range(_POINTS + 1)]
        return _thinned([(place, self.samples.quantile(1 - 10.0**-place)) for place in places])


def curve(name: str, look: Look, record: StepRecord, timing: Timing) -> Curve | None:
    """The durations of a step's requests; None where there are none."""

    def of(outcome: Outcome) -> Histogram:
        return record.timings.get(timing_key(timing, outcome)) or Histogram()

    bounds = Histogram.merged([of(Outcome.TIMEOUT), of(Outcome.CENSORED)])
    whole = Histogram.merged([of(Outcome.SUCCESS), bounds])
    if not whole.count:
        return None
    return Curve(name, look, whole, bounds.least if bounds.count else None)


def distributions(
    report: WorkerReport, plan: RunPlan, slos: Sequence[SloStatus]
) -> Iterator[Chart]:
    """Of all requests, and of each step."""
    records = [record for record in report.window.steps if record.sent]
    whole = total(records)
    both = _present(
        curve("response time, from when it was due", Look("started"), whole, Timing.LATENCY),
        curve("service time, from the first byte sent", Look("service"), whole, Timing.SERVICE),
    )
    if both:
        limits = latency_limits(slos, plan)
        where = "in the window" if plan.load.capacity is None else "in the last hold"
        yield _chart("distribution", "Distribution, all requests", both, limits, where=where)
    if len(records) > 1:
        yield from _by_step(records, slos)


def of_runs(runs: Sequence[tuple[str, Reported]]) -> Iterator[Chart]:
    """Of all requests of each run, by their names."""
    curves = [
        curve(clean(name, 40), _LOOKS[index], total(one.result.report.window.steps), Timing.LATENCY)
        for index, (name, one) in enumerate(runs)
        if one.result is not None and one.result.report is not None
    ]
    if known := _present(*curves):
        yield _chart("distribution", "Response time of all requests", known, ())


def _by_step(records: Sequence[StepRecord], slos: Sequence[SloStatus]) -> Iterator[Chart]:
    first = sorted(records, key=lambda record: -record.sent)[:MAX_CURVES]
    shown = [record for record in records if record in first]
    several = len({record.scenario for record in records}) > 1
    for key, title, timing in (
        ("by-step", "Response time by step", Timing.LATENCY),
        ("service-by-step", "Service time by step", Timing.SERVICE),
    ):
        curves = _present(
            *(
                curve(
                    clean(f"{record.scenario}/{record.step}" if several else record.step, 40),
                    _LOOKS[index],
                    record,
                    timing,
                )
                for index, record in enumerate(shown)
            )
        )
        if curves:
            left_out = len(records) - len(shown)
            notes = (
                [f"The {len(shown)} steps with the most requests; {left_out} more are below."]
                if left_out
                else []
            )
            own = [slo for slo in slos if slo.of and is_latency_limit(slo)]
            limits = own if timing is Timing.LATENCY and len(own) <= MAX_CURVES else []
            yield _chart(key, title, curves, limits, notes)


def _chart(
    key: str,
    title: str,
    curves: Sequence[Curve],
    slos: Sequence[SloStatus],
    notes: Sequence[str] = (),
    where: str = "in the window",
) -> Chart:
    most = max(one.samples.count for one in curves)
    x = percentile_axis(most)
    values = [
        value for one in curves for value in (one.samples.quantile(0.001), one.samples.greatest)
    ]
    limits = [limit for slo in slos if (limit := _limit(slo, x.high)) is not None]
    y = duration_axis([*map(float, values), *(limit.value for limit in limits)])
    lines = [line for one in curves for line in _lines(one)]
    shares = [share for share in _SHARES if beyond(share) <= x.high]
    return Chart(
        key=key,
        title=title,
        unit=f"{where}; logarithmic" if y.logarithmic else where,
        summary=". ".join(_words(one) for one in curves) + ".",
        x=x,
        y=y,
        x_title="percentile (share of requests that took at most this long)",
        columns=("percentile", *(one.name for one in curves)),
        rows=[
            DataRow(beyond(share), (f"{share * 100:.6g}%", *(one.text(share) for one in curves)))
            for share in shares
        ],
        lines=lines,
        limits=limits,
        notes=[*notes, *_told(curves)],
        height=300,
    )


def _lines(one: Curve) -> Iterator[ChartLine]:
    """The reliable part, the part with few samples, and the end of what is known."""
    supported = min(one.known, one.supported)
    solid, thin = one.points(0.0, supported), one.points(supported, one.known)
    marked = [
        (beyond(share), one.samples.quantile(share)) for share in _MARKED if share <= supported
    ]
    style, mark = one.look
    yield ChartLine(one.name, [solid] if solid else [], style, "", mark, marked if mark else ())
    yield ChartLine("", [thin] if thin else [], f"{style} thin")
    if one.bound is not None and (solid or thin):
        name = mark or one.name.partition(" ")[0]
        last = (thin or solid)[-1]
        label = f"{name} ≥ {format_duration(one.bound)}"
        yield ChartLine("", [[last]], style, label, "▲", [last])


def _told(curves: Sequence[Curve]) -> Iterator[str]:
    if any(one.known > one.supported for one in curves):
        yield (
            f"Dotted: fewer than {NEEDED_BEYOND} requests were slower, so the curve depends on "
            "chance."
        )
    ended = [
        f"{one.samples.count - one.samples.below(one.bound):,} of {one.name.partition(',')[0]}"
        for one in curves
        if one.bound is not None
    ]
    if ended:
        yield (
            "▲ ends a curve: the slowest requests timed out or were still open at the end "
            f"({', '.join(ended)}), so it is unknown how long they would have taken."
        )


def _words(one: Curve) -> str:
    told = [
        f"{name} {one.text(share)}"
        for name, share in QUANTILES.items()
        if share <= max(one.supported, 0.5)
    ]
    return f"{one.name}: {', '.join(told)} of {one.samples.count:,} requests"


def _limit(slo: SloStatus, end: float) -> Limit | None:
    """A mark at the percentile that an objective is about."""
    statistic = slo.metric.partition(".")[2]
    share = QUANTILES.get(statistic)
    if share is None or slo.max is None or beyond(share) > end:
        return None
    place = beyond(share)
    label = f"{subject(statistic, clean(slo.of, 20))} ≤ {slo.max}"
    return Limit(parse_duration(slo.max), label, place - end / 40, place + end / 40)


def _present(*curves: Curve | None) -> list[Curve]:
    return [one for one in curves if one is not None]


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Without redundant points on a horizontal line."""
    return [
        point
        for index, point in enumerate(points)
        if index in (0, len(points) - 1)
        or not points[index - 1][1] == point[1] == points[index + 1][1]
    ]
