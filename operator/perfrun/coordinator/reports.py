"""The final reports of one run's workers: each worker has one, whoever sends it and how often."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256

from perfrun.coordinator.errors import Conflict


class Reports:
    """Which report of each worker is stored, by its SHA-256 in hex."""

    def __init__(self, stored: Mapping[int, str]) -> None:
        self._stored = dict(stored)
        self._storing: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def keep(self, index: int, packed: bytes, store: Callable[[], Awaitable[None]]) -> None:
        """Have a worker's first report stored; the same one may come again.

        Raises Conflict for another one, whether the first is stored or is just being stored.
        """
        digest = await asyncio.to_thread(_digest, packed)
        async with self._storing[index]:
            stored = self._stored.get(index)
            if stored is None:
                await store()
                self._stored[index] = digest
            elif stored != digest:
                raise Conflict(f"worker {index} has reported already, and something else than this")


def _digest(packed: bytes) -> str:
    return sha256(packed).hexdigest()
