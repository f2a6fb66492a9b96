"""The runs that are due: by change, by request, by schedule, and repetitions."""

import logging
from datetime import datetime
from typing import NamedTuple

from perfrun.api.names import REPLACED, STOP_ANNOTATION
from perfrun.api.run.perfrun import PerfRun, Reason
from perfrun.api.test.perftest import REQUEST_ANNOTATION, CheckedTest, LastMissed, PerfTestStatus
from perfrun.api.times import format_time, parse_time
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.manifests import run_manifest
from perfrun.controller.objects.store import Key, RunRecord, Store, run_record
from perfrun.controller.test.ticks import Ticker
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.errors import AlreadyExistsError, ConflictError
from perfrun.kube.resources import PERF_RUNS, WORKLOADS
from perfrun.logic.plan.names import scheduled_run_name, short_hash
from perfrun.logic.problems import Problem
from perfrun.logic.schedule import due as schedule
from perfrun.logic.schedule import rollout
from perfrun.logic.schedule.due import ScheduleDecision, ScheduleFacts
from perfrun.logic.schedule.retry import LastRun, confirmation, retry
from perfrun.logic.schedule.rollout import RolloutFacts
from perfrun.logic.schedule.trigger import TriggerFacts, triggers

logger = logging.getLogger(__name__)


class NameTakenError(Exception):
    """A run cannot be created: an object with its name exists, and is not this test's."""


class Started(NamedTuple):
    """What was created, as far as others need to know."""

    noted: PerfTestStatus
    """The resulting changes of the status."""
    decision: ScheduleDecision | None
    """None without a schedule."""
    doubts: list[Problem] = []
    """What prevents a run from ever being due."""


