"""Virtual users. What a target keeps for one of them is the business of its kind alone."""

from typing import Protocol


class UserState(Protocol):
    """What a kind of target keeps for one user: connections, cookies, a session."""

    def close(self) -> None:
        """The user starts nothing more: let go of what is its own."""


class VirtualUser:
    """Who starts iterations: one of a closed load or a burst; of an open one, each arrival."""

    __slots__ = ("off", "state")

    def __init__(self, off: int = 0) -> None:
        self.off = off
        """From when on it starts no more iterations, monotonic ns."""
        self.state: UserState | None = None
        """What its kind keeps for it, which nobody else looks at."""

    def leave(self) -> None:
        """Close what is kept for the user."""
        if self.state is not None:
            self.state.close()
            self.state = None
