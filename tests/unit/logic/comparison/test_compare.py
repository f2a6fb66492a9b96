"""Runs side by side: what differs, what is concluded, and what is warned of."""

from collections.abc import Sequence
from typing import Any

import pytest

from perfrun.api.test.load import Load
from perfrun.api.test.metric import Direction
from perfrun.logic.comparison.compare import MAX_RUNS, compare, line_up
from perfrun.logic.comparison.model import Comparison, Group, Reported, Row, Shown, Tone
from perfrun.measure.result import RunResult
from perfrun.report.reading import read_run
from tests.unit.coordinator.conftest import make_plan, make_report
from tests.unit.report.sample import LATENCY, step, warned


def a_run(name: str = "api-1", p95: str = "600ms", **status: Any) -> Reported:
    """A run without findings, of which the overall p95 is as given."""
    body = warned()
    body["metadata"]["name"] = name
    body["status"] |= {"slos": [], "steps": [], "generator": {"findings": []}, **status}
    if "summary" not in status:
        body["status"]["summary"]["latency"] = {**LATENCY, "p95": p95}
    return read_run(body)


def runs(prefix: str, *p95: str, **status: Any) -> list[Reported]:
    return [a_run(f"{prefix}-{number}", text, **status) for number, text in enumerate(p95)]


def row(comparison: Comparison, name: str) -> Row:
    return next(row for row in comparison.rows if row.name == name)


OLD = ("100ms", "101ms", "102ms", "103ms", "104ms")
NEW = ("120ms", "121ms", "122ms", "123ms", "124ms")


def test_a_pair_is_subtracted_and_not_tested():
    found = compare([a_run("a", "600ms")], [a_run("b", "660ms")])
    p95 = row(found, "latency.p95")
    assert not found.grouped
    assert [column.group for column in found.columns] == [Group.BASELINE, Group.COMPARED]
    assert [cell.text for cell in p95.cells] == ["600ms", "660ms"]
    change = p95.cells[1].change
    assert change is not None
    assert (change.text, change.tone, change.relative) == ("+10%", Tone.WORSE, True)
    assert (p95.cells[0].change, p95.statistics) == (None, None)
    assert found.conclusion == (
        "no change is shown: one run of each does not show how much runs vary",
        "the second run measured: latency.p95 +10%",
        "5 runs on each side are enough to show a change: perfrun compare NEW... --against OLD...",
    )


def test_inconclusive_runs_are_the_headline_of_a_pair_and_not_their_difference():
    pair = [a_run(name, p95, verdict="Inconclusive") for name, p95 in (("a", "9ms"), ("b", "90ms"))]
    for found in (compare(pair[:1], pair[1:]), line_up(pair)):
        assert found.conclusion[0] == "no change is shown: a, b are inconclusive or in doubt"
        assert not any("worse" in sentence for sentence in found.conclusion)
    alike = compare([a_run("a")], [a_run("b", stopped="by Ctrl-C")])
    assert alike.conclusion[:2] == (
        "no change is shown: b is inconclusive or in doubt",
        "both runs measured the same",
    )


def test_a_percentile_that_no_run_could_give_keeps_its_row_where_it_was_asked_for():
    latency = {**LATENCY, "p95": None}
    slo = {"metric": "latency.p95", "max": "1s", "verdict": "Inconclusive", "message": "m"}
    body = {**warned()["status"]["summary"], "latency": latency}
    pair = [a_run(name, summary=body, slos=[slo]) for name in ("a", "b")]
    assert [cell.text for cell in row(line_up(pair), "latency.p95").cells] == ["n/a", "n/a"]


