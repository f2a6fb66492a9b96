"""What the exit code says, see docs/reference/cli.md."""

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfrun.api.run.perfrun import Verdict


class Exit(IntEnum):
    """The exit codes of all commands."""

    OK = 0
    MISSED = 1
    USAGE = 2
    ERROR = 3
    INTERRUPTED = 130


def of_verdict(verdict: "Verdict | None", *, strict: bool) -> Exit:
    """What a verdict means; without ``strict`` only a Fail is a failure."""
    # Only here: who asks for help needs no models of the API.
    from perfrun.api.run.perfrun import Verdict

    match verdict:
        case Verdict.ERROR:
            return Exit.ERROR
        case Verdict.PASS:
            return Exit.OK
        case Verdict.FAIL:
            return Exit.MISSED
        case _:
            return Exit.MISSED if strict else Exit.OK


_WORST_FIRST = (Exit.INTERRUPTED, Exit.USAGE, Exit.ERROR, Exit.MISSED, Exit.OK)


def worst(codes: Iterable[Exit]) -> Exit:
    """The one that counts of several."""
    found = set(codes)
    return next(code for code in _WORST_FIRST if code in found)
