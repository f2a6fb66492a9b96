"""The commands and their options. What only one of them needs is loaded by that one."""

import logging

from perfrun.cli.commands import cluster, local
from perfrun.cli.commands.app import app
from perfrun.cli.exits import Exit

__all__ = ["app", "cluster", "local", "run_command"]


def run_command() -> int:
    """Run what the command line says; returns the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else Exit.ERROR
    return Exit.OK
