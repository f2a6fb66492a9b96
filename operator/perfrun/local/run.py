"""One test on this machine: the same plan, coordinator, workers and decisions as in a cluster.

It checks the processes, asks :func:`perfrun.logic.run.lifecycle.decide` what to do, does it, and
checks again.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from perfrun.api.quantities import NS_PER_MS, NS_PER_S, NS_PER_US
from perfrun.api.run.perfrun import HoldStatus, Phase, WorkerCounts
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.coordinator.app import make_app
from perfrun.coordinator.coordinator import Coordinator
from perfrun.coordinator.live import Live
from perfrun.coordinator.search import search_of
from perfrun.local.processes import LocalWatch
from perfrun.local.scratch import scratch
from perfrun.local.values import FoundValues
from perfrun.local.workers import WorkerProcesses
from perfrun.logic.plan.network import is_own
from perfrun.logic.plan.run_plan import STOP_GRACE, longest, longest_clean_up
from perfrun.logic.run.facts import CleanUp, JobState, RunFacts
from perfrun.logic.run.lifecycle import Action, Decision, collecting_deadline, decide, stop_deadline
from perfrun.logic.run.losses import losses, untidy
from perfrun.measure.observed import add_observations
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport, merge
from perfrun.reach.errors import ErrorClass

LEAD = 300 * NS_PER_MS
STOP_SECONDS = STOP_GRACE // NS_PER_S
"""How long a stopped load waits for open requests."""
BY_SIGTERM = "by SIGTERM"
_AT_ONCE = "perfrun was told to end at once"
_SHUTDOWN_SECONDS = 1.0
_TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run; ``waiting`` is why the load has not begun, None once it has."""

    plan: RunPlan
    live: Live
    waiting: str | None
    ready: int
    reported: int
    stopping: str | None


@dataclass(slots=True)
class LocalRun:
    """The outcome of a run, with a report if there is one."""

    plan: RunPlan
    end: Decision = field(default_factory=lambda: Decision(Action.JUDGE))
    """The last decision: Judge the load; or without one Fail or Cancel, and why."""
    report: WorkerReport | None = None
    workers: WorkerCounts = field(default_factory=lambda: WorkerCounts(planned=0))
    stopped: str | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    start: datetime | None = None
    ended: datetime | None = None
    holds: list[HoldStatus] = field(default_factory=list)
    """The holds of a capacity search."""
    lost: list[str] = field(default_factory=list)
    """Lost workers, with their last output."""
    untidy: str | None = None
    """What went wrong with the teardown."""


