"""What the host of a coordinator provides: a durable store, and identities; and the clocks."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from perfrun.api.run.perfrun import HoldStatus


class DurableStore(Protocol):
    """Stores what must outlive this process. Any exception means: not stored, try again."""

    async def persist_start(self, uid: str, time: datetime, workers: int) -> datetime:
        """Store T0 of a run and return the valid T0: an earlier one takes precedence.

        ``time`` is aware (UTC), ``workers`` the number of workers at the barrier. No worker learns
        of it before this has returned.
        """

    async def persist_holds(self, uid: str, holds: Sequence[HoldStatus]) -> None:
        """Store all holds of a capacity search; no worker gets the last one before this returns."""

    async def store_report(self, uid: str, index: int, packed: bytes) -> None:
        """Store a worker's report (:meth:`WorkerReport.pack`); durable when it returns.

        Idempotent: the same report may come again if its acknowledgement was lost. Raises
        :class:`~perfrun.coordinator.errors.Conflict` if there is a different one of that worker.
        """


class Identity(Protocol):
    """The senders of messages."""

    async def identify(self, uid: str, index: int, token: str) -> str:
        """The identity of a worker (a pod's uid) that may send as ``index`` of run ``uid``.

        Raises :class:`~perfrun.coordinator.errors.Refused` with a sentence if it may not; any other
        exception means that this could not be checked now. Called again from time to time.
        """


class Clock:
    """Two clocks of this machine: one to measure with, one to record times of day."""

    def monotonic(self) -> int:
        """ns since some fixed moment; never goes back."""
        return time.monotonic_ns()

    def wall(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)
