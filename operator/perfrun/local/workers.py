"""Workers as processes of this machine: started, watched, and never left behind."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from perfrun.local.child import PARENT

TERM_SECONDS = 3.0
"""What a worker gets to end that has nothing to undo."""
_LAST_WORDS = 2000


class Worker:
    """One worker process; what it says goes to a log file."""

    def __init__(self, index: int, process: asyncio.subprocess.Process, log: Path) -> None:
        self.index = index
        self._process = process
        self._log = log

    @property
    def exit_code(self) -> int | None:
        """None while it lives; negative: the signal that ended it."""
        return self._process.returncode

    def last_words(self) -> str:
        """How it ended: the signal, or the last line that it wrote."""
        code = self.exit_code
        if code is not None and code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        tail = self._log.read_bytes()[-_LAST_WORDS:].decode(errors="replace").strip()
        return tail.splitlines()[-1] if tail else f"it ended with code {code}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        if self.exit_code is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                pass

    async def wait(self) -> None:
        """Until it has ended."""
        await self._process.wait()


_OF_THE_USER = "PERFRUN_CHROMIUM"
"""Which browser a worker is to take is said by who runs it."""


async def start_worker(index: int, env: Mapping[str, str], log: Path) -> Worker:
    """Start one worker with ``env`` added to ours."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "perfrun.local.child",
            env={**_inherited(), **env, PARENT: str(os.getpid())},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A Ctrl-C of the terminal is for us: we tell the workers in order.
            start_new_session=True,
        )
    return Worker(index, process, log)


async def end_workers(
    workers: list[Worker], at_once: asyncio.Event, patience: float = TERM_SECONDS
) -> None:
    """End those that still live: first asked, then, or ``at_once``, killed. None is left.

    ``patience``: the seconds from one to the other.
    """
    if not at_once.is_set():
        for worker in workers:
            worker.signal(signal.SIGTERM)
    everyone = asyncio.gather(*(worker.wait() for worker in workers))
    impatient = asyncio.ensure_future(at_once.wait())
    try:
        await asyncio.wait(
            (everyone, impatient), timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        impatient.cancel()
    for worker in workers:
        worker.signal(signal.SIGKILL)
    await everyone


def _inherited() -> dict[str, str]:
    # Without proxies: workers speak to this machine and straight to the target.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
        and (not name.startswith("PERFRUN_") or name.startswith(_OF_THE_USER))
    }
