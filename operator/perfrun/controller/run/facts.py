"""The facts of a run: gathered from the API server and the coordinator, once for each decision."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from perfrun.api.run.perfrun import PerfRun, Phase
from perfrun.api.times import parse_time
from perfrun.controller.objects.manifests import RUN_LABEL
from perfrun.controller.objects.pods import failed_indexes, gone_pod, job_state, pod_facts
from perfrun.controller.objects.refusals import Refusals
from perfrun.controller.run.open_runs import OpenRun, UnreadableError
from perfrun.coordinator.coordinator import Coordinator
from perfrun.coordinator.session import RunSession
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.resources import JOBS, PODS
from perfrun.logic.plan.names import job_name, teardown_job_name
from perfrun.logic.plan.run_plan import load_end, longest
from perfrun.logic.run.facts import CleanUp, JobState, Refusal, RunFacts, WorkerFacts

# Listing the pods of 200 workers costs the API server more than everything else about a run. Under
# load they matter only when one dies; news from the workers arrives through the coordinator.
_MAX_AGE_S = {Phase.RUNNING: 10.0, Phase.COLLECTING: 5.0}


@dataclass(frozen=True)
class _Workers:
    """The Job and its pods as they were read ``at`` some time of the event loop."""

    job: JobState
    pods: list[WorkerFacts]
    at: float
    refusal: Refusal | None = None
    terminated: frozenset[int] = frozenset()
    """The workers that had reported by then that they were ended."""
    ends: Mapping[int, WorkerFacts] = field(default_factory=dict)
    """Their pods as they were at that time: a drained pod is soon gone."""


class FactReader:
    """Gathers the facts of runs; remembers for some seconds what is expensive to read."""

    def __init__(self, kube: Kube, coordinator: Coordinator, coordinator_url: str) -> None:
        """``coordinator_url``: where workers report."""
        self._kube = kube
        self._coordinator = coordinator
        self._address = urlsplit(coordinator_url).netloc
        self._refusals = Refusals(kube)
        self._workers: dict[str, _Workers] = {}
        self._due: dict[str, dict[datetime, float]] = {}
        """By the run's uid: its deadlines as they are written, and which times of the event loop
        they are."""

    def forget(self, uid: str) -> None:
        """The run is over."""
        self._workers.pop(uid, None)
        self._due.pop(uid, None)
        self._refusals.forget(uid)

    async def of(self, run: PerfRun, opened: OpenRun, session: RunSession) -> RunFacts:
        """Everything that the next decision depends on. Raises ValueError for an inconsistent
        status.
        """
        uid, plan, status = run.metadata.uid, opened.plan, run.status
        workers = await self._read_workers(run, plan.load.workers, frozenset(session.terminated))
        # Before asking the session: a worker of a Job that has ended had reported before.
        clean_up = await self._read_clean_up(run)
        trouble = self._coordinator.trouble(uid)
        start = parse_time(status.start_time) if status.start_time else None
        end = load_end(plan)
        now = datetime.now(UTC)
        assert status.phase is not None
        return RunFacts(
            phase=status.phase,
            now=now,
            accepted=accepted(run),
            start_timeout=plan.load.start_timeout,
            planned=plan.load.workers,
            job=workers.job,
            launched=status.job is not None,
            launch_error=status.launch_error,
            workers=workers.pods,
            ends=workers.ends,
            refusal=workers.refusal,
            turn=parse_time(status.turn_time) if status.turn_time else None,
            turns=status.turns or 1,
            coordinator=self._address,
            listening_since=opened.since,
            admitted=session.admitted,
            arrived=session.arrived,
            ready=session.ready_count,
            reported=frozenset(session.reported),
            stopped=status.stopped is not None,
            fatal=trouble.message if trouble and trouble.hopeless else None,
            trouble=trouble.message if trouble else None,
            in_setup=session.setup is None,
            silent=self._coordinator.silent(uid),
            load_end=start + as_timedelta(end) if start and end is not None else None,
            report_deadline=self.steady(uid, _report_deadline(run, start, longest(plan)), now),
            undoes=bool(plan.teardown) and (start is not None or session.setup_begun),
            cleaned=session.cleaned,
            clean_up=clean_up,
        )

    def steady(self, uid: str, deadline: datetime | None, now: datetime) -> datetime | None:
        """A deadline by the current clock, as far away as it was when it was first seen.

        If the clock is set forward, that does not make reports late.
        """
        if deadline is None:
            return None
        passed = asyncio.get_running_loop().time()
        begins_at = passed + (deadline - now).total_seconds()
        at = self._due.setdefault(uid, {}).setdefault(deadline, begins_at)
        return now + timedelta(seconds=at - passed)

    async def _read_clean_up(self, run: PerfRun) -> CleanUp | None:
        """The Job of the teardown and its pod, once it was decided on."""
        if run.status.teardown_deadline is None:
            return None
        uid, namespace = run.metadata.uid, run.metadata.namespace
        deadline = parse_time(run.status.teardown_deadline)
        job = await self._kube.find(JOBS, namespace, teardown_job_name(uid))
        if job is None:
            return CleanUp(deadline, problem=run.status.launch_error)
        labels, now = f"{RUN_LABEL}={run.metadata.name}", datetime.now(UTC)
        bodies = await self._kube.list(PODS, namespace, labels=labels)
        mine = [pod_facts(body, now) for body in bodies if owned_by(body, job["metadata"]["uid"])]
        problems = [pod.problem for pod in mine if pod.problem is not None]
        return CleanUp(deadline, job_state(job, uid), problems[-1] if problems else None)

    async def _read_workers(
        self, run: PerfRun, planned: int, terminated: frozenset[int]
    ) -> _Workers:
        uid, namespace = run.metadata.uid, run.metadata.namespace
        now = asyncio.get_running_loop().time()
        known = self._workers.get(uid)
        most = _MAX_AGE_S.get(run.status.phase or Phase.STARTING, 0.0)
        if known is not None and now - known.at < most and known.terminated == terminated:
            return known
        job = await self._kube.find(JOBS, namespace, job_name(uid))
        state, pods, refusal = job_state(job, uid), [], None
        if job is not None:
            labels = f"{RUN_LABEL}={run.metadata.name}"
            bodies = await self._kube.list(PODS, namespace, labels=labels)
            job_uid = job["metadata"]["uid"]
            time = datetime.now(UTC)
            pods = [pod_facts(body, time) for body in bodies if owned_by(body, job_uid)]
            if run.status.phase is Phase.STARTING and state is JobState.ACTIVE:
                refusal = await self._read_refusal(run, job_uid, len(pods), planned)
            given_up = failed_indexes(job, planned) - {pod.index for pod in pods}
            pods += [gone_pod(job_name(uid), index) for index in sorted(given_up)]
        ends = {pod.index: pod for pod in pods if pod.index in terminated and pod.problem}
        ends |= known.ends if known is not None else {}
        self._workers[uid] = _Workers(state, pods, now, refusal, terminated, ends)
        return self._workers[uid]

    async def _read_refusal(
        self, run: PerfRun, job_uid: str, there: int, planned: int
    ) -> Refusal | None:
        if there >= planned:
            self._refusals.forget(run.metadata.uid)
            return None
        return await self._refusals.of(run.metadata.uid, run.metadata.namespace, job_uid)


def accepted(run: PerfRun) -> datetime:
    """When the run left the queue. Raises UnreadableError if its status does not say."""
    if run.status.accepted_time is None:
        raise UnreadableError("its status does not say when it left the queue")
    return parse_time(run.status.accepted_time)


def as_timedelta(ns: int) -> timedelta:
    """Nanoseconds as a timedelta."""
    return timedelta(microseconds=ns / 1000)


def _report_deadline(run: PerfRun, start: datetime | None, most: int) -> datetime | None:
    if run.status.report_deadline is not None:
        return parse_time(run.status.report_deadline)
    return start + as_timedelta(most) if start else None
