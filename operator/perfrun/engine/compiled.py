"""Compiled scenarios, as far as the engine needs to know them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class AnyStep(Protocol):
    """A step of any kind."""

    @property
    def name(self) -> str:
        """The name under which it is counted."""

    @property
    def think_time(self) -> int:
        """ns after the step."""


class AwaitedStep(AnyStep, Protocol):
    """A step of a kind that is used with ``await``."""

    def render(self, number: int, values: dict[str, str]) -> Any:
        """The request of the iteration ``number``, with what it has extracted so far.

        Raises OutOfDataError where a feed has nothing left for it.
        """


class CompiledScenario(NamedTuple):
    """A scenario that is ready to run."""

    name: str
    steps: Sequence[AnyStep]
