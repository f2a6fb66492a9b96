"""A level-based work queue: keys in, one reconcile at a time for each, delays and back-off.

What is queued is a name, never an event: the reconciler looks at the world as it is when its turn
comes, so that a lost, doubled or late event changes nothing.
"""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from perfrun.controller.kube import ConflictError, KubeError, NotFoundError, TerminatingError

K = TypeVar("K", bound=Hashable)
logger = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 60.0


class WorkQueue(Generic[K]):
    """Keys that wait for their reconcile. A key is in here once, at its earliest time."""

    def __init__(
        self,
        reconcile: Callable[[K], Awaitable[float | None]],
        name: str,
        calm: asyncio.Event | None = None,
    ) -> None:
        """``reconcile`` gives the seconds after which the key is to be looked at again, or None.

        While ``calm`` is not set, something more urgent is done, and nothing is begun here.
        """
        self._calm = calm
        self._reconcile = reconcile
        self._name = name
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0
        self._busy: set[K] = set()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: K, after: float = 0.0) -> None:
        """Have ``key`` reconciled in ``after`` seconds at the latest. Call it from the loop."""
        due = asyncio.get_running_loop().time() + after
        known = self._due.get(key)
        if known is not None and known <= due:
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def run(self, workers: int) -> None:
        """Serve the queue until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            key = await self._next()
            if self._calm is not None:
                await self._calm.wait()
            try:
                again = await self._reconcile(key)
                self._failures.pop(key, None)
            except Exception as error:
                again = self._after_failure(key, error)
            finally:
                self._busy.discard(key)
            if again is not None:
                self.add(key, again)
            await self._wake()

    async def _next(self) -> K:
        async with self._changed:
            while True:
                now = asyncio.get_running_loop().time()
                keys, wait = self._pop(now)
                if keys:
                    return keys[0]
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    pass

    def _pop(self, now: float) -> tuple[list[K], float | None]:
        """The one key whose time has come, if any; else the seconds until there may be one."""
        held: list[tuple[float, int, K]] = []
        found: list[K] = []
        wait: float | None = None
        while self._heap and not found:
            due, _, key = self._heap[0]
            if self._due.get(key) != due:
                heapq.heappop(self._heap)  # superseded by an earlier time
            elif due > now:
                wait = due - now
                break
            elif key in self._busy:
                held.append(heapq.heappop(self._heap))
            else:
                heapq.heappop(self._heap)
                del self._due[key]
                self._busy.add(key)
                found.append(key)
        for entry in held:
            heapq.heappush(self._heap, entry)
        return found, wait

    def _after_failure(self, key: K, error: Exception) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay: float = min(BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 20), BACKOFF_MOST_S)
        if isinstance(error, ConflictError | NotFoundError | TerminatingError):
            logger.debug("%s %s: changed meanwhile, again in %.1fs", self._name, key, delay)
        elif isinstance(error, KubeError):
            logger.warning("%s %s: %s; again in %.1fs", self._name, key, error, delay)
        else:
            logger.exception("%s %s: unexpected; again in %.1fs", self._name, key, delay)
        return delay