def test_what_is_of_the_only_step_is_told_once_and_is_still_of_an_objective():
    def one_step(name: str, p95: str, measured: str, *steps: str) -> Reported:
        slo: dict[str, Any] = {
            "metric": "latency.p95",
            "of": "list",
            "max": "1s",
            "verdict": "Pass",
        }
        slo |= {"measured": measured, "samples": 900, "message": "", "onBreach": "Warn"}
        return a_run(name, p95, slos=[slo], steps=[step(one, "browse") for one in steps])

    found = compare(
        [one_step("a", "600ms", "600ms", "list")], [one_step("b", "660ms", "660ms", "list")]
    )
    names = [one.name for one in found.rows]
    assert ("latency.p95" in names, "latency.p95 of list" in names) == (True, False)
    assert row(found, "latency.p95").objective
    # Another figure, or another step beside it, is worth a row.
    for other in (
        one_step("b", "660ms", "661ms", "list"),
        one_step("b", "660ms", "660ms", "list", "pay"),
    ):
        rows = compare([one_step("a", "600ms", "600ms", "list")], [other]).rows
        assert "latency.p95 of list" in [one.name for one in rows]


def test_two_groups_that_differ_are_told_apart_with_size_interval_and_smallest():
    found = compare(runs("old", *OLD), runs("new", *NEW))
    p95 = row(found, "latency.p95").statistics
    assert p95 is not None
    assert (p95.shown, p95.change.text, p95.change.tone) == (Shown.DIFFERENT, "+20%", Tone.WORSE)
    assert (p95.baseline.text, p95.baseline.spread) == ("102ms", "100ms to 104ms")
    assert (p95.interval, p95.smallest) == ("+15% to +24%", "3.7%")
    assert p95.p == pytest.approx(2 / 252)
    assert found.conclusion[0] == "latency.p95 changed by +20%: worse (p 0.0079)"
    assert "at most 6% of such comparisons" in found.conclusion[-1]
    assert row(found, "throughput").statistics.sentence == "throughput: no change (p 1)"


def test_groups_that_overlap_show_no_change_and_say_what_would_have_been():
    found = compare(runs("old", *OLD), runs("new", "99ms", "103ms", "101.5ms", "104.5ms", "106ms"))
    p95 = row(found, "latency.p95").statistics
    assert p95 is not None
    assert p95.shown is Shown.NOT_SHOWN
    assert p95.sentence.startswith("latency.p95: no change detected (+1.0%, p 0.")
    assert p95.sentence.endswith(f"{p95.smallest} would have been detected")
    assert found.conclusion[0] == "5 runs against 5: none of 6 metrics shows a change"


def test_too_few_runs_are_said_to_be_however_large_the_difference():
    found = compare(runs("old", "1ms", "2ms", "3ms"), runs("new", "1s", "2s", "3s"))
    p95 = row(found, "latency.p95").statistics
    assert p95 is not None
    assert (p95.shown, p95.interval, p95.smallest) == (Shown.TOO_FEW, None, None)
    assert p95.change.text == "x1,000"
    (sentence,) = found.conclusion
    assert sentence.startswith("3 runs against 3: too few to distinguish any change from chance")


@pytest.mark.parametrize(("p95", "shown"), [("150ms", Shown.DIFFERENT), ("104ms", Shown.NOT_SHOWN)])
def test_one_run_stands_out_of_ten_or_does_not(p95: str, shown: Shown):
    found = compare(runs("old", *(f"{100 + i}ms" for i in range(10))), [a_run("new", p95)])
    statistics = row(found, "latency.p95").statistics
    assert statistics is not None
    assert (statistics.shown, statistics.p) == (shown, None)
    assert "from the median of 10 runs of the baseline" in statistics.sentence


def test_a_faster_service_is_better_and_less_throughput_is_worse():
    body = warned()["status"]["summary"]
    found = compare([a_run("a")], [a_run("b", summary={**body, "throughput": "500/s"})])
    throughput = row(found, "throughput")
    assert throughput.direction is Direction.HIGHER
    change = throughput.cells[1].change
    assert change is not None
    assert (change.text, change.tone) == ("-50%", Tone.WORSE)
    faster = row(compare([a_run("a", "600ms")], [a_run("b", "300ms")]), "latency.p95").cells[1]
    assert faster.change is not None
    assert faster.change.tone is Tone.BETTER


