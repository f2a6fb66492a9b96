"""Runs that are done again by themselves: what proved nothing, and what is suspected."""

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
"""An older run is history: setting the field starts nothing about it."""


@dataclass(frozen=True)
class LastRun:
    """The last run of a test that is done."""

    name: str
    uid: str
    reason: Reason
    verdict: Verdict | None
    completed: datetime
    measured: bool
    """Its load began, and nobody asked for its end."""


def retry(test: str, last: LastRun, limit: int, noted: str | None, now: datetime) -> Trigger | None:
    """The run that tries again what ``last`` could not show, or None.

    ``noted`` is the name of the retry that was created last: it may be gone from the history by
    now, and is not to rise again.
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
    """The name of the run that is to show whether a suspicion is true, or None.

    ``noted`` is the one that was created last. Twice as many as are needed are tried at most: where
    these prove nothing, the suspicion waits for the runs that come anyway.
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
    """The hash of the run that was retried first, and how often it was."""
    if last.reason == "Retry":
        first, _, tries = last.name.removeprefix(retry_prefix(test)).rpartition("-")
        if len(first) == HASH_LENGTH and tries.isdecimal():
            return first, int(tries)
    return short_hash(last.uid), 0
