"""The reconciler of PerfRuns: look at the world, ask what to do, do one thing, look again."""

from datetime import UTC, datetime, timedelta

from perfrun.api.perfrun import PerfRun, Phase, WorkerCounts
from perfrun.api.times import format_time, parse_time
from perfrun.controller.accept import Acceptor
from perfrun.controller.events import Events
from perfrun.controller.finish import Finisher
from perfrun.controller.kube import (
    CONFIG_MAPS,
    JOBS,
    PERF_RUNS,
    PODS,
    AlreadyExistsError,
    Json,
    Kube,
    NotFoundError,
    RefusedError,
)
from perfrun.controller.manifests import RUN_LABEL, job_manifest, plan_config_map
from perfrun.controller.open_runs import OpenRun, OpenRuns
from perfrun.controller.pods import job_state, owned_by, pod_facts
from perfrun.controller.progress import progress_line
from perfrun.controller.settings import Settings
from perfrun.controller.status import changed, open_conditions, write_status
from perfrun.controller.store import Key
from perfrun.coordinator.coordinator import Coordinator
from perfrun.coordinator.session import RunSession
from perfrun.logic.lifecycle import (
    Act,
    Decision,
    RunFacts,
    collecting_deadline,
    decide,
    losses,
)
from perfrun.logic.names import job_name
from perfrun.logic.plan import load_end, longest
from perfrun.logic.verdict import cancelled, errored

NO_CERTIFICATE = ""


