"""A level-based work queue: keys in, one reconcile at a time for each, delays and back-off.

Names are queued, never events: the reconciler looks at the current state when its turn comes, so
that a lost, duplicated or late event changes nothing. Keys belong to groups, which are namespaces:
due keys are served in turns, one of each group, and no group gets all workers. So neither thousands
of keys in one namespace nor slow ones delay those of another.
"""

import asyncio
import contextlib
import heapq
import logging
import math
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from perfrun.kube.errors import ConflictError, KubeError, NotFoundError, TerminatingError

K = TypeVar("K", bound=Hashable)
logger = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 60.0


class WorkQueue(Generic[K]):
    """Keys that wait to be reconciled. Each key is queued once, at its earliest time."""

    def __init__(
        self,
        reconcile: Callable[[K], Awaitable[float | None]],
        name: str,
        calm: asyncio.Event | None = None,
        group: Callable[[K], str] = lambda _: "",
        most_of_group: int | None = None,
    ) -> None:
        """``reconcile`` returns the seconds after which the key should be reconciled again, or
        None. While ``calm`` is not set, something more urgent is in progress, and nothing is begun
        here. ``group``: what a key takes turns by. ``most_of_group``: how many keys of one group
        are reconciled at once; None: as many as there are workers.
        """
        self._calm = calm
        self._reconcile = reconcile
        self._name = name
        self._group = group
        self._most_of_group = math.inf if most_of_group is None else most_of_group
        self._due: dict[K, float] = {}
        """When each key is due; also while it is being reconciled."""
        self._heap: list[tuple[float, int, K]] = []
        """Keys that are due later, by time; the number keeps those of one time in order."""
        self._ready: dict[str, deque[K]] = {}
        """By group: those whose time has come. The next turn is the first group's."""
        self._count = 0
        self._busy: set[K] = set()
        self._busy_of: Counter[str] = Counter()
        """By group: how many are being reconciled."""
        self._failures: dict[K, int] = {}
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: K, after: float = 0.0) -> None:
        """Reconcile ``key`` in ``after`` seconds at the latest. Call it from the loop."""
        now = asyncio.get_running_loop().time()
        due = now + after
        known = self._due.get(key)
        if known is not None and known <= max(due, now):
            return
        self._due[key] = due
        if after <= 0:
            self._is_due(key)
        else:
            self._count += 1
            heapq.heappush(self._heap, (due, self._count, key))
        self._news.set()

    def _is_due(self, key: K) -> None:
        if key not in self._busy:  # otherwise it follows as soon as it is done
            self._ready.setdefault(self._group(key), deque()).append(key)
            self._due[key] = -math.inf  # it is queued once, whatever the heap contains

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
                self._release(self._group(key))
            self._done(key, again)

    def _release(self, group: str) -> None:
        self._busy_of[group] -= 1
        if not self._busy_of[group]:
            del self._busy_of[group]

    def _done(self, key: K, again: float | None) -> None:
        if self._due.get(key, math.inf) <= asyncio.get_running_loop().time():
            self._is_due(key)  # there was news while it was being reconciled
        elif again is not None:
            self.add(key, again)
        if self._ready:
            self._news.set()  # also for its group, which may have one more now

    async def _next(self) -> K:
        loop = asyncio.get_running_loop()
        while True:
            wait = self._fill(loop.time())
            if (key := self._pop()) is not None:
                return key
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()

    def _fill(self, now: float) -> float | None:
        """Move the keys that are due to the ready ones. Returns the seconds until the next one is
        due.
        """
        while self._heap:
            due, _, key = self._heap[0]
            if due > now:
                return due - now
            heapq.heappop(self._heap)
            if self._due.get(key) == due:  # otherwise an earlier time replaced it
                self._is_due(key)
        return None

    def _pop(self) -> K | None:
        """One key of the group whose turn it is, if any key is ready and may be reconciled."""
        free = (one for one in self._ready if self._busy_of[one] < self._most_of_group)
        group = next(free, None)
        if group is None:
            return None
        keys = self._ready.pop(group)
        key = keys.popleft()
        if keys:
            self._ready[group] = keys  # to the end: the others come first
        del self._due[key]
        self._busy.add(key)
        self._busy_of[group] += 1
        return key

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
