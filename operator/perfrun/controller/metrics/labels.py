"""``perfrun_test_labels``: the labels of tests that this installation lets be seen.

Only keys that are named beforehand: a label that anybody may invent would be a series of its own
for each value that they think of.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from perfrun.controller.metrics.families import TEST
from perfrun.controller.objects.store import Key


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
            "1, with those labels of the PerfTest that metrics.testLabels of the chart names.",
            labels=[*TEST, *self._names.values()],
        )
        none = [""] * len(self._names)
        for key in tests:
            family.add_metric([*key, *self._values.get(key, none)], 1)
        yield family


def label_names(keys: Iterable[str]) -> dict[str, str]:
    """The name in Prometheus of each label key; two that would share one get numbers."""
    names: dict[str, str] = {}
    for key in keys:
        plain = name = "label_" + re.sub("[^a-zA-Z0-9_]", "_", key)
        number = 2
        while name in names.values():
            name = f"{plain}_{number}"
            number += 1
        names[key] = name
    return names
