"""The runs that have left the queue: what they were frozen to, and where their reports are stored.

Implements the coordinator's ``Store`` with the API server. After a restart of the operator it is
filled again from the API.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from perfrun.api import Json
from perfrun.api.run.checked import Asks
from perfrun.api.run.perfrun import HoldStatus, PerfRun, Phase
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.times import parse_time
from perfrun.controller.objects.manifests import (
    CHUNK_BYTES,
    CONTENT_LABEL,
    PIECE_LABEL,
    REPORT_INDEX_LABEL,
    RUN_LABEL,
    joined,
    report_config_maps,
)
from perfrun.controller.objects.status import write_status
from perfrun.controller.objects.store import Key, Store
from perfrun.controller.objects.writing import sha_of, store_report
from perfrun.controller.test.checks import Checks
from perfrun.coordinator.app import MAX_REPORT
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.errors import ConflictError, NotFoundError
from perfrun.kube.resources import CONFIG_MAPS, JOBS, PERF_RUNS, REVISIONS
from perfrun.logic.accept.budgets import MAX_FROZEN_BYTES
from perfrun.logic.accept.examine import Examined
from perfrun.logic.plan.names import job_name, teardown_job_name
from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.problems import parse_problems
from perfrun.logic.run.status import running, searching
from perfrun.measure.plan import NetworkRule, RunPlan
from perfrun.measure.record import ConservationError
from perfrun.measure.report import TERMINATED, WorkerReport, add_report
from perfrun.measure.wire import reason_of


@dataclass(frozen=True)
class OpenRun:
    """What a run executes: the frozen spec, and the resulting plan."""

    key: Key
    spec: PerfTestSpec
    plan: RunPlan
    since: datetime
    """When this process opened it."""
    asks: Asks
    """What policies are asked before pods are created for it."""
    target: str
    """What only one run at a time may load."""


class StoredReport(NamedTuple):
    """Where a worker's report is stored."""

    names: list[str]
    """The ConfigMaps of its pieces, in order."""
    sha256: str
    """Of the whole report, as it was sent."""


class MergedReport(NamedTuple):
    """The reports of all workers together."""

    whole: WorkerReport | None
    """None if no worker has reported."""
    workers: int
    """How many workers have reported."""
    terminated: list[int]
    """Those of them that were ended before the load was."""


