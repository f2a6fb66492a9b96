"""What follows from the runs that are kept of each test."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from perfrun.api.run.perfrun import Verdict
from perfrun.controller.metrics.families import TEST
from perfrun.controller.objects.store import Key, RunRecord, Store


def kept_families(store: Store, tests: Iterable[Key]) -> Iterator[Metric]:
    """How many are under way, how many were in vain, and what their results take."""
    active = GaugeMetricFamily(
        "perfrun_run_active", "Runs that are not done, queued ones included.", labels=TEST
    )
    streak = GaugeMetricFamily(
        "perfrun_inconclusive_streak",
        "The last finished runs in a row that were Inconclusive.",
        labels=TEST,
    )
    size = GaugeMetricFamily(
        "perfrun_results_bytes", "The full results that are kept, compressed.", labels=TEST
    )
    for key in tests:
        runs = store.runs_of(key)
        active.add_metric(list(key), sum(not run.done for run in runs))
        streak.add_metric(list(key), inconclusive_streak(runs))
        size.add_metric(list(key), sum(run.result_bytes for run in runs))
    yield from (active, streak, size)


def inconclusive_streak(runs: Iterable[RunRecord]) -> int:
    """How many of the runs that ended last, one after the other, were Inconclusive."""
    measured = (run for run in runs if run.done and run.missed is None)
    done = sorted(measured, key=lambda run: run.completed or "")
    streak = 0
    for run in reversed(done):
        if run.verdict is not Verdict.INCONCLUSIVE:
            break
        streak += 1
    return streak
