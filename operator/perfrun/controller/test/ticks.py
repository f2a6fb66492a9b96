"""Creates scheduled runs at the moment when they are due.

A thousand tests may be due in the same minute. Their runs are created first, from what was known of
each test when it was last read; everything else about them comes after that. This only makes it
faster: a test that has changed since, or is not here, is handled by its reconciler as usual, and
the name of a run is its lock.
"""

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from perfrun.api import Json
from perfrun.api.metadata import Metadata
from perfrun.api.times import format_time
from perfrun.controller.objects.manifests import run_manifest
from perfrun.controller.objects.store import Key, Store
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import PERF_RUNS, PERF_TESTS
from perfrun.logic.plan.names import scheduled_run_name

logger = logging.getLogger(__name__)

AT_ONCE = 32
MAX_LATE = timedelta(seconds=50)
"""Time before the next minute in which nothing else begins: creating ten thousand at once takes
about twenty seconds.
"""
MAX_SLEEP_S = 30.0
"""The clock may be set during a sleep."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scheduled test as it was last read."""

    metadata: Metadata
    """Its resourceVersion is that of the last write."""
    tick: datetime
    """The scheduled time; it determines the name of the run."""
    due: datetime
    """When it should start: later by the jitter."""
    deadline: int | None = None
    """Seconds after which it may no longer start (startingDeadlineSeconds)."""

    def too_late(self, now: datetime) -> bool:
        """Whether its reconciler has to decide what happens."""
        most = MAX_LATE.total_seconds()
        allowed = most if self.deadline is None else min(most, max(self.deadline, 1))
        return (now - self.due).total_seconds() > allowed


class Ticker:
    """Creates scheduled runs ahead of their reconciler."""

    def __init__(self, kube: Kube, store: Store, look_at: Callable[[Key], None]) -> None:
        """``look_at`` queues a test for its reconciler."""
        self._kube = kube
        self._store = store
        self._look_at = look_at
        self._prepared: dict[Key, Prepared] = {}
        self._heap: list[tuple[datetime, Key]] = []
        self._created: dict[Key, Json] = {}
        """The run that a test's reconciler does not know about yet."""
        self._changed = asyncio.Event()
        self.calm = asyncio.Event()
        """Set unless runs are being created: everything else can wait that long."""
        self.calm.set()

    def prepare(self, prepared: Prepared) -> None:
        """Create the run of that test when it is due."""
        key = Key(prepared.metadata.namespace, prepared.metadata.name)
        known = self._prepared.get(key)
        self._prepared[key] = prepared
        if known is None or known.due != prepared.due:
            heapq.heappush(self._heap, (prepared.due, key))
            self._changed.set()

    def forget(self, key: Key) -> None:
        """The test no longer has a schedule, or is gone."""
        self._prepared.pop(key, None)
        self._created.pop(key, None)

    def take(self, test: Key, run: str) -> Json | None:
        """The run with that name if it was created here: only once, for what follows from it."""
        created = self._created.get(test)
        if created is None or created["metadata"]["name"] != run:
            return None
        return self._created.pop(test)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            due = self._pop(datetime.now(UTC))
            if due:
                await self._create_all(due)
            else:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._pause(datetime.now(UTC)))

    def _pause(self, now: datetime) -> float:
        if not self._heap:
            return MAX_SLEEP_S
        return min(max((self._heap[0][0] - now).total_seconds(), 0.001), MAX_SLEEP_S)

    def _pop(self, now: datetime) -> list[Prepared]:
        found = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            prepared = self._prepared.get(key)
            if prepared is not None and prepared.due == at:
                del self._prepared[key]
                found.append(prepared)
        return found

    async def _create_all(self, due: list[Prepared]) -> None:
        self.calm.clear()
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(prepared: Prepared) -> None:
            async with limit:
                await self._create(prepared)

        try:
            await asyncio.gather(*(one(prepared) for prepared in due))
        finally:
            self.calm.set()
        for prepared in due:
            self._look_at(Key(prepared.metadata.namespace, prepared.metadata.name))

    async def _create(self, prepared: Prepared) -> None:
        test = prepared.metadata
        if self._store.seen.get((PERF_TESTS.kind, test.uid)) != test.resource_version:
            return  # it has changed since, and its reconciler knows better
        key = Key(test.namespace, test.name)
        if any(not run.done for run in self._store.runs_of(key)):
            return  # a second one needs the reconciler's decision
        if prepared.too_late(datetime.now(UTC)):
            return
        name = scheduled_run_name(test.name, prepared.tick)
        body = run_manifest(test, name, "Scheduled", format_time(prepared.tick))
        try:
            created = await self._kube.create(PERF_RUNS, test.namespace, body)
        except KubeError as error:
            logger.debug("run %s/%s ahead of its test: %s", test.namespace, name, error)
        else:
            self._created[key] = created
