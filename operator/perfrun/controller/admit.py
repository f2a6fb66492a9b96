"""From a new PerfRun to one that may start: its test found, frozen, and its turn in the queue."""

import asyncio
from datetime import UTC, datetime

from pydantic import ValidationError

from perfrun.api.perfrun import PerfRun, Phase, WorkerCounts
from perfrun.api.perftest import PerfTest, PerfTestSpec
from perfrun.api.times import format_time
from perfrun.controller.events import Events
from perfrun.controller.finish import Finisher
from perfrun.controller.kube import (
    PERF_RUNS,
    PERF_TESTS,
    REVISIONS,
    Json,
    Kube,
    RefusedError,
    owned_by,
)
from perfrun.controller.manifests import (
    TEST_LABEL,
    owner_reference,
    revision_manifest,
    revision_name,
)
from perfrun.controller.open_runs import read_revision
from perfrun.controller.status import open_conditions, write_status
from perfrun.controller.store import RunRecord, Store, run_record
from perfrun.controller.writing import create_once
from perfrun.logic import accept
from perfrun.logic.admission import Contender, Placement, place, place_of, queue_limit
from perfrun.logic.judgement import cancelled, errored
from perfrun.logic.plan import comparison_key
from perfrun.logic.policy import NamespacePolicies, Policies
from perfrun.logic.problems import parse_problems

QUEUE_POLL_S = 5.0
LEAST_OFTEN_S = 60.0
"""Who is far behind in the queue is looked at seldom: the end of a run wakes the next ones."""
NO_WORKERS = WorkerCounts(planned=0)


class Refusal(Exception):  # noqa: N818 (it is an answer, not a failure)
    """The run cannot be accepted; the text is for its user."""


