"""What all families share: the labels of a test, and which values become samples."""

import math
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

TEST = ["namespace", "test"]


def number(value: float | None, unit: float = 1) -> float | None:
    """The value in multiples of ``unit``; None if it is not a finite number, or too large for one.

    It comes from statuses and workers, so any int or float is possible.
    """
    try:
        scaled = None if value is None else float(value / unit)
    except OverflowError:
        return None
    return scaled if scaled is not None and math.isfinite(scaled) else None


def add(
    family: GaugeMetricFamily, labels: Sequence[str], value: float | None, unit: float = 1
) -> None:
    """Add a sample; if there was no measurement, the series is absent, never a number."""
    if (found := number(value, unit)) is not None:
        family.add_metric(labels, found)


def showable(families: Iterable[Metric]) -> Iterator[Metric]:
    """The families without values that would fail the whole scrape: values that are not finite
    numbers, and labels that are not strings. The last line of defence.
    """
    for family in families:
        family.samples = [
            sample
            for sample in family.samples
            if number(sample.value) is not None and _is_text(sample.labels.values())
        ]
        yield family


def merged(steps: Iterable[Iterable[Metric]]) -> list[Metric]:
    """One family of each name, with the samples of all steps."""
    families: dict[str, Metric] = {}
    for step in steps:
        for family in step:
            known = families.setdefault(family.name, family)
            if known is not family:
                known.samples += family.samples
    return list(families.values())


def _is_text(labels: Iterable[str]) -> bool:
    try:
        "".join(labels).encode()
    except (UnicodeEncodeError, TypeError):
        return False
    return True
