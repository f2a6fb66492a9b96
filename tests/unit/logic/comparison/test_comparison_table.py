"""A comparison on a terminal: it fits, and says as much as there is room for."""

import io
from typing import Any

import pytest
from rich.console import Console

from perfrun.logic.comparison.compare import compare, line_up
from perfrun.logic.comparison.model import Comparison
from perfrun.report.comparison_table import print_comparison
from tests.unit.logic.comparison.test_compare import NEW, OLD, a_run, runs


def printed(comparison: Comparison, width: int = 80) -> str:
    out = io.StringIO()
    print_comparison(comparison, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def line(text: str, start: str) -> list[str]:
    return next(one.split() for one in text.splitlines() if one.startswith(start))


def test_two_groups_show_medians_change_and_what_is_shown():
    text = printed(compare(runs("old", *OLD), runs("new", *NEW)))
    assert line(text, "latency.p95") == [
        "latency.p95", "102ms", "122ms", "+20%", "0.0079", "worse",
    ]  # fmt: skip
    assert line(text, "throughput")[-2:] == ["no", "change"]
    assert "  baseline: 5 of 5 runs count: old-0, old-1" in text


def test_runs_have_letters_and_a_legend():
    text = printed(line_up([a_run("before"), a_run("after", "660ms")]))
    assert "  A: before, shop/api-under-load, 2026-11-22 02:00:03 UTC, Warn\n" in text
    assert line(text, "latency.p95") == ["latency.p95", "600ms", "660ms", "+10%"]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_runs_without_room_are_counted(width: int):
    text = printed(line_up([a_run(f"r{number}") for number in range(9)]), width)
    heads = line(text, "Metric")
    left = 9 - (len(heads) - 1)
    assert f"no space for {left} more" in " ".join(text.split())
    assert len(heads) - 1 >= 2
    if width > 40:
        assert max(map(len, text.splitlines())) <= width


def test_nothing_to_compare_is_said_without_an_empty_table():
    broken: dict[str, Any] = {"verdict": "Error", "summary": None}
    text = printed(compare(runs("old", *OLD), [a_run("new", **broken)]))
    assert "0 runs against 5: 1 left out, see below" in text
    assert "Metric" not in text
    assert "! new ended as Error, without measurements: left out of the statistics" in text


def test_what_others_wrote_is_no_markup_and_no_escape_code():
    text = printed(line_up([a_run("a"), a_run("b", stopped="[bold]by\x1b[2J me[/bold]")]))
    assert "[bold]by [2J me[/bold]" in text
    assert "\x1b" not in text
