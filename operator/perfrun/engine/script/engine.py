"""The counterpart of :class:`perfrun.engine.run.Engine` for scripts: a plan and an index in, a
report out. The tool makes the load; this starts it, reads its samples, and ends it.
"""

import asyncio
import hashlib
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns
from typing import Any

from perfrun.api.quantities import NS_PER_S, format_exact_duration
from perfrun.engine.command import LOST, PATIENCE, CommandFolder
from perfrun.engine.errors import EngineError, ErrorClass, SetupError, ToolError
from perfrun.engine.load.capacity import OnHold
from perfrun.engine.record.health import Sample, machine, sample
from perfrun.engine.record.intervals import Intervals, OnInterval
from perfrun.engine.script.recorder import SampleRecorder
from perfrun.engine.script.samples import SamplePipe
from perfrun.engine.script.tool import SETUP, TEARDOWN, PreparedTool, Tool, ToolShare
from perfrun.engine.script.tools.jmeter import JMeter
from perfrun.engine.script.tools.k6 import K6
from perfrun.engine.script.tools.locust import Locust
from perfrun.logic.plan.commands import rendered_script
from perfrun.logic.plan.run_plan import STOP_GRACE
from perfrun.measure.command import CommandEnd
from perfrun.measure.plan import SETUP_DATA, RunPlan
from perfrun.measure.record import GeneratorRecord
from perfrun.measure.report import (
    MAX_ABORTS,
    MAX_EXTRACTED_LENGTH,
    TERMINATED,
    Order,
    WorkerReport,
)
from perfrun.measure.script import MAX_FAILURE, ToolThreshold, files_hash
from perfrun.reach.foreign import foreign
from perfrun.reach.values import Values

TOOLS: Mapping[str, Callable[[ToolShare], Tool]] = {"k6": K6, "Locust": Locust, "JMeter": JMeter}
"""By ``tool`` of the target. A new tool is a module of ``tools``, and a line here."""
LOOK = 0.05
"""Seconds between two checks whether the load is over."""
CHECK_SECONDS = 2.0
"""How long one check waits for the tool to be ready; the worker reports in between."""
TEARDOWN_SECONDS = 60.0


