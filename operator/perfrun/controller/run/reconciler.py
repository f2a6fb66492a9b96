"""The reconciler of PerfRuns: read the state, ask what to do, do one thing, look again."""

import asyncio
import contextlib
import logging
from dataclasses import replace

from pydantic import ValidationError

from perfrun.api import Json
from perfrun.api.names import STOP_ANNOTATION
from perfrun.api.run.perfrun import HoldStatus, PerfRun, PerfRunStatus, Phase
from perfrun.api.sentence import printable
from perfrun.api.times import parse_time
from perfrun.controller.objects.accounts import Accounts
from perfrun.controller.objects.egress import ensure_egress
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.jobs import job_manifest
from perfrun.controller.objects.manifests import RUN_LABEL, plan_config_map
from perfrun.controller.objects.status import write_status
from perfrun.controller.objects.store import Key, Store, run_record
from perfrun.controller.objects.writing import create_once
from perfrun.controller.run.admit import Acceptor
from perfrun.controller.run.clean_up import CleanUps
from perfrun.controller.run.environment import EnvironmentReader
from perfrun.controller.run.facts import FactReader, accepted, as_timedelta
from perfrun.controller.run.finish import Finisher, counted
from perfrun.controller.run.open_runs import OpenRun, OpenRuns, UnreadableError
from perfrun.controller.run.sampler import Sampler
from perfrun.controller.settings import Settings
from perfrun.controller.test.checks import CheckFailedError
from perfrun.coordinator.coordinator import Coordinator
from perfrun.coordinator.live import progress_line
from perfrun.coordinator.search import search_of
from perfrun.coordinator.session import RunSession
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError, RefusedError, TerminatingError
from perfrun.kube.resources import CONFIG_MAPS, JOBS, PERF_RUNS, PODS
from perfrun.logic.plan.names import job_name
from perfrun.logic.problems import parse_problems
from perfrun.logic.run import status as transition
from perfrun.logic.run.facts import JobState, RunFacts
from perfrun.logic.run.lifecycle import Action, Decision, decide
from perfrun.logic.run.losses import untidy
from perfrun.logic.verdict.outcome import RunVerdict, cancelled, errored

logger = logging.getLogger(__name__)

MAX_FAILURES = 5
"""Unexpected errors of a run in a row before it ends as Error."""
LAUNCH_RETRY_S = 5.0
CHECK_RETRY_S = 5.0
PROGRESS_S = 5.0
PLAN_LOOK_S = 15.0
"""Workers that start without a problem are ready before this."""
NO_CERTIFICATE = ""
MAX_STOP_TEXT = 200
"""Length limit for the text that says who stopped a run."""


