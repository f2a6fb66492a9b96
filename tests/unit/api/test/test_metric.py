"""Which way each metric is better."""

import pytest

from perfrun.api.test.metric import METRICS, Direction, Kind, direction


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        ("latency.p95", Direction.LOWER),
        ("errorRate", Direction.LOWER),
        ("dropped", Direction.LOWER),
        ("memory.growth", Direction.LOWER),
        ("capacity", Direction.HIGHER),
        ("successRate", Direction.HIGHER),
        ("checkRate", Direction.HIGHER),
        ("bytes.received", Direction.NEITHER),
        ("value.min", Direction.NEITHER),
    ],
)
def test_direction(metric: str, better: Direction) -> None:
    assert metric in METRICS
    assert direction(metric) is better


def test_no_duration_is_better_where_it_is_longer_and_no_rate_where_it_is_lower() -> None:
    by_kind = {kind: {direction(m) for m, its in METRICS.items() if its is kind} for kind in Kind}
    assert by_kind[Kind.DURATION] == {Direction.LOWER}
    assert by_kind[Kind.RATE] == {Direction.HIGHER}
