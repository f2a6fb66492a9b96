"""Which of several operators leads: the rules of a lease, after client-go's leader election.

No clock is compared with another machine's. A standby takes a lease that it has seen unchanged for
as long as the lease lasts; its holder stops earlier than that, by its own monotonic clock.
"""

from dataclasses import dataclass
from enum import StrEnum

LEASE_S = 12.0
"""A standby takes the lease if it was not renewed for this long."""
RENEW_WITHIN_S = 8.0
"""The holder writes nothing later than this after it sent its last successful renewal."""
RETRY_S = 2.0


@dataclass(frozen=True)
class Candidate:
    """One process of the operator."""

    identity: str
    """The name of its pod: the kubelet starts a new container only when the previous one has ended.
    """
    process: str
    """Different for each start."""


@dataclass(frozen=True)
class HeldLease:
    """A lease as it was read."""

    identity: str
    """Empty if nobody holds it."""
    process: str
    duration: float
    """In seconds, as its holder requested."""


class Claim(StrEnum):
    """The relation of a candidate to a lease."""

    MINE = "Mine"
    FREE = "Free"
    TAKEN = "Taken"


def claim(lease: HeldLease, me: Candidate, unchanged: float) -> Claim:
    """Whether ``me`` has the lease, or may take it; ``unchanged``: seconds for which ``me`` has
    seen it as it is now."""
    if lease.identity and (lease.identity, lease.process) == (me.identity, me.process):
        return Claim.MINE
    before_me = lease.identity == me.identity
    if not lease.identity or before_me or unchanged > lease.duration:
        return Claim.FREE
    return Claim.TAKEN
