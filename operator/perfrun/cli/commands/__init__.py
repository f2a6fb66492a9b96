"""The commands and their options. Each command imports what only it needs."""

import logging
import os
import sys
from pathlib import Path

from perfrun.cli.commands import cluster, init, local, quick, reports
from perfrun.cli.commands.app import COMPLETE_VARIABLE, app
from perfrun.cli.terminal.exits import Exit

__all__ = ["app", "cluster", "init", "local", "quick", "reports", "run_command"]


def run_command() -> int:
    """Run the command line; returns the exit code."""
    completing = bool(os.environ.get(COMPLETE_VARIABLE))
    level = logging.CRITICAL if completing else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s")
    if completing:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    # kubectl finds its plugins by their names.
    plugin = Path(sys.argv[0]).name == "kubectl-perfrun"
    try:
        app(
            prog_name="kubectl perfrun" if plugin else "perfrun",
            complete_var=COMPLETE_VARIABLE,
        )
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else Exit.ERROR
    return Exit.OK
