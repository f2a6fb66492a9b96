"""One test on this machine: the same plan, coordinator and workers as in a cluster."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from perfrun.api.quantities import NS_PER_MS, NS_PER_S, NS_PER_US
from perfrun.api.run.perfrun import HoldStatus, WorkerCounts
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.coordinator.app import make_app
from perfrun.coordinator.coordinator import Coordinator
from perfrun.coordinator.live import Live
from perfrun.coordinator.search import search_of
from perfrun.coordinator.session import RunSession
from perfrun.local.launcher import Launcher, start_launcher
from perfrun.local.ports import MemoryStore, Tokens
from perfrun.local.processes import LocalWatch
from perfrun.local.scratch import scratch
from perfrun.local.values import FoundValues, lay_out
from perfrun.local.workers import TERM_SECONDS, Worker, end_workers, start_worker
from perfrun.logic.plan.run_plan import STOP_GRACE, longest, longest_clean_up
from perfrun.logic.run.losses import COUNTED
from perfrun.measure.observed import add_observations
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import TERMINATED, WorkerReport, merge

LEAD = 300 * NS_PER_MS
PATIENCE_SECONDS = 10.0
"""How long all workers may be in trouble with the target; load.startTimeout where it is less."""
STOP_SECONDS = STOP_GRACE // NS_PER_S
"""How long a load that is stopped waits for the requests that are open."""
_STOPPED_WORKERS_SECONDS = 15.0
"""How long workers get to end and to report, once they were told to stop."""
TEARDOWN_SECONDS = 30.0
"""What worker 0 gets to undo what was done, where the run is ended early."""
_SHUTDOWN_SECONDS = 1.0
_REPORT_SECONDS = 30.0
_TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is; ``waiting`` is why the load has not begun, None once it has."""

    plan: RunPlan
    live: Live
    waiting: str | None
    ready: int
    reported: int
    stopping: str | None


@dataclass(slots=True)
class LocalRun:
    """What came of a run: a report where one came, ``error`` where the load could not begin."""

    plan: RunPlan
    report: WorkerReport | None = None
    workers: WorkerCounts = field(default_factory=lambda: WorkerCounts(planned=0))
    stopped: str | None = None
    error: str | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    start: datetime | None = None
    ended: datetime | None = None
    holds: list[HoldStatus] = field(default_factory=list)
    """Of a capacity search."""
    lost: list[str] = field(default_factory=list)
    """Workers that were lost, with their last words."""
    untidy: str | None = None
    """What went wrong with the teardown."""


class Stop:
    """The wish to end the run: the first asks, the second kills."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.at_once = asyncio.Event()

    @property
    def killed(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.at_once.is_set()

    def ask(self, reason: str) -> None:
        """Ask once more; a second time means: at once."""
        if self.reason is not None:
            self.at_once.set()
        self.reason = self.reason or reason

    def listen(self) -> None:
        """Take SIGINT and SIGTERM of this process as the wish."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.ask, "by Ctrl-C")
        loop.add_signal_handler(signal.SIGTERM, self.ask, "by SIGTERM")


async def run_local(
    plan: RunPlan,
    spec: PerfTestSpec,
    values: FoundValues,
    stop: Stop,
    on_progress: Callable[[Progress], None],
    processes: Mapping[str, int] | None = None,
) -> LocalRun:
    """Run ``plan`` with its workers as processes; ends with none of them alive.

    What goes wrong is in the result. ``spec`` is what the plan was made of; ``values`` has all
    that the plan takes from Secrets and ConfigMaps; ``processes`` are looked at in the place of
    the observed workloads of those names.
    """
    watch = LocalWatch(plan, processes or {})
    watch.start()
    with scratch() as folder:
        run = await _Run(plan, spec, folder, stop, on_progress).execute(values)
    seen = await watch.finish(run.start)
    if run.report is not None:
        add_observations(run.report.observed, seen)
    return run


