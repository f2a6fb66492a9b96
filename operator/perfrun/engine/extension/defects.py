"""What is told of an extension that raises what it should not."""

import asyncio
import inspect
import os
import ssl
import traceback
from pathlib import Path

FOREIGN = (Exception, SystemExit)
"""All that code of others may raise without meaning us: none of it ends a worker."""


def told(kind: str, of: type, error: BaseException) -> str:
    """A defect in words: its type and its place. Its own words may hold a secret."""
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == _file(of)] or frames[-1:]
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{kind} has a defect: {name}{place}"


def lost(error: OSError) -> str:
    """How a connection was lost or not opened, in the system's words; its own may hold a secret."""
    if isinstance(error, ssl.SSLError):  # one that OpenSSL has not made has none of these
        said = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        return said or type(error).__name__
    number = error.errno or 0
    return os.strerror(number) if number > 0 else type(error).__name__


def is_ours(error: BaseException) -> bool:
    """Whether a cancellation was asked for by perfrun, and is no accident of the extension's."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _file(of: type) -> str | None:
    try:
        return inspect.getfile(of)
    except (TypeError, OSError):
        return None
