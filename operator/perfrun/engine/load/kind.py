"""What a kind of target has to be for the engine: it compiles, reaches and carries a load.

The engine paces, counts and judges nothing of a target by itself: HTTP is one kind among others.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.load.virtual_user import VirtualUser
from perfrun.engine.record.recorder import ScenarioTally, StepTally
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport

S = TypeVar("S")


class Course(NamedTuple, Generic[S]):
    """What an iteration runs, and where it is counted."""

    steps: list[tuple[S, StepTally]]
    tally: ScenarioTally
    stays: bool
    """Whether all later iterations run the same, and are counted there."""


class Ended(Protocol):
    """Told when an iteration is over."""

    def __call__(self, user: VirtualUser, pause: int, now: int) -> int:
        """``pause``: ns that the user thinks before it may start over; it is ``now``.

        The number of the iteration that the user starts at once, else a negative number.
        """


Courses = Callable[[int, int], Course[Any]]
"""What the iteration of a number runs that is due at a time (monotonic ns)."""


class Carrier(Protocol):
    """The iterations of one load that are under way, and what they go over.

    All that happens to them it counts in the tallies of their courses.
    """

    on_quiet: Callable[[], None] | None
    """Called whenever no iteration is under way any more."""
    first_send: int
    last_send: int
    """Of the first attempts of iterations, monotonic ns; 0: none yet."""
    exhausted: dict[str, int]
    """How often the generator ran out of Ports, Descriptors or Memory."""
    forbidden: str | None
    """What a policy said first of a host that was to be connected to."""

    @property
    def connections(self) -> int:
        """Connections opened so far."""

    @property
    def extracted(self) -> dict[str, str]:
        """What the first iteration has extracted: of a setup there is only one."""

    def begin(
        self, course: Course[Any], number: int, due: int, user: VirtualUser, now: int
    ) -> None:
        """Start an iteration."""

    def in_flight(self) -> int:
        """Iterations under way."""

    def has_connected(self, users: int) -> bool:
        """Whether the first connections of so many users are open, or have failed."""

    def censor(self) -> None:
        """End everything that is under way; what it would have become is not known."""

    def close(self) -> None:
        """Let go of everything."""


class Kind(Protocol):
    """One worker's dealings with a target of one kind."""

    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        """Every step of a plan, compiled. Raises DataError for what cannot be resolved."""

    async def check(self) -> None:
        """Reach the target, without a request of the load. Raises EngineError."""

    async def renew(self) -> None:
        """Make sure that what it needs to speak to the target is fresh. Raises EngineError."""

    def kept_fresh(self) -> AbstractAsyncContextManager[None]:
        """Keep it so meanwhile."""

    async def close(self) -> None:
        """Let go of what outlives a load; nothing is asked of it any more."""
        return  # most have nothing of the kind

    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        """What carries one load. Needs a running event loop.

        ``notes_sends``: whether it is noted when iterations send first, as of a burst.
        """

    def complete(self, report: WorkerReport) -> None:  # noqa: ARG002 (for those that override it)
        """Add what it has measured beside requests, once the load is over."""
        return  # without it the method is an abstract one
