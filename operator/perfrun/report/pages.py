"""The measurements of pages, as a table for any report."""

from collections.abc import Sequence
from typing import NamedTuple

from perfrun.api.quantities import format_duration
from perfrun.api.run.perfrun import StepStatus
from perfrun.measure.picture import Picture
from perfrun.report.steps import figure

HEAD = ("Page", "Measure", "p50", "p75", "p95", "max", "Samples")
MAX_STEPS = 30
_LEFT_OUT = ("Samples", "p95", "p50", "max")
"""The columns that are dropped first if there is no space."""
_GAP = 3


class PageRow(NamedTuple):
    """One measure of one step; figures as strings."""

    step: str
    measure: str
    p50: str
    p75: str
    p95: str
    max: str
    samples: str


def page_rows(steps: Sequence[StepStatus]) -> list[PageRow]:
    """All measurements of the first thirty steps; none if no pages were visited."""
    return [
        PageRow(
            step=step.name,
            measure=name,
            p50=figure(of.p50),
            p75=figure(of.p75),
            p95=figure(of.p95),
            max=figure(of.max),
            samples=f"{of.samples:,}",
        )
        for step in steps[:MAX_STEPS]
        for name, of in step.measures.items()
    ]


def fitting(rows: Sequence[PageRow], width: int) -> list[int]:
    """The columns that fit, by their number in :data:`HEAD`."""
    widths = [max(len(cell) for cell in column) for column in zip(HEAD, *rows, strict=True)]
    shown = list(range(len(HEAD)))
    for name in _LEFT_OUT:
        if sum(widths[index] for index in shown) + _GAP * (len(shown) - 1) <= width:
            break
        shown.remove(HEAD.index(name))
    return shown


def caption(picture: Picture) -> str:
    """Which visit a picture shows."""
    where = f"{picture.scenario}, at the end of step {picture.step}"
    if picture.error:
        return f"The first visit that failed ({picture.error}): {where}."
    return f"The slowest visit, {format_duration(picture.took)}: {where}."
