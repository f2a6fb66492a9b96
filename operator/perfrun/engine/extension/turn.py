"""Everybody's turn on the event loop, also beside an extension that never waits for anything."""

import asyncio


class Turn:
    """Notes whether the loop has come round since. Without that, users of an extension that
    blocks, or answers at once, would start over for ever, and nothing could end the load."""

    def __init__(self) -> None:
        self._has_come = False
        self._handle = asyncio.get_running_loop().call_soon(self._comes)

    async def has_come(self) -> None:
        """Wait for it, where it has not."""
        if not self._has_come:
            self._handle.cancel()
            await asyncio.sleep(0)

    def _comes(self) -> None:
        self._has_come = True