def test_error_rates_differ_in_points_also_from_nothing():
    body = warned()["status"]["summary"]
    clean = a_run("a", summary={**body, "errorRate": "0%"})
    found = row(compare([clean], [a_run("b", summary={**body, "errorRate": "0.5%"})]), "errorRate")
    change = found.cells[1].change
    assert change is not None
    assert (change.text, change.relative, change.tone) == ("+0.5 points", False, Tone.WORSE)


@pytest.mark.parametrize("text", ["≥5s", None])
def test_what_is_not_known_exactly_is_shown_and_not_subtracted(text: str | None):
    latency = {**LATENCY, "p95": text}
    body = {**warned()["status"]["summary"], "latency": latency}
    found = row(compare([a_run("a")], [a_run("b", summary=body)]), "latency.p95").cells[1]
    assert found.text == (text if text == "≥5s" else "n/a")
    assert (found.value, found.change) == (None, None)


def test_objectives_and_single_steps_have_rows_of_their_own():
    slo = {"metric": "ttfb.p90", "of": "list", "max": "1s", "verdict": "Pass", "message": ""}
    more: dict[str, Any] = {
        "slos": [{**slo, "measured": "20ms"}],
        "steps": [step("list", "browse"), step("list", "buy"), step("pay", "buy")],
    }
    found = line_up([a_run("a", **more), a_run("b", **more)])
    names = [one.name for one in found.rows]
    assert names[0] == "latency.p50"
    assert {"ttfb.p90 of list", "latency.p95 of browse/list", "errorRate of pay"} <= set(names)
    assert row(found, "ttfb.p90 of list").objective
    assert not row(found, "errorRate of pay").objective


def test_runs_in_doubt_are_shown_and_do_not_count():
    lost = [*runs("old", *OLD), a_run("lost", "9s", workers={"planned": 4, "reported": 3})]
    found = compare(lost, runs("new", *NEW))
    assert found.columns[5].doubt == "lost 1 of 4 workers"
    assert not found.columns[5].counted
    p95 = row(found, "latency.p95")
    assert p95.cells[5].text == "9s"
    assert p95.statistics is not None
    assert len(p95.statistics.baseline.values) == 5
    assert found.warnings[-1] == "lost lost 1 of 4 workers: left out of the statistics"


def test_a_run_that_lost_a_part_of_its_load_is_in_doubt_also_where_its_test_bears_that():
    found = compare([a_run("old", generator={"findings": [], "coverage": "75%"})], runs("n", "1s"))
    assert found.columns[0].doubt == "generated only 75% of its load"


LAG = {"findings": [{"type": "Lag", "effect": "Inflating", "message": "late"}]}


def test_a_generator_at_fault_counts_only_where_that_is_asked_for():
    old, new = runs("old", *OLD, generator=LAG), runs("new", *NEW)
    strict = compare(old, new)
    assert strict.conclusion == (
        "5 runs against 0: 5 left out, see below (--doubtful includes those with generator "
        "problems); nothing was compared",
    )
    assert (
        "had generator problems (Lag): left out of the statistics; --doubtful includes"
        in (strict.warnings[-1])
    )
    counted = row(compare(old, new, doubtful=True), "latency.p95").statistics
    assert counted is not None
    assert counted.shown is Shown.DIFFERENT


@pytest.mark.parametrize(
    ("status", "doubt"),
    [
        ({"verdict": "Error", "summary": None}, "ended as Error, without measurements"),
        ({"stopped": "by Ctrl-C"}, "was stopped by Ctrl-C"),
        ({"phase": "Running", "verdict": None}, "is not done"),
    ],
)
def test_a_run_that_proves_nothing_says_why(status: dict[str, Any], doubt: str):
    found = compare([a_run("a")], [a_run("b", **status)])
    assert found.columns[1].doubt == doubt
    assert f"b {doubt}: this may explain differences" in found.warnings


