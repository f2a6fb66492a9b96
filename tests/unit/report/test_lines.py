"""Benchmarks and observed things in each form of report, and nothing of the markup of others."""

import io
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from rich.console import Console

from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.observe import ObservedStatus
from perfrun.logic.comparison.compare import line_up
from perfrun.logic.comparison.model import Reported
from perfrun.report.console import print_run, render_run
from perfrun.report.html.run import run_page
from perfrun.report.junit import junit
from perfrun.report.lines import command_lines, figure_tables, observed_lines
from perfrun.report.markdown import markdown
from tests.unit.report import sample

TREND = {"avg": "2.5ms", "p95": "4ms", "max": "9ms"}
SORT = {"min": "302us", "mean": "421us", "ops": "2377.9/s", "rounds": "191", "iqr": "13.5us"}


def results(*more: tuple[str, dict[str, str]]) -> list[dict[str, Any]]:
    listed = (("test_sort", SORT), ("http_req_duration", TREND), ("http_reqs", {"rate": "5.5/s"}))
    return [{"name": name, "figures": figures} for name, figures in (*listed, *more)]


def a_run(name: str = "suite-1", **benchmark: Any) -> PerfRun:
    told = {"memoryPeak": "57Mi", "results": results(), "leftOut": 2, **benchmark}
    return PerfRun.parse(
        {
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"testRef": {"name": "suite"}},
            "status": {
                "phase": "Done",
                "verdict": "Pass",
                "startTime": "2026-11-22T02:00:03Z",
                "completionTime": "2026-11-22T02:00:09Z",
                "workers": {"planned": 1, "ready": 1, "reported": 1},
                "summary": {
                    "window": "4.24s",
                    "iterations": {"planned": 1, "started": 1, "dropped": 0},
                    "requests": {"sent": 1, "succeeded": 1, "failed": 0, "censored": 0},
                    "attempts": {"window": 1},
                    "throughput": "0.236/s",
                    "transactions": "0.236/s",
                    "latency": {"max": "4.24s"},
                },
                "benchmark": told,
            },
        }
    )


def printed(run: PerfRun, width: int = 100) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True)
    print_run(run, console)
    return console.export_text().splitlines()


def test_benchmarks_of_the_same_statistics_share_a_table_in_the_order_of_their_tool() -> None:
    benchmark = a_run().status.benchmark
    assert benchmark is not None
    tables = figure_tables(benchmark)
    assert [(table.columns, [name for name, _ in table.rows]) for table in tables] == [
        (("mean", "min", "ops", "rounds", "iqr"), ["test_sort"]),
        (("avg", "max", "p95"), ["http_req_duration"]),
        (("rate",), ["http_reqs"]),
    ]
    assert command_lines(a_run().status) == [
        "took 4.24s, memory at most 57Mi",
        "2 more benchmarks are not shown here",
    ]


@pytest.mark.parametrize(("width", "left_out"), [(100, ""), (50, "iqr"), (20, "min")])
def test_what_does_not_fit_a_terminal_is_left_out_and_named(width: int, left_out: str) -> None:
    lines = printed(a_run(), width)
    text = "\n".join(lines)
    assert all(len(line) <= width for line in lines)
    assert "421us" in text
    assert ("no space for" in text) is bool(left_out)
    assert left_out in " ".join(text.split())


def test_a_failure_is_told_in_every_form() -> None:
    failed = a_run(message="exit code 1: <b>no</b> $(x)", results=[])
    assert "exit code 1: <b>no</b> $(x)" in "\n".join(printed(failed))
    assert "exit code 1: &#60;b&#62;no" in markdown([failed])
    assert "exit code 1: &lt;b&gt;no" in run_page(Reported(failed))


def test_markdown_and_html_have_all_figures_escaped() -> None:
    run = a_run(results=results(("a|b<i>", {"mean": "1ms"})))
    text = markdown([run])
    assert "| test&#95;sort | 421us | 302us | 2377.9/s | 191 | 13.5us |" in text
    assert "a&#124;b&#60;i&#62;" in text
    page = run_page(Reported(run))
    assert re.search(r'<th scope="row">http_req_duration</th><td>2.5ms</td>', page)
    assert "a|b&lt;i&gt;" in page
    assert "tiles" not in page.partition("<main")[2]  # no latencies of a load that there was not


