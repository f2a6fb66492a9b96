"""Ctrl-C while no load is running."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130


def leave_on_interrupt() -> None:
    """From now on a Ctrl-C ends this process at once: for when there is nothing to clean up.
    SIGTERM does it in any case.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def ignore_interrupts() -> None:
    """From now on the exit code stands: while Python ends, it would let a Ctrl-C end it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def interruptible() -> Iterator[None]:
    """Meanwhile a Ctrl-C (or SIGTERM) raises KeyboardInterrupt: for when the terminal must be left
    as it was.
    """
    # The default handler: in a loop asyncio replaces it, so that no other task gets the exception.
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: _interrupt}
    before = {kind: signal.signal(kind, handler) for kind, handler in handlers.items()}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _interrupt(_: int, __: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
