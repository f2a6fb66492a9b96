"""Failed requests over time, stacked by class."""

from perfrun.measure.series import Series
from perfrun.report.html.charts import Area, Chart, Pieces, Point
from perfrun.report.html.scales import count_axis, tick_number
from perfrun.report.html.timeline import Timeline, per_second

MAX_CLASSES = 6
"""Classes in the chart; the rarer ones are shown together."""


def errors_chart(timeline: Timeline) -> Chart:
    """The chart of a run in which at least one request failed."""
    classes = _classes(timeline.series)
    rates = {name: timeline.counted(values) for name, values in classes.items()}
    whole = [0.0] * len(timeline.starts)
    areas = []
    for index, (name, values) in enumerate(rates.items()):
        below, whole = whole, [low + value for low, value in zip(whole, values, strict=True)]
        count = sum(classes[name])
        lower, upper = _bars(timeline, below, whole)
        areas.append(Area(f"{name}: {count:,}", lower, upper, f"stripe-{index}"))
    failed = sum(timeline.series.failed)
    counts = ", ".join(f"{name} {sum(values):,}" for name, values in classes.items())
    return Chart(
        key="errors",
        title="Errors by class",
        unit="failed requests per second, including the warm-up",
        summary=f"{failed:,} requests failed: {counts}.",
        x=timeline.x,
        y=count_axis(max(whole), tick_number),
        x_title=timeline.x_title,
        columns=("time", *classes),
        rows=[
            row
            for row, sum_ in zip(
                timeline.rows(*(list(map(per_second, values)) for values in rates.values())),
                whole,
                strict=True,
            )
            if sum_
        ],
        areas=areas,
        spans=timeline.spans,
        moments=timeline.moments,
        height=180,
        notes=["The table lists only the times at which requests failed."],
    )


def _classes(series: Series) -> dict[str, list[int]]:
    """The most frequent classes of errors over time, and all others as one class."""
    if not series.errors:
        return {"failed": series.failed}
    by_count = sorted(series.errors.items(), key=lambda item: -sum(item[1]))
    shown = dict(by_count[:MAX_CLASSES])
    if rest := [points for _, points in by_count[MAX_CLASSES:]]:
        shown["others"] = [sum(column) for column in zip(*rest, strict=True)]
    return shown


def _bars(timeline: Timeline, lower: list[float], upper: list[float]) -> tuple[Pieces, Pieces]:
    """A rectangle for each point that is not 0; adjacent rectangles have one outline."""
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
