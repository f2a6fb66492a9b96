"""The page of a comparison: two groups with their statistics, or runs side by side."""

from dataclasses import replace

from perfrun.logic.comparison.compare import compare, line_up
from perfrun.logic.comparison.model import Reported, Shown
from perfrun.report.html import comparison_page
from perfrun.report.html.comparison import MAX_STRIPS, strips
from tests.unit.logic.build import report, step
from tests.unit.report.html.build import MS, Page, reported, with_status


def run(index: int, ms: int, name: str = "api") -> Reported:
    """One whose latencies are around ``ms``, and a little different from any other's."""
    values = [ms * MS + (index * 97 + place) * 1000 for place in range(1000)]
    measured = report(step(values), wall_time=1, cpu_time=1)
    return reported(measured, name=f"{name}-{index}", slos=[{"metric": "latency.p95", "max": "1s"}])


OLD = [run(index, 50) for index in range(8)]
NEW = [run(index, 60, "new") for index in range(8)]


def test_two_groups_are_told_apart_by_statistics():
    comparison = compare(OLD, NEW)
    page = Page(comparison_page([*OLD, *NEW], comparison))
    [row] = [row for row in comparison.rows if row.name == "latency.p95"]
    assert row.statistics is not None
    assert row.statistics.shown is Shown.DIFFERENT
    assert f"▲ {row.statistics.change.text} worse" in page.text
    assert str(row.statistics.interval) in page.text
    assert comparison.conclusion[0] in page.text
    assert "The chart shows the distributions of at most 6 runs." in page.text


def test_each_metric_that_varies_has_a_strip_with_a_point_for_each_run():
    charts = list(strips(compare(OLD, NEW)))
    assert 0 < len(charts) <= MAX_STRIPS
    first = charts[0]
    assert sum(len(line.marked) for line in first.lines) == 16
    assert [len(line.marked) for line in first.lines] == [8, 0, 8, 0]
    assert [tick.label for tick in first.y.ticks] == ["baseline", "compared"]


def test_a_run_that_is_left_out_is_shown_as_such():
    doubtful = with_status(OLD[0], stopped="by Ctrl-C")
    page = Page(comparison_page([doubtful, *OLD[1:], *NEW], compare([doubtful, *OLD[1:]], NEW)))
    assert "baseline, left out (×)" in page.text
    assert "(left out of the statistics)" in page.text


def test_runs_side_by_side_have_values_changes_and_distributions():
    runs = [OLD[0], NEW[0], NEW[1]]
    page = Page(comparison_page(runs, line_up(runs)))
    assert "+20%" in page.text
    assert "worse" not in page.text, "single runs do not say which is better"
    assert [figure["id"] for figure in page.all("figure")] == ["distribution"]
    assert page.text.count("Response time of all requests") >= 1


def test_runs_without_results_are_named():
    runs = [Reported(OLD[0].run), NEW[0]]
    text = Page(comparison_page(runs, line_up(runs))).text
    assert "The chart does not show api-0: the full result is no longer kept." in text


def test_hostile_names_are_texts():
    runs = [OLD[0], NEW[0]]
    comparison = line_up(runs)
    bad = "</th><script>alert(1)</script>\u202e" + "x" * 10_000
    columns = tuple(
        replace(column, name=bad, test=bad, doubt=bad, started=bad) for column in comparison.columns
    )
    rows = tuple(replace(row, name=bad) for row in comparison.rows)
    hostile = replace(
        comparison, title=bad, columns=columns, rows=rows, warnings=(bad,), conclusion=(bad, bad)
    )
    text = comparison_page(runs, hostile)
    assert len(Page(text).scripts) == 1
    assert "\u202e" not in text


def test_a_comparison_of_nothing_says_so():
    empty = replace(line_up(OLD[:2]), rows=(), conclusion=())
    assert "nothing was compared" in Page(comparison_page(OLD[:2], empty)).text
