"""What workers may send at once: tokens are no promise that who holds them behaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from perfrun.coordinator.errors import TooMany, Unavailable
from perfrun.coordinator.turns import NamespaceTurns


class Bucket:
    """The right to ``most`` things at once, and to one more every ``refill`` ns."""

    def __init__(self, most: int, refill: int) -> None:
        self._most = most
        self._refill = refill
        self._left = float(most)
        self._filled = 0

    def take(self, now: int) -> bool:
        """Whether one more may be, ``now`` in ns; it is counted if so."""
        self._left = min(self._left + (now - self._filled) / self._refill, self._most)
        self._filled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Intake:
    """Reports are large: few are in memory at once, one of each worker, and some of a namespace.
    Whose workers send slowly keeps no others waiting: the next place that is free is theirs."""

    def __init__(self, at_once: int, each: int, patience: float) -> None:
        """``each``: of one namespace. ``patience``: seconds that a report waits for its turn."""
        self._turns = NamespaceTurns(at_once, each)
        self._patience = patience
        self._senders: set[tuple[str, int]] = set()

    @asynccontextmanager
    async def turn(self, namespace: str, uid: str, index: int) -> AsyncIterator[None]:
        """From before a report is read until it is dealt with. Raises TooMany, Unavailable."""
        sender = (uid, index)
        if sender in self._senders:
            raise TooMany(f"a report of worker {index} is being taken: wait for its answer")
        self._senders.add(sender)
        try:
            async with AsyncExitStack() as held:
                await self._wait(held, namespace)
                yield
        finally:
            self._senders.discard(sender)

    async def _wait(self, held: AsyncExitStack, namespace: str) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await held.enter_async_context(self._turns.turn(namespace))
        except TimeoutError as error:
            raise Unavailable("many reports come at once: send it again") from error