class RunReconciler:
    """Brings one PerfRun one step further each time it is called."""

    def __init__(
        self,
        kube: Kube,
        coordinator: Coordinator,
        runs: OpenRuns,
        acceptor: Acceptor,
        finisher: Finisher,
        events: Events,
        settings: Settings,
        ca: str = NO_CERTIFICATE,
    ) -> None:
        """``ca``: the PEM by which workers know the coordinator; empty without TLS."""
        self._kube = kube
        self._coordinator = coordinator
        self._runs = runs
        self._acceptor = acceptor
        self._finisher = finisher
        self._events = events
        self._settings = settings
        self._ca = ca

    async def reconcile(self, key: Key) -> float | None:
        """One step of one run. Seconds until it is to be looked at again, None: when it changes."""
        body = await self._kube.find(PERF_RUNS, key.namespace, key.name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            self.forget(key)
            return None
        run = PerfRun.parse(body)
        match run.status.phase:
            case None | Phase.QUEUED:
                return await self._acceptor.accept(run)
            case Phase.DONE:
                return await self._after(run)
            case _:
                return await self._advance(run)

    def forget(self, key: Key) -> None:
        """Let go of a run that was deleted."""
        for uid in self._runs.uids(key):
            self._coordinator.close(uid)
            self._runs.close(uid)

    async def _after(self, run: PerfRun) -> float | None:
        """Tidy up once for each run that this process has had open."""
        if self._runs.is_open(run.metadata.uid) or run.status.job is not None:
            self._coordinator.close(run.metadata.uid)
            await self._finisher.tidy(run)
            if run.status.job is not None:
                await write_status(self._kube, PERF_RUNS, run.metadata, {"job": None})
        return None

    async def _advance(self, run: PerfRun) -> float | None:
        try:
            opened = await self._runs.frozen(run)
        except NotFoundError as error:
            why = f"what it was to run is gone: {error}"
            await self._finisher.end(run, errored(why, _workers(run)))
            return 0.0
        session = await self._session(run, opened)
        if run.spec.stop and run.status.stopped is None and run.status.phase is Phase.RUNNING:
            run = await self._stop(run)
        facts = await self._facts(run, opened, session)
        decision = decide(facts)
        return await self._act(run, opened, facts, decision)

    async def _session(self, run: PerfRun, opened: OpenRun) -> RunSession:
        """The coordinator's session; opened anew, from what the API holds, after a restart."""
        session = self._coordinator.session(run.metadata.uid)
        if session is None:
            started = run.status.start_time
            reported = await self._runs.reports(run.metadata.uid) if started else {}
            session = self._coordinator.open(
                opened.plan,
                start_deadline=_accepted(run) + _timedelta(opened.plan.load.start_timeout),
                start=parse_time(started) if started else None,
                reported=reported,
            )
        if run.status.stopped is not None:
            self._coordinator.stop(run.metadata.uid, run.status.stopped)
        return session

    async def _stop(self, run: PerfRun) -> PerfRun:
        """Tell all workers to end the load, and keep that they were told."""
        reason = "spec.stop was set"
        body = await write_status(self._kube, PERF_RUNS, run.metadata, {"stopped": reason})
        self._coordinator.stop(run.metadata.uid, reason)
        await self._events.tell("PerfRun", run.metadata, "Stopping", reason)
        return PerfRun.parse(body)

    async def _facts(self, run: PerfRun, opened: OpenRun, session: RunSession) -> RunFacts:
        uid, plan = run.metadata.uid, opened.plan
        job = await self._kube.find(JOBS, run.metadata.namespace, job_name(uid))
        pods = []
        if job is not None:
            labels = f"{RUN_LABEL}={run.metadata.name}"
            bodies = await self._kube.list(PODS, run.metadata.namespace, labels=labels)
            pods = [pod_facts(b) for b in bodies if owned_by(b, job["metadata"]["uid"])]
        trouble = self._coordinator.trouble(uid)
        start = parse_time(run.status.start_time) if run.status.start_time else None
        end = load_end(plan)
        assert run.status.phase is not None
        return RunFacts(
            phase=run.status.phase,
            now=datetime.now(UTC),
            accepted=_accepted(run),
            start_timeout=plan.load.start_timeout,
            planned=plan.load.workers,
            job=job_state(job, uid),
            launched=run.status.job is not None,
            pods=pods,
            ready=session.ready_count,
            reported=frozenset(session.reported),
            fatal=trouble.message if trouble and trouble.hopeless else None,
            trouble=trouble.message if trouble else None,
            stop=run.spec.stop,
            load_end=start + _timedelta(end) if start and end is not None else None,
            report_deadline=_report_deadline(run, start, longest(plan)),
        )

    async def _act(
        self, run: PerfRun, opened: OpenRun, facts: RunFacts, decision: Decision
    ) -> float | None:
        match decision.act:
            case Act.LAUNCH:
                return await self._launch(run, opened)
            case Act.WAIT:
                await self._tell_progress(run, facts, decision)
                return decision.wake
            case Act.COLLECT:
                return await self._collect(run, facts)
            case Act.JUDGE:
                await self._finisher.judge(run, opened, losses(facts))
            case Act.FAIL:
                await self._finisher.end(run, errored(decision.message, _workers(run)))
            case Act.CANCEL:
                await self._finisher.end(run, cancelled(decision.message, _workers(run)))
        return 0.0

    async def _launch(self, run: PerfRun, opened: OpenRun) -> float:
        """Create the plan and the Job; what is there already and ours is as good."""
        key, namespace = opened.key, opened.key.namespace
        job = job_manifest(key, opened.plan, opened.spec, self._settings, with_ca=bool(self._ca))
        objects = (
            (CONFIG_MAPS, plan_config_map(key, opened.plan, self._ca)),
            (JOBS, job),
        )
        try:
            for resource, body in objects:
                try:
                    await self._kube.create(resource, namespace, body)
                except AlreadyExistsError:
                    name = body["metadata"]["name"]
                    if not owned_by(
                        await self._kube.get(resource, namespace, name), run.metadata.uid
                    ):
                        raise
        except RefusedError as error:
            message = f"its workers could not be created: {error}"
            await self._finisher.end(run, errored(message, _workers(run)))
            return 0.0
        name = job["metadata"]["name"]
        await write_status(self._kube, PERF_RUNS, run.metadata, {"job": name})
        await self._events.tell(
            "PerfRun",
            run.metadata,
            "Started",
            f"created Job {name} of {opened.plan.load.workers} worker(s)",
        )
        return 1.0

    async def _collect(self, run: PerfRun, facts: RunFacts) -> float:
        now = facts.now
        planned = facts.report_deadline or now
        deadline = collecting_deadline(now, planned, facts.job)
        changes = {
            "phase": Phase.COLLECTING.value,
            "loadEndTime": format_time(now),
            "reportDeadline": format_time(deadline),
            "progress": "waiting for the reports of the workers",
            "conditions": open_conditions(
                Phase.COLLECTING, now.replace(microsecond=0), run.status.conditions
            ),
        }
        await write_status(self._kube, PERF_RUNS, run.metadata, changes)
        return 0.0

    async def _tell_progress(self, run: PerfRun, facts: RunFacts, decision: Decision) -> None:
        live = self._coordinator.live(run.metadata.uid)
        now = {
            "progress": decision.message or progress_line(live, facts),
            "workers": {
                "planned": facts.planned,
                "ready": max(facts.ready, run.status.workers.ready if run.status.workers else 0),
                "reported": len(facts.reported),
            },
        }
        old: Json = run.status.model_dump(mode="json", include=set(now))
        if difference := changed(old, now):
            await write_status(self._kube, PERF_RUNS, run.metadata, difference)


def _accepted(run: PerfRun) -> datetime:
    assert run.status.accepted_time is not None, "a run is accepted when it leaves the queue"
    return parse_time(run.status.accepted_time)


def _report_deadline(run: PerfRun, start: datetime | None, most: int) -> datetime | None:
    if run.status.report_deadline is not None:
        return parse_time(run.status.report_deadline)
    return start + _timedelta(most) if start else None


def _workers(run: PerfRun) -> WorkerCounts:
    return run.status.workers or WorkerCounts(planned=0)


def _timedelta(ns: int) -> timedelta:
    return timedelta(microseconds=ns / 1000)
