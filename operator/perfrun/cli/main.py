"""The ``perfrun`` command: what exists until everything that it needs is imported.

It imports only a few modules of the standard library, so that a Ctrl-C finds its handler at once.
"""

import os
import shlex
import sys
from types import ModuleType

from perfrun import start_lean
from perfrun.cli.terminal.signals import ignore_interrupts, leave_on_interrupt

_DEFECT = 3


class _WithoutTraceback(ModuleType):
    """Replaces ``rich.traceback``."""

    Traceback: None = None


def _load_rich() -> None:
    """Load what the help is drawn with, without what it does not need: tracebacks with their
    highlighter of source code, and attrs, which rich loads only to print its classes.
    """
    sys.modules.setdefault("rich.traceback", _WithoutTraceback("rich.traceback"))
    if "attr" in sys.modules:
        return
    sys.modules["attr"] = None  # type: ignore[assignment]
    try:
        import rich.pretty  # noqa: F401
    finally:
        del sys.modules["attr"]


def main() -> None:
    """The entry point: a defect of perfrun is an Error (3), and never mistaken for a verdict."""
    leave_on_interrupt()
    start_lean()
    try:
        _load_rich()
        from perfrun.cli.commands import run_command

        code = run_command()
    except Exception:
        import logging

        logging.exception("perfrun failed; this is a defect of perfrun")
        code = _DEFECT
    ignore_interrupts()
    sys.exit(code)


def complete_for_kubectl() -> None:
    """``kubectl_complete-perfrun``: what kubectl runs to complete words after ``kubectl perfrun``.

    The answer is one word per line, and then whether files may be offered if there are none (0:
    yes).
    """
    words = ["perfrun", *sys.argv[1:]]
    os.environ["_PERFRUN_COMPLETE"] = "complete_bash"
    os.environ["COMP_WORDS"] = shlex.join(words)
    os.environ["COMP_CWORD"] = str(len(words) - 1)
    try:
        main()
    finally:
        sys.stdout.write(":0\n")


if __name__ == "__main__":
    main()
