"""What the exit code says, see docs/cli.md."""

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of all commands."""

    OK = 0
    MISSED = 1
    USAGE = 2
    ERROR = 3
    INTERRUPTED = 130


_WORST_FIRST = (Exit.INTERRUPTED, Exit.USAGE, Exit.ERROR, Exit.MISSED, Exit.OK)


def worst(codes: Iterable[Exit]) -> Exit:
    """The one that counts of several."""
    found = set(codes)
    return next(code for code in _WORST_FIRST if code in found)
