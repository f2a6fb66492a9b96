"""One thing alone, always in the same way: figures to be compared from run to run."""

import pytest

pytestmark = [pytest.mark.performance, pytest.mark.benchmark]


@pytest.fixture(scope="module")
def reads(perfrun, shop):
    """One run for all tests of this module."""
    return perfrun.load(
        name="reads",
        target=f"{shop}/items",
        load={"open": {"rate": "100/s", "duration": "3s"}, "warmup": "1s"},
        slos=[{"metric": "latency.p95", "max": "100ms"}],
    )


def test_reads_meet_their_objectives(perfrun, reads):
    """Warns where they do not."""
    perfrun.check(reads)


def test_half_of_the_reads_take_less_than_a_second(reads):
    """A plain assertion, in seconds: it fails where there are too few samples to know."""
    assert reads.latency.p50 < 1
