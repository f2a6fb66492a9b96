"""Benchmarks: objectives on what their tools say, checks before the run, policies, trends."""

from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.policy import PerfPolicySpec
from perfrun.api.test.metric import BENCHMARK, METRICS, Notation
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.accept.spec import check
from perfrun.logic.comparison.comparable import point_of
from perfrun.logic.plan.commands import rendered
from perfrun.logic.plan.run_plan import comparison_key, make_plan, scenarios_of
from perfrun.logic.schedule.policy import DEFAULT, Policies
from perfrun.logic.trend.detect import change, shown
from perfrun.measure.benchmark import MAX_VALUE, Benchmark, BenchmarkRecord
from perfrun.measure.report import WorkerReport
from tests.unit.controller.build import perf_run
from tests.unit.logic.build import MS, judged, report, step
from tests.unit.logic.build import spec as http_spec

IMAGE = "registry.example/shop/suite:1.4"
SORT = Benchmark(name="test_sort", values={"mean": 4.5 * MS, "ops": 222.2, "rounds": 40.0})
DONE = BenchmarkRecord(benchmarks=[SORT], memory_peak=57 * 1024**2)
MEAN = {"metric": "mean", "of": "test_sort", "max": "5ms"}


def spec(*slos: dict[str, Any], more: Any = (), **target: Any) -> PerfTestSpec:
    benchmark = {
        "image": IMAGE,
        "command": ["pytest", "--benchmark-json", "$(results)"],
        "results": "PytestBenchmark",
        **target,
    }
    return PerfTestSpec.parse(
        {"target": {"benchmark": benchmark}, "slos": list(slos), **dict(more)}
    )


def measured(record: BenchmarkRecord | None = DONE, **health: Any) -> WorkerReport:
    found = report(step([4000 * MS], name="command"), **health)
    found.benchmark = record
    return found


def told(slo: dict[str, Any], record: BenchmarkRecord | None = DONE) -> tuple[str, str, str | None]:
    (status,) = judged(spec(slo), measured(record)).slos
    return status.verdict.value, status.message, status.measured


@pytest.mark.parametrize(
    ("slo", "expected"),
    [
        (MEAN, ("Pass", "mean of test_sort was 4.5ms, at most 5ms allowed: met", "4.5ms")),
        (
            {**MEAN, "max": "4ms"},
            ("Warn", "mean of test_sort was 4.5ms, at most 4ms allowed", "4.5ms"),
        ),
        (
            {**MEAN, "max": "4ms", "onBreach": "Fail"},
            ("Fail", "mean of test_sort was 4.5ms, at most 4ms allowed", "4.5ms"),
        ),
        (
            {"metric": "ops", "of": "test_sort", "min": "300/s"},
            ("Warn", "ops of test_sort was 222.2/s, at least 300/s required", "222.2/s"),
        ),
        (
            {"metric": "memory.peak", "max": "100Mi"},
            ("Pass", "memory.peak was 57Mi, at most 100Mi allowed: met", "57Mi"),
        ),
    ],
)
def test_figures_are_judged_as_their_tool_gives_them(slo: Any, expected: Any) -> None:
    assert told(slo) == expected


def test_what_the_results_do_not_have_is_inconclusive_and_says_what_there_was() -> None:
    assert told({**MEAN, "of": "test_sorf"})[:2] == (
        "Inconclusive",
        'mean of test_sorf is not in the results: the results have test_sort; did you mean "test_sort"?',
    )
    assert told({**MEAN, "metric": "p95"})[:2] == (
        "Inconclusive",
        "p95 of test_sort is not in the results: test_sort has mean, ops, rounds",
    )
    many = BenchmarkRecord(
        benchmarks=[Benchmark(name=f"b{n}", values={"mean": 1.0}) for n in range(9)], left_out=3
    )
    assert told(MEAN, many)[1].endswith("b0, b1, b2, b3, b4 and 4 more (3 were left out)")


def test_without_results_or_a_command_nothing_is_known() -> None:
    failed = BenchmarkRecord(failure="exit code 2: no such option", trouble="not written")
    assert told(MEAN, failed)[1] == "mean of test_sort is not known: exit code 2: no such option"
    rubbish = BenchmarkRecord(trouble="the results are empty", memory_peak=5)
    assert told(MEAN, rubbish)[:2] == (
        "Inconclusive",
        "mean of test_sort is not known: the results are empty",
    )
    assert told(MEAN, None)[0] == "Inconclusive"
    lost = BenchmarkRecord(failure="it was ended by SIGKILL")
    assert told({"metric": "memory.peak", "max": "1Gi"}, lost)[:2] == (
        "Inconclusive",
        "memory.peak is not known: it was ended by SIGKILL",
    )


