"""What a tool has to provide, and what it gets: a new tool is a module of ``tools`` and a line in
:mod:`perfrun.engine.script.engine`.

A tool knows nothing of pipes, launchers, reports or the coordinator.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perfrun.api.test.commands.script import ScriptTarget
from perfrun.measure.command import CommandEnd, CommandOrder
from perfrun.measure.script import MetricType, ToolThreshold

SETUP, TEARDOWN = "\0setup", "\0teardown"
"""In the place of a scenario: requests of the script's setup and teardown, which are no load."""


@dataclass(frozen=True)
class ToolShare:
    """One worker's part of a script."""

    target: ScriptTarget
    args: tuple[str, ...]
    """``target.args``, with their templates replaced."""
    env: Mapping[str, str]
    """The variables of ``target.env`` whose values are in the test, likewise."""
    hidden: tuple[str, ...]
    """Names of variables whose values come from Secrets."""
    index: int
    workers: int
    folder: Path
    """Shared with the tool; configuration files go here."""
    entry: str
    """The script, as the tool can open it."""
    port: int
    """A free port of 127.0.0.1 for the tool's control."""
    output_before: Callable[[int], bytes | None]
    """What a command of :attr:`CommandOrder.before` wrote; None: it has not ended. Raises
    ResultsError."""
    master: str | None = None
    """host:port of the tool's own coordinator beside worker 0, if it has one."""

    @property
    def samples(self) -> Path:
        """The FIFO that it writes its samples to."""
        return self.folder / "samples"


@dataclass(slots=True)
class PreparedTool:
    """What a tool says about itself and its script once it is prepared."""

    version: str = ""
    thresholds: list[ToolThreshold] = field(default_factory=list)


class SampleRows(Protocol):
    """Where a decoder puts what it reads. Times are ns; ``at`` is ns since 1970, or 0 if the tool
    does not say.

    Each method may be called a hundred thousand times a second.
    """

    def requests(
        self,
        scenario: str,
        step: str,
        at: int,
        durations: Sequence[int],
        error: str = "",
        status: int = 0,
        received: int = 0,
        message: str = "",
    ) -> None:
        """Requests that ended alike; ``error`` is their class (``Timeout``, ``Status5xx``, ...),
        empty for successes. ``status``: 0 if there was no answer; ``at`` is that of the last one.
        """

    def attempts(self, scenario: str, step: str, more: int) -> None:
        """More requests on the wire that belong to recorded ones of a step, such as redirects."""

    def check(self, scenario: str, step: str, name: str, passed: int, failed: int) -> None:
        """Checks of one name; ``step`` may be empty: not every tool says which request it was."""

    def iteration(self, scenario: str, finished: int, dropped: int = 0, failed: int = 0) -> None:
        """Iterations that ended, and such that could not start when they were due."""

    def users(self, active: int) -> None:
        """How many users there are now."""

    def metrics(self, name: str, kind: MetricType, values: Sequence[float], at: int) -> None:
        """Samples of a metric; ``name`` has the selector that they count for, if any. ``at`` is
        that of the last one.
        """

    def unreadable(self, rows: int) -> None:
        """Rows that could not be read."""


class Decoder(Protocol):
    """Reads rows from bytes as they come; a row may be cut anywhere."""

    def feed(self, data: bytes) -> None:
        """Read what is complete; the rest is kept, up to a bound. Never raises."""

    def end(self) -> None:
        """Nothing follows: what is left is a row, or unreadable."""


class Tool(Protocol):
    """One worker's tool. What it may leave out does nothing here."""

    _share: ToolShare
    waits_for_reader: bool = False
    """Whether it is its opening of :attr:`ToolShare.samples` that waits for the common start: then
    nobody reads them before."""

    def __init__(self, share: ToolShare) -> None:
        self._share = share

    def order(self) -> CommandOrder:
        """What to start; writes its configuration into the folder. Raises ToolError."""

    async def prepare(self) -> PreparedTool:
        """Wait until it waits for the common start. Raises EngineError with the reason.

        It is cancelled when the tool ends, or when the run does not start.
        """

    async def setup(self) -> str:
        """On worker 0: run the script's setup, once per run; returns its data for the others.

        Raises EngineError.
        """
        return ""

    async def use(self, data: str) -> None:  # noqa: ARG002 (for those that override it)
        """Use the setup's data of worker 0. Raises EngineError."""
        return

    async def begin(self) -> None:
        """Start the load, at T0. Raises EngineError."""

    async def is_over(self) -> bool:
        """Whether its load has ended, although the tool still runs, as for a teardown; it is then
        ended with SIGTERM. Raises EngineError."""
        return False

    async def teardown(self) -> None:
        """On worker 0, after the load of all workers: run the script's teardown. Raises
        EngineError."""
        return

    async def stop(self) -> None:
        """End the load in good order, as far as the tool can do that without a signal: in 5 s the
        launcher sends it SIGTERM, and after 5 s more SIGKILL. Raises nothing."""

    async def close(self) -> None:
        """Release everything; the tool has ended."""
        return

    def decoder(self, rows: SampleRows) -> Decoder:
        """A decoder of what it writes to :attr:`ToolShare.samples`."""

    def failure(self, end: CommandEnd) -> str | None:
        """How the tool failed, in one sentence; None: it ended as it should. Missed thresholds are
        no failure: perfrun judges them."""
