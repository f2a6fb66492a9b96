"""The interface of what is observed repeatedly during a load."""

from typing import Protocol

from perfrun.measure.observed import ObservedMetric

ObservedValues = dict[ObservedMetric, float | str]
"""The value of each metric, or a sentence that says why there is none."""


class UnseenError(Exception):
    """Nothing could be observed this time; the text is for the user."""


class ObservedSource(Protocol):
    """One observed thing."""

    metrics: tuple[ObservedMetric, ...]
    """The metrics of an observation."""

    async def look(self) -> ObservedValues:
        """The current values. Raises UnseenError."""

    async def close(self) -> None:
        """Release everything."""
        return  # most hold nothing


class Unseen(ObservedSource):
    """A thing that cannot be observed at all."""

    def __init__(self, metrics: tuple[ObservedMetric, ...], why: str) -> None:
        self.metrics = metrics
        self._why = why

    async def look(self) -> ObservedValues:
        """Always empty."""
        raise UnseenError(self._why)
