"""How workers were lost, in words."""

from typing import Any

import pytest

from perfrun.api.run.perfrun import Phase
from perfrun.logic.run.facts import JobState, WorkerFacts
from perfrun.logic.run.losses import ENDED, LATE, losses
from tests.unit.logic.facts import facts, pod


def test_losses_name_a_dead_worker_that_did_not_report() -> None:
    pods = [pod(0, dead=True, problem="Evicted"), pod(1, dead=True, problem="OOMKilled")]
    assert losses(facts(Phase.RUNNING, workers=pods, reported=frozenset({0}))) == [
        "worker 1 (pr-x-1-abcde): OOMKilled"
    ]
    assert losses(facts(Phase.RUNNING, workers=pods, reported=frozenset({0, 1}))) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"workers": [pod(1, dead=True, problem="Evicted: low on memory")]},
            "worker 1 (pr-x-1-abcde): Evicted: low on memory",
        ),
        (
            {"ends": {1: pod(1, problem="EvictionByEvictionAPI: drained")}},
            "worker 1 (pr-x-1-abcde): EvictionByEvictionAPI: drained",
        ),
        ({"workers": [pod(1, dead=True)]}, f"worker 1 (pr-x-1-abcde): {ENDED}"),
        ({"workers": []}, f"worker 1: {ENDED}"),
        (
            {"workers": [WorkerFacts("", 1, dead=True, problem=LATE)]},
            "worker 1: it took too long and was stopped",
        ),
        ({"job": JobState.ABSENT}, "worker 1: it was stopped by a signal, and its Job was deleted"),
    ],
    ids=[
        "why is known",
        "why was seen before its pod was gone",
        "it ended well",
        "its pod no longer exists",
        "it is a process",
        "its Job was deleted",
    ],
)
def test_losses_name_a_worker_that_was_ended_although_it_has_reported(
    changes: dict[str, Any], said: str
) -> None:
    over = facts(Phase.COLLECTING, reported=frozenset({0, 1}), **changes)
    assert losses(over, [1]) == [f"{said} (its measurements before that are counted)"]


def test_losses_are_in_the_order_of_the_workers() -> None:
    pods = [pod(2, dead=True, problem="OOMKilled"), pod(0, dead=True, problem="Evicted")]
    over = facts(Phase.COLLECTING, planned=3, workers=pods, reported=frozenset({0, 1}))
    assert [sentence[:8] for sentence in losses(over, [0])] == ["worker 0", "worker 2"]
