"""A dashboard as one HTML page: its own grid, filled from a Prometheus. Not Grafana, but like it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

from tests.dashboards import chart
from tests.dashboards.fields import (
    COLOURS,
    line_colour,
    mapped,
    name_of,
    overridden,
    threshold_colour,
)
from tests.dashboards.model import Dashboard, Json, Panel, substituted
from tests.dashboards.units import shown
from tests.e2e.prometheus import Prometheus, Series

WIDTH = 1440
CELL = 34
HEAD = 26
POINTS = 300
_CELLS = {"color-background": "background:{};color:#fff", "color-text": "color:{}"}

STYLE = """
body { margin: 0; padding: 12px; background: #f4f5f5; color: #24292e; font: 12px sans-serif; }
h1 { font-size: 18px; margin: 0 0 4px; } p { margin: 0 0 10px; color: #57606a; }
.grid { position: relative; }
.panel { position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #dde1e6;
  border-radius: 3px; overflow: hidden; }
.panel h2 { font-size: 12px; margin: 6px 8px 2px; font-weight: 600; white-space: nowrap; }
.row { position: absolute; font-weight: 600; font-size: 14px; padding: 8px 2px; }
.stat { font-size: 26px; font-weight: 600; text-align: center; padding-top: 14px; }
.stat.filled { color: #fff; position: absolute; inset: 26px 0 0; padding-top: 20px; }
table { border-collapse: collapse; width: 100%; } th { color: #3274d9; }
th, td { text-align: left; padding: 5px 8px; border-top: 1px solid #e9ecef; white-space: nowrap; }
.legend { padding: 0 8px; white-space: nowrap; } .legend b { font-size: 15px; }
.legend span { margin-right: 12px; } svg text { font-size: 10.5px; fill: #57606a; }
svg text.state { fill: #fff; } .none { text-align: center; padding-top: 24px; color: #8a929a; }
"""


@dataclass(frozen=True)
class Source:
    """Where the data of a page comes from."""

    prometheus: Prometheus
    values: Mapping[str, str]
    start: float
    end: float

    @property
    def step(self) -> float:
        """Seconds between two points."""
        return max((self.end - self.start) / POINTS, 1.0)

    def now(self, expression: str) -> Series:
        """An instant query of the page's last moment, its variables filled in."""
        return self.prometheus.query(substituted(expression, self.values), self.end)

    def over_time(self, expression: str) -> Series:
        """A query over the page's time."""
        text = substituted(expression, self.values)
        return self.prometheus.query_range(text, self.start, self.end, self.step)


def page(board: Dashboard, source: Source) -> str:
    """The whole dashboard."""
    bottom = max(body["gridPos"]["y"] + body["gridPos"]["h"] for body in board.body["panels"])
    parts = [_placed(body, source) for body in board.body["panels"]]
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>"
        f"<h1>{escape(board.body['title'])}</h1><p>{escape(board.body['description'])}</p>"
        f'<div class=grid style="width:{WIDTH}px;height:{bottom * CELL}px">{"".join(parts)}</div>'
    )


def height(board: Dashboard) -> int:
    """Pixels that the page needs."""
    bottom = max(body["gridPos"]["y"] + body["gridPos"]["h"] for body in board.body["panels"])
    return int(bottom) * CELL + 80


def _placed(body: Json, source: Source) -> str:
    place = body["gridPos"]
    unit = WIDTH / 24
    box = (
        f"left:{place['x'] * unit:.0f}px;top:{place['y'] * CELL}px;"
        f"width:{place['w'] * unit - 6:.0f}px;height:{place['h'] * CELL - 6}px"
    )
    if body["type"] == "row":
        return f'<div class=row style="{box}">{escape(body["title"])}</div>'
    draw = _KINDS[body["type"]]
    inner = draw(Panel(body), source)
    return f'<div class=panel style="{box}"><h2>{escape(body["title"])}</h2>{inner}</div>'


def _stat(panel: Panel, source: Source) -> str:
    [query] = panel.queries
    found = source.now(query.expression)
    if not found:
        return f"<div class=stat>{escape(panel.defaults.get('noValue', 'No data'))}</div>"
    name = name_of(query.legend, found[0]["metric"])
    value = float(found[0]["value"][1])
    options = overridden(panel, name)
    colour = threshold_colour(options, value)
    text = shown(value, options["unit"], options.get("decimals"))
    if panel.body["options"]["textMode"] == "name":
        text = name
        colour = COLOURS[options["color"]["fixedColor"]]
    if panel.body["options"]["colorMode"] == "background":
        return f'<div class="stat filled" style="background:{colour}">{escape(text)}</div>'
    return f'<div class=stat style="color:{colour}">{escape(text)}</div>'


def _table(panel: Panel, source: Source) -> str:
    """Grafana's transformations ``merge`` and ``organize``, as far as the dashboards use them."""
    organize = panel.body["transformations"][1]["options"]
    order = sorted(organize["indexByName"], key=organize["indexByName"].get)
    titles = [organize["renameByName"].get(name, name) for name in order]
    frames = {f"Value #{one['refId']}": source.now(one["expr"]) for one in panel.body["targets"]}
    lines = [
        "".join(_cell(overridden(panel, t), row.get(n)) for t, n in zip(titles, order, strict=True))
        for row in merged(frames)
    ]
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"


def merged(frames: Mapping[str, Series]) -> list[dict[str, str | float]]:
    """The rows of several results, by the labels that all of them have."""
    columns = [
        {name for one in found for name in one["metric"]} for found in frames.values() if found
    ]
    keys = sorted(set.intersection(*columns)) if columns else []
    rows: dict[tuple[str, ...], dict[str, str | float]] = {}
    for value, found in frames.items():
        for one in found:
            row = rows.setdefault(tuple(one["metric"].get(key, "") for key in keys), {})
            row |= one["metric"]
            row[value] = float(one["value"][1])
    return [row for _, row in sorted(rows.items())]


def _cell(options: Json, value: str | float | None) -> str:
    if value is None or value == "":
        return f"<td>{escape(options.get('noValue', ''))}</td>"
    replaced = mapped(options, value)
    if replaced is not None:
        text, colour = replaced
    elif isinstance(value, float):
        text = shown(value, options["unit"], options.get("decimals"))
        colour = threshold_colour(options, value) if "thresholds" in options else "transparent"
    else:
        text, colour = value, "transparent"
    style = _CELLS.get(options.get("custom.cellOptions", {}).get("type"))
    if style is None or colour == "transparent":
        return f"<td>{escape(text)}</td>"
    return f'<td style="{style.format(colour)}">{escape(text)}</td>'


def _time_series(panel: Panel, source: Source) -> str:
    series = _lines(panel, source)
    if not series:
        return "<div class=none>No data</div>"
    legend = "".join(
        f'<span><b style="color:{line.colour}">&#9644;</b> {escape(line.name)}</span>'
        for line in series
    )
    drawn = chart.lines(_frame(panel, source, HEAD + 26), series, panel.defaults)
    return f"{drawn}<div class=legend>{legend}</div>"


def _state_timeline(panel: Panel, source: Source) -> str:
    series = _lines(panel, source)
    if not series:
        return "<div class=none>No data</div>"
    return chart.lanes(_frame(panel, source, HEAD + 4, left=150), series, panel.defaults)


def _lines(panel: Panel, source: Source) -> list[chart.Line]:
    found = [
        (name_of(query.legend, one["metric"]), one["values"])
        for query in panel.queries
        for one in source.over_time(query.expression)
    ]
    return [
        chart.Line(
            name,
            line_colour(overridden(panel, name), number),
            [(time, float(value)) for time, value in values if value != "NaN"],
        )
        for number, (name, values) in enumerate(found)
    ]


def _frame(panel: Panel, source: Source, taken: int, left: int = 64) -> chart.Frame:
    place = panel.body["gridPos"]
    return chart.Frame(
        width=int(place["w"] * WIDTH / 24) - 16,
        height=place["h"] * CELL - 6 - taken,
        start=source.start,
        end=source.end,
        step=source.step,
        left=left,
    )


_KINDS: dict[str, Callable[[Panel, Source], str]] = {
    "stat": _stat,
    "table": _table,
    "timeseries": _time_series,
    "state-timeline": _state_timeline,
}
