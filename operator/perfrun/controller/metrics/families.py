"""What all families share: the labels of a test, and samples that may be absent."""

from prometheus_client.core import GaugeMetricFamily

TEST = ["namespace", "test"]


def add(family: GaugeMetricFamily, labels: list[str], value: float | None) -> None:
    """Add a sample; what was not measured is an absent series, never a number."""
    if value is not None:
        family.add_metric(labels, value)
