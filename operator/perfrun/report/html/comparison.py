"""The page of two or more runs side by side, or of two groups of them."""

from collections.abc import Iterator, Sequence

from perfrun.logic.comparison.contrast import p_text
from perfrun.logic.comparison.model import Comparison, Reported, Shown, Tone
from perfrun.report.console import MARKS
from perfrun.report.html import facts
from perfrun.report.html.charts import Chart
from perfrun.report.html.distribution import MAX_CURVES, of_runs
from perfrun.report.html.page import render
from perfrun.report.html.strips import strips

TONES: dict[Tone, str] = {
    Tone.BETTER: "✔",
    Tone.WORSE: "▲",
    Tone.SAME: "=",
    Tone.NEUTRAL: "≠",
}


def comparison_page(runs: Sequence[Reported], comparison: Comparison) -> str:
    """A comparison as a self-contained HTML page; ``runs`` are those of its columns."""
    first, *others = comparison.conclusion or ("nothing was compared",)
    return render(
        "comparison.html.j2",
        None,
        "≠",
        comparison=comparison,
        marks=MARKS,
        tones=TONES,
        facts=facts,
        p_text=p_text,
        shown=Shown,
        headline=first,
        others=others,
        charts=list(_charts(runs, comparison)),
        missing=_missing(runs, comparison),
    )


def _charts(runs: Sequence[Reported], comparison: Comparison) -> Iterator[Chart]:
    yield from strips(comparison)
    if len(runs) <= MAX_CURVES:
        yield from of_runs(_named(runs, comparison))


def _named(runs: Sequence[Reported], comparison: Comparison) -> list[tuple[str, Reported]]:
    return [(column.name, one) for column, one in zip(comparison.columns, runs, strict=True)]


def _missing(runs: Sequence[Reported], comparison: Comparison) -> str | None:
    """Runs whose distribution is not drawn, and why."""
    if len(runs) > MAX_CURVES:
        return f"The chart shows the distributions of at most {MAX_CURVES} runs."
    names = [
        name
        for name, one in _named(runs, comparison)
        if one.result is None or one.result.report is None
    ]
    if not names:
        return None
    return f"The chart does not show {', '.join(names)}: the full result is no longer kept."
