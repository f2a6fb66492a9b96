"""JUnit XML: what a CI system counts, and that it is XML whatever a target has said."""

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.cli.terminal.exits import FailOn
from perfrun.report.junit import junit
from tests.unit.report.sample import a_run, an_error

# After the schema of the Jenkins plugin: the attributes and children that it knows.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"classname", "name", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "property": {"name", "value"},
    "properties": set(),
    "system-out": set(),
}
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase", "system-out"],
    "properties": ["property"],
    "testcase": ["skipped", "error", "failure", "system-out"],
}


def parsed(*runs: PerfRun, fail_on: FailOn = FailOn.FAIL) -> ET.Element:
    root = ET.fromstring(junit(runs, failing=fail_on.verdicts))
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag]
        order = CHILDREN.get(element.tag, [])
        places = [order.index(child.tag) for child in element]
        assert element.tag == "testcase" or places == sorted(places)
    for suite in (root, *root):
        assert int(suite.get("tests", "")) == len(suite.findall(".//testcase"))
        for kind in ("failure", "error"):
            assert int(suite.get(f"{kind}s", "")) == len(suite.findall(f".//{kind}"))
    for suite in root:
        assert int(suite.get("skipped", "")) == len(suite.findall(".//skipped"))
    return root


def case(root: ET.Element, name: str) -> ET.Element:
    (found,) = [one for one in root.iter("testcase") if one.get("name") == name]
    return found


def kinds(root: ET.Element) -> dict[str, list[str]]:
    return {str(one.get("name")): [child.tag for child in one] for one in root.iter("testcase")}


def test_it_says_what_the_run_overrode():
    plain = a_run()
    status = plain.status.model_copy(update={"overridden": "url: http://shop-2"})
    (suite,) = parsed(plain.model_copy(update={"status": status}))
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["overrides"] == "url: http://shop-2"
    said = suite.findtext("system-out") or ""
    assert "overrides url: http://shop-2" in said.splitlines()
    assert "overrides" not in junit([plain])


def slo(verdict: str, **more: Any) -> dict[str, Any]:
    return {"metric": "errorRate", "max": "1%", "verdict": verdict, "message": "so it was", **more}


def test_a_suite_is_a_run_and_each_objective_a_case():
    root = parsed(a_run())
    (suite,) = root
    assert suite.get("name") == "shop.api-under-load"
    assert suite.get("timestamp") == "2026-11-22T02:00:03"
    assert (suite.get("time"), root.get("time")) == ("330.000", "330.000")
    assert {one.get("classname") for one in suite.iter("testcase")} == {"shop.api-under-load"}
    assert kinds(root) == {
        "run": [],
        "latency.p95 of list, max 500ms": ["system-out"],
        "errorRate, max 1%": ["system-out"],
        "latency.p99 of buy, max 1s": ["skipped"],
        "throughput, min 1000/s": ["skipped"],
    }


@pytest.mark.parametrize(
    ("verdict", "kinds_of"),
    [
        ("Pass", ("system-out", "system-out", "system-out", "system-out")),
        ("Warn", ("system-out", "system-out", "failure", "failure")),
        ("Fail", ("system-out", "failure", "failure", "failure")),
        ("Inconclusive", ("skipped", "skipped", "skipped", "failure")),
        ("NotApplicable", ("skipped", "skipped", "skipped", "skipped")),
    ],
)
def test_which_verdicts_are_failures_is_as_for_the_exit_code(verdict: str, kinds_of: tuple[str]):
    run = a_run(slos=[slo(verdict)], verdict="Inconclusive" if verdict[0] == "N" else verdict)
    by = (FailOn.ERROR, FailOn.FAIL, FailOn.WARN, FailOn.INCONCLUSIVE)
    for fail_on, kind in zip(by, kinds_of, strict=True):
        assert kinds(parsed(run, fail_on=fail_on))["errorRate, max 1%"] == [kind]


def test_a_warning_is_a_property_of_the_suite_too():
    properties = {one.get("name"): one.get("value") for one in parsed(a_run()).iter("property")}
    assert properties["warning: latency.p95 of list, max 500ms"] == (
        "latency.p95 of list was 612ms, at most 500ms allowed"
    )
    assert properties["latency.p95"] == "612ms"
    assert "latency.p999" not in properties  # too few samples
    assert properties["finding: Stall"] == "a worker was paused for 210ms"
    assert properties["verdict"] == "Warn"


def test_a_run_that_could_not_begin_is_an_error():
    error = case(parsed(an_error("the target was not reached")), "run").find("error")
    assert error is not None
    assert (error.get("type"), error.text) == ("Error", "the target was not reached")


def test_a_run_that_is_not_done_is_an_error_and_never_a_pass():
    error = case(parsed(a_run(phase="Running", verdict=None)), "run").find("error")
    assert error is not None
    assert error.text == "the run has no verdict yet: Running"


def test_a_load_that_was_ended_early_is_told_by_the_run_itself():
    run = a_run(slos=[slo("Pass")], verdict="Inconclusive", message="stopped by Ctrl-C")
    assert kinds(parsed(run)) == {"run": ["skipped"], "errorRate, max 1%": ["system-out"]}


def test_no_objectives_is_a_pass():
    assert kinds(parsed(a_run(slos=[], verdict="Pass"))) == {"run": ["system-out"]}


def test_objectives_that_differ_only_in_what_a_miss_means_have_names_of_their_own():
    root = parsed(a_run(slos=[slo("Warn"), slo("Fail", onBreach="Fail")]))
    assert list(kinds(root)) == ["run", "errorRate, max 1%", "errorRate, max 1%, onBreach Fail"]


def test_several_runs_are_several_suites():
    root = parsed(a_run(), an_error("boom"))
    assert [suite.get("errors") for suite in root] == ["0", "1"]
    assert root.get("errors") == "1"


@pytest.mark.parametrize(
    "text",
    [
        '</testcase><failure message="x">',
        "]]> & <!-- \" ' -->",
        "\x00\x01\x08\x0b\x1b[31m\x7f\x85\ufffe\uffff",
        "Größe 大小 😀",
        "&#0; &xxe;",
    ],
)
def test_whatever_a_target_says_is_text(text: str):
    written = junit([an_error(text)])
    error = case(ET.fromstring(written), "run").find("error")
    assert error is not None
    kept = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", " ", text)
    assert (error.text, error.get("message")) == (kept, kept)
