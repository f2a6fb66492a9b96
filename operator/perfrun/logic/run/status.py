"""The status of a run as it goes on, in one place: its phases' conditions, and its end.

Conditions follow kstatus (https://github.com/kubernetes-sigs/cli-utils, pkg/kstatus), by which
Flux, Helm and others wait: ``Reconciling`` while a run is under way, ``Stalled`` where it has ended
as something that only a user can mend. A missed objective is that only where it gates.
"""

from collections.abc import Sequence
from datetime import datetime

from perfrun.api.metadata import Condition
from perfrun.api.run.perfrun import PerfRunStatus, Phase, Verdict
from perfrun.api.times import format_moment
from perfrun.logic.verdict.outcome import RunVerdict

_STALLED = {Verdict.FAIL: "ObjectiveMissed", Verdict.ERROR: "Error"}
_OURS = frozenset({"Complete", "SLOMet", "Reconciling", "Stalled"})
PASSING = ("queue", "progress", "launch_error", "result")
"""What a run has while it is under way, and not once it is done."""


def open_conditions(
    phase: Phase, previous: Sequence[Condition], now: datetime, generation: int | None
) -> list[Condition]:
    """The conditions of a run that is in ``phase``, from Queued to Collecting."""
    fresh = [
        Condition(type="Complete", status="False", reason=phase.value),
        Condition(type="Reconciling", status="True", reason=phase.value),
    ]
    return _dated(fresh, previous, now, generation)


def done_conditions(
    run_verdict: RunVerdict, previous: Sequence[Condition], now: datetime, generation: int | None
) -> list[Condition]:
    """The conditions of a finished run."""
    verdict, message = run_verdict.verdict, run_verdict.message
    complete = run_verdict.reason or ("Error" if verdict is Verdict.ERROR else "Finished")
    status, reason = _slo_met(run_verdict)
    fresh = [
        Condition(type="Complete", status="True", reason=complete, message=message),
        Condition(type="SLOMet", status=status, reason=reason, message=message),
    ]
    if verdict in _STALLED:
        fresh.append(
            Condition(type="Stalled", status="True", reason=_STALLED[verdict], message=message)
        )
    return _dated(fresh, previous, now, generation)


def done_status(
    before: PerfRunStatus, run_verdict: RunVerdict, now: datetime, generation: int | None
) -> PerfRunStatus:
    """The status of a run that is judged: what was passing is gone."""
    changes = {
        **run_verdict.as_status(),
        "observed_generation": generation,
        "phase": Phase.DONE,
        # Two runs may end within a second, and the history goes by the order.
        "completion_time": format_moment(now),
        "conditions": done_conditions(
            run_verdict, before.conditions, now.replace(microsecond=0), generation
        ),
        **dict.fromkeys(PASSING),
    }
    return before.model_copy(update=changes)


def _dated(
    fresh: list[Condition],
    previous: Sequence[Condition],
    now: datetime,
    generation: int | None,
) -> list[Condition]:
    """``fresh`` and what others have set; ``last_transition_time`` is ``now`` where a status
    changes, else what it was."""
    before = {condition.type: condition for condition in previous}
    for condition in fresh:
        old = before.get(condition.type)
        same = old is not None and old.status == condition.status
        condition.last_transition_time = (old and same and old.last_transition_time) or now
        condition.observed_generation = generation
    return [old for old in previous if old.type not in _OURS] + fresh


def _slo_met(run_verdict: RunVerdict) -> tuple[str, str]:
    match run_verdict.verdict:
        case Verdict.PASS:
            return ("True", "ObjectivesMet") if run_verdict.slos else ("Unknown", "NoObjectives")
        case Verdict.WARN | Verdict.FAIL:
            return "False", "ObjectiveMissed"
        case Verdict.ERROR:
            return "Unknown", "Error"
        case _:
            return "Unknown", "Inconclusive"