def with_result(name: str, machine: str = "x86") -> Reported:
    body = warned()
    body["metadata"] |= {"name": name, "uid": name}
    report = make_report()
    report.generator.machines = [machine]
    plan = make_plan().model_copy(update={"uid": name})
    result = RunResult(plan=plan, report=report)
    return read_run(body, result)


def load(rate: str) -> Load:
    return Load.parse({"open": {"rate": rate, "duration": "10s"}, "minCoverage": "50%"})


def differing(one: Reported, other: Reported) -> Sequence[str]:
    return [text for text in line_up([one, other]).warnings if "do not measure" in text]


def test_other_plans_are_told_with_what_differs_in_them():
    first = with_result("a")
    assert first.result is not None
    assert differing(first, with_result("b")) == []
    plan = first.result.plan.model_copy(update={"load": load("200/s")})
    other = Reported(with_result("b").run, first.result.model_copy(update={"plan": plan}))
    (warning,) = differing(first, other)
    assert warning.startswith("a and b do not measure the same, which may explain")
    assert "load.open.rate is" in warning
    assert "minCoverage" not in warning


def test_values_that_nobody_wants_in_a_report_are_told_to_differ_and_no_more():
    first = with_result("a")
    assert first.result is not None
    plan = first.result.plan.model_copy(update={"variables": {"token": "hunter2"}})
    other = Reported(with_result("b").run, first.result.model_copy(update={"plan": plan}))
    (warning,) = differing(first, other)
    assert "variables.token differs" in warning
    assert "hunter2" not in warning


def test_comparison_keys_that_differ_are_told_and_unknown_ones_too():
    keyed = a_run("b", comparisonKey="k2")
    (warning,) = line_up([a_run("a", comparisonKey="k1"), keyed]).warnings
    assert "a and b do not measure the same" in warning
    assert "their comparison keys differ" in warning
    (unknown,) = line_up([a_run("a"), keyed]).warnings
    assert unknown.startswith("it is unknown whether b measured the same as a")


def test_other_places_are_told():
    here, there = ({"machines": [name], "resources": {}} for name in ("x86", "arm"))
    key = {"comparisonKey": "k"}
    found = line_up([a_run("a", environment=here, **key), a_run("b", environment=there, **key)])
    assert found.warnings == (
        "a and b did not run in the same environment, which may explain differences: machine "
        "is x86 and arm",
    )


def test_machines_of_local_runs_are_places_too():
    same, other = with_result("b"), with_result("c", machine="arm")
    places = [
        text for text in line_up([with_result("a"), same, other]).warnings if "environment" in text
    ]
    assert len(places) == 1
    assert places[0].startswith("a and c did not run in the same environment")


def test_a_run_that_is_given_twice_is_refused_as_it_would_be_evidence_of_nothing():
    once = a_run("a")
    for groups in (([once], [once]), (runs("old", *OLD), [a_run("b"), a_run("old-3")])):
        with pytest.raises(ValueError, match="is given twice: each run counts once"):
            compare(*groups)


def test_too_many_runs_are_refused():
    many = [a_run(f"r-{number}") for number in range(MAX_RUNS + 1)]
    with pytest.raises(
        ValueError, match=("61 runs cannot be compared at once: at most 60 are allowed")
    ):
        line_up(many)


def test_a_figure_that_only_one_run_was_judged_by_is_taken_from_the_others_too():
    slo = {"metric": "successRate", "min": "99%", "verdict": "Pass", "message": "m"}
    judged = a_run("a", slos=[{**slo, "measured": "99.9%"}])
    found = row(line_up([judged, a_run("b", slos=[])]), "successRate")
    assert [cell.text for cell in found.cells] == ["99.9%", "99.94%"]
