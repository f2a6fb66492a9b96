"""Scenarios ready to be walked, as far as the engine looks at them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class AnyStep(Protocol):
    """A step of whatever kind."""

    @property
    def name(self) -> str:
        """As it is counted under."""

    @property
    def think_time(self) -> int:
        """ns after the step."""


class CompiledScenario(NamedTuple):
    """A scenario ready to be walked."""

    name: str
    steps: Sequence[AnyStep]
