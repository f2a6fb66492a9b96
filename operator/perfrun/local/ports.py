"""What the coordinator of a run on this machine needs of its host."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from perfrun.api.run.perfrun import HoldStatus
from perfrun.coordinator.errors import Refused


class MemoryStore:
    """Durable enough: whoever waits for the reports lives and dies with this process."""

    def __init__(self) -> None:
        self.reports: dict[int, bytes] = {}

    async def persist_start(
        self,
        uid: str,  # noqa: ARG002
        time: datetime,
        workers: int,  # noqa: ARG002
    ) -> datetime:
        return time

    async def persist_holds(self, uid: str, holds: Sequence[HoldStatus]) -> None:
        """The search keeps them itself."""

    async def store_report(self, uid: str, index: int, packed: bytes) -> None:  # noqa: ARG002
        self.reports[index] = packed


class Tokens:
    """A random token for each worker keeps other processes of this machine out."""

    def __init__(self, workers: int) -> None:
        self.by_index = [secrets.token_urlsafe(24) for _ in range(workers)]

    async def identify(self, uid: str, index: int, token: str) -> str:  # noqa: ARG002
        if index < len(self.by_index) and secrets.compare_digest(token, self.by_index[index]):
            return f"worker-{index}"
        raise Refused(f"the token is not the one of worker {index}")
