"""Series over time as SVG: lines with axes, and lanes of states."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from tests.dashboards.fields import mapped
from tests.dashboards.model import Json
from tests.dashboards.units import shown

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """A series: its name and colour, and (time, value) in order."""

    name: str
    colour: str
    points: Points


@dataclass(frozen=True)
class Frame:
    """Where a chart is drawn, in pixels, and over which time."""

    width: int
    height: int
    start: float
    end: float
    step: float
    left: int = 64
    foot: int = 20

    def x(self, time: float) -> float:
        """Where a moment is."""
        share = (time - self.start) / (self.end - self.start)
        return self.left + share * (self.width - self.left - 6)

    def time_axis(self) -> str:
        """Moments along the foot."""
        parts = []
        count = max(self.width // 110, 2)
        for number in range(1, count):
            time = self.start + (self.end - self.start) * number / count
            clock = datetime.fromtimestamp(time).strftime("%H:%M:%S")
            at = f'x="{self.x(time):.0f}" y="{self.height - 5}"'
            parts.append(f'<text {at} text-anchor="middle">{clock}</text>')
        return "".join(parts)


def lines(frame: Frame, series: Sequence[Line], defaults: Json) -> str:
    """An SVG of all series on one scale."""
    top = max((value for line in series for _, value in line.points), default=1.0)
    limits = [s["value"] for s in defaults["thresholds"]["steps"] if s["value"] is not None]
    if defaults["custom"]["thresholdsStyle"]["mode"] == "line" and limits:
        top = max(top, limits[0] * 1.1)
    top = max(_nice(top if top > 0 else 1.0), float(defaults.get("max", 0)))
    room = frame.height - frame.foot - 8

    def y(value: float) -> float:
        return 8 + room * (1 - value / top)

    parts = []
    for number in range(5):
        value = top * number / 4
        parts.append(_grid(frame, y(value), shown(value, defaults["unit"])))
    if defaults["custom"]["thresholdsStyle"]["mode"] == "line":
        parts += [_limit(frame, y(value)) for value in limits]
    stepped = defaults["custom"]["lineInterpolation"] == "stepAfter"
    for line in series:
        for run in _runs(line.points, frame.step):
            path = _path([(frame.x(time), y(value)) for time, value in run], stepped=stepped)
            parts.append(
                f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="1.6"/>'
            )
    return _svg(frame, "".join(parts) + frame.time_axis())


def lanes(frame: Frame, series: Sequence[Line], defaults: Json) -> str:
    """An SVG with a lane of states for each series."""
    parts = []
    room = (frame.height - frame.foot - 8) / max(len(series), 1)
    for number, line in enumerate(series):
        y = 8 + number * room
        parts.append(f'<text x="2" y="{y + room / 2 + 4:.0f}">{escape(line.name[:22])}</text>')
        for run in _states(line.points, frame.step):
            text, colour = mapped(defaults, run[0][1]) or (f"{run[0][1]:g}", "#999")
            x, width = frame.x(run[0][0]), frame.x(run[-1][0] + frame.step) - frame.x(run[0][0])
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
                f'height="{room * 0.8:.1f}" fill="{colour}" fill-opacity="0.8"/>'
            )
            if width > 60:
                at = f'x="{x + 5:.0f}" y="{y + room * 0.4 + 4:.0f}"'
                parts.append(f'<text {at} fill="#fff" class="state">{escape(text)}</text>')
    return _svg(frame, "".join(parts) + frame.time_axis())


def _svg(frame: Frame, inner: str) -> str:
    return f'<svg width="{frame.width}" height="{frame.height}">{inner}</svg>'


def _grid(frame: Frame, y: float, text: str) -> str:
    return (
        f'<line x1="{frame.left}" x2="{frame.width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e7eb"/>'
        f'<text x="{frame.left - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
    )


def _limit(frame: Frame, y: float) -> str:
    return (
        f'<line x1="{frame.left}" x2="{frame.width}" y1="{y:.1f}" y2="{y:.1f}" '
        'stroke="#e02f44" stroke-dasharray="5 4"/>'
    )


def _path(points: Points, *, stepped: bool) -> str:
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for x, y in rest:
        parts.append(f"H{x:.1f}V{y:.1f}" if stepped else f"L{x:.1f} {y:.1f}")
    if not rest:
        parts.append("h2")
    return "".join(parts)


def _runs(points: Points, step: float) -> list[list[tuple[float, float]]]:
    """Points without a gap between them."""
    runs: list[list[tuple[float, float]]] = []
    for time, value in points:
        if runs and time - runs[-1][-1][0] < 1.5 * step:
            runs[-1].append((time, value))
        else:
            runs.append([(time, value)])
    return runs


def _states(points: Points, step: float) -> list[list[tuple[float, float]]]:
    """Points without a gap and without a change between them."""
    found: list[list[tuple[float, float]]] = []
    for run in _runs(points, step):
        for index, point in enumerate(run):
            if index and point[1] == run[index - 1][1]:
                found[-1].append(point)
            else:
                found.append([point])
    return found


def _nice(value: float) -> float:
    """The next number that reads well on an axis of four parts."""
    size: float = 10 ** math.floor(math.log10(value))
    steps = (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)
    return next((size * one for one in steps if size * one >= value), value)
