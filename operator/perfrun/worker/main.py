"""The life of a worker: compile, check, wait at the barrier, run, deliver the report."""

import asyncio
import contextlib
import gc
import signal
from collections import deque
from collections.abc import Coroutine
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic import ValidationError

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.errors import EngineError, ErrorClass
from perfrun.engine.load.setup_teardown import PATIENCE_WHEN_STOPPED
from perfrun.engine.run import Engine
from perfrun.engine.selfcheck import ceiling
from perfrun.logic.plan.run_plan import SEARCH_AWAY, grace, look_period
from perfrun.measure.histogram import Histogram
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import TERMINATED, Interval, Ready, Start, Trouble, WorkerReport
from perfrun.observe.sources import sources_of
from perfrun.observe.watcher import Watcher
from perfrun.reach.foreign import foreign
from perfrun.reach.values import Values
from perfrun.worker.client import Client, CoordinatorAwayError, WorkerRefusedError
from perfrun.worker.config import Config, ConfigError
from perfrun.worker.fallback import Fallback
from perfrun.worker.lines import log
from perfrun.worker.reaching import Reaching

if TYPE_CHECKING:
    from perfrun.engine.script.engine import ScriptEngine

PAUSE_IN_TROUBLE = 1.0
"""Seconds between two messages to the coordinator; the target is tried less and less often."""
DEADLINE_WHEN_TERMINATED = 5.0
"""Seconds for the report of a worker that got a signal."""
CLEAN_UP_SECONDS = PATIENCE_WHEN_STOPPED + 5.0
"""Seconds for the teardown if there was no load."""
OTHERS_SECONDS = 5.0
OTHERS_WHEN_STOPPED = 8.0
"""Seconds: others hear of a stop a second or two later, and then have STOP_GRACE."""
LOOK_FOR_OTHERS = 0.25
MACOS_OPEN_MAX = 10_240
"""The most open files that macOS has always let a process set."""
KEPT_INTERVALS = 10
"""Intervals are advisory: of those that could not be delivered, only the last is kept."""
MASTER_PORT = 5557
"""Where the master of a tool listens in the pod of worker 0."""
WAITS_FOR_MASTER = "waits for worker 0, beside which the master of the script's tool runs"
TERMINATED_EARLY = (
    "the worker was stopped by a signal before the load began (eviction, node shutdown or "
    "deletion of the pod): it sent no requests and has no report"
)

T = TypeVar("T")
AnyEngine: TypeAlias = "Engine | ScriptEngine"


