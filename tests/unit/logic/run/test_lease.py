"""Who may take a lease."""

import pytest

from perfrun.logic.run.lease import (
    LEASE_S,
    RENEW_WITHIN_S,
    RETRY_S,
    Candidate,
    Claim,
    HeldLease,
    claim,
)

ME = Candidate("pod-a_uid-a", "second")


@pytest.mark.parametrize(
    ("lease", "unchanged", "expected"),
    [
        pytest.param(HeldLease("", "", 12), 0, Claim.FREE, id="nobody-has-it"),
        pytest.param(HeldLease("pod-a_uid-a", "second", 12), 0, Claim.MINE, id="mine"),
        pytest.param(
            HeldLease("pod-a_uid-a", "first", 12), 0, Claim.FREE, id="my-container-before"
        ),
        pytest.param(HeldLease("pod-b_uid-b", "x", 12), 0, Claim.TAKEN, id="anothers"),
        pytest.param(HeldLease("pod-b_uid-b", "x", 12), 12, Claim.TAKEN, id="anothers-at-its-end"),
        pytest.param(
            HeldLease("pod-b_uid-b", "x", 12), 12.01, Claim.FREE, id="anothers-after-its-end"
        ),
        pytest.param(HeldLease("pod-b_uid-b", "x", 60), 30, Claim.TAKEN, id="it-asked-for-longer"),
        pytest.param(
            HeldLease("pod-b_uid-b", "second", 12), 0, Claim.TAKEN, id="same-process-name"
        ),
        pytest.param(HeldLease("", "second", 12), 0, Claim.FREE, id="released-by-me"),
    ],
)
def test_claim(lease: HeldLease, unchanged: float, expected: Claim) -> None:
    assert claim(lease, ME, unchanged) is expected


def test_the_holder_stops_before_a_standby_may_begin() -> None:
    # Between them lies the longest that a write, asked for at the last moment, may take on its way.
    assert RENEW_WITHIN_S + RETRY_S <= LEASE_S
    assert LEASE_S + RETRY_S + 4 < 20, "hand-over takes less than 20 s"
