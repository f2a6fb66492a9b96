"""How the connections of an extension end: beside the load, and within a time."""

import asyncio
import contextlib
from typing import Any

from perfrun.engine.extension.defects import FOREIGN
from perfrun.extension import FAREWELL_SECONDS, Extension


class Farewells:
    """Connections that are being closed. The load waits for none of them, its report for all."""

    def __init__(self, extension: Extension[Any]) -> None:
        self._extension = extension
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, connection: Any) -> None:
        """Close a connection. Needs a running event loop."""
        task = asyncio.get_running_loop().create_task(self._close(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Wait until all are closed, or should be. One that swallows its end is left alone."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL_SECONDS + 1)

    async def _close(self, connection: Any) -> None:
        # Nobody is told what it raises: the connection is not used again either way.
        with contextlib.suppress(*FOREIGN):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._extension.close(connection)