class _Run:
    def __init__(
        self,
        plan: RunPlan,
        spec: PerfTestSpec,
        folder: Path,
        stop: Stop,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._plan = plan
        self._spec = spec
        self._folder = folder
        self._stop = stop
        self._on_progress = on_progress
        self._store = MemoryStore()
        # One more: for the worker that only runs the teardown.
        self._tokens = Tokens(plan.load.workers + 1)
        self._coordinator = Coordinator(self._store, self._tokens, lead=LEAD)
        self._workers: list[Worker] = []
        self._cleaner: Worker | None = None
        self._launcher: Launcher | None = None
        """Of a benchmark's command."""
        self._port = 0
        self._result = LocalRun(plan)
        self._arrived_at: float | None = None
        self._late: set[int] = set()
        """Workers that were not waited for any longer."""

    async def execute(self, values: FoundValues) -> LocalRun:
        """Serve, launch, watch, clean up."""
        timeout = timedelta(microseconds=self._plan.load.start_timeout // NS_PER_US)
        session = self._coordinator.open(
            self._plan,
            start_deadline=datetime.now(UTC) + timeout,
            search=search_of(self._plan, self._spec),
        )
        runner = web.AppRunner(
            make_app(self._coordinator), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._port = runner.addresses[0][1]
            await self._launch(values)
            await self._watch(session)
            await end_workers(self._workers, self._stop.at_once, self._patience)
            await self._clean_up(session)
        finally:
            left = [*self._workers, *([self._cleaner] if self._cleaner is not None else [])]
            await end_workers(left, self._stop.at_once)
            if self._launcher is not None:
                await self._launcher.end()
            self._coordinator.close(self._plan.uid)
            await runner.cleanup()
        return self._finish(session)

    @property
    def _patience(self) -> float:
        """Seconds that workers get to end: worker 0 may have something to undo."""
        return TEARDOWN_SECONDS if self._plan.teardown else TERM_SECONDS

    @property
    def _commands(self) -> Path:
        """What the worker shares with the launcher of a benchmark's command."""
        return self._folder / "command"

    async def _launch(self, values: FoundValues) -> None:
        plan_file = self._folder / "plan.json"
        plan_file.write_bytes(self._plan.to_bytes())
        tree = self._folder / "values"
        tree.mkdir()
        lay_out(values, tree)
        if (benchmark := self._plan.target.benchmark) is not None:
            self._commands.mkdir()
            self._launcher = await start_launcher(benchmark, values, self._commands)
        for index in range(self._plan.load.workers):
            self._workers.append(await self._start(index))

    async def _start(self, index: int) -> Worker:
        token_file = self._folder / f"token-{index}"
        token_file.write_text(self._tokens.by_index[index])
        env = {
            "PERFRUN_PLAN": str(self._folder / "plan.json"),
            "PERFRUN_COORDINATOR": f"http://127.0.0.1:{self._port}",
            "PERFRUN_TOKEN_FILE": str(token_file),
            "PERFRUN_INDEX": str(index),
            "PERFRUN_SECRETS": str(self._folder / "values"),
            "PERFRUN_COMMAND_FOLDER": str(self._commands),
            "PERFRUN_REPORT_DEADLINE": str(_REPORT_SECONDS),
        }
        return await start_worker(index, env, self._folder / f"worker-{index}.log")

    async def _clean_up(self, session: RunSession) -> None:
        """Have a process of its own run the teardown, where worker 0 was killed before it could."""
        begun = session.start is not None or session.setup_begun
        code = self._workers[0].exit_code or 0
        # A SIGTERM ends a worker only while it begins, or once it has cleaned up.
        killed = code < 0 and code != -signal.SIGTERM
        if not self._plan.teardown or not begun or not killed or 0 in session.reported:
            return
        if self._stop.killed:
            self._result.untidy = "perfrun was to end at once, and has not run it"
            return
        self._cleaner = await self._start(self._plan.cleaner)
        ended = asyncio.ensure_future(self._cleaner.wait())
        impatient = asyncio.ensure_future(self._stop.at_once.wait())
        limit = longest_clean_up(self._plan) / NS_PER_S
        try:
            await asyncio.wait(
                (ended, impatient), timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ended.cancel()
            impatient.cancel()
        if not session.cleaned:
            late = self._cleaner.exit_code is None
            why = "it did not end in time" if late else self._cleaner.last_words()
            self._result.untidy = (
                "worker 0 was lost, and the process that replaced it did not run the "
                f"teardown: {why}"
            )

    async def _watch(self, session: RunSession) -> None:
        """Until all workers have ended, or there is no use in waiting for them."""
        loop = asyncio.get_running_loop()
        give_up: float | None = None
        while not self._stop.killed and any(worker.exit_code is None for worker in self._workers):
            now = loop.time()
            if self._stop.reason is not None and session.stop_reason is None:
                self._coordinator.stop(self._plan.uid, self._stop.reason)
                cleaning = self._patience if self._plan.teardown else 0
                give_up = now + _STOPPED_WORKERS_SECONDS + cleaning
            if session.start is None and session.stop_reason is None:
                self._result.error = self._start_error(session, now)
            elif session.start is not None and give_up is None:
                give_up = now + (LEAD + longest(self._plan)) / NS_PER_S
            if give_up is not None and now > give_up:
                self._late = {one.index for one in self._workers if one.exit_code is None}
                return
            if self._result.error is not None:
                return
            self._on_progress(self._progress(session))
            await asyncio.sleep(_TICK_SECONDS)
        if session.start is None and session.stop_reason is None and not self._stop.killed:
            self._result.error = self._start_error(session, loop.time())

    def _start_error(self, session: RunSession, now: float) -> str | None:
        """Why the run will not start; None while it still may."""
        trouble = self._coordinator.trouble(self._plan.uid)
        if trouble is not None and trouble.final:
            return trouble.message
        gone = [worker for worker in self._workers if worker.exit_code is not None]
        if gone and session.start is None:
            return f"worker {gone[0].index} ended before the load began: {gone[0].last_words()}"
        # While all are ready, as during a setup, nobody is in trouble with the target.
        all_ready = session.ready_count == session.workers
        if session.arrived == session.workers and (self._arrived_at is None or all_ready):
            self._arrived_at = now
        patient = self._arrived_at is None or now < self._arrived_at + PATIENCE_SECONDS
        return None if trouble is None or patient else trouble.message

    def _progress(self, session: RunSession) -> Progress:
        waiting = None
        if session.start is None:
            trouble = self._coordinator.trouble(self._plan.uid)
            # Workers that are still starting are no news.
            up = session.arrived == session.workers
            waiting = trouble.message if trouble is not None and up else "starting"
        return Progress(
            plan=self._plan,
            live=self._coordinator.live(self._plan.uid),
            waiting=waiting,
            ready=session.ready_count,
            reported=len(session.reported),
            stopping=session.stop_reason,
        )

    def _finish(self, session: RunSession) -> LocalRun:
        result = self._result
        result.workers = WorkerCounts(
            planned=session.workers, ready=session.ready_count, reported=len(session.reported)
        )
        result.start, result.ended = session.start, datetime.now(UTC)
        result.stopped = self._stop.reason
        result.holds = [] if session.search is None else session.search.holds
        reports = {
            index: WorkerReport.unpack(packed)
            for index, packed in sorted(self._store.reports.items())
        }
        cleaner = reports.pop(self._plan.cleaner, None)
        if result.error is None and not self._stop.killed:
            fates = [(worker.index, self._fate(worker, reports)) for worker in self._workers]
            result.lost += [f"worker {index}: {fate}" for index, fate in fates if fate is not None]
        if cleaner is not None:
            result.untidy = cleaner.untidy
        if session.start is not None and reports:
            result.report = merge(list(reports.values()))
            if cleaner is not None:
                result.report.add_teardown(cleaner)
        return result

    def _fate(self, worker: Worker, reports: Mapping[int, WorkerReport]) -> str | None:
        """What became of a worker that has not reported on all of its load."""
        report, late = reports.get(worker.index), worker.index in self._late
        if report is None:
            return "it did not report in time, and was ended" if late else worker.last_words()
        if report.stopped != TERMINATED:
            return None
        ended = "it took too long, and was ended" if late else "it was ended by a signal"
        return f"{ended} ({COUNTED})"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