MAX_PIECES = -(-MAX_REPORT // CHUNK_BYTES)
"""Limit for the pieces of a report: anyone who may write ConfigMaps could add any
number of them.
"""
MAX_OTHERS = 100
"""Limit for ConfigMaps with the labels of a run's reports that are not reports, such as copies."""
UNUSABLE = "the reports of its workers cannot be used"


class _Piece(NamedTuple):
    """A piece of a report: the ConfigMap, and the hash of the whole."""

    name: str
    sha256: str


class UnreadableError(Exception):
    """What is stored of a run is gone or damaged: trying again will not help."""


async def revision_spec(kube: Kube, run: PerfRun) -> Json:
    """The JSON that the run was frozen to. Raises UnreadableError if it is gone."""
    name = run.status.revision
    if name is None:
        raise UnreadableError("its status has no revision, so it is unknown what to run")
    try:
        body = await kube.get(REVISIONS, run.metadata.namespace, name)
    except NotFoundError as error:
        raise UnreadableError(f"its revision no longer exists: {error}") from error
    try:
        spec: Json = body["data"]["spec"]
    except (KeyError, TypeError) as error:
        raise unreadable_revision(name, repr(error)) from error
    return spec


def unreadable_revision(name: str, why: object) -> UnreadableError:
    """The error for a revision from which no plan can be made."""
    return UnreadableError(f"its revision, ControllerRevision {name}, cannot be read: {why}")


def _opened(body: Json, run: PerfRun, outcome: Examined, network: Sequence[NetworkRule]) -> OpenRun:
    """The spec and the plan of a run, from what it was frozen to. Raises UnreadableError."""
    key = Key(run.metadata.namespace, run.metadata.name)
    name = str(run.status.revision)
    if outcome.asks is None:
        raise unreadable_revision(name, outcome.problems[0])
    try:
        spec = PerfTestSpec.parse(body)
        plan = make_plan(
            spec,
            uid=run.metadata.uid,
            namespace=key.namespace,
            test=run.spec.test_ref.name,
            run=key.name,
            network=network,
            script_hash=run.status.script_hash,
        )
    except ValidationError as error:
        raise unreadable_revision(name, parse_problems(error)[0]) from error
    return OpenRun(key, spec, plan, datetime.now(UTC), outcome.asks, outcome.target)


class OpenRuns:
    """Open runs, by the uid of the run."""

    def __init__(
        self, kube: Kube, store: Store, checks: Checks, wake: Callable[[Key], None]
    ) -> None:
        """``wake`` makes a run be reconciled when something of it was stored."""
        self._kube = kube
        self._store = store
        self._checks = checks
        self._wake = wake
        self._open: dict[str, OpenRun] = {}
        self._job_uids: dict[str, str] = {}

    async def frozen(self, run: PerfRun) -> OpenRun:
        """What the run was frozen to.

        Raises UnreadableError if it is gone, damaged or not what the status says; CheckFailedError.
        """
        opened = self._open.get(run.metadata.uid) or await self._open_anew(run)
        if run.status.target != opened.target:
            # Others may wait for what a status names.
            raise UnreadableError(
                f"its status was changed: it says target {run.status.target}, but its revision "
                f"has target {opened.target}"
            )
        return opened

    async def _open_anew(self, run: PerfRun) -> OpenRun:
        namespace = run.metadata.namespace
        network = self._store.policies_of(namespace).network
        body = await revision_spec(self._kube, run)
        # The run was accepted for what the test said. The stored revision may differ: it was
        # edited, is another revision, or has the same short hash.
        outcome = await self._checks.examine(body, namespace, most_bytes=MAX_FROZEN_BYTES)
        # In a thread, like everything whose cost grows with a spec; no longer than the budget of
        # its check.
        opened = await asyncio.to_thread(_opened, body, run, outcome, network)
        return self._open.setdefault(run.metadata.uid, opened)

    def key(self, uid: str) -> Key:
        """The namespace and name of an open run. Raises KeyError."""
        return self._open[uid].key

    def uids(self, key: Key) -> list[str]:
        """The uids of the open runs with that name (a deleted one and its successor)."""
        return [uid for uid, run in self._open.items() if run.key == key]

    def is_open(self, uid: str) -> bool:
        """Whether this process has opened the run."""
        return uid in self._open

    def close(self, uid: str) -> None:
        """Forget a run that is done or gone."""
        self._open.pop(uid, None)
        self._job_uids.pop(uid, None)

    async def persist_start(self, uid: str, time: datetime, workers: int) -> datetime:
        """Write T0 and the phase Running into the PerfRun; an existing T0 takes precedence.

        Raises ConflictError if the run has ended meanwhile: it must not start again.
        """
        key = self.key(uid)
        while True:
            run = PerfRun.parse(await self._kube.get(PERF_RUNS, *key))
            if run.metadata.uid != uid:
                raise ConflictError(409, f"{key} is now a different run")
            if run.status.start_time is not None:
                return parse_time(run.status.start_time)
            if run.status.phase is not Phase.STARTING:
                raise ConflictError(409, f"{key} is no longer starting: {run.status.phase}")
            changes = running(run, time, workers)
            try:
                await write_status(self._kube, PERF_RUNS, run.metadata, changes)
            except ConflictError:
                continue  # the reconciler wrote meanwhile: read again
            self._wake(key)
            return time

    async def persist_holds(self, uid: str, holds: Sequence[HoldStatus]) -> None:
        """Write the holds of a capacity search into the PerfRun.

        Raises ConflictError if the run is no longer under load.
        """
        key = self.key(uid)
        while True:
            run = PerfRun.parse(await self._kube.get(PERF_RUNS, *key))
            if run.metadata.uid != uid or run.status.phase is not Phase.RUNNING:
                raise ConflictError(409, f"{key} is no longer running")
            try:
                await write_status(self._kube, PERF_RUNS, run.metadata, searching(holds))
            except ConflictError:
                continue  # the reconciler wrote meanwhile: read again
            return

    async def job_uid(self, uid: str, index: int) -> str | None:
        """The uid of the Job of a worker of the run; None if there is none."""
        cleans_up = index == self._open[uid].plan.cleaner
        if cleans_up:
            return await self._uid_of_job(uid, teardown_job_name(uid))
        if uid not in self._job_uids:
            found = await self._uid_of_job(uid, job_name(uid))
            if found is None:
                return None
            self._job_uids[uid] = found  # read once
        return self._job_uids[uid]

    async def _uid_of_job(self, uid: str, name: str) -> str | None:
        job = await self._kube.find(JOBS, self._open[uid].key.namespace, name)
        if job is None or not owned_by(job, uid):
            return None
        return str(job["metadata"]["uid"])

    # --- reports -------------------------------------------------------------------------------

    async def store_report(self, uid: str, index: int, packed: bytes) -> None:
        """Store a worker's report in ConfigMaps of the run; it is stored when this returns.

        Raises Conflict if there is a different report of that worker.
        """
        run = self._open[uid]
        pieces = report_config_maps(run.key, run.plan, index, packed)
        await store_report(self._kube, pieces, uid)
        self._wake(run.key)

    async def stored_reports(self, uid: str) -> dict[int, StoredReport]:
        """Each worker's report that is stored completely, including that of a worker that only ran
        the teardown.

        Raises UnreadableError. An incomplete report was not acknowledged, so its worker sends it
        again.
        """
        run = self._open[uid]
        labels = f"{RUN_LABEL}={run.key.name},{CONTENT_LABEL}=report"
        pieces: dict[int, dict[int, _Piece]] = {}
        most = (run.plan.cleaner + 1) * MAX_PIECES + MAX_OTHERS
        seen = 0
        async for page in self._kube.pages(
            CONFIG_MAPS, run.key.namespace, labels=labels, only_metadata=True
        ):
            seen += len(page)
            if seen > most:
                raise UnreadableError(
                    f"{UNUSABLE}: more than {most} ConfigMaps have the labels {labels}: delete "
                    "those that the operator did not create"
                )
            for index, number, piece in _pieces_in(page, uid):
                if index in range(run.plan.cleaner + 1):
                    pieces.setdefault(index, {})[number] = piece
        return {index: _stored(found) for index, found in sorted(pieces.items()) if 0 in found}

    async def merged_report(self, uid: str) -> MergedReport:
        """All stored reports in one. Raises UnreadableError.

        One is in memory at a time, because unpacked it can take a few hundred times its size.
        """
        run = self._open[uid]
        whole: WorkerReport | None = None
        stored = await self.stored_reports(uid)
        cleaner = stored.pop(run.plan.cleaner, None)
        terminated = []
        for index, one in stored.items():
            pieces = await self._pieces(run, one)
            # In a thread, like everything whose cost grows with the workers: probes and other runs
            # continue.
            report = await asyncio.to_thread(_unpacked, pieces, run.plan)
            if report.stopped == TERMINATED:
                terminated.append(index)
            whole = await asyncio.to_thread(_add, whole, report, pieces)
        if whole is not None:
            try:
                if cleaner is not None:
                    whole.add_teardown(await self._report(run, cleaner))
                await asyncio.to_thread(whole.check)
            except (ValueError, ConservationError) as error:
                raise UnreadableError(f"{UNUSABLE}: {error}") from error
        return MergedReport(whole, len(stored), terminated)

    async def teardown_report(self, uid: str) -> WorkerReport | None:
        """The report of a worker that only ran the teardown. Raises UnreadableError."""
        run = self._open[uid]
        stored = (await self.stored_reports(uid)).get(run.plan.cleaner)
        return stored and await self._report(run, stored)

    async def _report(self, run: OpenRun, stored: StoredReport) -> WorkerReport:
        return await asyncio.to_thread(_unpacked, await self._pieces(run, stored), run.plan)

    async def _pieces(self, run: OpenRun, report: StoredReport) -> list[Json]:
        return [await self._kube.get(CONFIG_MAPS, run.key.namespace, n) for n in report.names]


def _pieces_in(page: list[Json], uid: str) -> Iterator[tuple[int, int, _Piece]]:
    """Worker, number and piece for the ConfigMaps that the run owns. Raises UnreadableError."""
    for body in page:
        if not owned_by(body, uid):
            continue
        name, marks = body["metadata"]["name"], body["metadata"]["labels"]
        try:
            index, number = int(marks[REPORT_INDEX_LABEL]), int(marks[PIECE_LABEL])
        except (KeyError, ValueError) as error:
            raise _damaged(name, f"its label {error} was changed") from error
        yield index, number, _Piece(name, sha_of(body))


def _stored(pieces: dict[int, _Piece]) -> StoredReport:
    """The report that a first piece belongs to; pieces of another report, which was never
    completed, are ignored.
    """
    sha256 = pieces[0].sha256
    names = [piece.name for _, piece in sorted(pieces.items()) if piece.sha256 == sha256]
    if len(names) > MAX_PIECES:
        raise _damaged(names[0], f"the report has {len(names)} pieces, more than {MAX_PIECES}")
    return StoredReport(names, sha256)


def _unpacked(pieces: list[Json], plan: RunPlan) -> WorkerReport:
    """The report in these pieces. Raises UnreadableError."""
    name = pieces[0]["metadata"]["name"]
    try:
        packed = joined(pieces)
        if packed is None:
            raise _damaged(name, "its hash does not match its content")
        return WorkerReport.unpack(packed, plan)
    except ValueError as error:
        raise _damaged(name, reason_of(error)) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(name, repr(error)) from error


def _add(whole: WorkerReport | None, report: WorkerReport, pieces: list[Json]) -> WorkerReport:
    """``whole`` and one more report, which is in those pieces. Raises UnreadableError."""
    try:
        return add_report(whole, report)
    except ValueError as error:
        raise _damaged(pieces[0]["metadata"]["name"], reason_of(error)) from error


def _damaged(name: str, why: str) -> UnreadableError:
    return UnreadableError(f"{UNUSABLE}: ConfigMap {name} is damaged: {why}")
