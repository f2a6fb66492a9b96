"""When a rollout of observed workloads is complete, and the run that it starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from perfrun.logic.plan.names import rollout_run_name, short_hash

_REVISION = "deployment.kubernetes.io/revision"


class Rolled(NamedTuple):
    """How far the rollout of one workload is."""

    state: str
    """Changes with each rollout, and with nothing else."""
    complete: bool
    """All replicas that are wanted are of the newest revision and available, and no other is."""


@dataclass(frozen=True)
class RolloutFacts:
    """What is known of a test with ``runOn: [Rollout]``."""

    test: str
    suspended: bool
    workloads: Sequence[Rolled]
    last_rollout: str | None
    """The rollout that was noted last; None: none yet."""


class RolloutDecision(NamedTuple):
    """The name of the run that is due, and what to note once it exists."""

    run: str | None
    last_rollout: str | None


def decide(facts: RolloutFacts) -> RolloutDecision:
    """A run once all workloads stand, where they do not stand as they did.

    What stands already when a test is first looked at was not rolled out for it. A suspended test
    notes no rollout: it runs on resume.
    """
    known = facts.last_rollout
    if facts.suspended or not facts.workloads or not all(w.complete for w in facts.workloads):
        return RolloutDecision(None, known)
    state = short_hash(*(workload.state for workload in facts.workloads))
    if known is None or known == state:
        return RolloutDecision(None, state)
    # The one before is in the name: going back to an earlier revision is a rollout too.
    return RolloutDecision(rollout_run_name(facts.test, known, state), state)


def rolled(body: Mapping[str, Any]) -> Rolled:
    """Of a Deployment or StatefulSet, as ``kubectl rollout status`` judges it."""
    meta, spec, status = body["metadata"], body["spec"], body.get("status", {})
    wanted = spec.get("replicas", 1)
    current = status.get("observedGeneration", 0) >= meta.get("generation", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    complete = current and 0 < wanted == updated == available == status.get("replicas", 0)
    revision = meta.get("annotations", {}).get(_REVISION) or status.get("updateRevision", "")
    if body.get("kind") == "StatefulSet":
        complete = complete and status.get("currentRevision") == status.get("updateRevision")
    return Rolled(f"{meta['uid']}/{revision}", complete)
