"""The runs that have left the queue: what was frozen of them, and where their reports are kept.

Implements the coordinator's ``Store`` on the API server. After a restart of the operator it is
filled again from what the API holds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from perfrun.api.perfrun import PerfRun, Phase
from perfrun.api.perftest import PerfTestSpec
from perfrun.api.times import format_time, parse_time
from perfrun.controller.kube import (
    CONFIG_MAPS,
    PERF_RUNS,
    REVISIONS,
    AlreadyExistsError,
    ConflictError,
    Json,
    Kube,
)
from perfrun.controller.manifests import (
    CONTENT_LABEL,
    INDEX_LABEL,
    RUN_LABEL,
    joined,
    report_config_maps,
)
from perfrun.controller.pods import owned_by
from perfrun.controller.status import open_conditions, write_status
from perfrun.controller.store import Key
from perfrun.logic.plan import make_plan
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport


@dataclass(frozen=True)
class OpenRun:
    """What a run executes: the frozen spec, and the plan that follows from it."""

    key: Key
    spec: PerfTestSpec
    plan: RunPlan


async def store_config_map(kube: Kube, body: Json) -> None:
    """Write a ConfigMap, also over one that was written before the operator was killed."""
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    try:
        await kube.create(CONFIG_MAPS, namespace, body)
    except AlreadyExistsError:
        await kube.patch(CONFIG_MAPS, namespace, name, body)


async def read_revision(kube: Kube, run: PerfRun) -> PerfTestSpec:
    """What the run was frozen to. Raises NotFoundError where its revision is gone."""
    assert run.status.revision is not None, "a run is frozen before it is queued"
    body = await kube.get(REVISIONS, run.metadata.namespace, run.status.revision)
    return PerfTestSpec.parse(body["data"]["spec"])


class OpenRuns:
    """By the uid of the run."""

    def __init__(self, kube: Kube, wake: Callable[[Key], None]) -> None:
        """``wake`` has a run reconciled when something of it was stored."""
        self._kube = kube
        self._wake = wake
        self._open: dict[str, OpenRun] = {}

    async def frozen(self, run: PerfRun) -> OpenRun:
        """What the run was frozen to. Raises NotFoundError where its revision is gone."""
        known = self._open.get(run.metadata.uid)
        if known is not None:
            return known
        key = Key(run.metadata.namespace, run.metadata.name)
        spec = await read_revision(self._kube, run)
        test = run.spec.test_ref.name
        plan = make_plan(
            spec, uid=run.metadata.uid, namespace=key.namespace, test=test, run=key.name
        )
        self._open[run.metadata.uid] = OpenRun(key, spec, plan)
        return self._open[run.metadata.uid]

    def key(self, uid: str) -> Key:
        """The namespace and name of an open run. Raises KeyError."""
        return self._open[uid].key

    def uids(self, key: Key) -> list[str]:
        """The uids of the open runs of that name (a deleted one and its successor)."""
        return [uid for uid, run in self._open.items() if run.key == key]

    def is_open(self, uid: str) -> bool:
        """Whether this process has had the run open."""
        return uid in self._open

    def close(self, uid: str) -> None:
        """Forget a run that is done or gone."""
        self._open.pop(uid, None)

    async def persist_start(self, uid: str, time: datetime, workers: int) -> datetime:
        """Write T0 and the phase Running into the PerfRun; a T0 that stands there wins.

        Raises ConflictError where the run has ended meanwhile: it must not rise again.
        """
        key = self.key(uid)
        while True:
            run = PerfRun.parse(await self._kube.get(PERF_RUNS, *key))
            if run.metadata.uid != uid:
                raise ConflictError(409, f"{key} is another run by now")
            if run.status.start_time is not None:
                return parse_time(run.status.start_time)
            if run.status.phase is not Phase.STARTING:
                raise ConflictError(409, f"{key} is not starting any more: {run.status.phase}")
            changes = {
                "phase": Phase.RUNNING.value,
                "startTime": format_time(time),
                "progress": None,
                "workers": {"planned": workers, "ready": workers, "reported": 0},
                "conditions": open_conditions(
                    Phase.RUNNING, time.replace(microsecond=0), run.status.conditions
                ),
            }
            try:
                await write_status(self._kube, PERF_RUNS, run.metadata, changes)
            except ConflictError:
                continue  # the reconciler wrote meanwhile: read again
            self._wake(key)
            return time

    async def store_report(self, uid: str, index: int, packed: bytes) -> None:
        """Keep a worker's report in ConfigMaps of the run; it is there when this returns."""
        run = self._open[uid]
        for body in report_config_maps(run.key, run.plan, index, packed):
            await store_config_map(self._kube, body)
        self._wake(run.key)

    async def reports(self, uid: str) -> dict[int, WorkerReport]:
        """All reports that are stored whole, by the worker's index. Raises ValueError."""
        run = self._open[uid]
        labels = f"{RUN_LABEL}={run.key.name},{CONTENT_LABEL}=report"
        pieces: dict[int, list[Json]] = {}
        for body in await self._kube.list(CONFIG_MAPS, run.key.namespace, labels=labels):
            if owned_by(body, uid):
                index = int(body["metadata"]["labels"][INDEX_LABEL])
                pieces.setdefault(index, []).append(body)
        return await asyncio.to_thread(_unpacked, pieces)


def _unpacked(pieces: dict[int, list[Json]]) -> dict[int, WorkerReport]:
    whole = {index: joined(found) for index, found in pieces.items()}
    # What is not whole was not acknowledged: its worker sends it again.
    return {
        index: WorkerReport.unpack(packed) for index, packed in whole.items() if packed is not None
    }
