"""Facts about runs for tests, as short as they can be said."""

from datetime import UTC, datetime, timedelta
from typing import Any

from perfrun.api.run.perfrun import Phase
from perfrun.logic.run.facts import JobState, Refusal, RunFacts, WorkerFacts

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
S = 1_000_000_000
UNDER_WAY = (Phase.STARTING, Phase.RUNNING, Phase.COLLECTING)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pod(
    index: int = 0, *, dead: bool = False, problem: str | None = None, killed: bool = False
) -> WorkerFacts:
    return WorkerFacts(f"pr-x-{index}-abcde", index, dead or killed, problem, left_undone=killed)


QUOTA = 'pods "pr-x-1-abcde" is forbidden: exceeded quota: few, requested: pods=1, limited: pods=0'
SECURITY = (
    'pods "pr-x-1-abcde" is forbidden: violates PodSecurity "restricted:latest": '
    'allowPrivilegeEscalation != false (container "istio-proxy" must set it)'
)


def refused(why: str, age: float = 0) -> Refusal:
    return Refusal(why, at(-age))


def facts(phase: Phase, **changes: Any) -> RunFacts:
    """A run of two workers that was accepted just now and may take a minute to start."""
    usual: dict[str, Any] = {
        "phase": phase,
        "now": NOW,
        "accepted": NOW,
        "start_timeout": 60 * S,
        "planned": 2,
        "job": JobState.ACTIVE,
        "launched": True,
        "arrived": 2,
    }
    return RunFacts(**{**usual, **changes})
