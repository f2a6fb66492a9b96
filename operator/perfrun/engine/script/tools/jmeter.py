"""JMeter: every worker runs the plan with its share as properties; its log of results is read.

JMeter opens its log when all is loaded, just before its threads start. The log is a pipe, so JMeter
waits there until somebody reads it: from the common start on.
"""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from perfrun.engine.command import ResultsError, read_bounded
from perfrun.engine.errors import ErrorClass, ToolError
from perfrun.engine.script.tool import PreparedTool, SampleRows, Tool
from perfrun.engine.script.tools.jmeter_samples import JMeterDecoder
from perfrun.logic.plan.shares import PROPERTY, jmeter_share
from perfrun.measure.command import CommandEnd, CommandOrder

PROGRAM = "jmeter"
LOG = "jmeter.log"
_SAVED = "jmeter.save.saveservice."
_COLUMNS = {
    "time": True,
    "label": True,
    "response_code": True,
    "response_message": True,
    "thread_name": True,
    "data_type": False,
    "successful": True,
    "assertion_results_failure_message": True,
    "bytes": True,
    "sent_bytes": False,
    "thread_counts": True,
    "url": False,
    "filename": False,
    "latency": False,
    "encoding": False,
    "sample_count": False,
    "hostname": False,
    "idle_time": False,
    "connect_time": False,
    # Of a sampler with redirects or embedded resources: one row for all, and one for each.
    "subresults": True,
}
"""What a row has, in the order in which :class:`JMeterDecoder` reads it, after its time stamp."""
_FORM = {
    "output_format": "csv",
    "print_field_names": "false",
    "timestamp_format": "ms",
    "default_delimiter": ",",
    # Or rows would be up to 8 KiB late, and lost with a process that is killed.
    "autoflush": "true",
}
_SHUTDOWN, _STOP_NOW = b"Shutdown", b"StopTestNow"
_IN_GOOD_ORDER = 3.0
"""Seconds for the requests in flight after a stop, before they are cut off."""
_LOOK = 0.05
_VERSION = re.compile(rb" Version (\d[\w.-]{0,30})")
_USED = re.compile(rb"__(?:P|property)\(\s*(perfrun\.[A-Za-z0-9._-]+)")
_OWN = {f"{PROPERTY}workers", f"{PROPERTY}index"}
"""With these a plan may divide its load by itself."""
_MAX_LOG, _MAX_PLAN = 1024 * 1024, 16 * 1024 * 1024


class JMeter(Tool):
    """One JMeter, without its GUI. A setUp or tearDown thread group belongs to its own process."""

    waits_for_reader = True

    def order(self) -> CommandOrder:
        share = self._share
        self._check_split()
        divides = share.target.divided == "Properties"
        args = [
            jmeter_share(one, share.index, share.workers) if divides else one for one in share.args
        ]
        return CommandOrder(
            argv=[
                *(PROGRAM, "-n", "-t", share.entry, "-l", str(share.samples)),
                *("-j", str(share.folder / LOG), *args),
                # The last one counts, where a property is given twice.
                *(f"-J{name}={value}" for name, value in self._properties()),
            ],
            env=dict(share.env),
            hidden=list(share.hidden),
        )

    def _properties(self) -> Iterator[tuple[str, str]]:
        share = self._share
        yield f"{PROPERTY}workers", str(share.workers)
        yield f"{PROPERTY}index", str(share.index)
        yield "jmeterengine.nongui.port", str(share.port)
        yield "jmeterengine.nongui.maxport", str(share.port)
        # Otherwise a thread that does not end would keep the virtual machine.
        yield "jmeterengine.force.system.exit", "true"
        yield "sampleresult.timestamp.start", "true"
        yield "subresults.disable_renaming", "false"
        for column, wanted in _COLUMNS.items():
            yield f"{_SAVED}{column}", str(wanted).lower()
        for name, value in _FORM.items():
            yield f"{_SAVED}{name}", value

    def _check_split(self) -> None:
        """Raise ToolError for a plan whose load is not divided; one that cannot be read here,
        because it is in the image, is trusted."""
        share = self._share
        if share.workers == 1 or share.target.divided == "None":
            return
        plan = self._plan()
        if plan and PROPERTY.encode() not in plan:
            raise ToolError(
                ErrorClass.DATA,
                f"the plan {share.target.entry} does not use the property {PROPERTY}threads: each "
                f"of the {share.workers} workers would run all of its load. Write "
                f"${{__P({PROPERTY}threads)}} as the number of threads, or use split: None",
            )
        used = {name.decode() for name in _USED.findall(plan)}
        unset = used - {one.partition("=")[0].removeprefix("-J") for one in share.args}
        if unset and not used & _OWN:
            name = min(unset)
            raise ToolError(
                ErrorClass.DATA,
                f"the plan {share.target.entry} uses the property {name}, which args do not set: "
                f"each of the {share.workers} workers would use the plan's own number. Add "
                f"-J{name}=NUMBER to args, which is divided among them, or use split: None",
            )

    def _plan(self) -> bytes:
        """The plan; empty if it cannot be read here, because it is in the image."""
        with suppress(OSError), Path(self._share.entry).open("rb") as file:
            return file.read(_MAX_PLAN)
        return b""

    async def prepare(self) -> PreparedTool:
        # It opens this port after its plan was loaded.
        while not _is_taken(self._share.port):  # noqa: ASYNC110 (another process does it)
            await asyncio.sleep(_LOOK)
        head = b""
        with suppress(ResultsError):
            head = read_bounded(self._share.folder / LOG, _MAX_LOG)
        found = _VERSION.search(head)
        return PreparedTool(version=f"jmeter {found[1].decode()}" if found else "jmeter")

    async def begin(self) -> None:
        """It begins as soon as its samples are read."""

    async def stop(self) -> None:
        self._send(_SHUTDOWN)
        for _ in range(round(_IN_GOOD_ORDER / _LOOK)):
            if not _is_taken(self._share.port):
                return
            await asyncio.sleep(_LOOK)
        self._send(_STOP_NOW)

    def _send(self, message: bytes) -> None:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(message, ("127.0.0.1", self._share.port))

    def decoder(self, rows: SampleRows) -> JMeterDecoder:
        plan = self._plan()
        return JMeterDecoder(rows, asserts=not plan or b'Assertion"' in plan)

    def failure(self, end: CommandEnd) -> str | None:
        if end.stopped and (end.signal == "SIGTERM" or end.code == _BY_SIGTERM):
            return None
        if end.code == 1:
            message = f": {end.last_words}" if end.last_words else ""
            return f"it could not run the plan (exit code 1){message}"
        return end.failure


_BY_SIGTERM = 143
"""With this code a virtual machine ends after the signal."""


def _is_taken(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
