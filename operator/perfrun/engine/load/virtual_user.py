"""Virtual users. Only the kind of target knows the state that it keeps for a user."""

from typing import Protocol


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
