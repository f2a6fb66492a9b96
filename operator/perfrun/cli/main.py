"""The ``perfrun`` command: what there is until everything that it needs is loaded.

Kept to a few imports of the standard library, so that a Ctrl-C finds its handler at once.
"""

import sys

from perfrun.cli.signals import leave_on_interrupt

_DEFECT = 3


def main() -> None:
    """The entry point: a defect of ours is an Error (3), never mistaken for a verdict."""
    leave_on_interrupt()
    try:
        from perfrun.cli.commands import run_command

        code = run_command()
    except Exception:
        import logging

        logging.exception("perfrun failed; this is a defect of perfrun")
        code = _DEFECT
    sys.exit(code)


if __name__ == "__main__":
    main()
