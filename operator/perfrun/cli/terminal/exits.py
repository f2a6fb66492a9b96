"""The meaning of the exit code, see docs/reference/cli.md."""

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Imported where it is used, because the help needs no API models.
    from perfrun.api.run.perfrun import Verdict


class Exit(IntEnum):
    """The exit codes of all commands."""

    OK = 0
    MISSED = 1
    USAGE = 2
    ERROR = 3
    INTERRUPTED = 130


class FailOn(StrEnum):
    """The mildest verdict that is a failure."""

    INCONCLUSIVE = "inconclusive"
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"

    @property
    def verdicts(self) -> "frozenset[Verdict]":
        """The verdicts that are failures. An Error always is, with a separate exit code."""
        from perfrun.api.run.perfrun import Verdict

        worst_first = (Verdict.FAIL, Verdict.WARN, Verdict.INCONCLUSIVE)
        counted = {FailOn.ERROR: 0, FailOn.FAIL: 1, FailOn.WARN: 2, FailOn.INCONCLUSIVE: 3}
        return frozenset(worst_first[: counted[self]])


def of_verdict(verdict: "Verdict | None", fail_on: FailOn) -> Exit:
    """The exit code for a verdict."""
    from perfrun.api.run.perfrun import Verdict

    if verdict is Verdict.ERROR:
        return Exit.ERROR
    if verdict is Verdict.PASS:
        return Exit.OK
    # If only Pass is a success, a run that was not judged is not one either.
    missed = verdict in fail_on.verdicts or fail_on is FailOn.INCONCLUSIVE
    return Exit.MISSED if missed else Exit.OK


_WORST_FIRST = (Exit.INTERRUPTED, Exit.USAGE, Exit.ERROR, Exit.MISSED, Exit.OK)


def worst(codes: Iterable[Exit]) -> Exit:
    """The exit code that counts among several."""
    found = set(codes)
    return next(code for code in _WORST_FIRST if code in found)