class ScriptEngine:
    """One worker's share of a script. Raises DataError if something cannot be resolved."""

    def __init__(
        self, plan: RunPlan, index: int, values: Values, scripts: Path, master: str | None = None
    ) -> None:
        """``scripts``: the folder with the script's files; ``master``: host:port of worker 0, for
        a tool that has a coordinator of its own.
        """
        target = plan.target.the_script
        self._plan, self._index = plan, index
        self.master = master
        self._values = values
        self._place = CommandFolder(values.command_folder("spec.target.script"))
        self._place.enter()
        self._scripts = scripts
        command = rendered_script(target, plan.variables)
        share = ToolShare(
            target=target,
            args=tuple(command.argv),
            env=command.env,
            hidden=tuple(command.hidden),
            index=index,
            workers=plan.load.workers,
            folder=self._place.path,
            entry=str(scripts / target.entry),
            port=_free_port(),
            output_before=self._place.output_before,
            master=master,
        )
        self._tool = TOOLS[target.tool](share)
        self._recorder = SampleRecorder(target.tool)
        self._pipe = SamplePipe(
            share.samples, self._tool.decoder(self._recorder), self._recorder.shed
        )
        if not self._tool.waits_for_reader:
            self._pipe.open()
        self._prepared: asyncio.Task[PreparedTool] | None = None
        self._setup_data: str | None = None
        self._owes_teardown = False
        self.files_hash: str | None = None
        """SHA-256 of the script's files, once it is checked; None: they are not seen from here."""
        self._stopped = Order()
        """The first request to stop."""
        self._stop = asyncio.Event()
        self._end: CommandEnd | None = None
        self._failure: str | None = None

    @property
    def aborts(self) -> list[ToolThreshold]:
        """The thresholds of the script that end the load, if they are judged."""
        if self._plan.target.the_script.thresholds == "Ignore":
            return []
        return [one for one in self._recorder.script.thresholds if one.abort][:MAX_ABORTS]

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has asked for the end of the load."""
        return self._stopped.stop is not None

    # --- before the load ----------------------------------------------------------------------

    async def check(self) -> None:
        """Start the tool once, and check whether it waits for the common start.

        Raises EngineError while it does not, ToolError if it never will.
        """
        if self._prepared is None:
            if not self._place.has_launcher():
                raise EngineError(
                    ErrorClass.CONNECT, "the launcher of the script has not started yet"
                )
            self._values.hide()  # the tool's container has started, so now they exist
            self._place.start(self._tool.order())
            self._prepared = asyncio.create_task(self._prepare())
        done, _ = await asyncio.wait({self._prepared}, timeout=CHECK_SECONDS)
        if not done:
            raise EngineError(ErrorClass.NOT_READY, f"{self._name} is not ready for its start yet")
        tool = self._prepared.result()
        self._recorder.script.versions = [tool.version] if tool.version else []
        self._recorder.script.thresholds = tool.thresholds
        self.files_hash = await asyncio.to_thread(self._hash)
        self._recorder.script.files = [self.files_hash] if self.files_hash else []

    async def _prepare(self) -> PreparedTool:
        """Prepare the tool, or say how it ended instead. Raises ToolError."""
        preparing = asyncio.create_task(self._tool.prepare())
        ended = asyncio.create_task(self._ended())
        try:
            await asyncio.wait({preparing, ended}, return_when=asyncio.FIRST_COMPLETED)
            if preparing.done() and preparing.exception() is None:
                return preparing.result()
            if not ended.done():
                with suppress(TimeoutError):  # it may be about to end, and say why
                    await asyncio.wait_for(asyncio.shield(ended), 1.0)
            if ended.done():
                failure = self._how_it_failed() or "it ended before its start"
                raise ToolError(ErrorClass.EXIT, foreign(f"{self._name}: {failure}"))
            error = preparing.exception()
            assert error is not None
            message = error.message if isinstance(error, EngineError) else str(error)
            raise ToolError(ErrorClass.EXIT, f"{self._name}: {foreign(message)}")
        finally:
            preparing.cancel()
            ended.cancel()

    @property
    def _name(self) -> str:
        return self._plan.target.the_script.tool

    def _hash(self) -> str | None:
        """The hash of the script's files, as far as this worker can see them."""
        target = self._plan.target.the_script
        if target.files is None:
            names = [target.entry]
        else:
            visible = sorted(self._scripts.rglob("*")) if self._scripts.is_dir() else []
            inside = [one.relative_to(self._scripts) for one in visible if one.is_file()]
            names = [
                str(one)
                for one in inside
                # Python writes the former while the workers start.
                if "__pycache__" not in one.parts and not one.parts[0].startswith("..")
            ]
        digests: dict[str, bytes] = {}
        for name in names:
            with suppress(OSError), (self._scripts / name).open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").digest()
        # Files that are gone are other files; those of an image are not seen from here.
        return files_hash(digests) if digests or target.files is not None else None

    async def setup(self) -> dict[str, str]:
        """Run the script's setup, once per run. Returns its data. Raises SetupError."""
        self._owes_teardown = True
        try:
            async with asyncio.timeout(self._plan.load.start_timeout / NS_PER_S):
                data = await self._tool.setup()
        except (EngineError, TimeoutError) as error:
            message = error.message if isinstance(error, EngineError) else "it took too long"
            raise SetupError(
                ErrorClass.EXIT, f"the setup of the script failed: {message}; there was no load"
            ) from error
        if len(data) > MAX_EXTRACTED_LENGTH:
            raise SetupError(
                ErrorClass.SIZE,
                f"the setup of the script returned {len(data)} characters, more than "
                f"{MAX_EXTRACTED_LENGTH}, which are sent to every worker: return less",
            )
        return {SETUP_DATA: data} if data else {}

    def use(self, extracted: dict[str, str]) -> None:
        """Use the data that the setup returned."""
        self._setup_data = extracted.get(SETUP_DATA)

    async def teardown(self) -> str | None:
        """Run the script's teardown if there is anything to undo, once. Returns what went wrong."""
        if not self._owes_teardown or self._index != 0:
            return None
        self._owes_teardown = False
        try:
            async with asyncio.timeout(TEARDOWN_SECONDS):
                await self._tool.teardown()
        except EngineError as error:
            return foreign(f"the teardown of the script failed: {error.message}")
        except TimeoutError:
            return f"the teardown of the script took longer than {TEARDOWN_SECONDS:g}s"
        return None

    # --- the load -----------------------------------------------------------------------------

    async def run(
        self,
        start: int,
        on_interval: OnInterval | None = None,
        ceiling: float = 0.0,
        on_hold: OnHold | None = None,  # noqa: ARG002 (a script is no capacity search)
        others: Callable[[], Awaitable[None]] | None = None,
    ) -> WorkerReport:
        """Run the load from T0 = ``start`` (monotonic ns) until the tool ends, and report.

        The parameters are those of :meth:`Engine.run`. Whatever happens to the tool is in the
        report.
        """
        began = time.time_ns()
        intervals = Intervals(self._recorder, start, lambda: self._recorder.active)
        opened, over = sample(), start
        if not self.is_stopped:
            began = await self._begin(start)
            opened, over = sample(), monotonic_ns()
            intervals.begin(on_interval)
            await self._until_over(start)
            over = max(monotonic_ns(), start)
        closed = sample()
        if others is not None and self._owes_teardown and self._index == 0:
            await others()
        untidy = await self.teardown()
        await self._finish()
        intervals.end()
        report = self._report(start, over, began, ceiling, (opened, closed))
        report.series, report.untidy = intervals.series, untidy
        report.check()
        return report

    async def _begin(self, start: int) -> int:
        """Wait for T0, and begin; returns when that was, ns since 1970."""
        try:
            if self._setup_data is not None and self._index != 0:
                await self._tool.use(self._setup_data)
            await asyncio.sleep(max(0, start - monotonic_ns()) / NS_PER_S)
            began = time.time_ns()
            self._recorder.begin(began)
            await self._tool.begin()
            self._pipe.open()
        except EngineError as error:
            self._failure = f"{self._name} did not start its load: {error.message}"
            self._place.stop()
            return time.time_ns()
        self._owes_teardown = True
        return began

    async def _until_over(self, start: int) -> None:
        """Wait for the end of the tool's load; end it if it is stopped, or takes too long."""
        most = self._plan.load.max_duration
        assert most is not None
        stopping = asyncio.create_task(self._stop.wait())
        over = asyncio.create_task(self._over())
        waiting: list[asyncio.Task[Any]] = [stopping, over]
        try:
            left = max(0, start + most - monotonic_ns()) / NS_PER_S
            await asyncio.wait({stopping, over}, timeout=left, return_when="FIRST_COMPLETED")
            if over.done():
                return
            if not stopping.done():
                limit = format_exact_duration(most)
                self.stop(f"the script was still running after {limit} (load.maxDuration)")
            waiting.append(asyncio.create_task(self._tool.stop()))
            done, _ = await asyncio.wait({over}, timeout=STOP_GRACE / NS_PER_S)
            if not done:
                self._place.stop()
        finally:
            for one in waiting:
                one.cancel()

    async def _over(self) -> None:
        """Wait until the load, or the whole tool, has ended."""
        while True:
            if self._has_ended():
                return
            with suppress(EngineError):
                if await self._tool.is_over():
                    return
            await asyncio.sleep(LOOK)

    def _has_ended(self) -> bool:
        self._end = self._end or self._place.end()
        return self._end is not None or not self._place.has_launcher()

    async def _ended(self) -> None:
        """Wait for the end of the tool, and keep how it ended, if that is known."""
        self._end = self._end or await self._place.ended()

    async def _finish(self) -> None:
        """End the tool if its load is over and it still runs, and read what it still wrote."""
        if not self._has_ended():
            self._place.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended(), PATIENCE)
        await self._pipe.finish()
        if self._failure is None and (failure := self._how_it_failed()) is not None:
            self._failure = f"{self._name}: {failure}"

    def _how_it_failed(self) -> str | None:
        """One sentence; None: the tool ended as it should, or as it was told to."""
        end = self._end
        if end is None:
            late = f"it was told to end, and still ran {PATIENCE:g}s later"
            return late if self._place.has_launcher() else LOST
        if end.signal == "SIGKILL" and end.stopped:
            return "it was told to end, and had to be killed"
        return self._tool.failure(end)

    def _report(
        self,
        start: int,
        over: int,
        began: int,
        ceiling: float,
        samples: tuple[Sample, Sample],
    ) -> WorkerReport:
        recorder = self._recorder
        script = recorder.record()
        if self._failure is not None:
            script.failures = [foreign(self._failure, MAX_FAILURE)]
        script.terminated = int(self._stopped.stop == TERMINATED)
        load_time = max(0, over - start)
        # A tool takes a moment to end after its last request: that is no time of the load.
        window = recorder.last_end - began if recorder.last_end > began else load_time
        report = WorkerReport.of_nothing()
        report.window = recorder.window()
        report.setup, report.teardown = recorder.phase(SETUP), recorder.phase(TEARDOWN)
        report.script = script
        report.generator = _generator(began, ceiling, *samples)
        report.load_time = load_time
        report.window_time = min(window, load_time)
        report.stopped, report.breached = self._stopped.stop, self._stopped.breached
        return report

    # --- its end ------------------------------------------------------------------------------

    def stop(self, reason: str, *, breached: bool = False) -> None:
        """End the load in good order. The first reason stands."""
        if self._stopped.stop is None:
            self._stopped = Order(stop=reason, breached=breached)
        self._stop.set()

    def follow(self, order: Order) -> None:
        """Follow the coordinator's answer; repeated answers change nothing."""
        if order.stop is not None:
            self.stop(order.stop, breached=order.breached)

    def give_up_search(self, reason: str) -> None:
        """A script is no capacity search."""

    async def close(self) -> None:
        """Leave no process and no FIFO behind, whatever has happened. No calls follow."""
        if self._prepared is not None:
            self._prepared.cancel()
        self._place.stop()
        await self._place.left(PATIENCE)
        self._pipe.close()
        await self._tool.close()


def _generator(began: int, ceiling: float, opened: Sample, closed: Sample) -> GeneratorRecord:
    """The worker's own health: it does not delay the tool, so its waits do not count."""
    record = GeneratorRecord.empty()
    record.ceiling = ceiling
    record.started_at = [began / NS_PER_S]
    record.machines = [machine()]
    record.cpu_time, record.wall_time = closed.cpu - opened.cpu, closed.at - opened.at
    record.stolen_time = max(0, closed.stolen - opened.stolen)
    return record


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
