"""Ctrl-C where no load is running."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


def leave_on_interrupt() -> None:
    """From now on a Ctrl-C ends this process at once: for when there is nothing to clean up."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))


@contextmanager
def interruptible() -> Iterator[None]:
    """Meanwhile a Ctrl-C (and SIGTERM) raises KeyboardInterrupt: for when a terminal is to be
    left as it was."""
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, _raise) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _raise(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
