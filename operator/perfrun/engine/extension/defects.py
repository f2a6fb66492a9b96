"""What is told of an extension that raises what it should not."""

import asyncio
import inspect
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


def is_ours(error: BaseException) -> bool:
    """Whether a cancellation was asked for by perfrun, and is no accident of the extension's."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _file(of: type) -> str | None:
    try:
        return inspect.getfile(of)
    except (TypeError, OSError):
        return None