class Stop:
    """Requests to end the run: the first asks, the second kills."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.at_once = asyncio.Event()

    @property
    def killed(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.at_once.is_set()

    def request(self, reason: str) -> None:
        """Request the end; a second request means: at once."""
        if self.reason is not None:
            self.at_once.set()
        self.reason = self.reason or reason

    def listen(self) -> None:
        """Treat SIGINT and SIGTERM to this process as such requests, until the caller handles them
        in another way.
        """
        loop = asyncio.get_running_loop()

        def interrupted(signum: int, _: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the run has ended
                reason = "by Ctrl-C" if signum == signal.SIGINT else BY_SIGTERM
                loop.call_soon_threadsafe(self.request, reason)

        # On Windows, Ctrl-C remains a KeyboardInterrupt, which ends the run at once. Handlers of
        # the loop would end with it, and leave the next Ctrl-C to Python.
        if sys.platform != "win32":
            signal.signal(signal.SIGINT, interrupted)
            signal.signal(signal.SIGTERM, interrupted)


class MemoryStore:
    """The coordinator's store. Durable enough, because whatever waits for the reports ends with
    this process.
    """

    def __init__(self) -> None:
        self.reports: dict[int, bytes] = {}

    async def persist_start(
        self,
        uid: str,  # noqa: ARG002
        time: datetime,
        workers: int,  # noqa: ARG002
    ) -> datetime:
        return time

    async def persist_holds(self, uid: str, holds: Sequence[HoldStatus]) -> None:
        """The search keeps them itself."""

    async def store_report(self, uid: str, index: int, packed: bytes) -> None:  # noqa: ARG002
        self.reports[index] = packed


async def run_local(
    plan: RunPlan,
    spec: PerfTestSpec,
    values: FoundValues,
    stop: Stop,
    on_progress: Callable[[Progress], None],
    processes: Mapping[str, int] | None = None,
    beside: Path | None = None,
) -> LocalRun:
    """Run ``plan`` with its workers as processes; when it returns, none of them is alive.

    Problems are in the result. ``spec`` is what the plan was made from; ``values`` has everything
    that the plan takes from Secrets and ConfigMaps; ``processes`` are observed in place of the
    workloads with those names; ``beside`` is the manifest's folder, which may have a script.
    """
    watch = LocalWatch(plan, processes or {})
    watch.start()
    with scratch() as folder:
        run = await _Run(plan, spec, folder, stop, on_progress, beside).execute(values)
    seen = await watch.finish(run.start)
    if run.report is not None:
        add_observations(run.report.observed, seen)
    return run


class _Run:
    """The facts of one run, and how it acts on decisions."""

    def __init__(
        self,
        plan: RunPlan,
        spec: PerfTestSpec,
        folder: Path,
        stop: Stop,
        on_progress: Callable[[Progress], None],
        beside: Path | None,
    ) -> None:
        self._plan = plan
        self._stop = stop
        self._on_progress = on_progress
        self._store = MemoryStore()
        self._workers = WorkerProcesses(plan, folder, stop.at_once, beside)
        self._coordinator = Coordinator(self._store, self._workers.tokens, lead=LEAD)
        self._created, self._since = datetime.now(UTC), asyncio.get_running_loop().time()
        self._session = self._coordinator.open(
            plan,
            start_deadline=self._created + _timedelta(plan.load.start_timeout),
            search=search_of(plan, spec),
        )
        self._launched = False
        self._troubled_since: datetime | None = None
        self._stopped = False
        self._collecting = False
        self._report_deadline: datetime | None = None
        self._teardown_deadline: datetime | None = None
        self._end: Decision | None = None
        """The first decision to end; it stands, whatever happens to workers that are ended
        afterwards.
        """

    async def execute(self, values: FoundValues) -> LocalRun:
        """Serve, and follow one decision after the other until there is an end."""
        runner = web.AppRunner(
            make_app(self._coordinator), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            coordinator = f"http://127.0.0.1:{runner.addresses[0][1]}"
            facts = await self._live(values, coordinator)
        finally:
            await self._workers.close()
            self._coordinator.close(self._plan.uid)
            await runner.cleanup()
        return self._result(facts)

    async def _live(self, values: FoundValues, coordinator: str) -> RunFacts:
        """Check, decide and act until the run has to end and no process is alive; returns the last
        facts.
        """
        while True:
            if self._stop.killed:
                await self._workers.end(self._session.reported)
            facts = self._facts()
            decision = decide(facts)
            if self._end is None:
                self._on_progress(self._progress(facts, decision))
            match decision.action:
                case Action.LAUNCH:
                    self._launched = True
                    await self._workers.launch(values, coordinator)
                case Action.STOP:
                    self._stopped = True
                    self._coordinator.stop(self._plan.uid, decision.message)
                    self._report_deadline = stop_deadline(facts)
                case Action.COLLECT:
                    self._collecting = True
                    self._report_deadline = collecting_deadline(facts)
                case Action.CLEAN_UP:
                    limit = _timedelta(longest_clean_up(self._plan))
                    self._teardown_deadline = facts.now + limit
                    await self._workers.launch_cleaner()
                case Action.JUDGE | Action.FAIL | Action.CANCEL:
                    self._end = self._end or decision
                    if not self._workers.any_alive:
                        return facts
                    if decision.action is not Action.JUDGE:
                        self._coordinator.stop(self._plan.uid, decision.message)
                    await self._workers.end(self._session.reported)
                case _:
                    await asyncio.sleep(_TICK_SECONDS)

    def _facts(self) -> RunFacts:
        """The current facts; the counterpart of :mod:`perfrun.controller.run.facts`."""
        session, plan = self._session, self._plan
        # By a clock that nobody can set.
        passed = asyncio.get_running_loop().time() - self._since
        now = self._created + timedelta(seconds=passed)
        begun = session.start is not None
        if begun and self._report_deadline is None:
            self._report_deadline = now + _timedelta(LEAD + longest(plan))
        trouble = self._coordinator.trouble(plan.uid)
        # While all are ready, as during a setup, none has a problem with the target.
        troubled = session.arrived == session.workers != session.ready_count
        if trouble is not None and trouble.reason == ErrorClass.NOT_READY:
            troubled = False
        self._troubled_since = (self._troubled_since or now) if troubled else None
        under_load = Phase.COLLECTING if self._collecting else Phase.RUNNING
        return RunFacts(
            phase=under_load if begun else Phase.STARTING,
            now=now,
            accepted=self._created,
            start_timeout=plan.load.start_timeout,
            planned=session.workers,
            job=JobState.ACTIVE,
            launched=self._launched,
            workers=self._workers.facts(session.terminated),
            arrived=session.arrived,
            ready=session.ready_count,
            reported=frozenset(session.reported),
            fatal=trouble.message if trouble and trouble.hopeless else None,
            trouble=trouble.message if trouble else None,
            in_setup=session.setup is None,
            silent=self._coordinator.silent(plan.uid),
            troubled_since=self._troubled_since,
            nobody_listens=trouble is not None
            and trouble.reason == ErrorClass.CONNECT
            and _is_expected_up(plan),
            stop=self._stop.reason,
            stopped=self._stopped,
            report_deadline=self._report_deadline,
            reports_travel=False,
            undoes=bool(plan.teardown) and (begun or session.setup_begun),
            cleaned=session.cleaned,
            clean_up=self._clean_up(now),
        )

    def _clean_up(self, now: datetime) -> CleanUp | None:
        if self._stop.killed:
            return CleanUp(now, problem=_AT_ONCE)
        deadline = self._teardown_deadline
        return None if deadline is None else self._workers.clean_up(deadline)

    def _progress(self, facts: RunFacts, decision: Decision) -> Progress:
        waiting = None
        if facts.phase is Phase.STARTING:
            # Workers that are still starting are not news.
            waiting = decision.message if facts.arrived == facts.planned else "starting"
        return Progress(
            plan=self._plan,
            live=self._coordinator.live(self._plan.uid),
            waiting=waiting,
            ready=facts.ready,
            reported=len(facts.reported),
            stopping=self._stop.reason or self._session.stop_reason,
        )

    def _result(self, facts: RunFacts) -> LocalRun:
        session, end = self._session, self._end
        assert end is not None
        reports = {
            index: WorkerReport.unpack(packed)
            for index, packed in sorted(self._store.reports.items())
        }
        cleaner = reports.pop(self._plan.cleaner, None)
        told = losses(facts, session.terminated) if end.action is Action.JUDGE else []
        result = LocalRun(
            self._plan,
            end,
            workers=WorkerCounts(
                planned=session.workers, ready=session.ready_count, reported=len(session.reported)
            ),
            stopped=self._stop.reason,
            created=self._created,
            start=session.start,
            ended=datetime.now(UTC),
            holds=[] if session.search is None else session.search.holds,
            lost=[] if self._stop.killed else told,
            untidy=untidy(facts) or (cleaner.untidy if cleaner is not None else None),
        )
        if end.action is Action.JUDGE and reports:
            result.report = merge(list(reports.values()))
            if cleaner is not None:
                result.report.add_teardown(cleaner)
        return result


def cores() -> int:
    """Number of cores that this process may use."""
    # Only Linux tells which of them.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_expected_up(plan: RunPlan) -> bool:
    """Whether the target is on this machine, and its test does not say how long to wait for it."""
    host = urlsplit(plan.target.url or "").hostname or ""
    return is_own(host) and "start_timeout" not in plan.load.model_fields_set


def _timedelta(ns: int) -> timedelta:
    return timedelta(microseconds=ns // NS_PER_US)
