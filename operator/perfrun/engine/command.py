"""The folder that a worker shares with the launcher of a command.

The command can write there too, so everything in it is untrusted once the command was started.
"""

import asyncio
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from perfrun.measure.command import (
    BEFORE,
    DONE,
    LAUNCHER,
    MAX_BEFORE_BYTES,
    MAX_DONE_BYTES,
    RESULTS,
    START,
    STOP,
    WORKER,
    CommandEnd,
    CommandOrder,
)

LOOK = 0.02
"""Seconds between two checks whether the command has ended."""
PATIENCE = 8.0
"""Seconds for a command to stop; the launcher gives it five of them."""
LOST = (
    "its container or process was killed from outside, for example because memory ran out "
    "(podTemplate.resources.limits.memory)"
)
"""Why nobody says how it ended."""
# A file that looks like ours may be a link, or a pipe that nobody reads.
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ResultsError(Exception):
    """What a command has written cannot be used; the message says what is wrong."""


class CommandFolder:
    """The worker's side of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder

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

    def output_before(self, number: int) -> bytes | None:
        """What the command ``before`` of that number wrote; None: it has not ended.

        Raises ResultsError.
        """
        file = self._folder / f"{BEFORE}-{number}"
        return read_bounded(file, MAX_BEFORE_BYTES) if file.exists() else None

    def end(self) -> CommandEnd | None:
        """How the command ended; None: not yet, or unreadable."""
        try:
            return CommandEnd.model_validate_json(read_bounded(self._folder / DONE, MAX_DONE_BYTES))
        except (ResultsError, ValidationError):
            return None

    async def ended(self) -> CommandEnd | None:
        """Wait for the end of the command. None: the launcher is gone, so it is not known."""
        while (end := self.end()) is None:
            if not self.has_launcher():
                return self.end()  # it may have said so in its last moment
            await asyncio.sleep(LOOK)
        return end

    async def left(self, seconds: float) -> None:
        """Wait until the launcher is gone, for ``seconds`` at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.has_launcher():  # noqa: ASYNC110 (a lock of another process)
                    await asyncio.sleep(LOOK)


def read_bounded(file: Path, most: int) -> bytes:
    """The content of a regular file; the command may have created something else in its place.

    Raises ResultsError for a link, a pipe, or more than ``most`` bytes.
    """
    try:
        # A link could lead to what only the worker may read; a pipe would never end.
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ResultsError("the command did not write $(results)") from None
    except OSError as error:
        raise ResultsError(f"the results cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ResultsError("the results are not a regular file")
    with os.fdopen(handle, "rb") as opened:
        data = opened.read(most + 1)
    if len(data) > most:
        raise ResultsError(
            f"the results are larger than the {most // 1024**2} MiB that perfrun reads"
        )
    return data
