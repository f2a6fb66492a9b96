"""The whole check of a test: what it says, and what it keeps."""

import time
from typing import Any

import pytest

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.accept.budgets import too_deep, too_large
from perfrun.logic.accept.examine import MAX_TEXT, examine
from perfrun.logic.plan.run_plan import what_runs_hash
from perfrun.logic.schedule.policy import Policies

Json = dict[str, Any]
PLAIN: Json = {
    "target": {"http": {"url": "http://shop/health"}},
    "load": {"burst": {"requests": 100, "concurrency": 10}},
}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def with_steps(*steps: Json, **more: Any) -> Json:
    return {**PLAIN, "scenarios": [{"name": "all", "steps": list(steps)}], **more}


def test_what_is_accepted_keeps_what_is_asked_of_it_later() -> None:
    outcome = examine(PLAIN, "team", freeze=True)
    spec = PerfTestSpec.parse(PLAIN)
    assert outcome.problems == []
    assert outcome.what_runs == what_runs_hash(spec)
    assert outcome.target == "shop.team:80"
    assert outcome.frozen == spec.what_runs()
    assert outcome.asks is not None
    here = Policies({}, {}).of("team")
    assert here.refuses(outcome.asks) == here.problems(spec) == []


@pytest.mark.parametrize("levels", [64, 300, 1_200, 100_000])
def test_nesting_is_found_without_recursion(levels: int) -> None:
    spec = with_steps({"name": "x", "http": {"method": "POST", "json": nested(levels)}})
    (problem,) = examine(spec, "team").problems
    assert problem.startswith("spec.scenarios[0].steps[0].http.json[0]")
    assert problem.endswith("is nested more than 64 levels deep: make it flatter")


def test_fifty_levels_are_as_good_as_one() -> None:
    spec = with_steps({"name": "x", "http": {"method": "POST", "json": nested(50)}})
    assert too_deep(spec) is None
    assert examine(spec, "team").problems == []


def test_size_is_told_with_its_limit() -> None:
    assert too_large(256 * 1024) is None
    assert "has 257 KiB as JSON; at most 256 KiB are allowed" in str(too_large(257 * 1024))


def test_problems_and_their_texts_are_bounded() -> None:
    steps = [{"name": f"s{n}", "http": {"path": f"/$(a{n})" + "x" * 2000}} for n in range(50)]
    outcome = examine(with_steps(*steps), "team")
    assert len(outcome.problems) == 5
    assert all(len(problem) <= MAX_TEXT for problem in outcome.problems)


def test_hundreds_of_unknown_names_are_compared_a_few_times_only() -> None:
    variables = {f"variable_of_this_test_number_{n:03}": "x" for n in range(64)}
    paths = ["/" + "".join(f"$(variable_of_this_test_nunber_{n * 10 + m:03})" for m in range(10))
             for n in range(50)]  # fmt: skip
    steps = [{"name": f"s{n}", "http": {"path": path}} for n, path in enumerate(paths)]
    began = time.process_time()
    outcome = examine(with_steps(*steps, variables=variables), "team")
    assert time.process_time() - began < 1.0
    assert 'did you mean "variable_of_this_test_number_000"?' in outcome.problems[0]


@pytest.mark.parametrize("classes", [16, 17])
def test_regular_expression_has_sixteen_classes_at_most(classes: int) -> None:
    step = {"name": "x", "extract": {"v": {"regex": "[a-z]" * classes}}}
    problems = examine(with_steps(step), "team").problems
    if classes == 16:
        assert problems == []
    else:
        assert "at most 16 character classes" in problems[0]
