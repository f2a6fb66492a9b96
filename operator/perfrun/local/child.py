"""A worker process of ``perfrun run``: ``python -m perfrun.worker`` that ends with its parent.

Load must not go on when perfrun itself is killed. The kernel is asked for that here, in the child
that is already a program of its own: doing it between fork and exec is not safe beside threads.
"""

import ctypes
import os
import runpy
import signal
import sys

from perfrun import start_lean

PARENT = "PERFRUN_PARENT"
"""Names the variable with the process id of perfrun."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, then become the worker."""
    if sys.platform == "linux":
        # Not SIGTERM: a worker that is inside of a regular expression would never come to heed it.
        # When perfrun ends in order it asks its workers first, and is there until they have ended.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.environ.get(PARENT) not in (None, str(os.getppid())):
            return  # it went before the kernel was asked
    start_lean()
    runpy.run_module("perfrun.worker", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
