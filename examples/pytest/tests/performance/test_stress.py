"""More load than is expected in use: what gives way, and how?"""

import pytest

pytestmark = [pytest.mark.performance, pytest.mark.stress]


def test_a_burst_of_1000_breaks_nothing(perfrun, shop):
    """It may become slow; it must not fail."""
    result = perfrun.load(
        target=f"{shop}/items",
        load={"burst": {"requests": 1000, "concurrency": 100}},
        slos=[
            {"metric": "successRate", "min": "99%", "onBreach": "Fail"},
            {"metric": "latency.p95", "max": "2s"},
        ],
    )
    perfrun.check(result)


@pytest.mark.slow
def test_the_limit_is_far_enough_away(perfrun, shop):
    """The highest rate that still meets the objectives."""
    result = perfrun.load(
        target=f"{shop}/items",
        load={"capacity": {"from": "100/s", "to": "200/s", "hold": "2s"}},
        slos=[{"metric": "latency.p95", "max": "500ms"}, {"metric": "capacity", "min": "100/s"}],
    )
    perfrun.check(result)