class RunStarter:
    """Creates the PerfRuns of a test that are due."""

    def __init__(self, kube: Kube, store: Store, events: Events, ticker: Ticker) -> None:
        self._kube = kube
        self._ticker = ticker
        self._store = store
        self._events = events

    async def start(self, test: CheckedTest, now: datetime, *, suspended: bool) -> Started:
        """Create what is due.

        ``suspended``: by a policy; requested runs are created, and wait. Raises NameTakenError;
        RefusedError if the API server does not allow a run to be created.
        """
        if suspended:
            test = test.model_copy(update={"spec": test.spec.model_copy(update={"suspend": True})})
        noted = await self._start_triggered(test)
        noted = noted.updated(await self._start_retry(test, now))
        noted = noted.updated(await self._start_confirmation(test))
        rolled_out, doubts = await self._start_rollout(test)
        started = await self._start_scheduled(test, now)
        noted = noted.updated(rolled_out).updated(started.noted)
        return started._replace(noted=noted, doubts=doubts)

    async def _start_triggered(self, test: CheckedTest) -> PerfTestStatus:
        """Create the runs that a change or a request asks for. Returns what to record."""
        due = triggers(
            TriggerFacts(
                test=test.metadata.name,
                generation=test.metadata.generation,
                what_runs=test.what_runs,
                last_change=test.status.last_change,
                runs_on_change=test.spec.runs_on_change,
                suspended=test.spec.suspend,
                request=(test.metadata.annotations.get(REQUEST_ANNOTATION) or "")[:256] or None,
                last_request=test.status.last_request,
            )
        )
        for run in due.runs:
            await self._create(test, run.name, run.reason)
        return PerfTestStatus(last_change=due.last_change, last_request=due.last_request)

    async def _start_rollout(self, test: CheckedTest) -> tuple[PerfTestStatus, list[Problem]]:
        """Create the run that a rollout asks for. Returns what to record, and what does
        not exist.
        """
        workloads, missing = [], []
        for index, thing in enumerate(test.spec.observe or []):
            one = thing.workload
            if one is None or one not in test.spec.runs_on_rollout:
                continue
            resource = WORKLOADS[one.kind]
            body = await self._kube.find(resource, test.metadata.namespace, one.name)
            if body is None:
                field = f"spec.observe[{index}].workload"
                missing.append(Problem(field, f"there is no {one.kind} {one.name}"))
            else:
                workloads.append(rollout.rolled(body))
        if missing or not workloads:
            return PerfTestStatus(), missing
        due = rollout.decide(
            RolloutFacts(test.metadata.name, test.spec.suspend, workloads, test.status.last_rollout)
        )
        if due.run is not None:
            await self._create(test, due.run, "Rollout")
        return PerfTestStatus(last_rollout=due.last_rollout), []

    async def _start_retry(self, test: CheckedTest, now: datetime) -> PerfTestStatus:
        """Repeat a run that ended Inconclusive. Returns what to record."""
        runs = self._store.own_runs_of(Key(test.metadata.namespace, test.metadata.name))
        done = [run for run in runs if run.done and run.completed]
        if test.spec.suspend or not done or len(done) < len(runs):
            return PerfTestStatus()  # a run in progress will say more
        last = max(done, key=lambda run: run.completed or "")
        assert last.completed is not None
        ended = LastRun(
            last.key.name,
            last.uid,
            last.reason,
            last.verdict,
            parse_time(last.completed),
            last.measured,
        )
        limit, noted = test.spec.retry_inconclusive, test.status.last_retry
        due = retry(test.metadata.name, ended, limit, noted, now)
        if due is None:
            return PerfTestStatus()
        await self._create(test, due.name, due.reason)
        return PerfTestStatus(last_retry=due.name)

    async def _start_confirmation(self, test: CheckedTest) -> PerfTestStatus:
        """Repeat a run that is suspected to be slower. Returns what to record."""
        trend, key = test.status.trend, Key(test.metadata.namespace, test.metadata.name)
        runs = self._store.own_runs_of(key)
        if trend is None or test.spec.suspend or not all(run.done for run in runs):
            return PerfTestStatus()
        name = confirmation(
            test.metadata.name, trend, test.status.last_confirmation, test.spec.baseline
        )
        if name is None:
            return PerfTestStatus()
        await self._create(test, name, "Confirmation")
        return PerfTestStatus(last_confirmation=name)

    async def _start_scheduled(self, test: CheckedTest, now: datetime) -> Started:
        """Create the run that the schedule asks for."""
        written = test.spec.schedule
        if written is None:
            return Started(PerfTestStatus(scheduled_since=None, schedule_hash=None), None)
        since, written_hash = _schedule_epoch(test, now)
        noted = PerfTestStatus(scheduled_since=format_time(since), schedule_hash=written_hash)
        active = await self._active_scheduled(test)
        last, missed = test.status.last_schedule_time, test.status.last_missed
        facts = ScheduleFacts(
            schedule=written,
            test=test.metadata.name,
            suspended=test.spec.suspend,
            since=since,
            last_schedule_time=parse_time(last) if last else None,
            active=[run.key.name for run in active],
            last_missed=parse_time(missed.time) if missed else None,
        )
        decision = schedule.decide(facts, now)
        if decision.replace and decision.start is not None:
            name = scheduled_run_name(test.metadata.name, decision.start)
            for run in active:
                # By its uid, because a new run with that name is not meant. Without its version,
                # because it should stop whatever its status says by now (docs/decisions/lease.md).
                reason = {STOP_ANNOTATION: f"replaced by {name} {REPLACED}"}
                about = {"uid": run.uid, "annotations": reason}
                meant = {"metadata": about, "spec": {"stop": True}}
                await self._kube.patch(PERF_RUNS, *run.key, meant)
                note = f"stopped {run.key.name}: {name} replaces it {REPLACED}"
                await self._events.record("PerfTest", test.metadata, "Replaced", note)
        if decision.start is not None:
            tick = format_time(decision.start)
            name = scheduled_run_name(test.metadata.name, decision.start)
            await self._create(test, name, "Scheduled", tick)
            noted = noted.updated(PerfTestStatus(last_schedule_time=tick))
        if decision.missed is not None:
            time, why = decision.missed
            last_missed = LastMissed(time=format_time(time), reason=why)
            noted = noted.updated(PerfTestStatus(last_missed=last_missed))
        return Started(noted, decision)

    async def _active_scheduled(self, test: CheckedTest) -> list[RunRecord]:
        """Its scheduled runs that are not done, each read live, because a watch may lag."""
        key = Key(test.metadata.namespace, test.metadata.name)
        active = []
        for record in self._store.own_runs_of(key):
            if record.reason != "Scheduled" or record.done:
                continue
            body = await self._kube.find(PERF_RUNS, *record.key)
            if body is None:
                self._store.drop_run(record.key)
                continue
            if body["metadata"].get("deletionTimestamp"):
                continue  # a finalizer may keep it for long, but it no longer runs
            live = run_record(PerfRun.parse(body))
            self._store.put_run(live)
            if not live.done:
                active.append(live)
        return active

    async def _create(
        self, test: CheckedTest, name: str, reason: Reason, scheduled_time: str | None = None
    ) -> None:
        """Create a run, or accept an existing one of this test: the name is the lock."""
        namespace = test.metadata.namespace
        manifest = run_manifest(test.metadata, name, reason, scheduled_time)
        try:
            ahead = self._ticker.take(Key(namespace, test.metadata.name), name)
            body = ahead or await self._kube.create(PERF_RUNS, namespace, manifest)
        except AlreadyExistsError:
            body = await self._kube.get(PERF_RUNS, namespace, name)
            if body["metadata"].get("deletionTimestamp"):
                raise ConflictError(409, f"PerfRun {name} is being deleted") from None
            if not owned_by(body, test.metadata.uid):
                raise NameTakenError(
                    f"the run {name} ({reason}) is due, but a PerfRun with that name belongs "
                    "to something else: delete it"
                ) from None
        else:
            logger.info(
                "test %s/%s: created run %s (%s)", namespace, test.metadata.name, name, reason
            )
            await self._events.record(
                "PerfTest", test.metadata, "RunCreated", f"created PerfRun {name} ({reason})"
            )
        self._store.put_run(run_record(PerfRun.parse(body)))


def _schedule_epoch(test: CheckedTest, now: datetime) -> tuple[datetime, str]:
    """Since when the current schedule counts, and its hash: a changed or new one counts
    from now.
    """
    assert test.spec.schedule is not None
    written = short_hash(test.spec.schedule.cron, test.spec.schedule.time_zone)
    if test.status.schedule_hash == written and test.status.scheduled_since:
        since = parse_time(test.status.scheduled_since)
    elif test.status.observed_generation is None and test.metadata.creation_timestamp:
        since = test.metadata.creation_timestamp
    else:
        since = now.replace(microsecond=0)
    return since, written
