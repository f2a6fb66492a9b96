"""Keeps the Lease in a separate thread, and notices when the main loop is dead.

Renewing shares only the process with the other work: a busy main loop keeps the Lease, and one that
no longer makes progress loses it, because the process is ended. If the Lease is lost, the process
ends at once, without waiting for the main loop, so that no write in progress continues.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self

from perfrun.controller.lead.endpoints import lead_here
from perfrun.controller.lead.heartbeat import BEAT_S, BUSY_AFTER_S, DEAD_AFTER_S, Heartbeat
from perfrun.controller.lead.leadership import Leadership, LostLeaseError, NotLeadingError
from perfrun.controller.lead.loop_thread import LoopThread, end_process
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube

logger = logging.getLogger(__name__)

OWN_STEP_MOST_S = 1.0
"""If a step of this thread takes longer, the whole process stood still."""


class LeaseThread:
    """Created, entered and left in the main loop; it tries to hold the Lease while it
    is entered.
    """

    def __init__(
        self,
        settings: Settings,
        heartbeat: Heartbeat,
        end: Callable[..., object] = end_process,
    ) -> None:
        """``heartbeat`` is that of the main loop; ``end`` ends the process."""
        self._settings = settings
        self._heartbeat = heartbeat
        self._end = end
        self._thread = LoopThread("lease")
        self._leadership: Leadership | None = None
        self._keeping: Future[None] | None = None
        self.leading = asyncio.Event()
        """Set in the main loop once this process has the Lease; never cleared."""

    async def __aenter__(self) -> Self:
        """Raises KubeError if no cluster is configured."""
        self._main = asyncio.get_running_loop()
        self._thread.start()
        # A client belongs to the loop that created it.
        self._kube = await self._thread.call(Kube.connect())
        self._leadership = Leadership(self._kube, self._settings, lead_here)
        self._keeping = self._thread.submit(self._keep(self._leadership))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop_keeping()
        await self._thread.call(self._kube.close())
        await self._thread.stop()

    def time_to_write(self) -> float:
        """How many seconds a write may take now. Raises NotLeadingError."""
        if self._leadership is None:
            raise NotLeadingError(0, "this operator has not tried to get the Lease yet")
        return self._leadership.time_to_write()

    async def release(self) -> None:
        """Let a standby have the Lease at once; call it when nothing writes any more."""
        self._stop_keeping()
        if self._leadership is not None:
            await self._thread.call(self._leadership.release())

    def _stop_keeping(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()

    # --- in the thread ---------------------------------------------------------------------------

    async def _keep(self, leadership: Leadership) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(leadership.run())
                group.create_task(self._report(leadership))
                group.create_task(self._watch_main())
        except* LostLeaseError as lost:
            self._end(f"{lost.exceptions[0]}: ending, so that only one operator acts")
        except* Exception:
            logger.exception("the thread of the Lease failed")
            self._end("the operator may not write anything without the thread of the Lease: ending")

    async def _report(self, leadership: Leadership) -> None:
        await leadership.leading.wait()
        self._main.call_soon_threadsafe(self.leading.set)

    async def _watch_main(self) -> None:
        """Report a busy main loop, and end the process if the loop is dead."""
        busy, stalled, before = False, 0.0, time.monotonic()
        while True:
            await asyncio.sleep(BEAT_S)
            now, lag = time.monotonic(), self._heartbeat.lag
            # Count only what this thread has seen: if it stood still together with the main loop,
            # that proves nothing.
            stalled = stalled + min(now - before, OWN_STEP_MOST_S) if lag else 0.0
            before = now
            if min(lag, stalled) > DEAD_AFTER_S:
                self._end(
                    f"the main loop has stood still for {lag:.0f}s; at most {DEAD_AFTER_S:.0f}s is "
                    f"allowed: ending, so that another operator can act",
                    with_stacks=True,
                )
                return
            if not busy and lag > BUSY_AFTER_S:
                busy = True
                logger.warning(
                    "the main loop has stood still for %.1fs: probes and the Lease continue, "
                    "everything else waits",
                    lag,
                )
            elif busy and lag < BUSY_AFTER_S:
                busy = False
                logger.warning("the main loop continues after %.1fs", self._heartbeat.worst())
