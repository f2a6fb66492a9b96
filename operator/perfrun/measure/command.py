"""The messages between a worker and the launcher of a command, in files of one folder.

``perfrun/launcher/run.py`` is the other side; it is self-contained, and repeats these names.
"""

from pydantic import Field

from perfrun.measure.wire import Wire

START, STOP, DONE = "start", "stop", "done"
RESULTS = "results.json"
"""The file that the command should write."""
WORKER, LAUNCHER = "worker", "launcher"
"""Locked by each of them while it is alive."""
MAX_DONE_BYTES = 64 * 1024
BEFORE = "before"
"""``before-0``, ``before-1`` and so on: what the commands before the command wrote."""
MAX_BEFORE_BYTES = 4 * 1024 * 1024


_LINES, _CHARACTERS = 3, 300
"""Maximum characters of a command's last output in a message."""


class CommandOrder(Wire):
    """The command to run."""

    argv: list[str]
    before: list[list[str]] = []
    """Commands to run first, one after the other; if one fails, nothing more is started."""
    env: dict[str, str] = {}
    """Added to the launcher's own environment, which has the test's variables."""
    hidden: list[str] = []
    """Variables whose values must not appear in messages."""


class CommandEnd(Wire):
    """How the command ended."""

    missing: str | None = Field(max_length=8192)
    """Why it could not be started at all."""
    code: int | None
    signal: str | None = Field(max_length=32)
    """The signal that ended it, if any."""
    stopped: bool
    """Whether it was told to end."""
    peak: int = Field(ge=0, le=2**53)
    """Maximum resident memory of it, or of the largest process that it waited for, in bytes."""
    tail: str = Field(max_length=8192)
    """The end of its output."""

    @property
    def failure(self) -> str | None:
        """How it failed, with its last output; None: it succeeded."""
        if self.missing is not None:
            return f"it could not be started: {self.missing}"
        if self.code == 0:
            return None
        message = f": {self.last_words}" if self.last_words else ""
        if self.signal == "SIGKILL" and not self.stopped:
            return (
                "it was killed by SIGKILL, for example because memory ran out "
                f"(podTemplate.resources.limits.memory){message}"
            )
        return f"{f'exit code {self.code}' if self.signal is None else self.signal}{message}"

    @property
    def last_words(self) -> str:
        """The last non-empty lines of its output: some tools print the reason before they end."""
        lines = [line.strip() for line in self.tail.splitlines() if line.strip()]
        return " | ".join(lines[-_LINES:])[-_CHARACTERS:]
