"""The load that is expected in use."""

import pytest

pytestmark = [pytest.mark.performance, pytest.mark.load]


def test_the_shop_meets_its_objectives(perfrun, shop):
    """By a manifest: the one that runs in the cluster, here against another address."""
    result = perfrun.run("api.yaml", url=shop, variables={"region": "us"})
    perfrun.check(result)  # fails on Fail and Error, warns of Warn and Inconclusive


@pytest.mark.slow
def test_users_who_think_are_served_fast(perfrun, shop):
    """Given in Python: the fields are those of a manifest."""
    result = perfrun.load(
        target=f"{shop}/items",
        load={"closed": {"users": 20, "duration": "3s", "thinkTime": "100ms"}},
        slos=[{"metric": "latency.p95", "max": "500ms"}],
    )
    perfrun.check(result)
    assert result.error_rate == 0
