"""Changes in a cluster as they happen: a list, a watch, and the same again after an
interruption.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from perfrun.api import Json
from perfrun.cli.cluster.shell import Cluster
from perfrun.kube.client import Kube
from perfrun.kube.errors import AwayError, GoneError
from perfrun.kube.resources import Resource

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """All objects of a kind; what was known before and is not included is gone."""

    resource: Resource
    items: list[Json]


@dataclass(frozen=True, slots=True)
class Changed:
    """One object, as it is now."""

    resource: Resource
    body: Json


@dataclass(frozen=True, slots=True)
class Deleted:
    """One object, as it was."""

    resource: Resource
    body: Json


@dataclass(frozen=True, slots=True)
class Away:
    """The API server does not answer; another try follows."""

    error: AwayError


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not get better: nothing follows."""

    error: Exception


Change = Listed | Changed | Deleted | Away | Failed


async def changes(
    kube: Kube,
    resource: Resource,
    namespace: str,
    fields: str = "",
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[Change]:
    """All changes from now on, despite expired versions and an API server that does not answer for
    a while.

    ``pause`` waits for a number of seconds. Raises KubeError for errors that do not pass by
    themselves.
    """
    wait = FIRST_PAUSE_S
    version = ""
    while True:
        try:
            if not version:
                items, version = await kube.list_to_watch(resource, namespace, fields=fields)
                yield Listed(resource, items)
            async for event in kube.watch(resource, namespace, version, fields=fields):
                body = event.get("object") or {}
                version = str((body.get("metadata") or {}).get("resourceVersion") or version)
                wait = FIRST_PAUSE_S
                if event.get("type") in ("ADDED", "MODIFIED"):
                    yield Changed(resource, body)
                elif event.get("type") == "DELETED":
                    yield Deleted(resource, body)
            # the server ends a watch now and then; a bad proxy does so at once
            await pause(FIRST_PAUSE_S)
        except (AwayError, GoneError) as error:
            # In both cases: a list shows what was missed, and that the server is back.
            version = ""
            if isinstance(error, AwayError):
                yield Away(error)
            await pause(wait)
            wait = min(2 * wait, LONGEST_PAUSE_S)


class ChangeFeed:
    """The changes of several kinds, in one place, while the command waits for them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changes: asyncio.Queue[Change] = asyncio.Queue()

    def watch(self, resource: Resource, *, fields: str = "") -> None:
        """Begin to watch a kind."""
        self._cluster.begin(self._fill(resource, fields))

    def next(self, seconds: float) -> list[Change]:
        """The next change and those that arrived with it; empty after this many seconds."""
        return self._cluster.wait(self._next(seconds))

    async def _next(self, seconds: float) -> list[Change]:
        try:
            async with asyncio.timeout(seconds):
                found = [await self._changes.get()]
        except TimeoutError:
            return []
        while len(found) < _AT_ONCE and not self._changes.empty():
            found.append(self._changes.get_nowait())
        return found

    async def _fill(self, resource: Resource, fields: str) -> None:
        cluster = self._cluster
        try:
            async for change in changes(cluster.kube, resource, cluster.namespace, fields):
                self._changes.put_nowait(change)
        except Exception as error:  # raised again where it can be reported
            self._changes.put_nowait(Failed(error))
