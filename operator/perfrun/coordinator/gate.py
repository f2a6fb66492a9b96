"""Authentication by token: each token is checked from time to time, and nobody can cause an
unlimited number of checks."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256

from perfrun.api.quantities import NS_PER_S
from perfrun.coordinator.errors import Refused, TooMany, Unauthenticated, Unavailable
from perfrun.coordinator.intake import Bucket

KNOWN_FOR = 600 * NS_PER_S
"""Longest time between two checks: a token may expire, and a pod may end."""
REFUSED_FOR = 30 * NS_PER_S
REFUSED_KEPT = 1000
CHECKS, EACH = 20, 4
"""Checks allowed at once: a fixed number, and a number per worker."""
REFILL = NS_PER_S // 2
"""Time until one more check is allowed."""
MESSAGES, MESSAGES_A_SECOND = 30, 10
"""Messages that a worker may send at once, and per second. It sends one or two per second, and five
while it waits for the others to end."""


class TokenGate:
    """The tokens of one run's workers. Times are ns of the monotonic clock.

    A check is a request to the API server. A worker needs one every few minutes, and one more
    whenever the kubelet renews its token; a sender of ever new tokens uses up the share of that run
    only.
    """

    def __init__(self, workers: int) -> None:
        self._checks = Bucket(CHECKS + EACH * workers, REFILL)
        self._messages: dict[int, Bucket] = {}
        """By worker."""
        self._identities: dict[bytes, tuple[int, str]] = {}
        """By digest of index and token: until when the token is trusted, and the identity."""
        self._refused: OrderedDict[bytes, tuple[int, str]] = OrderedDict()
        """By the same digest: until when a token is rejected without a check, and why."""

    async def identity(
        self, index: int, token: str, now: int, check: Callable[[], Awaitable[str]]
    ) -> str:
        """The identity of the sender, from ``check`` if it is unknown. Raises CoordinatorError."""
        if not token:
            raise Unauthenticated("a token is required: Authorization: Bearer TOKEN")
        digest = sha256(f"{index}\n{token}".encode()).digest()
        until, identity = self._identities.get(digest, (0, ""))
        if now < until:
            return identity
        until, why = self._refused.get(digest, (0, ""))
        if now < until:
            raise Refused(why)
        if not self._checks.take(now):
            raise Unavailable("too many unknown tokens were sent for this run")
        try:
            found = await check()
        except Refused as error:
            self._remember(digest, now, str(error))
            raise
        self._admit(digest, now, found)
        return found

    def _admit(self, digest: bytes, now: int, identity: str) -> None:
        known = self._identities
        self._identities = {one: entry for one, entry in known.items() if now < entry[0]}
        # Workers arrive together, so their next checks are spread over a quarter of the time.
        self._identities[digest] = (now + KNOWN_FOR * (768 + digest[0]) // 1024, identity)

    def count(self, index: int, now: int) -> None:
        """Count one more message of an authenticated worker. Raises TooMany."""
        bucket = self._messages.setdefault(index, Bucket(MESSAGES, NS_PER_S // MESSAGES_A_SECOND))
        if not bucket.take(now):
            raise TooMany(
                f"worker {index} sends more than {MESSAGES_A_SECOND} messages a second: wait"
            )

    def _remember(self, digest: bytes, now: int, why: str) -> None:
        self._refused[digest] = (now + REFUSED_FOR, why)
        self._refused.move_to_end(digest)
        while len(self._refused) > REFUSED_KEPT:
            self._refused.popitem(last=False)
