"""A worker process of ``perfrun run``: ``python -m perfrun.worker`` that ends with its parent.

The load must not continue if perfrun itself is killed. The child asks the kernel for that, because
it is already a separate program: doing it between fork and exec is not safe if there are threads.
"""

import ctypes
import os
import runpy
import signal
import sys

from perfrun import start_lean

PARENT = "PERFRUN_PARENT"
"""The variable with perfrun's process id."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, then become the worker."""
    if sys.platform == "linux":
        # Not SIGTERM: a worker that is evaluating a regular expression would not handle it. When
        # perfrun ends in order, it asks its workers first, and waits until they have ended.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.environ.get(PARENT) not in (None, str(os.getppid())):
            return  # it ended before the kernel was asked
    start_lean()
    runpy.run_module("perfrun.worker", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
