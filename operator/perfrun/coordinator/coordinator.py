"""All runs that are open in this process: which workers may send, which wait, and what is stored
first.

Nothing is announced before it is persisted: T0 before any worker learns of it, a report before it
is acknowledged.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeVar

from perfrun.api.quantities import NS_PER_S, NS_PER_US
from perfrun.coordinator.errors import (
    CoordinatorError,
    Malformed,
    Over,
    Unavailable,
)
from perfrun.coordinator.gate import TokenGate
from perfrun.coordinator.intake import Reports
from perfrun.coordinator.live import Live
from perfrun.coordinator.ports import Clock, DurableStore, Identity
from perfrun.coordinator.search import HoldSearch
from perfrun.coordinator.session import RunSession, RunTrouble
from perfrun.logic.plan.run_plan import HOLD_LEAD
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Interval, Order, Ready, Start, WorkerReport, add_report
from perfrun.measure.wire import reason_of

_LOG = logging.getLogger(__name__)
Read = TypeVar("Read")

POLL_SECONDS = 10.0
"""How long a ready worker waits for an answer before it has to ask again."""
_RETRY_SECONDS = 1.0
_ENDED_KEPT = 10_000
_CHECKS_AT_ONCE = 16
MAX_HOLDS_ROOM = 128 * 1024 * 1024
"""Maximum size of the histograms of the current holds of all capacity searches, in bytes."""


@dataclass(slots=True)
class _Run:
    session: RunSession
    gate: TokenGate
    reports: Reports
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the workers at the barrier can be answered."""
    setup_due: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when worker 0 should run the setup."""
    starting: asyncio.Task[None] | None = None
    searching: asyncio.Task[None] | None = None

    def answer_waiting(self) -> None:
        """Answer all waiting workers, and choose no T0 and no hold any more."""
        for task in (self.starting, self.searching):
            if task is not None:
                task.cancel()
        self.decided.set()


class Coordinator:
    """Sessions by the uid of their run. All methods belong to one event loop."""

    def __init__(
        self,
        store: DurableStore,
        identity: Identity,
        clock: Clock | None = None,
        *,
        lead: int = NS_PER_S,
        poll: float = POLL_SECONDS,
    ) -> None:
        """``lead`` is the time from the opening of the barrier to T0, ns; ``poll`` is
        in seconds.
        """
        self._store = store
        self._identity = identity
        self._clock = clock or Clock()
        self._lead = lead
        self._poll = poll
        self._runs: dict[str, _Run] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._checks = asyncio.Semaphore(_CHECKS_AT_ONCE)
        # One at a time, from unpacking until the parts to keep are extracted: unpacked, a report
        # can take a hundred times its size.
        self._unpacking = asyncio.Semaphore(1)

    # --- for the host -------------------------------------------------------------------------

    def open(
        self,
        plan: RunPlan,
        *,
        start_deadline: datetime,
        start: datetime | None = None,
        reported: Mapping[int, str] = MappingProxyType({}),
        search: HoldSearch | None = None,
    ) -> RunSession:
        """Accept workers of a run from now on. Returns the session that is already open, if any.

        ``start`` is the persisted T0 and ``reported`` the workers whose report is stored, each with
        the SHA-256 of it in hex, after a restart of the host. The barrier does not open after
        ``start_deadline``. A plan with ``capacity`` needs a ``search``.
        """
        if (known := self._runs.get(plan.uid)) is not None:
            return known.session
        session = RunSession(
            plan, start_deadline=self._monotonic_of(start_deadline), reported=reported
        )
        session.search = search
        run = _Run(session, TokenGate(plan.load.workers), Reports(reported))
        if start is not None:
            session.begin(start, self._monotonic_of(start))
        if session.may_start:
            run.decided.set()
        self._ended.pop(plan.uid, None)
        self._runs[plan.uid] = run
        return session

    def session(self, uid: str) -> RunSession | None:
        """The open session of a run."""
        run = self._runs.get(uid)
        return run.session if run else None

    def namespace(self, uid: str) -> str:
        """Namespace of the run; empty if it is not open."""
        run = self._runs.get(uid)
        return run.session.plan.namespace if run else ""

    def stop(self, uid: str, reason: str) -> None:
        """Tell all workers to end the load (or not to start it) and to report."""
        if (run := self._runs.get(uid)) is not None:
            run.session.stop(reason)
            run.decided.set()

    def close(self, uid: str) -> None:
        """Accept nothing more for a run: its workers are informed that it is over."""
        run = self._runs.pop(uid, None)
        if run is None:
            return
        run.answer_waiting()
        self._ended[uid] = None
        while len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)

    def release(self) -> None:
        """This process ends, but the runs do not: waiting workers are asked to try again."""
        runs, self._runs = self._runs, {}
        for run in runs.values():
            run.answer_waiting()

    def trouble(self, uid: str) -> RunTrouble | None:
        """The problem that keeps the load of an open run from beginning, as its workers
        report it.
        """
        session = self.session(uid)
        return session.trouble() if session else None

    def silent(self, uid: str) -> tuple[int, int] | None:
        """A worker of an open run that came up and has been silent for too long, and for how many
        ns.
        """
        session = self.session(uid)
        return session.silent(self._clock.monotonic()) if session else None

    def live(self, uid: str) -> Live:
        """The progress of the load of a run; all zero if nothing is known."""
        session = self.session(uid)
        return session.live(self._clock.monotonic()) if session else Live()

    def in_progress(self) -> list[tuple[RunPlan, Live]]:
        """The progress of each load that has begun and is not completely reported; the youngest
        comes last."""
        begun = [
            (session.start, session)
            for session in (run.session for run in self._runs.values())
            if session.start is not None and not session.all_reported
        ]
        now = self._clock.monotonic()
        return [
            (session.plan, session.live(now))
            for _, session in sorted(begun, key=lambda one: one[0])
        ]

    # --- for the workers (through the app) -----------------------------------------------------

    async def admit(self, uid: str, index: int, token: str) -> None:
        """Check that ``token`` belongs to worker ``index`` and may send now. Raises
        CoordinatorError."""
        run, now = self._run(uid), self._clock.monotonic()
        identity = await run.gate.identity(
            index, token, now, lambda: self._identify(uid, index, token)
        )
        run.session.claim(index, identity)
        run.gate.count(index, now)

    async def ready(self, uid: str, index: int, ready: Ready) -> Start:
        """A worker at the barrier: answered when there is an answer, or after ``poll``."""
        run = self._run(uid)
        session = run.session
        if index == session.plan.cleaner:
            return session.cleaner_answer()
        now = self._clock.monotonic()
        session.ready(index, ready, now)
        if session.may_start:
            run.decided.set()
        if session.wants_setup(now):
            run.setup_due.set()
        else:
            run.setup_due.clear()
        if session.is_due(now) and (run.starting is None or run.starting.done()):
            run.starting = asyncio.create_task(self._begin(run), name=f"start {uid}")
        if ready.trouble is None and not run.decided.is_set():
            runs_setup = index == 0 and session.setup is None
            await _first_of([run.decided, *([run.setup_due] if runs_setup else [])], self._poll)
            self._run(uid)  # it may have been closed meanwhile
        return session.start_answer(index, self._clock.monotonic())

    def interval(self, uid: str, index: int, interval: Interval) -> Order:
        """Add a worker's progress; the answer says whether to continue."""
        run = self._run_of_load(uid, index)
        run.session.interval(index, interval, self._clock.monotonic())
        self._search_on(uid, run)
        return run.session.order(index)

    async def hold(self, uid: str, index: int, packed: bytes) -> None:
        """A worker's report of a hold. Raises CoordinatorError.

        It need not be durable, because after a restart the rate is held again.
        """
        run = self._run_of_load(uid, index)
        search = run.session.search
        if search is None:
            raise Malformed("this run is not a capacity search")
        async with self._unpacking:
            await self._take_hold(run.session.plan, search, index, packed)
        self._search_on(uid, run)

    async def report(self, uid: str, index: int, packed: bytes) -> None:
        """Store a worker's report; returns when it is durable. Raises CoordinatorError.

        The same report may come again. A different one does not replace it.
        """
        run = self._run(uid)

        async def store() -> None:
            async with self._unpacking:
                stopped, breached = await _read(_ending, packed, run.session.plan)
            await self._store_report(uid, index, packed)
            run.session.report(index, stopped, breached=breached)

        await run.reports.keep(index, packed, store)

    # --- inside -------------------------------------------------------------------------------

    async def _take_hold(
        self, plan: RunPlan, search: HoldSearch, index: int, packed: bytes
    ) -> None:
        report = await _read(WorkerReport.unpack, packed, plan)
        if not search.awaits(index, report):
            return
        try:
            # In a thread: thousands of steps take a while.
            merged, room = await asyncio.to_thread(_added, search.merged, report)
        except ValueError as error:
            search.lose(f"the report of worker {index} cannot be merged with the others: {error}")
            raise Malformed(f"not a worker's report: {reason_of(error)}") from error
        search.take(index, report, merged, room)
        self._make_room()

    def _make_room(self) -> None:
        """Give up the searches that need the most memory, until all together are within the
        limit."""
        found = [run.session.search for run in self._runs.values()]
        searches = [search for search in found if search is not None]
        while sum(search.room for search in searches) > MAX_HOLDS_ROOM:
            largest = max(searches, key=lambda search: search.room)
            largest.lose(
                f"the histograms of a hold take {largest.room / 1024**2:.0f} MiB of memory, and "
                f"those of all capacity searches may take {MAX_HOLDS_ROOM // 1024**2} MiB: test "
                f"fewer steps, or search for fewer capacities at a time"
            )

    def _run(self, uid: str) -> _Run:
        run = self._runs.get(uid)
        if run is not None:
            return run
        if uid in self._ended:
            raise Over("this run is over")
        raise Unavailable("this run has not been opened here yet: try again")

    def _run_of_load(self, uid: str, index: int) -> _Run:
        run = self._run(uid)
        if index == run.session.plan.cleaner:
            raise Malformed("this worker generates no load: it only runs the teardown")
        return run

    async def _store_report(self, uid: str, index: int, packed: bytes) -> None:
        try:
            await self._store.store_report(uid, index, packed)
        except CoordinatorError:
            raise
        except Exception as error:
            _LOG.warning("run %s: report of worker %d not stored: %s", uid, index, error)
            raise Unavailable("the report could not be stored: try again") from error

    async def _identify(self, uid: str, index: int, token: str) -> str:
        try:
            async with self._checks:
                return await self._identity.identify(uid, index, token)
        except CoordinatorError:
            raise
        except Exception as error:
            _LOG.warning("run %s: worker %d not identified: %s", uid, index, error)
            raise Unavailable("the token could not be checked: try again") from error

    async def _begin(self, run: _Run) -> None:
        """Persist T0, then open the barrier; try again as long as the start is due."""
        session = run.session
        while session.is_due(self._clock.monotonic()):
            chosen = self._clock.wall() + timedelta(microseconds=self._lead // NS_PER_US)
            try:
                time = await self._store.persist_start(session.plan.uid, chosen, session.workers)
            except Exception as error:
                _LOG.warning("run %s: start not persisted: %s", session.plan.uid, error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                session.begin(time, self._monotonic_of(time))
                run.decided.set()

    def _search_on(self, uid: str, run: _Run) -> None:
        """Judge a hold and announce the next one, if it is time."""
        session = run.session
        if session.search is None or session.start is None or session.stop_reason is not None:
            return
        busy = run.searching is not None and not run.searching.done()
        if not busy and session.search.is_due(session.elapsed(self._clock.monotonic())):
            run.searching = asyncio.create_task(
                self._next_hold(session, session.search), name=f"hold {uid}"
            )

    async def _next_hold(self, session: RunSession, search: HoldSearch) -> None:
        """Persist the result of a hold and the next hold, then announce it to the workers."""
        try:
            await self._persist_next(session, search)
        except Exception as error:
            # The run still ends, with what was found so far.
            _LOG.exception("run %s: its capacity search cannot continue", session.plan.uid)
            session.stop(f"the capacity search could not continue: {type(error).__name__}: {error}")

    async def _persist_next(self, session: RunSession, search: HoldSearch) -> None:
        holds = await asyncio.to_thread(search.judged)
        while session.stop_reason is None and session.start is not None:
            asked = session.elapsed(self._clock.monotonic())
            step = search.step(holds, session.start, asked)
            try:
                await self._store.persist_holds(session.plan.uid, step.holds)
            except Exception as error:
                _LOG.warning("run %s: hold not persisted: %s", session.plan.uid, error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            # If writing took long, the hold would begin before every worker can have learned of it.
            took = session.elapsed(self._clock.monotonic()) - asked
            if step.hold is None or took < HOLD_LEAD // 4:
                session.announce(step)
                return

    def _monotonic_of(self, time: datetime) -> int:
        """``time`` on the monotonic clock, computed from the present values of both clocks."""
        ahead = (time - self._clock.wall()) // timedelta(microseconds=1)
        return self._clock.monotonic() + ahead * NS_PER_US


async def _read(read: Callable[[bytes, RunPlan], Read], packed: bytes, plan: RunPlan) -> Read:
    """The result of ``read`` for a report, computed in a thread. Raises Malformed."""
    try:
        return await asyncio.to_thread(read, packed, plan)
    except ValueError as error:
        raise Malformed(f"not a worker's report: {reason_of(error)}") from error


def _ending(packed: bytes, plan: RunPlan) -> tuple[str | None, bool]:
    """How the load ended according to a worker's report; nothing else of it is kept in memory."""
    report = WorkerReport.unpack(packed, plan)
    return report.stopped, report.breached


def _added(merged: WorkerReport | None, report: WorkerReport) -> tuple[WorkerReport, int]:
    """``merged`` with one more report of a hold, and the bytes that its histograms take.

    Everything that does not belong to the hold is left out: an honest worker's report has nothing
    there.
    """
    nothing = WorkerReport.of_nothing()
    for name in ("warmup", "setup", "teardown", "series", "observed", "benchmark", "script"):
        setattr(report, name, getattr(nothing, name))
    merged = add_report(merged, report)
    return merged, merged.histogram_bytes


async def _first_of(events: list[asyncio.Event], patience: float) -> None:
    """Wait until one of the events is set, at most ``patience`` seconds."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