class Acceptor:
    """Accepts runs. One at a time decides about the queue, so that two never see it empty."""

    def __init__(self, kube: Kube, store: Store, finisher: Finisher, events: Events) -> None:
        self._kube = kube
        self._store = store
        self._finisher = finisher
        self._events = events
        self._turn = asyncio.Lock()

    async def accept(self, run: PerfRun) -> float | None:
        """Bring a run from nothing, or from the queue, to Starting. Seconds until the next look.

        What the API server refuses (a quota, a webhook) ends the run with its sentence. Raises
        UnreadableError where what it was frozen to is gone.
        """
        try:
            test = await self._test(run)
            if test is None:
                return None
            if not owned_by({"metadata": {"ownerReferences": _owners(run)}}, test.metadata.uid):
                run = await self._adopt(run, test)
            if run.spec.stop:
                return await self._cancel(run, "stopped before it started (spec.stop)")
            spec = await self._frozen(run, test)
            async with self._turn:
                return await self._enter(run, test, spec)
        except Refusal as refusal:
            await self._finisher.end(run, errored(str(refusal), NO_WORKERS))
        except RefusedError as error:
            why = f"it could not be accepted: {error}"
            await self._finisher.end(run, errored(why, NO_WORKERS))
        return 0.0

    async def _test(self, run: PerfRun) -> PerfTest | None:
        """The test of a run; None where it is going away. Raises Refusal."""
        name = run.spec.test_ref.name
        body = await self._kube.find(PERF_TESTS, run.metadata.namespace, name)
        if body is None:
            raise Refusal(
                f"PerfTest {name} does not exist in namespace {run.metadata.namespace}: "
                f"create it, and then a new PerfRun"
            )
        if body["metadata"].get("deletionTimestamp"):
            return None
        try:
            test = PerfTest.parse(body)
        except ValidationError as error:
            raise Refusal(f"PerfTest {name}: {parse_problems(error)[0]}") from error
        # What waits is frozen: it runs whatever has become of the test since.
        problems = accept.check(test.spec).problems if run.status.revision is None else []
        if problems:
            raise Refusal(f"PerfTest {name}: {problems[0]}")
        return test

    async def _adopt(self, run: PerfRun, test: PerfTest) -> PerfRun:
        """Make the test the owner of a run that was made by hand, so that they go together."""
        # An object has one controlling owner: a workflow that made the run keeps it.
        taken = any(owner.controller for owner in run.metadata.owner_references)
        owner = owner_reference("PerfTest", test.metadata.name, test.metadata.uid)
        body = {
            "metadata": {
                "uid": run.metadata.uid,
                "resourceVersion": run.metadata.resource_version,
                "labels": {TEST_LABEL: test.metadata.name},
                "ownerReferences": [*_owners(run), {**owner, "controller": not taken}],
            }
        }
        return PerfRun.parse(
            await self._kube.patch(PERF_RUNS, run.metadata.namespace, run.metadata.name, body)
        )

    async def _frozen(self, run: PerfRun, test: PerfTest) -> PerfTestSpec:
        """What the run executes: what the test ran when the run was first looked at.

        Kept as a revision; equal ones share it. Raises UnreadableError where it is gone.
        """
        if run.status.revision is not None:
            return await read_revision(self._kube, run)
        await create_once(self._kube, REVISIONS, revision_manifest(test), test.metadata.uid)
        return test.spec

    async def _enter(self, run: PerfRun, test: PerfTest, spec: PerfTestSpec) -> float:
        now = datetime.now(UTC)
        target = place_of(spec.target, run.metadata.namespace)
        policies = Contenders(self._store.policies, now)
        if problems := policies.of(run.metadata.namespace).problems(spec):
            raise Refusal(f"PerfTest {test.metadata.name}: {problems[0]}")
        placement = place(
            policies.contender(run_record(run), target),
            [
                policies.contender(other, other.target)
                for other in self._store.unfinished()
                if other.target
            ],
            now,
            queue_limit(test.spec.schedule),
        )
        if placement.superseded_by is not None:
            return await self._cancel(
                run, f"superseded by {placement.superseded_by} before it started"
            )
        if placement.expired:
            await self._finisher.end(
                run, errored(f"its turn did not come in time: {placement.reason}", NO_WORKERS)
            )
            return 0.0
        changes = self._standing(run, spec, target, placement, now)
        if changes is not None:
            body = await write_status(self._kube, PERF_RUNS, run.metadata, changes)
            self._store.put_run(run_record(PerfRun.parse(body)))
        return min(QUEUE_POLL_S * placement.position, LEAST_OFTEN_S)

    def _standing(
        self, run: PerfRun, spec: PerfTestSpec, target: str, placement: Placement, now: datetime
    ) -> Json | None:
        """What to write of the run's place; None where it stands there already."""
        phase = Phase.QUEUED if placement.position else Phase.STARTING
        queue = {"reason": placement.reason, "position": placement.position}
        standing = run.status.queue
        if phase is Phase.QUEUED and standing is not None and standing.model_dump() == queue:
            return None
        return {
            "observedGeneration": run.metadata.generation,
            "phase": phase.value,
            "target": target,
            "revision": run.status.revision or revision_name(run.spec.test_ref.name, spec),
            "comparisonKey": comparison_key(spec),
            "workers": {"planned": spec.load.workers, "ready": 0, "reported": 0},
            "queue": queue if phase is Phase.QUEUED else None,
            "acceptedTime": format_time(now) if phase is Phase.STARTING else None,
            "conditions": open_conditions(phase, now.replace(microsecond=0), run.status.conditions),
        }

    async def _cancel(self, run: PerfRun, why: str) -> float:
        await self._finisher.end(run, cancelled(why, NO_WORKERS))
        return 0.0


def _owners(run: PerfRun) -> list[Json]:
    return [
        owner.model_dump(by_alias=True, exclude_none=True)
        for owner in run.metadata.owner_references
    ]


class Contenders:
    """Runs as admission sees them, with what policies say of their namespaces now."""

    def __init__(self, policies: Policies, now: datetime) -> None:
        self._policies = policies
        self._now = now
        self._known: dict[str, NamespacePolicies] = {}

    def of(self, namespace: str) -> NamespacePolicies:
        """The policies of a namespace."""
        if namespace not in self._known:
            self._known[namespace] = self._policies.of(namespace)
        return self._known[namespace]

    def contender(self, record: RunRecord, target: str) -> Contender:
        """A run that is not done."""
        policies = self.of(record.key.namespace)
        return Contender(
            namespace=record.key.namespace,
            name=record.key.name,
            test=record.test,
            reason=record.reason,
            target=target,
            created=record.created,
            admitted=record.holds_target,
            per_target=policies.runs_per_target,
            caps=tuple(policies.caps),
            held=policies.held(self._now),
        )
