"""Whether the operator still sees and acts: the source of ``/healthz`` and ``/readyz``.

A watch can die while its connection stays open. So the objects are listed now and then, without
their contents, and compared with what the watches delivered. A watch that is behind and has
delivered nothing for a minute is dead, and the kubelet restarts the operator; one that is behind
and still delivers is busy. The list also queues every object, so that nothing stays missed, and
forgets objects whose deletion was missed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from perfrun.controller.objects.store import Key, Store
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import Resource

logger = logging.getLogger(__name__)

FIRST_LOOK_S = 0.3
RESYNC_S = 60.0
RETRY_S = 2.0
FIRST_SETTLE_S = 1.0
SETTLE_S = 10.0
DEAD_AFTER_S = 60.0
"""Behind and silent for this long. A restart costs seconds, and a live watch delivers something
sooner.
"""
LOST_AFTER_S = 600.0
"""Behind on the same version of one object for this long, although others arrive: that event is
lost. The longest observed backlog of events, for thousands of objects, took a few minutes.
"""


class Watch(StrEnum):
    """The state of a watch, compared with a list."""

    CURRENT = "Current"
    LAGGING = "Lagging"
    """A listed object has not arrived yet, but others do."""
    SILENT = "Silent"
    """A listed object has not arrived, and neither has anything else."""


_FOUND = {
    Watch.CURRENT: "it is up to date again (%d objects behind)",
    Watch.LAGGING: "it is behind on %d objects, but delivers others: it is busy",
    Watch.SILENT: "it is behind on %d objects, and delivers nothing",
}


class Health:
    """The state for the probes. Other threads read it."""

    def __init__(self, now: Callable[[], float], watched: Iterable[Resource]) -> None:
        """``now`` gives monotonic seconds."""
        self._now = now
        self._watched = {resource.kind for resource in watched}
        self._silent_since: dict[str, float] = {}
        self._dead: frozenset[str] = frozenset()
        self._compared_at = dict.fromkeys(self._watched, now())
        self._synced: set[str] = set()
        self._was_ready = False
        self.caught_up = asyncio.Event()
        """Set once all watches have delivered the existing objects."""

    def look_again(self) -> None:
        """What the watches have delivered so far does not suffice, because another operator was the
        leader until now.
        """
        self._synced.clear()
        self.caught_up.clear()

    def compared(self, kind: str, watch: Watch) -> None:
        """A list of ``kind`` was compared with what its watch had delivered."""
        now = self._now()
        if watch is Watch.SILENT:
            # Only what a comparison has seen counts: neither a stall nor an unavailable API server
            # makes a watch look dead.
            since = self._silent_since.setdefault(kind, now)
            if now - since > DEAD_AFTER_S:
                self._dead = self._dead | {kind}
            return
        self._silent_since.pop(kind, None)
        self._dead = self._dead - {kind}
        if watch is Watch.CURRENT:
            self._compared_at[kind] = now
            self._synced.add(kind)
            if self._synced >= self._watched:
                self.caught_up.set()
                self._was_ready = True

    @property
    def dead_watches(self) -> list[str]:
        """The kinds whose watch has been behind and silent for too long."""
        return sorted(self._dead)

    def watch_ages(self) -> dict[str, float]:
        """By kind: seconds since its watch was known to be up to date, or since the start."""
        now = self._now()
        return {kind: now - at for kind, at in self._compared_at.items()}

    @property
    def ready(self) -> bool:
        """Whether all watches have caught up once."""
        return self._was_ready


class Resync:
    """Lists all objects now and then, queues them, and compares them with the watches."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        health: Health,
        settings: Settings,
        look_at: Mapping[Resource, Callable[[Key], None]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``look_at``: by resource, what to do about an object that may have changed."""
        self._kube = kube
        self._store = store
        self._health = health
        self._namespaces: list[str | None] = [*settings.watch_namespaces] or [None]
        self._look_at = look_at
        self._now = now
        self._standing: dict[str, dict[tuple[str, str], float]] = {}
        """By kind: since when the watch has been behind on an object, by the version that it
        delivered last.
        """
        self._found: dict[str, Watch] = {}
        """By kind: the result of the last comparison."""
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        pause = FIRST_LOOK_S
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), pause)
            self._hurry.clear()
            try:
                for resource in self._look_at:
                    await self._compare(resource)
            except KubeError as error:
                logger.warning("resync: %s", error)
            calm = self._health.caught_up.is_set() and not self._health.dead_watches
            pause = RESYNC_S if calm else RETRY_S

    def look_again(self) -> None:
        """List now, and ignore all earlier comparisons."""
        self._health.look_again()
        self._hurry.set()

    async def _compare(self, resource: Resource) -> None:
        known = self._store.uids(resource.kind)
        before = {one: self._store.news(resource.kind, one) for one in self._namespaces}
        listed = await self._list(resource)
        for key, uid, version in listed:
            if not self._store.rests(resource.kind, key, uid, version):
                self._look_at[resource](key)
        self._forget_deleted(resource, known, {uid for _, uid, _ in listed})
        suspects = self._unseen(resource, listed)
        if suspects:
            await asyncio.sleep(SETTLE_S if self._health.caught_up.is_set() else FIRST_SETTLE_S)
            # If the watch has delivered a newer version since, it is not behind on the object.
            there = {uid for _, uid, _ in await self._list(resource)}
            suspects = {
                uid: (namespace, seen)
                for uid, (namespace, seen) in suspects.items()
                if uid in there and self._store.seen.get((resource.kind, uid), "") == seen
            }
        watch = self._judge(resource.kind, suspects, before)
        # At the start every watch is behind for a moment.
        if self._health.ready and watch is not self._found.get(resource.kind, Watch.CURRENT):
            logger.warning("watch of %s: %s", resource.kind, _FOUND[watch] % len(suspects))
        self._found[resource.kind] = watch
        self._health.compared(resource.kind, watch)

    def _judge(
        self, kind: str, suspects: Mapping[str, tuple[str, str]], before: Mapping[str | None, int]
    ) -> Watch:
        """``before``: how much each watch of the kind had delivered when the list began."""
        now, known = self._now(), self._standing.get(kind, {})
        standing = {(uid, seen): now for uid, (_, seen) in suspects.items()}
        self._standing[kind] = {one: known.get(one, now) for one in standing}
        if not suspects:
            return Watch.CURRENT
        if now - min(self._standing[kind].values()) > LOST_AFTER_S:
            return Watch.SILENT
        for watched in self._namespaces:
            concerned = watched is None or any(one == watched for one, _ in suspects.values())
            if concerned and self._store.news(kind, watched) == before[watched]:
                return Watch.SILENT
        return Watch.LAGGING

    def _forget_deleted(self, resource: Resource, known: dict[Key, str], there: set[str]) -> None:
        """Of the objects known before the list, forget those that are not in it.

        A watch that was interrupted does not report deletions in between; a run that is remembered
        but gone would hold its target forever.
        """
        for key, uid in known.items():
            if uid not in there:
                self._store.forget(resource.kind, key, uid)
                self._look_at[resource](key)

    async def _list(self, resource: Resource) -> list[tuple[Key, str, str]]:
        found = []
        for namespace in self._namespaces:
            async for page in self._kube.pages(resource, namespace, only_metadata=True):
                for meta in (item["metadata"] for item in page):
                    key = Key(meta.get("namespace", ""), meta["name"])
                    found.append((key, meta["uid"], meta["resourceVersion"]))
        return found

    def _unseen(
        self, resource: Resource, listed: list[tuple[Key, str, str]]
    ) -> dict[str, tuple[str, str]]:
        """By uid: namespace and last delivered version of the objects on which the
        watch is behind.
        """
        unseen = {}
        for key, uid, version in listed:
            seen = self._store.seen.get((resource.kind, uid), "")
            if seen != version:
                unseen[uid] = (key.namespace, seen)
        return unseen
