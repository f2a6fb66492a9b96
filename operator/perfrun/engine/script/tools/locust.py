"""Locust: its own distributed mode, or independent shares; a listener writes each request as a row.

Locust's statistics are rounded, so they are not read.
"""

import asyncio
import json
from pathlib import Path

from perfrun.engine.command import read_bounded
from perfrun.engine.errors import EngineError, ErrorClass, ToolError
from perfrun.engine.script.tool import PreparedTool, SampleRows, Tool
from perfrun.engine.script.tools.locust_samples import LocustDecoder
from perfrun.measure.command import CommandEnd, CommandOrder

PROGRAM = "locust"
LISTENER = Path(__file__).with_name("locust_listener.py")
STOP_TIMEOUT = 4
"""Seconds that users have at the end to finish their task, unless the test says otherwise: what is
cut off would be in the server's log, and not in Locust's events."""
_READY, _BEGIN, _QUIT = "ready", "begin", "quit"
"""Files in the folder that the listener writes, and waits for."""
_MAX_READY = 4096
_LOOK = 0.02


class Locust(Tool):
    """One Locust; beside worker 0 of a distributed load the master and one process of its own.

    Its events test_start, test_stop and quitting belong to its own processes.
    """

    def order(self) -> CommandOrder:
        share = self._share
        if "," in share.entry:
            raise ToolError(
                ErrorClass.DATA, f"{share.entry}: Locust reads a path with a comma as two paths"
            )
        listener = share.folder / "perfrun_listener.py"
        listener.write_bytes(LISTENER.read_bytes())
        role, mode = self._mode()
        quiet = ["--headless", "--only-summary", "--exit-code-on-error", "0"]
        patience = ["--stop-timeout", str(STOP_TIMEOUT)]
        return CommandOrder(
            argv=[
                *(PROGRAM, "-f", f"{share.entry},{listener}", *patience, *share.args),
                *(*quiet, *mode),
            ],
            env={
                **share.env,
                "PERFRUN_FOLDER": str(share.folder),
                "PERFRUN_ROLE": role,
                "PERFRUN_WORKERS": str(share.workers),
                "PERFRUN_INDEX": str(share.index),
            },
            hidden=list(share.hidden),
        )

    def _mode(self) -> tuple[str, list[str]]:
        """Its role, and the arguments for it."""
        share = self._share
        if share.workers == 1 or share.target.divided != "Distributed":
            return "Alone", []
        if share.master is None:
            raise ToolError(ErrorClass.DATA, "the address of the master of Locust is not known")
        host, _, port = share.master.rpartition(":")
        if share.index:
            return "Worker", ["--worker", "--master-host", host, "--master-port", port]
        bind = host if host in {"127.0.0.1", "[::1]"} else "*"
        return "Master", [
            *("--processes", "1", "--master-bind-host", bind),
            *("--master-bind-port", port, "--master-port", port),
        ]

    async def prepare(self) -> PreparedTool:
        ready = self._share.folder / _READY
        while not ready.exists():  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(_LOOK)
        try:
            content = json.loads(read_bounded(ready, _MAX_READY))
            return PreparedTool(version=f"locust {content['version']}")
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(ErrorClass.DATA, "its listener wrote no version") from error

    async def begin(self) -> None:
        (self._share.folder / _BEGIN).touch()

    async def stop(self) -> None:
        (self._share.folder / _QUIT).touch()

    def decoder(self, rows: SampleRows) -> LocustDecoder:
        return LocustDecoder(rows)

    def failure(self, end: CommandEnd) -> str | None:
        message = f": {end.last_words}" if end.last_words else ""
        match end.code:
            case 0:
                return None
            case 1:
                return f"it could not run the locustfile (exit code 1){message}"
            case 2:
                return f"a wrong argument, or an exception outside of tasks (exit code 2){message}"
        return None if end.stopped and end.signal == "SIGTERM" else end.failure
