"""From a new PerfRun to one that may start: find its test, freeze it, and give it a turn in the
queue.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from perfrun.api import Json
from perfrun.api.metadata import Metadata
from perfrun.api.run.perfrun import (
    PerfRun,
    PerfRunStatus,
    QueueStatus,
    WorkerCounts,
)
from perfrun.api.test.perftest import PerfTestSettings
from perfrun.api.times import parse_time
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.manifests import (
    TEST_LABEL,
    config_map_hash,
    owner_reference,
    revision_manifest,
    revision_name,
)
from perfrun.controller.objects.status import write_status
from perfrun.controller.objects.store import Store, run_record
from perfrun.controller.objects.writing import find_or_create
from perfrun.controller.run.finish import Finisher
from perfrun.controller.run.open_runs import revision_spec, unreadable_revision
from perfrun.controller.test.checks import CheckFailedError, Checks
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.errors import RefusedError
from perfrun.kube.resources import CONFIG_MAPS, PERF_RUNS, PERF_TESTS, REVISIONS
from perfrun.logic.accept.budgets import MAX_FROZEN_BYTES
from perfrun.logic.accept.examine import Examined
from perfrun.logic.accept.overrides import overrides_text
from perfrun.logic.plan.run_plan import key_with_files
from perfrun.logic.run.status import frozen, queued, starting
from perfrun.logic.schedule.admission import Placement, queue_limit
from perfrun.logic.verdict.outcome import RunVerdict, cancelled, errored, turn_did_not_come

logger = logging.getLogger(__name__)

QUEUE_POLL_S = 5.0
"""Per place in the queue: the end of a run wakes the next ones, so looking at n waiting runs costs
no more than looking at a dozen.
"""
EXPIRY_SLACK_S = 1.0
NO_WORKERS = WorkerCounts(planned=0)
SCRIPT_WITHIN = timedelta(seconds=30)
"""How long a new run waits for a ConfigMap that is applied together with its test."""


class AdmissionError(Exception):
    """The run cannot be accepted; the text is for its user."""


class Acceptor:
    """Accepts runs. One at a time leaves the queue, so that two never see it empty; a run that
    stays in it does not wait for others' writes.
    """

    def __init__(
        self, kube: Kube, store: Store, finisher: Finisher, events: Events, checks: Checks
    ) -> None:
        self._kube = kube
        self._store = store
        self._finisher = finisher
        self._events = events
        self._checks = checks
        self._turn = asyncio.Lock()
        self._waiting: dict[str, Examined] = {}
        """By the uid of a waiting run: the result of checking what it executes."""

    async def accept(self, run: PerfRun, stop: str | None) -> float | None:
        """Bring a run from its creation, or from the queue, to Starting. Returns the seconds until
        the next look.

        ``stop``: who asked for its end, if anybody did. If the API server refuses something (a
        quota, a webhook), the run ends with that message. Raises UnreadableError if what it was
        frozen to is gone.
        """
        try:
            if self._is_one_too_many(run):
                return await self._refuse_one_too_many(run)
            if run.status.turns:
                await self._finisher.delete_jobs(run.metadata.namespace, run.metadata.uid)
            body = await self._test(run)
            if body is None:
                return None
            test = Metadata.model_validate(body["metadata"])
            if not owned_by({"metadata": {"ownerReferences": _owners(run)}}, test.uid):
                run = await self._adopt(run, test)
            if stop is not None:
                return await self._cancel(
                    run, cancelled(f"stopped before it started: {stop}", NO_WORKERS)
                )
            outcome = await self._with_files(run, await self._frozen(run, body, test))
            return await self._enter(run, outcome, _patience(body))
        except AdmissionError as refusal:
            await self._finisher.end(run, errored(str(refusal), NO_WORKERS))
        except RefusedError as error:
            why = f"it could not be accepted: {error}"
            await self._finisher.end(run, errored(why, NO_WORKERS))
        except CheckFailedError as error:
            logger.warning("run %s/%s waits: %s", run.metadata.namespace, run.metadata.name, error)
            return QUEUE_POLL_S
        return 0.0

    def _is_one_too_many(self, run: PerfRun) -> bool:
        """Whether its namespace has as many open runs as it may have; accepted runs stay."""
        namespace = run.metadata.namespace
        if run.status.phase is not None:
            return False
        return self._store.queues.open_in(namespace) >= self._store.policies_of(namespace).open_runs

    async def _refuse_one_too_many(self, run: PerfRun) -> float:
        namespace = run.metadata.namespace
        why = (
            f"{self._store.queues.open_in(namespace)} runs of namespace {namespace} are not "
            f"done, but at most {self._store.policies_of(namespace).open_runs} are allowed "
            "(limits.openRunsPerNamespace of its PerfPolicies): wait until others have ended, "
            "or delete runs that are no longer needed"
        )
        return await self._cancel(run, turn_did_not_come("TooManyRuns", why))

    async def _test(self, run: PerfRun) -> Json | None:
        """The test of a run; None if it is being deleted. Raises AdmissionError."""
        name = run.spec.test_ref.name
        body = await self._kube.find(PERF_TESTS, run.metadata.namespace, name)
        if body is None:
            raise AdmissionError(
                f"PerfTest {name} does not exist in namespace {run.metadata.namespace}: create "
                "it, and then create a new PerfRun"
            )
        return None if body["metadata"].get("deletionTimestamp") else body

    async def _adopt(self, run: PerfRun, test: Metadata) -> PerfRun:
        """Make the test the owner of a run that was created by hand, so that they are deleted
        together.
        """
        # An object has one controlling owner: a workflow that created the run keeps it.
        taken = any(owner.controller for owner in run.metadata.owner_references)
        owner = owner_reference("PerfTest", test.name, test.uid)
        body = {
            "metadata": {
                "uid": run.metadata.uid,
                "resourceVersion": run.metadata.resource_version,
                "labels": {TEST_LABEL: test.name},
                "ownerReferences": [*_owners(run), {**owner, "controller": not taken}],
            }
        }
        return PerfRun.parse(
            await self._kube.patch(PERF_RUNS, run.metadata.namespace, run.metadata.name, body)
        )

    async def _frozen(self, run: PerfRun, body: Json, test: Metadata) -> Examined:
        """The result of checking what the run executes, which is what the test said when the run
        was first seen.

        It is kept as a revision; equal revisions are shared. Raises AdmissionError, and
        UnreadableError if it is gone.
        """
        uid = run.metadata.uid
        if run.status.revision is not None:
            # A waiting run is frozen: it runs whatever has happened to the test since.
            if uid not in self._waiting:
                spec = await revision_spec(self._kube, run)
                self._waiting[uid] = await self._checks.examine(
                    spec, test.namespace, most_bytes=MAX_FROZEN_BYTES
                )
            outcome = self._waiting[uid]
            if outcome.asks is None:
                raise unreadable_revision(run.status.revision, outcome.problems[0])
        else:
            outcome = await self._checks.frozen(body, run.spec.overrides)
        if outcome.asks is None:
            raise AdmissionError(f"{_what(run)}: {outcome.problems[0]}")
        if outcome.frozen is not None:
            revision = revision_manifest(test, outcome.what_runs, outcome.frozen)
            await find_or_create(self._kube, REVISIONS, revision, test.uid)
            self._waiting[uid] = outcome.model_copy(update={"frozen": None})
        return outcome

    async def _with_files(self, run: PerfRun, outcome: Examined) -> Examined:
        """With the hash of its script's files, if they are in a ConfigMap.

        It is taken once: what a run that waits will execute does not change either. Raises
        AdmissionError, and CheckFailedError while the ConfigMap may be about to be created.
        """
        name = outcome.asks.script_map if outcome.asks is not None else None
        if name is None:
            return outcome
        files = run.status.script_hash or await self._script_hash(run, name)
        key = key_with_files(outcome.comparison_key, files)
        return outcome.model_copy(update={"script_hash": files, "comparison_key": key})

    async def _script_hash(self, run: PerfRun, name: str) -> str:
        namespace = run.metadata.namespace
        found = await self._kube.find(CONFIG_MAPS, namespace, name)
        if found is not None:
            return await asyncio.to_thread(config_map_hash, found)
        why = f"ConfigMap {name} does not exist in namespace {namespace}"
        if datetime.now(UTC) - run_record(run).created < SCRIPT_WITHIN:
            raise CheckFailedError(f"the files of its script are not there: {why}")
        raise AdmissionError(
            f"{_what(run)}: spec.target.script.files.configMap.name: {why}: create it, and then "
            "create a new PerfRun"
        )

    def forget(self, uid: str) -> None:
        """The run no longer waits."""
        self._waiting.pop(uid, None)

    async def _enter(self, run: PerfRun, outcome: Examined, patience: timedelta) -> float:
        if run.status.start_deadline is not None:
            patience = parse_time(run.status.start_deadline) - run_record(run).created
        assert outcome.asks is not None
        policies = self._store.policies_of(run.metadata.namespace)
        if problems := policies.refuses(outcome.asks):
            raise AdmissionError(f"{_what(run)}: {problems[0]}")
        if self._is_one_too_many(run):
            return await self._refuse_one_too_many(run)  # others were accepted meanwhile
        me = run_record(run).contender(outcome.target)
        until = me.created + patience

        def place() -> Placement:
            # Each time: the event of its creation may arrive meanwhile, and has no target yet.
            self._store.queues.put(me)
            return self._store.admission().place(me, datetime.now(UTC), patience)

        placement = place()
        if placement.may_start:
            async with self._turn:
                placement = place()  # others have left the queue meanwhile
                if placement.may_start:
                    return await self._take_place(run, outcome, placement, until)
        return await self._take_place(run, outcome, placement, until)

    async def _take_place(
        self, run: PerfRun, outcome: Examined, placement: Placement, until: datetime
    ) -> float:
        """Give the run the place that admission determined; ``until``: how long it may wait."""
        now = datetime.now(UTC)
        if placement.superseded_by is not None:
            why = f"superseded by {placement.superseded_by} before it started"
            return await self._cancel(run, turn_did_not_come("Superseded", why))
        if placement.expired:
            return await self._cancel(run, _too_late(run, placement.reason))
        changes = self._place_status(run, outcome, placement, now)
        if changes is not None:
            body = await write_status(self._kube, PERF_RUNS, run.metadata, changes)
            self._store.put_run(run_record(PerfRun.parse(body)))
        left = (until - now).total_seconds()
        return min(QUEUE_POLL_S * placement.position, max(left, 0.0) + EXPIRY_SLACK_S)

    def _place_status(
        self, run: PerfRun, outcome: Examined, placement: Placement, now: datetime
    ) -> PerfRunStatus | None:
        """What to write about the run's place; None if the status already says so."""
        assert outcome.asks is not None
        accepted = frozen(
            run.status.revision or revision_name(run.spec.test_ref.name, outcome.what_runs),
            outcome.target,
            outcome.comparison_key,
            outcome.asks.workers,
            None if run.spec.overrides is None else overrides_text(run.spec.overrides),
            outcome.script_hash,
        )
        if not placement.position:
            return accepted.updated(starting(run, now))
        place = QueueStatus(reason=placement.reason, position=placement.position)
        if run.status.queue == place and run.status.target == outcome.target:
            return None
        return accepted.updated(queued(run, now, place))

    async def _cancel(self, run: PerfRun, run_verdict: RunVerdict) -> float:
        await self._finisher.end(run, run_verdict)
        return 0.0


def _what(run: PerfRun) -> str:
    """What it executes."""
    changed = " with the overrides of this run" if run.spec.overrides is not None else ""
    return f"PerfTest {run.spec.test_ref.name}{changed}"


def _too_late(run: PerfRun, reason: str) -> RunVerdict:
    """Its turn did not come in time, or not again after its pods were not scheduled."""
    if run.status.start_deadline is None:
        why = f"it did not get a turn in time: {reason}"
        return turn_did_not_come("QueueExpired", why)
    return errored(
        f"not all workers were ready in time (load.startTimeout); the run was waiting for another "
        f"turn ({reason}); before that: {run.status.message}",
        NO_WORKERS,
    )


def _patience(body: Json) -> timedelta:
    """How long a run of that test may wait for its turn."""
    return queue_limit(PerfTestSettings.parse(body["spec"]).schedule)


def _owners(run: PerfRun) -> list[Json]:
    return [
        owner.model_dump(by_alias=True, exclude_none=True)
        for owner in run.metadata.owner_references
    ]
