"""Charts as SVG: their parts, and their names."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from perfrun.report.html.charts import (
    Area,
    Chart,
    ChartLine,
    DataRow,
    Limit,
    Moment,
    Span,
    connected,
    steps,
)
from perfrun.report.html.drawing import LINE, draw, legend
from perfrun.report.html.scales import count_axis, tick_number

HOSTILE = '</text><script>alert(1)</script>"\u202e'


def chart(**parts: Any) -> Chart:
    made: dict[str, Any] = {
        "key": "k",
        "title": "Rate",
        "unit": "a second",
        "summary": "It was steady.",
        "x": count_axis(9.5, tick_number),
        "y": count_axis(95, tick_number),
        "x_title": "time",
        "columns": ("time", "rate"),
        "rows": [DataRow(5, ("5s", "50"))],
        **parts,
    }
    return Chart(**made)


def svg(one: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(draw(one))


def texts(one: Chart, style: str) -> list[str]:
    return [text.text or "" for text in svg(one).iter("text") if text.get("class") == style]


def heights(one: Chart, style: str) -> list[float]:
    return [
        float(text.get("y", "")) for text in svg(one).iter("text") if text.get("class") == style
    ]


def test_a_picture_says_what_it_is():
    drawn = svg(chart())
    assert drawn.get("role") == "img"
    named = {part.get("id"): part.text for part in drawn if part.tag in ("title", "desc")}
    assert named == {"k-title": "Rate (a second)", "k-desc": "It was steady."}
    assert drawn.get("aria-labelledby") == "k-title k-desc"


def test_lines_are_where_their_values_are():
    line = ChartLine("rate", [[(0, 0), (5, 50), (10, 100)]], "started")
    one = chart(lines=[line], height=100)
    [path] = [path.get("d") for path in svg(one).iter("path")]
    assert path == "M0 100 500 50 1000 0"


def test_an_area_is_closed():
    low, high = [[(0, 0), (10, 0)]], [[(0, 100), (10, 100)]]
    one = chart(areas=[Area("lost", low, high, "stripe-0")], height=100)
    assert [path.get("d") for path in svg(one).iter("path")] == ["M0 0 1000 0 1000 100 0 100Z"]


def test_names_at_the_ends_of_lines_do_not_overlap():
    lines = [ChartLine(f"p{n}", [[(0, 1), (10, n / 100)]], "s0", f"p{n}") for n in range(6)]
    ends = sorted(heights(chart(lines=lines), "end"))
    assert all(b - a >= LINE for a, b in pairwise(ends))


def test_limits_are_named_in_the_legend_where_no_curve_runs():
    limits = [Limit(50, "p95 ≤ 50ms"), Limit(51, "p99 ≤ 51ms", 1, 2)]
    one = chart(limits=limits, lines=[ChartLine("all", [[(0, 50), (10, 51)]], "s0")])
    assert [name for _, name in legend(one)] == ["all", "p95 ≤ 50ms", "p99 ≤ 51ms"]
    assert [line.get("y1") for line in svg(one).iter("line") if line.get("class") == "limit"]
    assert not any("≤" in (text.text or "") for text in svg(one).iter("text"))


def test_spans_moments_and_limits_are_named():
    one = chart(
        spans=[Span(0, 2, "warm-up")],
        moments=[Moment(9, "stopped by Ctrl-C")],
        limits=[Limit(50, "p95 at most 50ms")],
    )
    assert texts(one, "note") == ["warm-up", "stopped by Ctrl-C"]
    assert [name for _, name in legend(one)] == ["p95 at most 50ms"]


def test_nothing_that_others_wrote_is_markup():
    one = chart(
        title=HOSTILE,
        summary=HOSTILE,
        spans=[Span(0, 2, HOSTILE)],
        moments=[Moment(9, HOSTILE)],
        limits=[Limit(50, HOSTILE), Limit(50, HOSTILE, 1, 2)],
        lines=[ChartLine(HOSTILE, [[(0, 1), (10, 9)]], "s0", HOSTILE)],
    )
    assert "<script" not in draw(one)
    assert "\u202e" not in draw(one)
    assert svg(one).find("script") is None


def test_a_legend_has_a_sample_of_each_named_line_and_area():
    lines: Sequence[ChartLine] = [ChartLine("a", [], "s0", mark="●"), ChartLine("", [], "s1")]
    samples = legend(chart(lines=lines, areas=[Area("b", [], [], "band-1")]))
    assert [name for _, name in samples] == ["a", "b"]
    assert "●" in samples[0][0]


def test_rows_of_the_table_know_their_places():
    rows = [DataRow(0, ("0s", "1")), DataRow(5, ("5s", "2"))]
    assert chart(rows=rows).places == ["0", "50"]


def test_steps_hold_a_value_until_the_next():
    assert steps([0, 1], [1, 2], [5, 7]) == [[(0, 5), (1, 5), (1, 7), (2, 7)]]
    assert steps([], [], []) == []


def test_gaps_are_not_bridged_and_lonely_values_span_their_interval():
    pieces = connected([0, 1, 2, 3], [1, 2, 3, 4], [5, 6, None, 8])
    assert pieces == [[(0.5, 5), (1.5, 6)], [(3, 8), (4, 8)]]
    assert connected([0], [1], [None]) == []


def test_names_at_ends_far_apart_stay_at_their_ends():
    lines = [
        ChartLine("a", [[(0, 1), (2, 50)]], "s0", "a"),
        ChartLine("b", [[(0, 1), (7, 50)]], "s1", "b"),
    ]
    assert len(set(heights(chart(lines=lines), "end"))) == 1
