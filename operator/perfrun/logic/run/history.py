"""Which finished runs and results are kept, and which exceed their limits."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from perfrun.api.run.perfrun import Verdict
from perfrun.api.test.perftest import HistoryLimits

RESULTS_KEPT = 5


class HistoryEntry(NamedTuple):
    """A run that is done."""

    name: str
    verdict: Verdict | None
    completed: datetime
    has_result: bool


def expired(
    runs: Sequence[HistoryEntry], limits: HistoryLimits, pinned: str | None = None
) -> list[str]:
    """The names of the runs to delete, oldest first: passed ones and others have separate limits.

    Never includes ``pinned``, which others are compared with.
    """
    runs = [run for run in runs if run.name != pinned]
    passed = [run for run in runs if run.verdict is Verdict.PASS]
    other = [run for run in runs if run.verdict is not Verdict.PASS]
    beyond = _beyond(passed, limits.passed) + _beyond(other, limits.other)
    return [run.name for run in sorted(beyond, key=_age)]


def stale_results(runs: Sequence[HistoryEntry], pinned: str | None = None) -> list[str]:
    """The names of the runs whose full result is no longer kept; their summary stays."""
    kept = [run for run in runs if run.has_result and run.name != pinned]
    return [run.name for run in _beyond(kept, RESULTS_KEPT)]


def _beyond(runs: Sequence[HistoryEntry], limit: int) -> list[HistoryEntry]:
    ordered = sorted(runs, key=_age)
    return ordered[: max(0, len(ordered) - limit)]


def _age(run: HistoryEntry) -> tuple[datetime, str]:
    return (run.completed, run.name)