def test_of_a_command_that_failed_a_miss_stands_and_what_is_met_is_not_known() -> None:
    failed = DONE.model_copy(update={"failure": "exit code 1: 1 failed"})
    assert told({**MEAN, "max": "4ms"}, failed)[0] == "Warn"
    assert told(MEAN, failed)[:2] == (
        "Inconclusive",
        "mean of test_sort was 4.5ms, at most 5ms allowed: not known, because the command failed: "
        "exit code 1: 1 failed",
    )


def test_the_worker_is_no_generator_whose_faults_would_count() -> None:
    stalled = judged(spec({**MEAN, "max": "4ms"}), measured(longest_stall=900 * MS))
    assert (stalled.verdict, stalled.generator) == ("Warn", None)


def test_the_status_has_all_figures_and_why_some_are_missing() -> None:
    found = judged(spec(MEAN), measured()).benchmark
    assert found is not None
    assert (found.memory_peak, found.left_out, found.message) == ("57Mi", 0, None)
    assert [(one.name, dict(one.figures)) for one in found.results] == [
        ("test_sort", {"mean": "4.5ms", "ops": "222.2/s", "rounds": "40"})
    ]
    many = BenchmarkRecord(
        benchmarks=[Benchmark(name=f"b{n}", values={"min": 512.0}) for n in range(102)],
        left_out=1,
        failure="exit code 1",
    )
    found = judged(spec(), measured(many)).benchmark
    assert found is not None
    assert (len(found.results), found.left_out, found.message) == (100, 3, "exit code 1")
    assert found.results[0].figures == {"min": "512ns"}
    assert judged(http_spec(), report(step([MS]))).benchmark is None


@pytest.mark.parametrize("metric", [name for name in BENCHMARK if name != "memory.peak"])
@pytest.mark.parametrize("value", [MAX_VALUE, -MAX_VALUE, MAX_VALUE / 3, 5e-324, -5e-324])
def test_any_figure_that_a_worker_may_tell_can_be_judged(metric: str, value: float) -> None:
    values = {metric: value, "rounds": value}
    record = BenchmarkRecord(benchmarks=[Benchmark(name="b", values=values)], left_out=2**53)
    limit = (
        "1/s" if metric in ("ops", "rate") else 1 if METRICS[metric].kind is Notation.COUNT else "1"
    )
    if METRICS[metric].kind is Notation.DURATION:
        limit = "1ms"
    found = judged(spec({"metric": metric, "of": "b", "max": limit}), measured(record))
    assert found.slos[0].verdict in ("Pass", "Warn")
    assert found.slos[0].samples < 2**63  # what an integer of the API holds


@pytest.mark.parametrize(
    "change",
    [
        {"benchmarks": [{"name": "b", "values": {"mean": 1e19}}]},
        {"benchmarks": [{"name": "b", "values": {"value": -1e308}}]},
        {"leftOut": 2**53 + 1},
    ],
    ids=str,
)
def test_a_record_with_more_than_there_can_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BenchmarkRecord.model_validate(change)


# --- before the run -----------------------------------------------------------------------------


def problems(one: PerfTestSpec) -> list[str]:
    return [str(problem) for problem in check(one).problems]


