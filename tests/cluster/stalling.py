"""``python -m tests.cluster.stalling``: the operator, whose main loop a test can have stand still.

SIGUSR1 has the main thread compute for ``STALL_S`` seconds, as if a piece of work took so long. With
``DEAD_AFTER_S`` it is taken for dead sooner than after a minute. All the rest is the operator as it
is.
"""

import os
import signal
import sys
import time

from perfrun.controller.__main__ import main
from perfrun.controller.lead import lease_thread
from perfrun.controller.lead.heartbeat import DEAD_AFTER_S


def _stall(*_: object) -> None:
    until = time.monotonic() + float(os.environ["STALL_S"])
    while time.monotonic() < until:
        pass


if __name__ == "__main__":
    vars(lease_thread)["DEAD_AFTER_S"] = float(os.environ.get("DEAD_AFTER_S", DEAD_AFTER_S))
    signal.signal(signal.SIGUSR1, _stall)
    sys.exit(main())
