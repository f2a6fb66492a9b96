"""When a rollout of observed workloads is complete, and the run that it starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from perfrun.logic.plan.names import rollout_run_name, short_hash

_REVISION = "deployment.kubernetes.io/revision"


class Rolled(NamedTuple):
    """The progress of one workload's rollout."""

    state: str
    """Changes with each rollout, and with nothing else."""
    complete: bool
    """All desired replicas have the newest revision and are available, and there are no others."""


@dataclass(frozen=True)
class RolloutFacts:
    """What is known about a test with ``runOn: [Rollout]``."""

    test: str
    suspended: bool
    workloads: Sequence[Rolled]
    last_rollout: str | None
    """The rollout that was recorded last; None if there is none yet."""


class RolloutDecision(NamedTuple):
    """The name of the run that is due, and what to record once it exists."""

    run: str | None
    last_rollout: str | None


def decide(facts: RolloutFacts) -> RolloutDecision:
    """A run when all workloads are complete, and in a state that differs from the recorded one.

    A state that exists when a test is first seen was not rolled out for it. A suspended test
    records no rollout: it runs when it is resumed.
    """
    known = facts.last_rollout
    if facts.suspended or not facts.workloads or not all(w.complete for w in facts.workloads):
        return RolloutDecision(None, known)
    state = short_hash(*(workload.state for workload in facts.workloads))
    if known is None or known == state:
        return RolloutDecision(None, state)
    # The previous state is in the name: going back to an earlier revision is a rollout too.
    return RolloutDecision(rollout_run_name(facts.test, known, state), state)


def rolled(body: Mapping[str, Any]) -> Rolled:
    """The rollout of a Deployment or StatefulSet, as ``kubectl rollout status`` judges it."""
    meta, spec, status = body["metadata"], body["spec"], body.get("status", {})
    wanted = spec.get("replicas", 1)
    current = status.get("observedGeneration", 0) >= meta.get("generation", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    complete = current and 0 < wanted == updated == available == status.get("replicas", 0)
    revision = meta.get("annotations", {}).get(_REVISION) or status.get("updateRevision", "")
    if body.get("kind") == "StatefulSet":
        complete = complete and status.get("currentRevision") == status.get("updateRevision")
    return Rolled(f"{meta['uid']}/{revision}", complete)
