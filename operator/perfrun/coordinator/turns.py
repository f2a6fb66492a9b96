"""Who comes next where only so many may at once: namespaces take turns."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class NamespaceTurns:
    """Places that are given to the namespace that holds the fewest; of equals, to the one that has
    waited longest for one. Within a namespace, the first that came goes first."""

    def __init__(self, at_once: int, each: int) -> None:
        """``at_once``: places in all. ``each``: how many of them one namespace may hold."""
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
                self._waiting[namespace] = queue  # behind the others
            if not mine.cancelled():  # else whoever waited has given up
                mine.set_result(None)
                self._held[namespace] += 1
