"""What workers may send, and in what order: holders of a token may still behave badly."""

import asyncio
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256

from perfrun.coordinator.errors import Conflict, TooMany, Unavailable


class NamespaceTurns:
    """A free place goes to the namespace that holds the fewest; among equals, to the one that has
    waited longest. Within a namespace, first come, first served.
    """

    def __init__(self, at_once: int, each: int) -> None:
        """``at_once``: number of places. ``each``: how many of them one namespace may hold."""
        self._at_once = at_once
        self._each = each
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a place for this namespace, and hold it."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(mine)
        self._call()
        try:
            await mine
            yield
        finally:
            if not mine.cancelled():
                self._held -= Counter([namespace])
            self._call()

    def _call(self) -> None:
        while self._held.total() < self._at_once:
            free = [one for one in self._waiting if self._held[one] < self._each]
            if not free:
                return
            namespace = min(free, key=self._held.__getitem__)
            queue = self._waiting.pop(namespace)
            mine = queue.popleft()
            if queue:
                self._waiting[namespace] = queue  # at the end of the queue
            if not mine.cancelled():  # otherwise the waiting request has given up
                mine.set_result(None)
                self._held[namespace] += 1


class Bucket:
    """A token bucket: allows ``most`` things at once, and one more every ``refill`` ns."""

    def __init__(self, most: int, refill: int) -> None:
        self._most = most
        self._refill = refill
        self._left = float(most)
        self._filled = 0

    def take(self, now: int) -> bool:
        """Whether one more is allowed at ``now`` (ns); if so, it is counted."""
        self._left = min(self._left + (now - self._filled) / self._refill, self._most)
        self._filled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Intake:
    """Reports are large, so only a few are in memory at once: one per worker, and a limited number
    per namespace.

    Slow senders do not block other namespaces, which get the next free place.
    """

    def __init__(self, at_once: int, each: int, patience: float) -> None:
        """``each``: limit per namespace. ``patience``: seconds that a report waits for its turn."""
        self._turns = NamespaceTurns(at_once, each)
        self._patience = patience
        self._senders: set[tuple[str, int]] = set()

    @asynccontextmanager
    async def turn(self, namespace: str, uid: str, index: int) -> AsyncIterator[None]:
        """Held from before a report is read until it is processed. Raises TooMany, Unavailable."""
        sender = (uid, index)
        if sender in self._senders:
            raise TooMany(f"a report of worker {index} is being processed: wait for the response")
        self._senders.add(sender)
        try:
            async with AsyncExitStack() as held:
                await self._wait(held, namespace)
                yield
        finally:
            self._senders.discard(sender)

    async def _wait(self, held: AsyncExitStack, namespace: str) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await held.enter_async_context(self._turns.turn(namespace))
        except TimeoutError as error:
            raise Unavailable("too many reports arrive at once: try again") from error


class Reports:
    """Which report of each worker is stored, by its SHA-256 in hex."""

    def __init__(self, stored: Mapping[int, str]) -> None:
        self._stored = dict(stored)
        self._storing: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def keep(self, index: int, packed: bytes, store: Callable[[], Awaitable[None]]) -> None:
        """Store a worker's first report; the same one may come again.

        Raises Conflict for a different one, whether the first is stored or still being stored.
        """
        digest = await asyncio.to_thread(_digest, packed)
        async with self._storing[index]:
            stored = self._stored.get(index)
            if stored is None:
                await store()
                self._stored[index] = digest
            elif stored != digest:
                raise Conflict(f"worker {index} has already sent a different report")


def _digest(packed: bytes) -> str:
    return sha256(packed).hexdigest()
