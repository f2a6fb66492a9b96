"""A worker process of ``perfrun run``: ``python -m perfrun.worker`` that ends with its parent.

Load must not go on when perfrun itself is killed. The kernel is asked for that here, in the child
that is already a program of its own: doing it between fork and exec is not safe beside threads.
"""

import ctypes
import runpy
import signal

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, then become the worker."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    runpy.run_module("perfrun.worker", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