class Worker:
    """One worker of one run."""

    def __init__(self, config: Config, plan: RunPlan) -> None:
        self._config, self._plan = config, plan
        self._client = Client(config, plan.uid)
        self._engine: AnyEngine | None = None
        self._setup: dict[str, str] | None = None
        """The values that this worker extracted in the setup, if it ran the setup."""
        self._terminated = asyncio.Event()
        self._intervals: deque[Interval] = deque(maxlen=KEPT_INTERVALS)
        self._news = asyncio.Event()
        self._refused: WorkerRefusedError | None = None
        self._fallback: Fallback | None = None
        self._watcher = Watcher({}, NS_PER_S)
        """Only on worker 0: things are observed once per run."""
        self._tasks: list[asyncio.Task[None]] = []
        """Posts in flight."""

    async def live(self) -> int:
        """Run it; returns the exit code, 0 if the report was accepted."""
        loop = asyncio.get_running_loop()
        # Windows has no handlers in event loops: there a worker is ended, and not asked to end.
        with contextlib.suppress(NotImplementedError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._terminate)
        async with self._client:
            try:
                return await self._work()
            except WorkerRefusedError as error:
                log("refused", message=str(error))
            except CoordinatorAwayError as error:
                log("undelivered", message=str(error))
            except _TerminatedError:
                # The last line of a failing worker is reported as the reason of its end.
                log("terminated", message=TERMINATED_EARLY)
            finally:
                await self._watcher.close()
                await self._clean_up()
        return 1

    async def _work(self) -> int:
        values = Values(self._config.secrets, self._config.command_folder)
        try:
            engine = self._new_engine(values, await self._master())
        except EngineError as error:
            return await self._give_up(error)
        self._engine = engine
        if self._config.index == 0:
            self._watcher = Watcher(sources_of(self._plan, values), look_period(self._plan))
        spare_collector()
        # How fast it can send requests says nothing about a command.
        runs_command = self._plan.target.kind in ("benchmark", "script")
        reached = 0.0 if runs_command else await ceiling()
        log("ready", worker=self._config.index, ceiling=f"{reached:.0f}/s")
        try:
            start = await self._barrier(engine, reached)
        except EngineError as error:
            return await self._give_up(error)
        report = await self._run(engine, start, reached)
        if self._refused is not None:
            raise self._refused
        log("done", attempts=report.window.attempts, stopped=report.stopped or "no")
        patience = self._config.report_deadline
        if self._terminated.is_set():
            patience = min(patience, DEADLINE_WHEN_TERMINATED)
        await self._client.report(report, patience)
        log("delivered")
        return 0

    async def _master(self) -> str | None:
        """host:port of the master of a script's tool, beside worker 0; None: it has none.

        Pods learn the address of worker 0 from the coordinator.
        """
        script, config = self._plan.target.script, self._config
        if script is None or script.divided != "Distributed" or config.address is None:
            return config.master
        if config.index == 0:
            host = f"[{config.address}]" if ":" in config.address else config.address
            return f"{host}:{MASTER_PORT}"
        waits = Trouble(reason=ErrorClass.NOT_READY, message=WAITS_FOR_MASTER)
        while True:
            answer = await self._unless_terminated(self._client.ready(Ready(trouble=waits)))
            if answer.stop is not None:
                raise WorkerRefusedError(answer.stop)
            if answer.master is not None:
                return answer.master
            await self._unless_terminated(asyncio.sleep(PAUSE_IN_TROUBLE))

    def _new_engine(self, values: Values, master: str | None) -> AnyEngine:
        """The engine of the plan's kind. Raises EngineError."""
        if self._plan.target.script is not None:
            from perfrun.engine.script.engine import ScriptEngine  # others need none of it

            config = self._config
            return ScriptEngine(self._plan, config.index, values, config.scripts, master)
        return Engine(self._plan, self._config.index, values)

    async def _give_up(self, error: EngineError) -> int:
        """Report what makes the run impossible."""
        log("trouble", reason=error.reason, message=error.message, final="true")
        trouble = Trouble(reason=error.reason, message=foreign(error.message))
        await self._unless_terminated(self._client.ready(Ready(trouble=trouble, final=True)))
        return 1

    async def _clean_up(self) -> None:
        """Run the teardown after a setup without a load; a load runs it by itself."""
        if self._engine is None:
            return
        try:
            async with asyncio.timeout(CLEAN_UP_SECONDS):
                trouble = await self._engine.teardown()
        except TimeoutError:
            trouble = f"it took longer than {CLEAN_UP_SECONDS:g}s"
        finally:
            await self._engine.close()
        if trouble is not None:
            log("teardown", trouble=trouble)

    # --- before the load ----------------------------------------------------------------------

    async def _barrier(self, engine: AnyEngine, reached: float) -> int:
        """Wait for the start; returns T0 (monotonic ns)."""
        reaching = Reaching(engine.check, log)
        trouble = await self._unless_terminated(reaching.tried())
        while True:
            ready = Ready(ceiling=reached, trouble=trouble, setup=self._setup)
            if not isinstance(engine, Engine):
                ready.script_hash = engine.files_hash
                ready.aborts = engine.aborts
                ready.master = engine.master if self._config.index == 0 else None
            answer: Start = await self._unless_terminated(self._client.ready(ready))
            now = monotonic_ns()
            if answer.stop is not None:
                engine.stop(answer.stop)
                return now
            if answer.start_in is not None:
                log("start", start_in=f"{answer.start_in / NS_PER_S:.3f}s")
                if answer.values:
                    engine.use(answer.values)
                return now + answer.start_in
            if answer.setup and self._setup is None:
                log("setup")
                self._setup = await self._unless_terminated(engine.setup())
            if trouble is not None:
                await self._unless_terminated(asyncio.sleep(PAUSE_IN_TROUBLE))
                trouble = await self._unless_terminated(reaching.tried())

    async def _unless_terminated(self, waiting: Coroutine[Any, Any, T]) -> T:
        """The awaited result; raises _TerminatedError if the signal arrives first."""
        task = asyncio.create_task(waiting)
        signalled = asyncio.create_task(self._terminated.wait())
        try:
            await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _TerminatedError
        finally:
            task.cancel()
            signalled.cancel()

    def _terminate(self) -> None:
        self._terminated.set()
        if self._engine is not None:
            self._engine.stop(TERMINATED)

    # --- under load ---------------------------------------------------------------------------

    async def _run(self, engine: AnyEngine, start: int, reached: float) -> WorkerReport:
        self._fallback = Fallback(self._plan, max(start, monotonic_ns()))
        self._tasks = [asyncio.create_task(self._post_intervals(engine))]
        self._watcher.start(start)
        try:
            report = await engine.run(
                start, self._on_interval, reached, self._on_hold, self._others
            )
            in_haste = self._terminated.is_set()
            report.observed = await self._watcher.finish(in_haste=in_haste)
            return report
        finally:
            for task in self._tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _others(self) -> None:
        """Wait until the other workers have reported, or should have: what they still write must be
        undone too."""
        assert self._engine is not None
        patience, began = grace(self._plan) / NS_PER_S + OTHERS_SECONDS, monotonic_ns()
        with contextlib.suppress(TimeoutError, WorkerRefusedError):
            async with asyncio.timeout(patience):
                while not await self._are_others_done():
                    waited = (monotonic_ns() - began) / NS_PER_S
                    if self._engine.is_stopped and waited > OTHERS_WHEN_STOPPED:
                        return
                    await asyncio.sleep(LOOK_FOR_OTHERS)

    async def _are_others_done(self) -> bool:
        if self._plan.load.workers == 1:
            return True
        # Sequence 0 is older than any other: it asks, and carries no data.
        asked = Interval(
            sequence=0,
            elapsed=0,
            in_flight=0,
            planned=0,
            started=0,
            dropped=0,
            sent=0,
            succeeded=0,
            failed=0,
            latency=Histogram(),
        )
        try:
            order = await self._client.interval(asked)
        except CoordinatorAwayError:
            return False
        return order.others_done

    def _on_interval(self, interval: Interval) -> None:
        self._intervals.append(interval)
        self._news.set()
        engine, fallback = self._engine, self._fallback
        assert engine is not None
        assert fallback is not None
        now = monotonic_ns()
        if (order := fallback.judge(interval, now)) is not None:
            engine.follow(order)
        if (reason := fallback.gave_up(now)) is not None:
            engine.give_up_search(reason)

    def _on_hold(self, report: WorkerReport) -> None:
        log("hold", number=report.hold, attempts=report.window.attempts)
        self._tasks.append(asyncio.create_task(self._post_hold(report)))

    async def _post_hold(self, report: WorkerReport) -> None:
        # If the coordinator wants something else, it says so again in its answers to the intervals.
        with contextlib.suppress(CoordinatorAwayError, WorkerRefusedError):
            await self._client.hold(report, SEARCH_AWAY / NS_PER_S)

    async def _post_intervals(self, engine: AnyEngine) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._intervals:
                try:
                    order = await self._client.interval(self._intervals.popleft())
                except CoordinatorAwayError as error:
                    await asyncio.sleep(error.after)
                    continue  # the load continues without the coordinator
                except WorkerRefusedError as error:
                    self._refused = error
                    engine.stop(str(error))
                    return
                if self._fallback is not None:
                    self._fallback.note_answer(order, monotonic_ns())
                engine.follow(order)
                if order.repost and self._setup is not None:
                    await self._repost(engine)

    async def _repost(self, engine: AnyEngine) -> None:
        """Tell a new coordinator what only worker 0 knows: the values that the setup extracted, for
        workers that join late, and which thresholds of a script end the load."""
        again = Ready(setup=self._setup)
        if not isinstance(engine, Engine):
            again.aborts = engine.aborts
        with contextlib.suppress(CoordinatorAwayError, WorkerRefusedError):
            await self._client.repost(again)


class _TerminatedError(Exception):
    """The signal arrived before the start."""


def load_plan(config: Config) -> RunPlan:
    """The plan of the run. Raises ConfigError if the file is missing or from another version."""
    try:
        return RunPlan.model_validate_json(config.plan.read_bytes())
    except OSError as error:
        raise ConfigError(f"the plan {config.plan} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"the plan {config.plan} is not of this version of perfrun: {where}: {first['msg']}"
        ) from error


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open files as far as the system lets us."""
    try:
        import resource
    except ImportError:
        return  # Windows, which has no such limit
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS may report no hard limit, and refuse that as the soft one.
    for soft in (hard, MACOS_OPEN_MAX):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            return


def spare_collector() -> None:
    """Keep the garbage collector from walking the compiled plan, and from running often.

    It stays on: failed connections leave cycles behind, and a run may fail for hours.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