def test_junit_has_them_as_properties() -> None:
    found = ET.fromstring(junit([a_run()])).iterfind(".//property")
    properties = {one.get("name"): one.get("value") for one in found}
    assert properties["memory.peak"] == "57Mi"
    assert properties["mean of test_sort"] == "421us"
    assert properties["rate of http_reqs"] == "5.5/s"


def test_runs_are_compared_by_them_without_objectives_too() -> None:
    slower = results()
    slower[0] = {"name": "test_sort", "figures": {**SORT, "mean": "842us"}}
    runs = [Reported(a_run()), Reported(a_run("suite-2", results=slower))]
    rows = {row.name: row for row in line_up(runs).rows}
    assert [cell.text for cell in rows["mean of test_sort"].cells] == ["421us", "842us"]
    assert {"ops of test_sort", "p95 of http_req_duration", "memory.peak"} <= rows.keys()


OBSERVED = [
    {"name": "api", "figures": {"cpu.max": "420m", "memory.growth": "-1.5Mi"}},
    {"name": "db", "message": "db:5432 refused the login"},
    {"name": "queue"},
]
LINES = [
    "api: cpu.max 420m, memory.growth -1.5Mi",
    "db: not observed: db:5432 refused the login",
    "queue: too few observations in the window",
]


def test_figures_or_why_there_are_none() -> None:
    assert observed_lines([ObservedStatus.model_validate(one) for one in OBSERVED]) == LINES


def test_they_stand_on_the_terminal_and_in_markdown() -> None:
    run = sample.a_run(observed=OBSERVED)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render_run(run))
    printed = capture.get()
    written = markdown([run])
    assert "**Observed**" in written
    for line in LINES:
        assert line in printed
        assert f"- {line.split(':')[0]}: " in written


def by_code(**more: Any) -> PerfRun:
    """A run whose first step has answers of several status codes."""
    failed = "expected status 200, got"
    codes = {"200": 300, "404": 1200, "429": 1}
    examples = {"404": f"GET /items/7: {failed} 404", "429": f"GET /items/8: {failed} 429"}
    first = sample.step(
        "list",
        "browse",
        errors={"Status4xx": 1201, "Timeout": 3},
        messages={"Status4xx": f"{failed} 404", "Timeout": "no response in time"},
        statusCodes=codes,
        examples=examples,
        **more,
    )
    run = sample.a_run(steps=[first, sample.step("read", "browse", statusCodes={"200": 4})])
    summary = run.status.summary.model_copy(update={"status_codes": {**codes, "200": 304}})
    return run.model_copy(update={"status": run.status.model_copy(update={"summary": summary})})


def test_status_codes_are_listed_with_the_first_failure_of_each() -> None:
    lines = [line.strip() for line in printed(by_code(), width=120)]
    start = lines.index("status codes: 404 1,200, 200 304, 429 1")
    assert lines[start + 1 : start + 4] == [
        "list: 404 (1,200 answers): GET /items/7: expected status 200, got 404",
        "list: 429 (1 answer): GET /items/8: expected status 200, got 429",
        "list: Timeout: no response in time",
    ]
    assert not any("Status4xx: expected" in line for line in lines)


def test_a_page_has_a_table_of_status_codes() -> None:
    page = run_page(Reported(by_code()))
    table = page[page.index('id="codes"') :]
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", table[: table.index("</section>")])
    rows = [cells[at : at + 4] for at in range(0, len(cells), 4)]
    assert rows == [
        ["Step", "Status code", "Answers", "First failed request"],
        ["list", "200", "300", ""],
        ["list", "404", "1,200", "GET /items/7: expected status 200, got 404"],
        ["list", "429", "1", "GET /items/8: expected status 200, got 429"],
        ["read", "200", "4", ""],
    ]


def test_status_codes_that_tell_nothing_are_left_out() -> None:
    steps = [sample.step(name, "browse", statusCodes={"200": 4}) for name in ("list", "read")]
    run = sample.a_run(steps=steps)
    assert 'id="codes"' not in run_page(Reported(run))
    assert not any("status codes" in line for line in printed(run))


def test_status_codes_are_in_markdown_where_a_request_failed() -> None:
    text = markdown([by_code()])
    assert "status codes: 404 1,200, 200 304, 429 1" in text
