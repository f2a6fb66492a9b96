"""What is shown for every test: its labels, and what follows from the runs that are kept of it.

``perfrun_test_labels`` has only configured keys: if any label were exported, anybody could create
any number of series.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from perfrun.api.run.perfrun import Verdict
from perfrun.controller.metrics.families import TEST
from perfrun.controller.objects.store import Key, RunRecord, Store


class TestLabels:
    """The values of the chosen labels, by test."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._names = label_names(keys)
        self._values: dict[Key, list[str]] = {}

    def see(self, test: Key, labels: Mapping[str, str]) -> None:
        """The labels of a test as it was read."""
        self._values[test] = [labels.get(key, "") for key in self._names]

    def drop(self, test: Key) -> None:
        """The test is gone."""
        self._values.pop(test, None)

    def families(self, tests: Iterable[Key]) -> Iterator[Metric]:
        """1 for each test, with its labels."""
        family = GaugeMetricFamily(
            "perfrun_test_labels",
            "1, with the labels of the PerfTest that are listed in metrics.testLabels of the "
            "chart.",
            labels=[*TEST, *self._names.values()],
        )
        none = [""] * len(self._names)
        for key in tests:
            family.add_metric([*key, *self._values.get(key, none)], 1)
        yield family


def label_names(keys: Iterable[str]) -> dict[str, str]:
    """The name in Prometheus of each label key; if two would share one, the second gets
    a number.
    """
    names: dict[str, str] = {}
    for key in keys:
        plain = name = "label_" + re.sub("[^a-zA-Z0-9_]", "_", key)
        number = 2
        while name in names.values():
            name = f"{plain}_{number}"
            number += 1
        names[key] = name
    return names


def kept_families(store: Store, tests: Iterable[Key]) -> Iterator[Metric]:
    """How many runs are in progress, how many were inconclusive, and how much their
    results take.
    """
    active = GaugeMetricFamily(
        "perfrun_run_active", "Runs that are not done, including queued ones.", labels=TEST
    )
    streak = GaugeMetricFamily(
        "perfrun_inconclusive_streak",
        "Number of the last finished runs in a row that were Inconclusive.",
        labels=TEST,
    )
    size = GaugeMetricFamily(
        "perfrun_results_bytes", "Size of the stored full results, compressed.", labels=TEST
    )
    overridden = GaugeMetricFamily(
        "perfrun_override_run_active",
        "Runs with overrides that are not done, including queued ones.",
        labels=TEST,
    )
    overridden_size = GaugeMetricFamily(
        "perfrun_override_results_bytes",
        "Size of the stored full results of runs with overrides, compressed.",
        labels=TEST,
    )
    for key in tests:
        runs, others = store.own_runs_of(key), store.overridden_runs_of(key)
        active.add_metric(list(key), sum(not run.done for run in runs))
        streak.add_metric(list(key), inconclusive_streak(runs))
        size.add_metric(list(key), sum(run.result_bytes for run in runs))
        overridden.add_metric(list(key), sum(not run.done for run in others))
        overridden_size.add_metric(list(key), sum(run.result_bytes for run in others))
    yield from (active, streak, size, overridden, overridden_size)


def inconclusive_streak(runs: Iterable[RunRecord]) -> int:
    """How many of the most recent runs in a row were Inconclusive."""
    measured = (run for run in runs if run.done and run.missed is None)
    done = sorted(measured, key=lambda run: run.completed or "")
    streak = 0
    for run in reversed(done):
        if run.verdict is not Verdict.INCONCLUSIVE:
            break
        streak += 1
    return streak
