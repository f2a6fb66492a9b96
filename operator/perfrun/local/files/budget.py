"""A limit for the cost of checking one document."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MAX_CPU_S = 10.0
"""Ten times the limit in a cluster: here nobody else waits."""


class OverBudgetError(Exception):
    """The limit is exceeded."""

    def __init__(self) -> None:
        super().__init__(
            f"checking it takes more than {MAX_CPU_S:.0f} s of CPU time, but a cluster allows "
            "1 s: make it smaller or simpler, for example its regular expressions"
        )


@contextmanager
def cpu_budget(seconds: float = MAX_CPU_S) -> Iterator[None]:
    """Raise OverBudgetError in the block once it has used that much CPU.

    Signals belong to the main thread: in others there is no bound, and none on Windows, which has
    no such timer.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(_: int, __: FrameType | None) -> None:
        raise OverBudgetError

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
