"""Charts as inline SVG that is readable on a phone and without colours.

The curves are in an inner SVG that is stretched to the available width. Texts and marks are placed
beside it by percentages, so they have the same size on a phone and on a desktop. Colour is never
the only sign: lines differ by dashes, areas by stripes, and all have their names beside them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from perfrun.report.html.charts import Area, Chart, Pieces, Point
from perfrun.report.html.svg import element, number, percent

WIDTH = 1000
"""The width of the inner SVG, which is stretched."""
LINE = 15
"""The minimum distance of labels, in pixels."""
TOP = 12
"""The height of the names of spans and moments."""
LATE = 0.6
"""From this position on, the names of spans are written to the left."""
NEAR = 0.12
"""Texts that begin closer together than this would overlap at one height."""
INSIDE = 0.85
"""A line that ends before this position has its name right there; others have it beside the
picture."""


def draw(chart: Chart) -> Markup:
    """A chart as SVG."""
    return _Drawing(chart).svg


def legend(chart: Chart) -> list[tuple[Markup, str]]:
    """The legend: a sample and the name of each line, area and limit that has a name."""
    lines = [
        (sample("line", line.style, line.mark), line.name) for line in chart.lines if line.name
    ]
    areas = [(sample("area", area.style), area.name) for area in chart.areas if area.name]
    limits = [(sample("limit", ""), limit.label) for limit in chart.limits if limit.label]
    return [*lines, *areas, *limits]


@dataclass(frozen=True)
class _Drawing:
    chart: Chart

    @property
    def svg(self) -> Markup:
        chart = self.chart
        name = f"{chart.key}-title {chart.key}-desc"
        return element(
            "svg",
            element("title", f"{chart.title} ({chart.unit})", id=f"{chart.key}-title"),
            element("desc", chart.summary, id=f"{chart.key}-desc"),
            *self._spans(),
            *self._grid(),
            self._curves(),
            *self._limits(),
            *self._moments(),
            *self._marks(),
            *self._ends(),
            element("line", class_="cursor", y1="0", y2=chart.height, x1="0", x2="0"),
            role="img",
            aria_labelledby=name,
            width="100%",
            height=chart.height,
        )

    def _spans(self) -> Iterator[Markup]:
        for span in self.chart.spans:
            left, right = self._x(span.start), self._x(span.end)
            yield element(
                "rect",
                class_="span",
                x=percent(left),
                y="0",
                width=percent(right - left),
                height=self.chart.height,
                fill="url(#hatch)",
            )
            late = left > LATE
            yield self._text(
                right if late else left,
                TOP,
                span.label,
                "note",
                dx=-4 if late else 4,
                anchor="end" if late else "start",
            )

    def _grid(self) -> Iterator[Markup]:
        height = self.chart.height
        for tick in self.chart.y.ticks:
            y = height * (1 - tick.at)
            style = "grid minor" if tick.minor else "grid"
            yield element("line", class_=style, x1="0", x2="100%", y1=y, y2=y)
            yield self._text(0, y + 4, tick.label, "tick", dx=-6, anchor="end")
        for tick in self.chart.x.ticks:
            x = percent(tick.at)
            yield element("line", class_="grid minor", x1=x, x2=x, y1="0", y2=height + 4)
            style = "tick minor" if tick.minor else "tick"
            yield self._text(tick.at, height + 17, tick.label, style, anchor="middle")

    def _curves(self) -> Markup:
        chart = self.chart
        areas = [
            element("path", class_=f"area {area.style}", d=self._outline(area))
            for area in chart.areas
        ]
        lines = [
            element("path", class_=f"line {line.style}", d=self._path(line.pieces))
            for line in chart.lines
        ]
        return element(
            "svg",
            *areas,
            *lines,
            viewBox=f"0 0 {WIDTH} {chart.height}",
            preserveAspectRatio="none",
            width="100%",
            height=chart.height,
        )

    def _limits(self) -> Iterator[Markup]:
        """The legend has the names: a name beside a line would cover a curve sooner or later."""
        for limit in self.chart.limits:
            y = self._y(limit.value)
            left = self._x(limit.start) if limit.start is not None else 0.0
            right = self._x(limit.end) if limit.end is not None else 1.0
            yield element("line", class_="limit", x1=percent(left), x2=percent(right), y1=y, y2=y)

    def _moments(self) -> Iterator[Markup]:
        for moment in self.chart.moments:
            place = self._x(moment.at)
            x, late = percent(place), place > INSIDE
            yield element("line", class_=moment.style, x1=x, x2=x, y1="0", y2=self.chart.height)
            yield self._text(
                place,
                TOP,
                moment.label,
                "note",
                dx=-4 if late else 4,
                anchor="end" if late else "start",
            )

    def _marks(self) -> Iterator[Markup]:
        """What distinguishes lines whose colours look alike."""
        for line in self.chart.lines:
            for x, value in line.marked:
                yield self._text(self._x(x), self._y(value), line.mark, f"mark {line.style}")

    def _ends(self) -> Iterator[Markup]:
        """The names of lines at their ends, moved apart where they would overlap."""
        named = [line for line in self.chart.lines if line.pieces and line.label]
        ends = [(self._x(x), self._y(y)) for x, y in (line.pieces[-1][-1] for line in named)]
        rooms = _apart(ends, self.chart.height)
        for line, (place, _), room in zip(named, ends, rooms, strict=True):
            yield self._text(1 if place > INSIDE else place, room + 4, line.label, "end", dx=8)

    def _text(
        self, place: float, y: float, text: str, style: str, *, dx: float = 0, anchor: str = "start"
    ) -> Markup:
        return element(
            "text",
            text,
            class_=style,
            x=percent(place),
            y=y,
            dx=dx or None,
            text_anchor=None if anchor == "start" else anchor,
        )

    def _outline(self, area: Area) -> Markup:
        return Markup("").join(
            Markup("M{}Z").format(self._joined([*upper, *reversed(lower)]))
            for lower, upper in zip(area.lower, area.upper, strict=True)
        )

    def _path(self, pieces: Pieces) -> Markup:
        return Markup("").join(Markup("M{}").format(self._joined(piece)) for piece in pieces)

    def _joined(self, points: Sequence[Point]) -> Markup:
        return Markup(" ").join(
            f"{number(self._x(x) * WIDTH)} {number(self._y(value))}" for x, value in points
        )

    def _x(self, value: float) -> float:
        return self.chart.x.at(value)

    def _y(self, value: float) -> float:
        return self.chart.height * (1 - self.chart.y.at(value))


def _apart(ends: Sequence[Point], height: float) -> list[float]:
    """The heights of texts at these ends (place, height): moved where they would overlap."""
    order = sorted(range(len(ends)), key=lambda index: ends[index][1])
    rooms = [end[1] for end in ends]

    def near(index: int, others: Sequence[int]) -> list[float]:
        return [rooms[it] for it in others if abs(ends[it][0] - ends[index][0]) < NEAR]

    for rank, index in enumerate(order):
        rooms[index] = max([rooms[index], *(room + LINE for room in near(index, order[:rank]))])
    floor = max(height, LINE * len(ends))
    for rank, index in reversed(list(enumerate(order))):
        below = [room - LINE for room in near(index, order[rank + 1 :])]
        rooms[index] = min([rooms[index], floor, *below])
    return rooms


def sample(kind: str, style: str, mark: str = "") -> Markup:
    """What a line or an area looks like, for a legend."""
    shape = {
        "line": element("path", class_=f"line {style}", d="M0 7H28"),
        "area": element("rect", class_=f"area {style}", x=0, y=1, width=28, height=12),
        "limit": element("path", class_="limit", d="M0 7H28"),
    }[kind]
    text = element("text", mark, class_=f"mark {style}", x=14, y=7) if mark else ""
    return element("svg", shape, text, width=28, height=14, aria_hidden="true")
