"""The folder that a worker shares with the launcher of a command.

The command can write there too, so everything in it is untrusted once the command was started.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from perfrun.engine.benchmark.readers.form import ResultsError
from perfrun.engine.benchmark.results import read_bounded
from perfrun.measure.command import (
    DONE,
    LAUNCHER,
    MAX_DONE_BYTES,
    RESULTS,
    START,
    STOP,
    WORKER,
    CommandEnd,
    CommandOrder,
)

# A file that looks like ours may be a link, or a pipe that nobody reads.
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class CommandFolder:
    """The worker's side of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None

    @property
    def results(self) -> Path:
        """The file that the command should write."""
        return self._folder / RESULTS

    def enter(self) -> None:
        """Tell the launcher that a worker exists, until this process ends."""
        if self._lock is None:
            new = self._folder / f"{WORKER}.new"
            self._lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            new.rename(self._folder / WORKER)

    def has_launcher(self) -> bool:
        """Whether a launcher has started and is alive."""
        try:
            found = os.open(self._folder / LAUNCHER, os.O_RDWR | _PLAIN)
        except OSError:
            return False
        try:
            fcntl.flock(found, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(found)
        return False

    def start(self, order: CommandOrder) -> None:
        """Tell the launcher to start the command. Raises OSError."""
        new = self._folder / f"{START}.new"
        new.write_bytes(order.to_bytes())
        new.rename(self._folder / START)

    def stop(self) -> None:
        """Tell the launcher to stop the command, or not to start it. Only the owner of the command
        can prevent this."""
        with suppress(OSError):
            os.close(os.open(self._folder / STOP, os.O_CREAT | os.O_WRONLY | _PLAIN, 0o600))

    def end(self) -> CommandEnd | None:
        """How the command ended; None: not yet, or unreadable."""
        try:
            return CommandEnd.model_validate_json(read_bounded(self._folder / DONE, MAX_DONE_BYTES))
        except (ResultsError, ValidationError):
            return None
