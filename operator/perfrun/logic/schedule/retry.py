"""Runs that are repeated automatically: runs that proved nothing, and suspicions to confirm."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from perfrun.api.run.perfrun import Reason, Verdict
from perfrun.api.test.baseline import Baseline, TrendStatus
from perfrun.logic.plan.names import (
    HASH_LENGTH,
    confirmation_run_name,
    retry_prefix,
    retry_run_name,
    short_hash,
)
from perfrun.logic.schedule.trigger import Trigger

WITHIN = timedelta(hours=1)
"""An older run is history: setting the field does not repeat it."""


@dataclass(frozen=True)
class LastRun:
    """The last finished run of a test."""

    name: str
    uid: str
    reason: Reason
    verdict: Verdict | None
    completed: datetime
    measured: bool
    """Its load began, and nobody stopped it."""


def retry(test: str, last: LastRun, limit: int, noted: str | None, now: datetime) -> Trigger | None:
    """The run that tries again what ``last`` could not show, or None.

    ``noted`` is the name of the retry that was created last: the run may have been deleted from the
    history, and must not be created again.
    """
    if last.verdict is not Verdict.INCONCLUSIVE or not last.measured:
        return None
    if now - last.completed > WITHIN:
        return None
    first, tries = _chain(test, last)
    if tries >= limit:
        return None
    name = retry_run_name(test, first, tries + 1)
    return None if name == noted else Trigger("Retry", name)


def confirmation(
    test: str, trend: TrendStatus, noted: str | None, baseline: Baseline
) -> str | None:
    """The name of the run that checks whether a suspicion is true, or None.

    ``noted`` is the one that was created last. At most twice as many as needed are tried. If they
    prove nothing, the suspicion waits for runs with other reasons.
    """
    if trend.state != "Suspect" or not trend.confirming or not trend.runs:
        return None
    suspect = short_hash("suspect", trend.runs[0], trend.since or "")
    number = 1
    if noted is not None:
        first, _, tries = noted.removeprefix(retry_prefix(test)).rpartition("-")
        if first == suspect and tries.isdecimal():
            number = int(tries) + 1
    if number > 2 * baseline.confirm_runs:
        return None
    return confirmation_run_name(test, suspect, number)


def _chain(test: str, last: LastRun) -> tuple[str, int]:
    """The hash of the run that was retried first, and how often it was retried."""
    if last.reason == "Retry":
        first, _, tries = last.name.removeprefix(retry_prefix(test)).rpartition("-")
        if len(first) == HASH_LENGTH and tries.isdecimal():
            return first, int(tries)
    return short_hash(last.uid), 0
