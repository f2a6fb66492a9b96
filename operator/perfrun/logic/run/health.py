"""The conditions of a PerfTest, and whether it is healthy for delivery tools: Argo CD, Flux, Helm
and everything else that follows kstatus.

At most one of two conditions is True: ``Reconciling`` if something in progress has to be waited
for; ``Stalled`` if somebody has to act. A verdict counts only if the test says that performance may
block: ``onBreach: Fail``, or ``onRegression: Fail``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perfrun.api.metadata import Condition
from perfrun.api.run.perfrun import Verdict
from perfrun.logic.run.status import dated

_OURS = frozenset({"Ready", "Regressed", "Reconciling", "Stalled"})


@dataclass(frozen=True)
class HealthFacts:
    """What is known about a test."""

    ready: Condition
    regressed: Condition | None = None
    gates: bool = False
    """It has an objective with ``onBreach: Fail``, or ``onRegression: Fail``."""
    regression_fails: bool = False
    active: str | None = None
    """The first of its runs in progress."""
    last_run: str | None = None
    last_verdict: Verdict | None = None


def conditions_of_test(
    facts: HealthFacts, previous: Sequence[Condition], now: datetime, generation: int
) -> list[Condition]:
    """All conditions of a test, based on its current ones."""
    conditions = (facts.ready, facts.regressed, health_condition(facts))
    fresh = [condition for condition in conditions if condition is not None]
    return dated(fresh, _OURS, previous, now, generation)


def health_condition(facts: HealthFacts) -> Condition | None:
    """Reconciling or Stalled; None if the test is healthy."""
    ready, regressed = facts.ready, facts.regressed
    if ready.status != "True":
        return _stalled(ready.reason, ready.message)
    if facts.gates and facts.active is not None:
        message = f"PerfRun {facts.active} is in progress"
        return Condition(type="Reconciling", status="True", reason="RunInProgress", message=message)
    if facts.regression_fails and regressed is not None and regressed.status == "True":
        return _stalled(regressed.reason, regressed.message)
    if facts.last_verdict is Verdict.FAIL:
        return _stalled("ObjectiveMissed", f"PerfRun {facts.last_run} ended as Fail")
    if facts.last_verdict is Verdict.ERROR and facts.gates:
        return _stalled("Error", f"PerfRun {facts.last_run} ended as Error")
    return None


def _stalled(reason: str, message: str) -> Condition:
    return Condition(type="Stalled", status="True", reason=reason, message=message)
