"""The parts of a chart; :mod:`perfrun.report.html.drawing` draws it.

A chart of response times also has the objectives that limit them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from perfrun.api.quantities import parse_duration
from perfrun.api.run.perfrun import SloStatus
from perfrun.api.test.metric import LATENCY, QUANTILES
from perfrun.measure.plan import RunPlan
from perfrun.report.html.scales import Scale
from perfrun.report.html.svg import percent

Point = tuple[float, float]
Pieces = Sequence[Sequence[Point]]
"""Connected segments of points; nothing is drawn between segments."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A curve."""

    name: str
    pieces: Pieces
    style: str
    """A class of the style sheet: colour and dashes."""
    label: str = ""
    """Written at the end of the line; empty: the legend has the name."""
    mark: str = ""
    """A character that is drawn at each of ``marked``, and in the legend."""
    marked: Sequence[Point] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """The area between two curves."""

    name: str
    lower: Pieces
    upper: Pieces
    style: str


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled range of the x axis."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A position on the x axis where something happened."""

    at: float
    label: str
    style: str = "event"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, from one position on the x axis to another."""

    value: float
    label: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class DataRow:
    """A row of the table under a chart."""

    at: float
    """The position on the x axis."""
    cells: tuple[str, ...]
    """The first cell says where that is."""


@dataclass(frozen=True)
class Chart:
    """The contents of a chart, and a description of it in words."""

    key: str
    title: str
    unit: str
    """What the y axis shows."""
    summary: str
    """A description of the picture, for people who cannot see it."""
    x: Scale
    y: Scale
    x_title: str
    columns: tuple[str, ...]
    rows: Sequence[DataRow]
    lines: Sequence[ChartLine] = ()
    areas: Sequence[Area] = ()
    spans: Sequence[Span] = ()
    moments: Sequence[Moment] = ()
    limits: Sequence[Limit] = ()
    notes: Sequence[str] = ()
    height: int = 240
    read: bool = True
    """Whether it has enough points for the script that reads single points."""

    @property
    def places(self) -> list[str]:
        """The position of each row of the table, in per cent of the picture's width."""
        return [percent(self.x.at(row.at))[:-1] for row in self.rows]


def steps(starts: Sequence[float], ends: Sequence[float], values: Sequence[float]) -> Pieces:
    """A step curve: one value from each start to each end."""
    points: list[Point] = []
    for start, end, value in zip(starts, ends, values, strict=True):
        points += [(start, value), (end, value)]
    return [points] if points else []


def connected(
    starts: Sequence[float], ends: Sequence[float], values: Sequence[float | None]
) -> Pieces:
    """The middles of intervals, connected; a value without neighbours spans its interval."""
    pieces: list[list[Point]] = []
    reach: list[tuple[float, float]] = []
    before = False
    for start, end, value in zip(starts, ends, values, strict=True):
        if value is not None:
            if not before:
                pieces.append([])
                reach.append((start, end))
            pieces[-1].append(((start + end) / 2, value))
        before = value is not None
    return [
        [(start, piece[0][1]), (end, piece[0][1])] if len(piece) == 1 else piece
        for piece, (start, end) in zip(pieces, reach, strict=True)
    ]


def latency_limits(slos: Sequence[SloStatus], plan: RunPlan) -> list[SloStatus]:
    """Objectives on the response time of all requests, or of a test's only step."""
    of_all = {""}
    if sum(len(scenario.steps) for scenario in plan.scenarios) == 1:
        of_all |= {plan.scenarios[0].name, plan.scenarios[0].steps[0].name}
    return [slo for slo in slos if slo.of in of_all and is_latency_limit(slo)]


def clock_of(plan: RunPlan, own: str) -> str:
    """Whose clock times are from: ``own`` says what perfrun's begins with."""
    script = plan.target.script
    return own if script is None else f"by the clock of {script.tool}"


def is_latency_limit(slo: SloStatus) -> bool:
    """Whether an objective limits a percentile of the response time, or its maximum."""
    family, _, statistic = slo.metric.partition(".")
    if family != LATENCY or statistic not in (*QUANTILES, "max") or slo.max is None:
        return False
    try:
        return parse_duration(slo.max) > 0
    except ValueError:
        return False
