"""Scenarios ready to be walked, as far as the engine looks at them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class AnyStep(Protocol):
    """A step of whatever kind."""

    @property
    def name(self) -> str:
        """As it is counted under."""

    @property
    def think_time(self) -> int:
        """ns after the step."""


class AwaitedStep(AnyStep, Protocol):
    """A step of a kind that is spoken to with ``await``."""

    def render(self, number: int, values: dict[str, str]) -> Any:
        """The request of the iteration ``number``, with what it has extracted so far.

        Raises OutOfDataError where a feed has nothing left for it.
        """


class CompiledScenario(NamedTuple):
    """A scenario ready to be walked."""

    name: str
    steps: Sequence[AnyStep]
