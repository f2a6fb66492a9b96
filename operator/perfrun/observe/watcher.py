"""Observes all things in turn, and keeps the results. Never disturbs the load."""

import asyncio
import contextlib
from collections.abc import Mapping
from time import monotonic_ns

from perfrun.api.quantities import NS_PER_S
from perfrun.measure.observed import MAX_TROUBLE, Observation, ObservedMetric
from perfrun.observe.source import ObservedSource, ObservedValues, UnseenError
from perfrun.reach.foreign import foreign

PATIENCE = 5.0
"""Time limit of one observation, in seconds."""


class Watcher:
    """Observes ``sources`` (by name) every ``period`` ns; a failure is recorded, not raised."""

    def __init__(self, sources: Mapping[str, ObservedSource], period: int) -> None:
        self._sources, self._period = dict(sources), period
        self._seen: dict[tuple[str, ObservedMetric], Observation] = {
            (name, metric): Observation(name=name, metric=metric)
            for name, source in self._sources.items()
            for metric in source.metrics
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._start = 0

    def start(self, start: int) -> None:
        """Begin now; ``start`` is T0 (monotonic ns), to which points are relative."""
        self._start = start
        self._tasks = [
            asyncio.create_task(self._watch(name, source), name=f"observe {name}")
            for name, source in self._sources.items()
        ]

    async def finish(self, *, in_haste: bool = False) -> list[Observation]:
        """Observe once more, unless ``in_haste``, and return all observations."""
        await self._cancel()
        if not in_haste:
            await asyncio.gather(*(self._look(name, one) for name, one in self._sources.items()))
        await self.close()
        return list(self._seen.values())

    async def close(self) -> None:
        """Release everything."""
        await self._cancel()
        for source in self._sources.values():
            with contextlib.suppress(Exception):
                async with asyncio.timeout(PATIENCE):
                    await source.close()

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _watch(self, name: str, source: ObservedSource) -> None:
        due = monotonic_ns()
        while True:
            await self._look(name, source)
            now = monotonic_ns()
            # If an observation takes long, there are fewer, but never two at once.
            due += self._period * max(1, -(-(now - due) // self._period))
            await asyncio.sleep((due - now) / NS_PER_S)

    async def _look(self, name: str, source: ObservedSource) -> None:
        reading: ObservedValues
        try:
            async with asyncio.timeout(PATIENCE):
                reading = await source.look()
        except UnseenError as error:
            reading = dict.fromkeys(source.metrics, str(error))
        except TimeoutError:
            told = f"there was no answer within {PATIENCE:g}s"
            reading = dict.fromkeys(source.metrics, told)
        except Exception as error:  # whatever a driver raises, the load continues
            told = f"{type(error).__name__}: {error}"
            reading = dict.fromkeys(source.metrics, told)
        at = monotonic_ns() - self._start
        for metric, value in reading.items():
            one = self._seen[name, metric]
            if isinstance(value, str):
                one.trouble = foreign(" ".join(value.split()), MAX_TROUBLE)
            else:
                one.put(at, value)
