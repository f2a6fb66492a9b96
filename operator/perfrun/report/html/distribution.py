"""Distributions on a percentile axis, on which each decade of the tail has the same width."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from perfrun.api.quantities import format_duration, parse_duration
from perfrun.api.run.perfrun import PerfRunStatus, SloStatus
from perfrun.api.test.metric import LATENCY_P95, QUANTILES, subject
from perfrun.logic.comparison.model import NO_FIGURE, Reported
from perfrun.logic.verdict.readings import Distribution, Reading
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
    clock_of,
    is_latency_limit,
    latency_limits,
)
from perfrun.report.html.scales import beyond, duration_axis, percentile_axis
from perfrun.report.html.svg import clean
from perfrun.report.steps import worst_first

MAX_CURVES = 6
"""The maximum number of curves in one chart."""
_POINTS = 200
"""The maximum number of points of a curve."""
_MARKED = (0.5, 0.9, 0.99, 0.999, 0.9999)
_SINGLE = "○"
_RESPONSE, _SERVICE = "Response time", "Service time"
_ALL = {
    Timing.LATENCY: ("distribution", f"{_RESPONSE}, all requests"),
    Timing.SERVICE: ("service", f"{_SERVICE}, all requests"),
}
_BY_STEP = {
    Timing.LATENCY: ("by-step", f"{_RESPONSE} by step"),
    Timing.SERVICE: ("service-by-step", f"{_SERVICE} by step"),
}
_ALIKE_WITHIN = 0.05
_ALIKE = (
    "The service time, from the first byte sent, differs by less than 5% and is not drawn: "
    "requests hardly waited to be sent."
)
_CLOCKS = {
    Timing.LATENCY: "from when a request was due",
    Timing.SERVICE: "from the first byte sent",
}
_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 0.99999)


class Look(NamedTuple):
    """What distinguishes a curve from the other curves."""

    style: str
    mark: str = ""


_LOOKS = [Look(f"s{index}", mark) for index, mark in enumerate("●■◆▼★✚")]


@dataclass(frozen=True)
class Curve:
    """One distribution, as far as it is known."""

    name: str
    look: Look
    distribution: Distribution

    @property
    def samples(self) -> Histogram:
        """All requests, with lower bounds for those that did not end."""
        return self.distribution.whole

    @property
    def bound(self) -> int | None:
        """The shortest wait of requests that did not end (ns); None: all ended."""
        return self.distribution.bound

    @property
    def known(self) -> int:
        """How many of the fastest samples are known exactly."""
        return self.samples.count if self.bound is None else self.samples.below(self.bound)

    @property
    def supported(self) -> float:
        """Up to this share, values are known exactly, and enough samples lie beyond it."""
        return max(0.0, min(self.known, self.samples.count - NEEDED_BEYOND) / self.samples.count)

    def text(self, share: float) -> str:
        """The value at a share, written like all other figures."""
        found = self.distribution.percentile(share) if share else self.distribution.statistic("min")
        return found.text(LATENCY_P95, ()) if isinstance(found, Reading) else NO_FIGURE

    def points(self) -> list[Point]:
        """Points of the supported part, evenly spaced on the axis."""
        high = beyond(self.supported)
        if high <= 0:
            return []
        places = [high * index / _POINTS for index in range(_POINTS + 1)]
        return _thinned([(place, self.samples.quantile(1 - 10.0**-place)) for place in places])

    def slowest(self) -> list[Point]:
        """The slowest samples that are known exactly, one by one: too few for percentiles."""
        count = self.samples.count
        ranks = range(max(1, count - NEEDED_BEYOND + 1), self.known + 1)
        return [
            (math.log10(count / (count - rank + 1)), self.samples.quantile(rank / count))
            for rank in ranks
        ]


def curve(name: str, look: Look, record: StepRecord, timing: Timing) -> Curve | None:
    """The durations of a step's requests; None if there are none."""

    def of(outcome: Outcome) -> Histogram:
        return record.timings.get(timing_key(timing, outcome)) or Histogram()

    found = Distribution([of(Outcome.SUCCESS)], [of(Outcome.TIMEOUT), of(Outcome.CENSORED)])
    return Curve(name, look, found) if found.count else None


def distributions(report: WorkerReport, plan: RunPlan, status: PerfRunStatus) -> Iterator[Chart]:
    """A chart of all requests, and one of each step. In one chart, all durations start from the
    same moment."""
    records = [record for record in report.window.steps if record.sent]
    whole = total(records)
    where = "in the window" if plan.load.capacity is None else "in the last hold"
    clocks = [timing for timing in _CLOCKS if timing is Timing.LATENCY or _differs(whole)]
    for timing in clocks:
        key, title = _ALL[timing]
        one = curve("all requests", Look("started"), whole, timing)
        if one is not None and one.samples.count > NEEDED_BEYOND:
            limits = latency_limits(status.slos, plan) if timing is Timing.LATENCY else []
            notes = [_ALIKE] if len(clocks) == 1 and plan.target.script is None else []
            clock = clock_of(plan, _CLOCKS[timing])
            yield _chart(key, title, [one], limits, notes, where=f"{where}, {clock}")
    if len(records) > 1:
        yield from _by_step(records, plan, status, where, clocks)


