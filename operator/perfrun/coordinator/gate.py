"""Whose tokens are let in: each is checked once, and nobody can have them checked without end."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256

from perfrun.api.quantities import NS_PER_S
from perfrun.coordinator.errors import Refused, Unauthenticated, Unavailable

REFUSED_FOR = 30 * NS_PER_S
REFUSED_KEPT = 1000
CHECKS, EACH = 20, 4
"""Checks that may be asked for at once: so many, and so many for each worker."""
REFILL = NS_PER_S // 2
"""How long it takes until one more may be."""


class Gate:
    """The tokens of one run's workers. Times are ns of the monotonic clock.

    A check is a request to the API server. A worker needs one, and one more whenever the kubelet
    renews its token; whoever sends ever new tokens uses up the run's own share, and no other's.
    """

    def __init__(self, workers: int) -> None:
        self._most = CHECKS + EACH * workers
        self._left = float(self._most)
        self._filled = 0
        self._identities: dict[bytes, str] = {}
        """By digest of index and token."""
        self._refused: OrderedDict[bytes, tuple[int, str]] = OrderedDict()
        """By such a digest: until when a token is turned away unasked, and why."""

    async def identity(
        self, index: int, token: str, now: int, check: Callable[[], Awaitable[str]]
    ) -> str:
        """Who the sender is, by ``check`` where that is not known. Raises CoordinatorError."""
        if not token:
            raise Unauthenticated("a token is needed: Authorization: Bearer TOKEN")
        digest = sha256(f"{index}\n{token}".encode()).digest()
        known = self._identities.get(digest)
        if known is not None:
            return known
        until, why = self._refused.get(digest, (0, ""))
        if now < until:
            raise Refused(why)
        self._take(now)
        try:
            found = await check()
        except Refused as error:
            self._remember(digest, now, str(error))
            raise
        self._identities[digest] = found
        return found

    def _take(self, now: int) -> None:
        self._left = min(self._left + (now - self._filled) / REFILL, self._most)
        self._filled = now
        if self._left < 1:
            raise Unavailable("too many tokens that are not known were sent for this run")
        self._left -= 1

    def _remember(self, digest: bytes, now: int, why: str) -> None:
        self._refused[digest] = (now + REFUSED_FOR, why)
        self._refused.move_to_end(digest)
        while len(self._refused) > REFUSED_KEPT:
            self._refused.popitem(last=False)
