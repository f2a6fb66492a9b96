"""Charts as inline SVG that is readable on a phone and without colours.

The curves lie in an inner SVG that is stretched to the width there is; texts and marks are placed
beside it by percentages, so that they have the same size on a phone and on a desktop. Colour is
never the only sign: lines differ by dashes, areas by stripes, and all have their names beside them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from perfrun.report.html.charts import Area, Chart, Pieces, Point
from perfrun.report.html.svg import element, number, percent

WIDTH = 1000
"""Of the inner SVG; it is stretched."""
LINE = 15
"""How far apart, in pixels, labels have to be at least."""
TOP = 12
"""Where the names of stretches and moments are."""
LATE = 0.6
"""From here on names of stretches are written to the left."""
GAP = 0.006
"""Between a short limit and its name."""
NEAR = 0.12
"""Texts that begin so near each other would overlap at one height."""
LETTER, USUAL = 6.7, 600
"""How wide a letter and a picture are in pixels, more or less."""
INSIDE = 0.85
"""A line that ends before this place has its name right there, others beside the picture."""


def draw(chart: Chart) -> Markup:
    """The picture."""
    return _Drawing(chart).svg


def legend(chart: Chart) -> list[tuple[Markup, str]]:
    """A sample and the name of each line and area that has one."""
    lines = [
        (_sample("line", line.style, line.mark), line.name) for line in chart.lines if line.name
    ]
    areas = [(_sample("area", area.style), area.name) for area in chart.areas if area.name]
    return [*lines, *areas]


@dataclass
class _Drawing:
    chart: Chart
    _taken: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.chart.spans or any(moment.label for moment in self.chart.moments):
            self._taken.append(TOP)

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
        for limit in self.chart.limits:
            y = self._y(limit.value)
            left = self._x(limit.start) if limit.start is not None else 0.0
            right = self._x(limit.end) if limit.end is not None else 1.0
            yield element("line", class_="limit", x1=percent(left), x2=percent(right), y1=y, y2=y)
            if limit.start is None:
                yield self._text(0, self._free(y - 5), limit.label, "limit-label", dx=4)
            else:
                yield self._beside(left, right, y, limit.label)

    def _beside(self, left: float, right: float, y: float, label: str) -> Markup:
        """The name of a short limit, where nothing else is if there is such a place."""
        places = [(left - GAP, y + 4, "end"), (right + GAP, y + 4, "start")]
        places += [
            (place, y + down, anchor)
            for down in (-5, 14, 14 + LINE, 14 + 2 * LINE)
            for place, anchor in ((right, "end"), (left, "start"))
        ]
        wide = len(label) * LETTER / USUAL
        place, level, anchor = next(
            (one for one in places if not self._is_crossed(*one, wide)), places[0]
        )
        return self._text(place, level, label, "limit-label", anchor=anchor)

    def _is_crossed(self, place: float, level: float, anchor: str, wide: float) -> bool:
        """Whether a line, or the name at its end, is where a text of that width would be."""
        left = place - wide if anchor == "end" else place
        return any(
            left <= x <= left + wide and level - LINE <= y <= level + 4
            for x, y in (*self._curve_points(), *self._end_points())
        )

    def _curve_points(self) -> Iterator[Point]:
        for line in self.chart.lines:
            for piece in line.pieces:
                yield from ((self._x(x), self._y(value)) for x, value in piece)

    def _end_points(self) -> Iterator[Point]:
        """Places that names of ends take, or are moved to."""
        named = [line for line in self.chart.lines if line.pieces and line.label]
        for line in named:
            x, value = line.pieces[-1][-1]
            for rank in range(len(named)):
                yield self._x(x) + NEAR / 2, self._y(value) + rank * LINE

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
        """What tells one line from another where their colours do not."""
        for line in self.chart.lines:
            for x, value in line.marked:
                yield self._text(self._x(x), self._y(value), line.mark, f"mark {line.style}")

    def _ends(self) -> Iterator[Markup]:
        """Names of lines at their ends, apart from each other."""
        named = [line for line in self.chart.lines if line.pieces and line.label]
        ends = [(self._x(x), self._y(y)) for x, y in (line.pieces[-1][-1] for line in named)]
        rooms = _apart(ends, self.chart.height)
        for line, (place, _), room in zip(named, ends, rooms, strict=True):
            yield self._text(1 if place > INSIDE else place, room + 4, line.label, "end", dx=8)

    def _free(self, y: float) -> float:
        """A height for a label on the left where none is yet: this one, or one further down."""
        while any(abs(y - taken) < LINE for taken in self._taken):
            y += LINE
        self._taken.append(y)
        return y

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
    """Heights for texts at these ends (place, height): moved where they would overlap."""
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


def _sample(kind: str, style: str, mark: str = "") -> Markup:
    """What a line or an area looks like, for a legend."""
    shape = (
        element("path", class_=f"line {style}", d="M0 7H28")
        if kind == "line"
        else element("rect", class_=f"area {style}", x=0, y=1, width=28, height=12)
    )
    text = element("text", mark, class_=f"mark {style}", x=14, y=7) if mark else ""
    return element("svg", shape, text, width=28, height=14, aria_hidden="true")