def _differs(record: StepRecord) -> bool:
    """Whether requests took longer from when they were due than from when they were sent."""
    both = [curve("", Look(""), record, timing) for timing in _CLOCKS]
    response, service = (one.samples if one is not None else None for one in both)
    if response is None or service is None:
        return False
    shares = [share for share in _MARKED if supports(min(response.count, service.count), share)]
    pairs = [(response.quantile(share), service.quantile(share)) for share in shares]
    pairs.append((response.mean, service.mean))
    return any(abs(due - sent) > _ALIKE_WITHIN * due for due, sent in pairs)


def of_runs(runs: Sequence[tuple[str, Reported]]) -> Iterator[Chart]:
    """A chart of all requests of each run, by the names of the runs."""
    curves = [
        curve(clean(name, 40), _LOOKS[index], total(one.result.report.window.steps), Timing.LATENCY)
        for index, (name, one) in enumerate(runs)
        if one.result is not None and one.result.report is not None
    ]
    if known := _present(*curves):
        yield _chart(
            "distribution",
            f"{_RESPONSE} of all requests",
            known,
            (),
            where=f"in the window, {_CLOCKS[Timing.LATENCY]}",
        )


def _by_step(
    records: Sequence[StepRecord],
    plan: RunPlan,
    status: PerfRunStatus,
    where: str,
    clocks: Sequence[Timing],
) -> Iterator[Chart]:
    order = {(one.scenario, one.name): place for place, one in enumerate(worst_first(status.steps))}
    worst = sorted(records, key=lambda one: order.get((one.scenario, one.step), len(order)))
    shown = worst[:MAX_CURVES]
    several = len({record.scenario for record in records}) > 1
    left_out = len(records) - len(shown)
    notes = [f"The {len(shown)} worst steps, as in Steps; {left_out} more are not drawn."]
    for timing in clocks:
        key, title = _BY_STEP[timing]
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
            own = [slo for slo in status.slos if slo.of and is_latency_limit(slo)]
            limits = own if timing is Timing.LATENCY and len(own) <= MAX_CURVES else []
            clock = f"{where}, {clock_of(plan, _CLOCKS[timing])}"
            yield _chart(key, title, curves, limits, notes if left_out else (), where=clock)


def _chart(
    key: str,
    title: str,
    curves: Sequence[Curve],
    slos: Sequence[SloStatus],
    notes: Sequence[str] = (),
    *,
    where: str,
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
        notes=[*notes, *_curve_notes(curves)],
        height=300,
    )


def _lines(one: Curve) -> Iterator[ChartLine]:
    """The curve of percentiles, the slowest requests beyond it, and the end of what is known."""
    points, slowest = one.points(), one.slowest()
    marked = [
        (beyond(share), one.samples.quantile(share)) for share in _MARKED if share <= one.supported
    ]
    style, mark = one.look
    pieces = [points] if points else []
    yield ChartLine(one.name, pieces, style, "", mark, marked if mark else ())
    yield ChartLine("", [], style, "", mark or _SINGLE, slowest)
    if one.bound is not None and (points or slowest):
        name = mark or one.name.partition(" ")[0]
        last = (slowest or points)[-1]
        label = f"{name} ≥ {format_duration(one.bound)}"
        yield ChartLine("", [[last]], style, label, "▲", [last])


def _curve_notes(curves: Sequence[Curve]) -> Iterator[str]:
    if any(one.slowest() for one in curves):
        yield (
            f"Single marks: the slowest requests, at most {NEEDED_BEYOND}, each by itself. They "
            "are too few for a percentile."
        )
    ended = [
        f"{one.samples.count - one.known:,} of {one.name}"
        for one in curves
        if one.bound is not None
    ]
    if ended:
        yield (
            "▲ ends a curve: the slowest requests timed out or were still open at the end "
            f"({', '.join(ended)}), so it is unknown how long they would have taken."
        )


def _words(one: Curve) -> str:
    figures = [
        f"{name} {one.text(share)}"
        for name, share in QUANTILES.items()
        if supports(one.samples.count, share)
    ] or [f"the slowest {format_duration(one.samples.greatest)}"]
    return f"{one.name}: {', '.join(figures)} of {one.samples.count:,} requests"


def _limit(slo: SloStatus, end: float) -> Limit | None:
    """A mark at the percentile that has an objective."""
    statistic = slo.metric.partition(".")[2]
    share = QUANTILES.get(statistic)
    if share is None or slo.max is None or beyond(share) > end:
        return None
    place = beyond(share)
    label = f"{subject(statistic, clean(slo.of, 40))} ≤ {slo.max}"
    return Limit(parse_duration(slo.max), label, place - end / 40, place + end / 40)


def _present(*curves: Curve | None) -> list[Curve]:
    return [one for one in curves if one is not None]


def _thinned(points: Sequence[Point]) -> list[Point]:
    """The points without those in the middle of a horizontal line."""
    return [
        point
        for index, point in enumerate(points)
        if index in (0, len(points) - 1)
        or not points[index - 1][1] == point[1] == points[index + 1][1]
    ]