class RunReconciler:
    """Brings one PerfRun one step further with each call."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        coordinator: Coordinator,
        runs: OpenRuns,
        acceptor: Acceptor,
        finisher: Finisher,
        environment: EnvironmentReader,
        events: Events,
        settings: Settings,
        sampler: Sampler,
        accounts: Accounts,
        ca: str = NO_CERTIFICATE,
    ) -> None:
        """``ca``: the PEM by which workers recognise the coordinator; empty without TLS."""
        self._kube = kube
        self._store = store
        self._coordinator = coordinator
        self._runs = runs
        self._acceptor = acceptor
        self._finisher = finisher
        self._environment = environment
        self._events = events
        self._settings = settings
        self._sampler = sampler
        self._accounts = accounts
        self._ca = ca
        self._facts = FactReader(kube, coordinator, settings.coordinator_url)
        self._clean_ups = CleanUps(kube, events, settings, accounts, with_ca=bool(ca))
        self._failures: dict[str, int] = {}
        """By uid: how often an unexpected error has occurred in a run."""
        self._plan_due: dict[str, float] = {}
        """By uid: when to check again that its plan exists, in the loop's time."""
        self._told: dict[str, float] = {}
        """By uid: when its progress was last written, in the loop's time."""

    async def reconcile(self, key: Key) -> float | None:
        """One step of one run. Returns the seconds until the next look; None: when it changes."""
        body = await self._kube.find(PERF_RUNS, key.namespace, key.name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            self.forget(key)
            self._store.drop_run(key)
            if body is not None:
                # A finalizer may keep the object for long, but its load ends now.
                await self._finisher.delete_jobs(key.namespace, body["metadata"]["uid"])
            return None
        try:
            run = PerfRun.parse(body)
        except ValidationError as error:
            await self._finisher.give_up(body, str(parse_problems(error)[0]))
            return None
        if run.status.phase is Phase.DONE:
            return await self._after(run)
        uid = run.metadata.uid
        try:
            again = await self._advance(run, stop_of(body))
        except KubeError:
            raise
        except CheckFailedError as error:
            logger.warning("run %s waits: %s", key, error)
            return CHECK_RETRY_S
        except UnreadableError as error:
            why = str(error)
        except Exception as error:
            failures = self._failures[uid] = self._failures.get(uid, 0) + 1
            if failures < MAX_FAILURES:
                raise
            logger.exception("run %s: given up", key)
            why = f"it could not be finished: {type(error).__name__}: {error}"
        else:
            self._failures.pop(uid, None)
            return again
        await self._finisher.end(run, errored(why, counted(run)))
        return 0.0

    def forget(self, key: Key) -> None:
        """Forget a run that was deleted."""
        for uid in self._runs.uids(key):
            self._let_go(uid)

    def _let_go(self, uid: str) -> None:
        self._coordinator.close(uid)
        self._finisher.forget(uid)
        self._facts.forget(uid)
        self._acceptor.forget(uid)
        self._failures.pop(uid, None)
        self._told.pop(uid, None)
        self._plan_due.pop(uid, None)

    async def _after(self, run: PerfRun) -> float | None:
        """Clean up once for each run that this process has opened."""
        if self._runs.is_open(run.metadata.uid) or run.status.job is not None:
            self._coordinator.close(run.metadata.uid)
            # The process that wrote the verdict may have been killed before reporting it.
            await self._finisher.report(run)
            await self._finisher.tidy(run)
            self._let_go(run.metadata.uid)
            if run.status.job is not None:
                await self._write(run, transition.tidied())
                return None
        if run.status.observed_generation != run.metadata.generation:
            # spec.stop came after the end: nothing has to be done.
            await self._write(run, transition.seen(run.metadata.generation))
        return None

    async def _advance(self, run: PerfRun, stop: str | None) -> float | None:
        if run.status.phase in (None, Phase.QUEUED):
            return await self._acceptor.accept(run, stop)
        opened = await self._runs.frozen(run)
        await self._sampler.watch(run, opened)
        session = await self._session(run, opened)
        policies = self._store.policies_of(run.metadata.namespace)
        facts = replace(
            await self._facts.of(run, opened, session),
            stop=stop or policies.suspended,
            unscheduled_for=policies.unscheduled_for,
            wanted=self._is_wanted(run),
        )
        decision = decide(facts)
        # Asked only once the load is over, because its waiting time counts from the first call.
        if decision.action is Action.JUDGE and not self._sampler.settled(
            run.metadata.uid, facts.now
        ):
            decision = decide(replace(facts, settled=False))
        if (refused := self._refused(run, opened, facts, decision.action)) is not None:
            await self._finisher.end(run, errored(refused, counted(run)))
            return 0.0
        return await self._act(run, opened, facts, decision)

    def _refused(
        self, run: PerfRun, opened: OpenRun, facts: RunFacts, action: Action
    ) -> str | None:
        """Why no pod may be created from what was frozen.

        Its test was accepted, but may have said something else; for a run with workers, this was
        checked before.
        """
        first = action is Action.CLEAN_UP and facts.job is JobState.ABSENT
        if action is not Action.LAUNCH and not first:
            return None
        problems = self._store.policies_of(run.metadata.namespace).refuses(opened.asks)
        return f"PerfTest {run.spec.test_ref.name}: {problems[0]}" if problems else None

    async def _session(self, run: PerfRun, opened: OpenRun) -> RunSession:
        """The coordinator's session; after a restart it is opened again from the API."""
        uid, started = run.metadata.uid, run.status.start_time
        session = self._coordinator.session(uid)
        if session is None:
            session = self._coordinator.open(
                opened.plan,
                start_deadline=accepted(run) + as_timedelta(opened.plan.load.start_timeout),
                start=parse_time(started) if started else None,
                reported=await self._reported(uid) if started else {},
                search=search_of(opened.plan, opened.spec, _holds(run)),
            )
        if run.status.stopped is not None:
            self._coordinator.stop(uid, run.status.stopped)
        return session

    async def _reported(self, uid: str) -> dict[int, str]:
        stored = await self._runs.stored_reports(uid)
        return {index: report.sha256 for index, report in stored.items()}

    def _is_wanted(self, run: PerfRun) -> bool:
        record = run_record(run)
        if record.phase is not Phase.STARTING or record.target is None:
            return False
        return self._store.admission().is_wanted(record.contender(record.target))

    async def _requeue(self, run: PerfRun, facts: RunFacts, why: str) -> float:
        """Give back the turn of a run whose pods are not scheduled, and delete them."""
        queued = await self._write(run, transition.requeued(run, facts, why))
        self._store.put_run(run_record(queued))
        self._let_go(run.metadata.uid)
        # If this process ends now, the next look in the queue deletes the Job.
        await self._finisher.delete_jobs(run.metadata.namespace, run.metadata.uid)
        await self._events.record("PerfRun", run.metadata, "Requeued", why, warning=True)
        return 0.0

    async def _stop(self, run: PerfRun, reason: str) -> None:
        """Tell all workers to end the load, and record that."""
        await self._write(run, transition.stopping(reason))
        self._coordinator.stop(run.metadata.uid, reason)
        await self._events.record("PerfRun", run.metadata, "Stopping", reason)

    async def _collect(self, run: PerfRun, facts: RunFacts) -> None:
        """Wait for the reports, and not for less if the clock is set as soon as this is written."""
        told = transition.collecting(run, facts)
        assert told.report_deadline is not None
        self._facts.steady(run.metadata.uid, parse_time(told.report_deadline), facts.now)
        await self._write(run, told)

    async def _act(
        self, run: PerfRun, opened: OpenRun, facts: RunFacts, decision: Decision
    ) -> float | None:
        match decision.action:
            case Action.LAUNCH:
                if (run.status.turns or 1) > 1 and await self._has_former_pods(run):
                    told = "waiting until its previous pods have ended"
                    await self._write_progress(run, transition.waiting(told))
                    return LAUNCH_RETRY_S
                return await self._launch(run, opened)
            case Action.REQUEUE:
                return await self._requeue(run, facts, decision.message)
            case Action.WAIT:
                if facts.phase is Phase.STARTING and facts.ready < facts.planned:
                    await self._keep_plan(run, opened)
                await self._report_progress(run, facts, decision)
                return decision.wake
            case Action.STOP:
                await self._stop(run, decision.message)
            case Action.COLLECT:
                await self._collect(run, facts)
            case Action.CLEAN_UP:
                return await self._clean_ups.start(run, opened, facts)
            case Action.JUDGE:
                await self._finisher.judge(run, opened, facts)
            case Action.FAIL:
                await self._end(run, opened, facts, errored(decision.message, counted(run)))
            case Action.CANCEL:
                await self._end(run, opened, facts, cancelled(decision.message, counted(run)))
        return 0.0

    async def _end(
        self, run: PerfRun, opened: OpenRun, facts: RunFacts, run_verdict: RunVerdict
    ) -> None:
        """End a run that has measured nothing."""
        why = untidy(facts)
        if why is None and facts.cleaned:
            why = await self._finisher.untidy(opened)
        await self._finisher.end(run, run_verdict.with_untidy(why))

    async def _keep_plan(self, run: PerfRun, opened: OpenRun) -> None:
        """Restore the plan now and then: if it was deleted, pods that start late wait for it."""
        uid, now = run.metadata.uid, asyncio.get_running_loop().time()
        if run.status.job is None or now < self._plan_due.setdefault(uid, now + PLAN_LOOK_S):
            return
        self._plan_due[uid] = now + PLAN_LOOK_S
        with contextlib.suppress(KubeError):
            await self._ensure_plan(opened)

    async def _ensure_plan(self, opened: OpenRun) -> None:
        """Create the plan, and with it the NetworkPolicy of a script's pods. Raises KubeError."""
        body = await asyncio.to_thread(plan_config_map, opened.key, opened.plan, self._ca)
        plan_map = await create_once(self._kube, CONFIG_MAPS, body, opened.plan.uid)
        await ensure_egress(self._kube, self._settings, opened.key, opened.plan, plan_map)

    async def _launch(self, run: PerfRun, opened: OpenRun) -> float:
        """Create the account, the plan, a NetworkPolicy for scripts and the Job; record that."""
        job = job_manifest(
            opened.key,
            opened.plan,
            opened.spec,
            self._settings,
            with_ca=bool(self._ca),
            away_from=await self._environment.selectors(run),
        )
        try:
            await self._accounts.ensure(run.metadata.namespace)
            await self._ensure_plan(opened)
            await create_once(self._kube, JOBS, job, run.metadata.uid)
        except TerminatingError:
            raise
        except RefusedError as error:
            message = f"its workers could not be created: {error}"
            await self._finisher.end(run, errored(message, counted(run)))
            return 0.0
        except KubeError as error:
            told = f"the workers could not be created yet: {error}"
            logger.warning("run %s: %s", opened.key, told)
            changes = transition.waiting(told).updated(transition.not_launched(str(error)))
            await self._write_progress(run, changes)
            return LAUNCH_RETRY_S
        name = job["metadata"]["name"]
        await self._write(run, transition.launched(name))
        await self._events.record(
            "PerfRun",
            run.metadata,
            "Started",
            f"created Job {name} of {opened.plan.load.workers} worker(s)",
        )
        return 1.0

    async def _has_former_pods(self, run: PerfRun) -> bool:
        """Whether pods of an earlier turn exist, which would be mistaken for workers of
        this one.
        """
        namespace, uid = run.metadata.namespace, run.metadata.uid
        if await self._kube.find(JOBS, namespace, job_name(uid)) is not None:
            return False
        labels = f"{RUN_LABEL}={run.metadata.name}"
        if await self._kube.list(PODS, namespace, labels=labels, only_metadata=True):
            return True
        self._coordinator.close(uid)  # their messages are not about this turn
        return False

    async def _report_progress(self, run: PerfRun, facts: RunFacts, decision: Decision) -> None:
        uid = run.metadata.uid
        now = asyncio.get_running_loop().time()
        # Every report wakes the run: with 200 workers, that would be 200 writes in a second.
        told = self._told.get(uid)
        if facts.phase is not Phase.STARTING and told is not None and now - told < PROGRESS_S:
            return
        self._told[uid] = now
        line = decision.message or progress_line(self._coordinator.live(uid), facts)
        await self._write_progress(run, transition.progress(run, facts, line))

    async def _write_progress(self, run: PerfRun, changes: PerfRunStatus) -> None:
        if run.status.updated(changes) != run.status:
            await self._write(run, changes)

    async def _write(self, run: PerfRun, changes: PerfRunStatus) -> PerfRun:
        return PerfRun.parse(await write_status(self._kube, PERF_RUNS, run.metadata, changes))


def stop_of(body: Json) -> str | None:
    """Who or what asked for the end of a run, as a sentence; None if nobody did."""
    if not body.get("spec", {}).get("stop"):
        return None
    about = body["metadata"]
    if (reason := (about.get("annotations") or {}).get(STOP_ANNOTATION)) is not None:
        return printable(reason, MAX_STOP_TEXT)
    setters = [
        (str(entry.get("time", "")), str(entry.get("manager", "")))
        for entry in about.get("managedFields") or []
        if "f:stop" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    manager = max(setters, default=("", ""))[1]
    return f"spec.stop was set by {printable(manager)}" if manager else "spec.stop was set"


def _holds(run: PerfRun) -> list[HoldStatus]:
    return run.status.capacity.holds if run.status.capacity is not None else []
