"""What a test's health is to those who deliver."""

from typing import Any

import pytest

from perfrun.api.metadata import Condition
from perfrun.api.run.perfrun import Verdict
from perfrun.logic.run.health import HealthFacts, health_condition


def ready(status: str = "True", reason: str = "Accepted") -> Condition:
    return Condition(type="Ready", status=status, reason=reason, message="m")


REGRESSED = Condition(type="Regressed", status="True", reason="Regressed", message="up by 7%")
RAN: dict[str, Any] = {"last_run": "api-1"}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (HealthFacts(ready()), None),
        (HealthFacts(ready("False", "Invalid")), ("Stalled", "Invalid")),
        # Whatever its runs came to: first somebody has to mend it.
        (
            HealthFacts(ready("False", "RefusedByPolicy"), gates=True, active="api-2"),
            ("Stalled", "RefusedByPolicy"),
        ),
        (HealthFacts(ready(), active="api-2"), None),
        (HealthFacts(ready(), gates=True, active="api-2"), ("Reconciling", "RunInProgress")),
        (HealthFacts(ready(), REGRESSED), None),
        (HealthFacts(ready(), REGRESSED, gates=True), None),
        (
            HealthFacts(ready(), REGRESSED, gates=True, regression_fails=True),
            ("Stalled", "Regressed"),
        ),
        (HealthFacts(ready(), **RAN, last_verdict=Verdict.WARN, gates=True), None),
        (HealthFacts(ready(), **RAN, last_verdict=Verdict.INCONCLUSIVE, gates=True), None),
        (
            HealthFacts(ready(), **RAN, last_verdict=Verdict.FAIL, gates=True),
            ("Stalled", "ObjectiveMissed"),
        ),
        (HealthFacts(ready(), **RAN, last_verdict=Verdict.ERROR), None),
        (HealthFacts(ready(), **RAN, last_verdict=Verdict.ERROR, gates=True), ("Stalled", "Error")),
    ],
)
def test_health(facts: HealthFacts, expected: tuple[str, str] | None) -> None:
    found = health_condition(facts)
    assert (found and (found.type, found.reason)) == expected
