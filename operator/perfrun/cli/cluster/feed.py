"""What changes in a cluster, as it changes: a list, a watch, and the same again after a break."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from perfrun.cli.cluster.errors import AwayError, GoneError
from perfrun.cli.cluster.resources import Json, Resource

FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 15.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """All there is of a kind; what was known before and is not here is gone."""

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

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not get better: nothing follows."""

    error: Exception


Change = Listed | Changed | Deleted | Away | Failed


class Source(Protocol):
    """The part of a Cluster that is needed here."""

    def list(self, resource: Resource, *, fields: str = "") -> tuple[list[Json], str]:
        """All objects, and the version to watch from."""
        ...

    def watch(self, resource: Resource, version: str, *, fields: str = "") -> Iterator[Json]:
        """Events after that version."""
        ...


def changes(
    source: Source, resource: Resource, fields: str, pause: Callable[[float], object]
) -> Iterator[Change]:
    """All changes from now on, through expired versions and an API server that is away.

    ``pause`` waits for so many seconds. Raises ClusterError for what does not pass by itself.
    """
    wait = FIRST_PAUSE_S
    version = ""
    while True:
        try:
            if not version:
                items, version = source.list(resource, fields=fields)
                yield Listed(resource, items)
            for event in source.watch(resource, version, fields=fields):
                body = event.get("object") or {}
                version = str((body.get("metadata") or {}).get("resourceVersion") or version)
                wait = FIRST_PAUSE_S
                if event.get("type") in ("ADDED", "MODIFIED"):
                    yield Changed(resource, body)
                elif event.get("type") == "DELETED":
                    yield Deleted(resource, body)
            pause(FIRST_PAUSE_S)  # the server ends a watch now and then; a bad proxy at once
        except (AwayError, GoneError) as error:
            # After both: a list tells what was missed, and that the server is back.
            version = ""
            if isinstance(error, AwayError):
                yield Away(str(error))
            pause(wait)
            wait = min(2 * wait, MAX_PAUSE_S)


class Feed:
    """The changes of several kinds, in one place; a context manager."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()

    def watch(self, resource: Resource, *, fields: str = "") -> None:
        """Begin to watch a kind."""
        # A daemon: one that waits for the server must not hold up the end of the command.
        threading.Thread(target=self._fill, args=(resource, fields), daemon=True).start()

    def next(self, seconds: float) -> Change | None:
        """The next change; None where nothing changes for so long."""
        try:
            return self._changes.get(timeout=seconds) if seconds else self._changes.get_nowait()
        except queue.Empty:
            return None

    def all(self, seconds: float) -> list[Change]:
        """The next change and those that have come with it; empty as ``None`` is."""
        found: list[Change] = []
        while len(found) < _AT_ONCE and (change := self.next(0.0 if found else seconds)):
            found.append(change)
        return found

    def _fill(self, resource: Resource, fields: str) -> None:
        try:
            for change in changes(self._source, resource, fields, self._ended.wait):
                if self._ended.is_set():
                    return
                self._changes.put(change)
        except Exception as error:  # raised again where it can be told
            self._changes.put(Failed(error))
