"""When a rollout starts a run."""

from typing import Any

import pytest

from perfrun.logic.schedule.rollout import Rolled, RolloutDecision, RolloutFacts, decide, rolled


def deployment(**status: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {
            "uid": "u",
            "generation": 3,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2,
                   "availableReplicas": 2, **status},
    }  # fmt: skip


def stateful(**status: Any) -> dict[str, Any]:
    body = deployment(**{"currentRevision": "b", "updateRevision": "b", **status})
    del body["metadata"]["annotations"]
    return {**body, "kind": "StatefulSet"}


@pytest.mark.parametrize(
    ("body", "complete"),
    [
        (deployment(), True),
        (deployment(observedGeneration=2), False),
        (deployment(updatedReplicas=1), False),
        (deployment(availableReplicas=1), False),
        (deployment(replicas=3), False),
        ({**deployment(), "status": {}}, False),
        ({**deployment(replicas=0, updatedReplicas=0, availableReplicas=0), "spec": {"replicas": 0}},
         False),
        ({**deployment(replicas=1, updatedReplicas=1, availableReplicas=1), "spec": {}}, True),
        (stateful(), True),
        (stateful(currentRevision="a"), False),
    ],
)  # fmt: skip
def test_a_rollout_is_complete_when_only_new_replicas_are_there_and_all(
    body: dict[str, Any], complete: bool
) -> None:
    assert rolled(body).complete is complete


def test_its_state_is_the_revision_and_not_the_scale() -> None:
    assert rolled(deployment(availableReplicas=1)).state == rolled(deployment()).state == "u/2"
    assert rolled(stateful()).state == "u/b"


def facts(*states: str, known: str | None, suspended: bool = False, whole: bool = True) -> Any:
    return RolloutFacts("shop", suspended, [Rolled(state, whole) for state in states], known)


def test_what_stands_at_first_is_noted_and_the_next_revision_runs_once() -> None:
    first = decide(facts("u/1", known=None))
    assert first.run is None
    assert first.last_rollout
    assert decide(facts("u/1", known=first.last_rollout)) == first
    assert decide(facts("u/2", known=first.last_rollout, whole=False)) == first
    second = decide(facts("u/2", known=first.last_rollout))
    assert second.run is not None
    assert second.run.startswith("shop-o")
    # Killed before it was noted: the same name, which is the lock.
    assert decide(facts("u/2", known=first.last_rollout)) == second
    assert decide(facts("u/2", known=second.last_rollout)).run is None
    back = decide(facts("u/1", known=second.last_rollout))
    assert back.run not in (None, second.run)
    assert back.last_rollout == first.last_rollout


def test_all_workloads_have_to_stand_and_the_suspended_wait() -> None:
    known = decide(facts("a/1", "b/1", known=None)).last_rollout
    half = RolloutFacts("shop", False, [Rolled("a/2", True), Rolled("b/1", False)], known)
    assert decide(half) == RolloutDecision(None, known)
    assert decide(facts("a/2", "b/1", known=known, suspended=True)) == (None, known)
    assert decide(facts("a/2", "b/1", known=known)).run is not None