def test_a_suite_is_taken_as_it_is() -> None:
    whole = spec(
        MEAN,
        {"metric": "memory.peak", "max": "100Mi"},
        {"metric": "errorRate", "max": "0%", "onBreach": "Fail"},
        more={"variables": {"size": "large"}},
        command=["run", "--size=$(size)", "--out=$(results)", "$$(HOME)"],
        env=[
            {"name": "SIZE", "value": "$(size)"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "token"}}},
        ],
    )
    assert not any(check(whole))
    assert [step.name for one in scenarios_of(whole) for step in one.steps] == ["command"]
    plan = make_plan(whole, uid="u", namespace="shop", test="t", run="r")
    assert (plan.load.workers, plan.load.burst is not None) == (1, True)
    assert rendered(whole.target.the_benchmark, whole.variables, "/r.json") == (
        ["run", "--size=large", "--out=/r.json", "$(HOME)"],
        {"SIZE": "large", "PERFRUN_RESULTS": "/r.json"},
        ["TOKEN"],
    )


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"command": ["x", "$(result)"]},
            'spec.target.benchmark.command[1]: $(result) is not a variable; did you mean "results"?',
        ),
        (
            {"command": ["x", "$(uuid())"]},
            "spec.target.benchmark.command[1]: template functions cannot be used here, only names",
        ),
        ({"timeout": "2h"}, "spec.target.benchmark.timeout: must be at most 1h"),
        (
            {"more": {"variables": {"results": "x"}}},
            "spec.variables.results: $(results) is reserved for the file with the results: use another "
            "name",
        ),
        (
            {"more": {"setup": [{"name": "s"}]}},
            "spec.setup: cannot be used with a benchmark target, which only runs its command: remove it",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(parts: Any, said: str) -> None:
    assert said in problems(spec(**parts))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (spec({"metric": "mean", "max": "1s"}), "spec.slos[0].of: mean is about one benchmark"),
        (
            spec({"metric": "memory.peak", "of": "test_sort", "max": "1Gi"}),
            "spec.slos[0].of: memory.peak is about the whole command: remove of",
        ),
        (
            http_spec(slos=[{"metric": "p95", "max": "1s"}]),
            'spec.slos[0].metric: p95 is measured only for benchmark targets; did you mean "latency.p95"?',
        ),
        (
            spec({"metric": "latency.avg", "of": "test_sort", "max": "1s"}),
            'spec.slos[0].of: "test_sort" is not a step, scenario or class of this test',
        ),
    ],
)
def test_objectives_that_name_nothing_are_refused(one: PerfTestSpec, said: str) -> None:
    assert said in " ".join(problems(one))


def test_runs_are_comparable_by_what_is_run_alone() -> None:
    assert comparison_key(spec(MEAN)) == comparison_key(spec())
    assert comparison_key(spec()) != comparison_key(spec(image=IMAGE + "5"))


# --- policies -----------------------------------------------------------------------------------


def refused(*patterns: str, one: PerfTestSpec | None = None) -> list[str]:
    policy = PerfPolicySpec.parse({"allowedImages": list(patterns)})
    here = Policies({"lab": policy}, {}).of("shop")
    return [str(problem) for problem in here.problems(one or spec())]


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        ([], False),
        ([IMAGE], True),
        (["*"], True),
        (["registry.example/shop/*"], True),
        (["registry.example/other/*", "*/suite:1.4"], True),
        (["shop/suite:1.4"], False),
        (["registry.example/shop/suite"], False),
        (["registry.exam"], False),
    ],
)
def test_images_are_allowed_as_they_are_written(patterns: list[str], allowed: bool) -> None:
    assert (refused(*patterns) == []) is allowed


def test_a_refusal_prints_what_would_allow_it() -> None:
    (said,) = refused("registry.example/other/*")
    assert said == (
        f"spec.target.benchmark.image: {IMAGE} is not allowed by PerfPolicy lab "
        "(allowedImages); to allow it: kubectl patch perfpolicy lab --type=json -p "
        '\'[{"op": "add", "path": "/spec/allowedImages", "value": '
        f'["registry.example/other/*", "{IMAGE}"]}}]\''
    )


def test_by_default_there_is_no_image_that_may_be_run() -> None:
    here = Policies({"perfrun-default": DEFAULT}, {}).of("shop")
    assert [problem.field for problem in here.problems(spec())] == ["spec.target.benchmark.image"]
    assert refused(one=http_spec()) == []


# --- trends -------------------------------------------------------------------------------------


def test_objectives_on_benchmarks_take_part_in_the_trend() -> None:
    slos = [
        {"metric": "mean", "of": "test_sort", "measured": "4.5ms"},
        {"metric": "ops", "of": "test_sort", "measured": "222.2/s"},
        {"metric": "memory.peak", "of": "", "measured": "57Mi"},
        {"metric": "rounds", "of": "test_sort", "measured": "40"},
    ]
    point = point_of(
        perf_run(
            phase="Done",
            verdict="Pass",
            completionTime="2026-11-01T00:00:00.5Z",
            workers={"planned": 1, "ready": 1, "reported": 1},
            slos=[{**slo, "verdict": "Pass", "message": "m"} for slo in slos],
        )
    )
    assert point is not None
    assert point.values == {
        "mean of test_sort": 4.5 * MS,
        "ops of test_sort": 222.2,
        "memory.peak": 57 * 1024**2,
    }


def test_more_operations_are_better_and_all_is_shown_in_its_unit() -> None:
    assert change("mean of test_sort", 0.1) > 0 > change("ops of test_sort", 0.1)
    assert shown("mean of test_sort", 4.5 * MS) == "4.5ms"
    assert shown("ops of test_sort", 222.2) == "222.2/s"
    assert shown("memory.peak", 57 * 1024**2) == "57Mi"
