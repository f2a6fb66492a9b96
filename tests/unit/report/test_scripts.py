"""What reports of every form say about a run of a script."""

import json

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.controller.metrics.figures import figures_of
from perfrun.logic.comparison.differences import warnings_about
from perfrun.logic.comparison.measurables import measurables
from perfrun.logic.comparison.model import Reported
from perfrun.logic.plan.run_plan import make_plan
from perfrun.measure.result import RunResult
from perfrun.measure.script import ToolCheck
from perfrun.report.csv_tables import csv_files
from perfrun.report.document import run_document
from perfrun.report.html.run import run_page
from perfrun.report.junit import junit
from perfrun.report.markdown import markdown
from tests.unit.controller.build import perf_run
from tests.unit.logic.build import MS, judged, report, step
from tests.unit.logic.build import spec as http_spec
from tests.unit.logic.verdict.test_scripts import (
    HASH,
    TIMES,
    counter,
    measured,
    rate,
    spec,
    threshold,
)
from tests.unit.measure.tool_metrics import trend
from tests.unit.report.test_console import printed

CLOCK = "what waits for a free user of a slow target is not in them"


def done(run_verdict, name="shop-1") -> PerfRun:
    run = perf_run(name)
    return run.model_copy(update={"status": run.status.updated(run_verdict.as_status())})


@pytest.fixture
def run() -> PerfRun:
    slo = {"metric": "latency.p95", "of": "checkout", "max": "50ms"}
    found = measured(
        threshold("http_req_duration{name:<b>}", "p(95)<100"),
        threshold("gone", "avg<1"),
        versions=["k6 v1.8.1"],
        files=[HASH],
        failures=["k6 ended with code 107: a script exception"],
        metrics={
            "http_req_duration{name:<b>}": TIMES,
            "basket": trend(1.5, 2.5),
            "ok": rate(3, 4),
            "items": counter(6, 3),
        },
        checks={"=is fine": ToolCheck(passed=5, failed=2)},
    )
    return done(judged(spec(slo), found))


def test_a_terminal(run):
    text = " ".join(printed(run, width=120).split())
    assert "Script k6, k6 v1.8.1, files aaaaaaaaaaaa clock: Tool: times are k6's own" in text
    assert CLOCK in text
    assert "k6 ended with code 107: a script exception" in text
    assert "basket 2 1.5 n/a 2.5 n/a n/a 2" in text
    assert "=is fine 5 2" in text
    assert "requires p(95)<100" in text


def test_markdown(run):
    text = markdown([run])
    assert "**Script**" in text
    assert CLOCK in text
    assert "<b>" not in text
    assert "| ok | 0.75 |" in text


def test_junit(run):
    text = junit([run])
    assert 'name="clock"' in text
    assert CLOCK in text
    assert 'name="http_req_duration p(95) of name:&lt;b&gt;, p(95)&lt;100"' in text


def test_json(run):
    figures = run_document(run)["figures"]
    json.dumps(figures, allow_nan=False)
    assert figures["clock"] == "Tool"
    basket = {"avg": 2, "min": 1.5, "max": 2.5, "samples": 2}
    assert {"metric": "basket", "kind": "Trend", "values": basket} in figures["tool"]
    (_, judged_one, gone) = figures["objectives"]
    assert (judged_one["threshold"], judged_one["max"]) == ("p(95)<100", 100)
    assert judged_one["measured"] == {
        "value": 125,
        "unit": "number",
        "lowerBound": False,
        "reason": None,
    }
    assert (gone["measured"]["value"], gone["verdict"]) == (None, "Inconclusive")
    assert gone["measured"]["reason"] == "has no samples"


def test_csv(run):
    files = csv_files([Reported(run, None)])
    lines = files["tool.csv"].splitlines()
    assert lines[0] == "namespace,test,run,start_time,tool,metric,kind,statistic,value"
    assert any(line.endswith(",k6,ok,Rate,rate,0.75") for line in lines)
    assert any(line.endswith(",k6,'=is fine,Check,failed,2.0") for line in lines)
    others = done(judged(http_spec(), report(step([30 * MS] * 300))))
    assert list(csv_files([Reported(others, None)])) == ["steps.csv", "timeline.csv"]


def test_a_figure_that_is_no_number_has_no_line(run):
    script = run.status.script
    script.metrics[0].figures["avg"] = "fast"  # the file may have been written by somebody else
    assert "avg" not in run_document(run)["figures"]["tool"][0]["values"]
    assert "fast" not in csv_files([Reported(run, None)])["tool.csv"]


def test_html(run):
    page = run_page(Reported(run, None))
    assert '<section aria-labelledby="script">' in page
    assert "what waits for a free user" in page
    assert '<td role="cell" class="figure">p(95)&lt;100</td>' in page
    assert "<b>, status" not in page
    assert "http_req_duration{name:&lt;b&gt;}" in page


def test_charts_say_whose_clock_it_was():
    found = measured()
    found.window.scenarios = found.window.scenarios[:1]
    plan = make_plan(spec(), uid="u", namespace="shop", test="api", run="api-1")
    result = RunResult.unpack(RunResult(plan=plan, report=found).pack())
    page = run_page(Reported(done(judged(spec(), found)), result))
    assert page.count("in the window, by the clock of k6") >= 2
    assert "request was due" not in page
    assert "The service time" not in page
    assert "shop:8000 (k6 with shop.js)" in page


def test_times_of_different_clocks_are_not_compared(run):
    other = done(judged(http_spec(), report(step([30 * MS] * 300))), "api-1")
    names = [one.metric for one in measurables([run, other])]
    assert "throughput" in names
    assert not [name for name in names if name.startswith("latency")]
    told = list(warnings_about([Reported(run, None), Reported(other, None)]))
    assert told[0].startswith("times are not compared")
    assert next(one.metric for one in measurables([run, run])) == "latency.p50"


def test_names_that_a_script_chooses_are_no_labels(run):
    figures = figures_of(run)
    assert [one.step for one in figures.parts] == [""]
    assert [one.labels[:2] for one in figures.slos] == [("latency.p95", "checkout")]
