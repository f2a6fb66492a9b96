"""Metrics of a tool, as tests write them."""

from perfrun.measure.histogram import Histogram
from perfrun.measure.script import SCALE, ToolMetric


def trend(*values: float, at: int = 0) -> ToolMetric:
    histogram = Histogram()
    histogram.fold([round(value * SCALE) for value in values])
    return ToolMetric(
        kind="Trend",
        samples=len(values),
        total=sum(values),
        least=min(values),
        greatest=max(values),
        last=values[-1],
        last_at=at,
        values=histogram,
    )
