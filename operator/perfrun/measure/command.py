"""What a worker and the launcher of a command tell each other, by files of one folder.

``perfrun/launcher/run.py`` is the other side; it stands alone, and has these names of its own.
"""

from pydantic import Field

from perfrun.measure.wire import Wire

START, STOP, DONE = "start", "stop", "done"
RESULTS = "results.json"
"""The file that the command is to write."""
WORKER, LAUNCHER = "worker", "launcher"
"""Locked by each of them as long as it lives."""
MAX_DONE_BYTES = 64 * 1024


_LINES, _CHARACTERS = 3, 300
"""Of what a command has said last, in a sentence."""


class CommandOrder(Wire):
    """What is to be run."""

    argv: list[str]
    env: dict[str, str] = {}
    """Added to the launcher's own, which has what the test asks for."""
    hidden: list[str] = []
    """Variables whose values must not be told."""


class CommandEnd(Wire):
    """What came of it."""

    missing: str | None = Field(max_length=8192)
    """Why it could not be started at all."""
    code: int | None
    signal: str | None = Field(max_length=32)
    """The one that ended it, where one did."""
    stopped: bool
    """Whether it was told to end before it did."""
    peak: int = Field(ge=0, le=2**53)
    """Bytes that were resident at most, of it or of the largest process that it waited for."""
    tail: str = Field(max_length=8192)
    """The end of its output."""

    @property
    def failure(self) -> str | None:
        """How it failed, with the last that it said; None: it ended well."""
        if self.missing is not None:
            return f"it could not be started: {self.missing}"
        if self.code == 0:
            return None
        said = f": {self.last_words}" if self.last_words else ""
        if self.signal == "SIGKILL" and not self.stopped:
            return (
                "it was killed by SIGKILL, for example because memory ran out "
                f"(podTemplate.resources.limits.memory){said}"
            )
        return f"{f'exit code {self.code}' if self.signal is None else self.signal}{said}"

    @property
    def last_words(self) -> str:
        """The last lines of its output that say anything: some tools say why before they end."""
        lines = [line.strip() for line in self.tail.splitlines() if line.strip()]
        return " | ".join(lines[-_LINES:])[-_CHARACTERS:]
