"""What is looked at again and again while a load goes on."""

from typing import Protocol

from perfrun.measure.observed import ObservedMetric

ObservedValues = dict[ObservedMetric, float | str]
"""By metric its value, or in a sentence why there is none."""


class UnseenError(Exception):
    """Nothing could be seen this time; the text is for the user."""


class ObservedSource(Protocol):
    """One observed thing."""

    metrics: tuple[ObservedMetric, ...]
    """What a look gives."""

    async def look(self) -> ObservedValues:
        """What is there now. Raises UnseenError."""

    async def close(self) -> None:
        """Let go of everything."""


class Unseen(ObservedSource):
    """A thing that cannot be looked at at all."""

    def __init__(self, metrics: tuple[ObservedMetric, ...], why: str) -> None:
        self.metrics = metrics
        self._why = why

    async def look(self) -> ObservedValues:
        """Nothing, always."""
        raise UnseenError(self._why)

    async def close(self) -> None:
        """There is nothing to let go of."""
