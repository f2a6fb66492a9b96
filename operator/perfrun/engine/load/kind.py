"""What a kind of target has to provide for the engine: it compiles, reaches and carries a load.

The engine itself does not pace, count or judge anything that is specific to a target: HTTP is one
kind among others.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.record.recorder import ScenarioTally, StepTally
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport

S = TypeVar("S")


class UserState(Protocol):
    """What a kind of target keeps for one user: connections, cookies, a session."""

    def close(self) -> None:
        """The user leaves: release its state."""


class VirtualUser:
    """A user that starts iterations: one of a closed load or a burst; in an open load, each
    arrival."""

    __slots__ = ("off", "state")

    def __init__(self, off: int = 0) -> None:
        self.off = off
        """When it stops starting iterations, monotonic ns."""
        self.state: UserState | None = None
        """State of its kind of target, opaque to everything else."""

    def leave(self) -> None:
        """Close the state of the user."""
        if self.state is not None:
            self.state.close()
            self.state = None


class Course(NamedTuple, Generic[S]):
    """The scenario of an iteration, and where it is counted."""

    steps: list[tuple[S, StepTally]]
    tally: ScenarioTally
    stays: bool
    """Whether all later iterations use the same course."""


class Ended(Protocol):
    """Called when an iteration is over."""

    def __call__(self, user: VirtualUser, pause: int, now: int) -> int:
        """``pause``: ns that the user thinks before it may start over; it is ``now``.

        The number of the iteration that the user starts at once, else a negative number.
        """


Courses = Callable[[int, int], Course[Any]]
"""Chooses the course of an iteration by its number and due time (monotonic ns)."""


class Carrier(Protocol):
    """The iterations of one load in progress, and their connections.

    It counts everything that happens to them in the tallies of their courses.
    """

    on_quiet: Callable[[], None] | None
    """Called whenever no iteration is in flight any more."""
    first_send: int
    last_send: int
    """Times of the first attempts of iterations, monotonic ns; 0: none yet."""
    exhausted: dict[str, int]
    """How often the generator ran out of Ports, Descriptors or Memory."""
    forbidden: str | None
    """The first message of a policy that refused a host."""

    @property
    def connections(self) -> int:
        """Connections opened so far."""

    @property
    def extracted(self) -> dict[str, str]:
        """Values that the first iteration has extracted: a setup has only one."""

    def begin(
        self, course: Course[Any], number: int, due: int, user: VirtualUser, now: int
    ) -> None:
        """Start an iteration."""

    def in_flight(self) -> int:
        """Number of iterations in flight."""

    def has_connected(self, users: int) -> bool:
        """Whether the first connections of this number of users are open, or have failed."""

    def censor(self) -> None:
        """End everything in flight; its outcome is unknown."""

    def close(self) -> None:
        """Release all resources."""


class Kind(Protocol):
    """One worker's access to a target of one kind."""

    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        """Compile every step of a plan. Raises DataError if something cannot be resolved."""

    async def check(self) -> None:
        """Check that the target can be reached, without a request of the load. Raises
        EngineError."""

    async def renew(self) -> None:
        """Make sure that the credentials for the target are fresh. Raises EngineError."""
        return  # most kinds have none that expire

    def kept_fresh(self) -> AbstractAsyncContextManager[None]:
        """Keep them fresh until the context ends."""
        return nullcontext()

    async def close(self) -> None:
        """Release everything that outlives a load; no calls follow."""
        return  # most kinds have nothing of this sort

    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        """The carrier of one load. Needs a running event loop.

        ``notes_sends``: whether to record when iterations send first, as for a burst.
        """

    def complete(self, report: WorkerReport) -> None:  # noqa: ARG002 (for those that override it)
        """Add measurements other than requests, after the load."""
        return  # without this statement the method would be abstract
