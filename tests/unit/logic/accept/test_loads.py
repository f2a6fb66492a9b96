"""Loads that cannot be put on as they are written."""

from typing import Any

import pytest

from tests.unit.logic.accept.test_spec import OPEN, problems, spec, warnings

FAST = {"metric": "latency.p95", "max": "500ms"}


def capacity(first: str = "100/s", last: str = "20000/s", hold: str = "30s") -> dict[str, Any]:
    return {"capacity": {"from": first, "to": last, "hold": hold}}


def test_a_good_search() -> None:
    slos = [FAST, {"metric": "capacity", "min": "1000/s"}]
    assert warnings(spec(capacity(), slos=slos)) == []


def test_a_search_needs_an_objective_that_judges_a_hold() -> None:
    floors = [{"metric": "throughput", "min": "10/s"}, {"metric": "capacity", "min": "1/s"}]
    (problem,) = problems(spec(capacity(), slos=floors))
    assert problem.startswith("spec.slos: a capacity search requires an objective")


def test_a_class_brings_one() -> None:
    steps = [{"name": "a", "class": "Read", "http": {}}]
    assert problems(spec(capacity(), scenarios=[{"name": "s", "steps": steps}])) == []


def test_capacity_is_measured_by_a_search_alone() -> None:
    one = spec(OPEN, slos=[{"metric": "capacity", "min": "1/s"}])
    assert problems(one) == ["spec.slos[0]: capacity is measured only with load.capacity"]


def test_capacity_is_of_the_whole_load() -> None:
    one = spec(capacity(), slos=[FAST, {"metric": "capacity", "of": "get", "min": "1/s"}])
    assert problems(one) == ["spec.slos[1].of: capacity is about the whole load: remove of"]


def test_a_hold_has_to_give_enough_samples() -> None:
    one = spec(capacity(first="5/s", hold="30s"), slos=[FAST])
    assert problems(one) == [
        "spec.load.capacity.from: latency.p95 needs 200 samples, but a hold at this rate gives "
        "only about 150: increase from or hold"
    ]


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (capacity(hold="2h"), "spec.load.capacity: may take 23 holds, 46.21h in total"),
        (capacity(last="999999999/s"), "spec.load.capacity.to: has more than 1000000000"),
    ],
)
def test_a_search_that_is_too_large(load: dict[str, Any], message: str) -> None:
    (problem,) = problems(spec(load, slos=[FAST]))
    assert problem.startswith(message)


def test_a_condition_that_can_never_be_true_is_doubted() -> None:
    late = [{"metric": "errorRate", "above": "50%", "for": "2m"}]
    assert warnings(spec({**OPEN, "stopWhen": late})) == [
        "spec.load.stopWhen[0].for: is longer than the load, which lasts 100s: "
        "the condition can never become true"
    ]
    assert warnings(spec({**capacity(), "stopWhen": late}, slos=[FAST])) == [
        "spec.load.stopWhen[0].for: is longer than a hold, which lasts 30s: "
        "the condition can never become true"
    ]
    burst = {"burst": {"requests": 1000, "concurrency": 10}}
    assert warnings(spec({**burst, "stopWhen": late}, slos=[FAST])) == []
