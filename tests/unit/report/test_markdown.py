"""Markdown for a merge request: short, and nothing of others marks it up."""

import re

import pytest

from perfrun.logic.comparison.compare import compare, line_up
from perfrun.report.markdown import comparison_markdown, escaped, markdown
from tests.unit.logic.comparison.test_compare import NEW, OLD, runs
from tests.unit.logic.comparison.test_compare import a_run as reported
from tests.unit.report.sample import a_run, an_error


def tables(text: str) -> list[list[list[str]]]:
    """The cells of each table; every row has as many as its head."""
    found: list[list[list[str]]] = []
    lines = [*text.splitlines(), ""]
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("| "):
            cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
            if not before.startswith("| "):
                found.append([])
            found[-1].append(cells)
    assert all(len({len(row) for row in table}) == 1 for table in found)
    return found


def test_a_run_is_its_verdict_objectives_figures_findings_and_what_to_do_next():
    text = markdown([a_run()])
    assert text.startswith("### ▲ Warn: shop/api-under-load\n\n1 of 3 objectives missed: ")
    objectives, steps = tables(text)
    assert objectives[0] == ["1 of 3 met", "Objective"]
    assert [row[0] for row in objectives[2:]] == [
        "▲ Warn",
        "✔ Pass",
        "? Inconclusive",
        "– NotApplicable",
    ]
    assert [row[0] for row in steps[2:]] == [
        "all steps",
        "browse/list",
        "buy/create-order-with-a-long-name",
    ]
    assert (
        "Run api-under-load-rab3de4fgh5, started 2026-11-22T02:00:03.123456Z, window 330s" in text
    )
    assert (
        "Requests: 329,990 sent: 329,790 succeeded, 200 failed (Status5xx 160, Timeout 40)" in text
    )
    assert "**Generator**\n\n- Stall: a worker was paused for 210ms\n" in text
    assert "**Next**\n\n- Status5xx (160): the target failed (5xx)" in text


def test_several_runs_are_one_table_first():
    text = markdown([a_run(), an_error("boom")])
    overview, *_ = tables(text)
    assert text.startswith("| Test | Verdict |")
    assert overview[2:] == [
        ["shop/api-under-load", "▲ Warn", "1 of 3 met", "612ms", "999.4/s", "0.06%"],
        ["shop/api-under-load", "✘ Error", "none", "n/a", "n/a", "n/a"],
    ]


HOSTILE = "| `x` <img src=x onerror=y> [l](http://e) @all #1 **b** _i_ ~s~ $m$ \\ \n\r\x1b[2J # h"


def test_what_a_target_says_stays_on_its_line_and_means_nothing():
    text = escaped(HOSTILE)
    assert not re.search(r"[|`<>\[\]@*_~$\\\n\r\x1b]|://", text)
    slo = {"metric": "errorRate", "verdict": "Warn", "message": HOSTILE}
    for row in tables(markdown([a_run(slos=[slo], message=HOSTILE)])):
        assert "<img" not in str(row)


@pytest.mark.parametrize("text", ["latency.p95 of list was 612ms", "5s (95%), x: y; z/w", "Größe"])
def test_plain_text_stays_readable(text: str):
    assert escaped(text) == text


def test_a_comparison_of_groups_is_a_table_of_medians():
    text = comparison_markdown(compare(runs("old", *OLD), runs("new", *NEW)))
    (table,) = tables(text)
    assert table[0][:4] == ["Metric", "Baseline", "Compared", "Change"]
    p95 = next(row for row in table if row[0] == "latency.p95")
    assert p95[1:4] == ["102ms (100ms to 104ms)", "122ms (120ms to 124ms)", "+20%"]
    assert p95[5:] == ["0.0079", "worse", "3.7%"]
    assert "- latency.p95 changed by +20%: worse (p 0.0079)" in text
    assert "- baseline: old-0, old-1, old-2, old-3, old-4" in text


def test_a_line_of_runs_is_a_column_each_and_says_what_has_no_room():
    (table,) = tables(comparison_markdown(line_up([reported("a"), reported("b", "300ms")])))
    assert table[0] == ["Metric", "a", "b"]
    assert ["latency.p95", "600ms", "300ms (-50%)"] in table
    many = comparison_markdown(line_up([reported(f"r{number}") for number in range(12)]))
    assert len(tables(many)[0][0]) == 9
    assert "and 4 more runs" in many
