"""The runs that have left the queue: what was frozen of them, and where their reports are kept.

Implements the coordinator's ``Store`` on the API server. After a restart of the operator it is
filled again from what the API holds.
"""

import base64
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
    Kube,
)
from perfrun.controller.manifests import (
    CONTENT_LABEL,
    INDEX_LABEL,
    RUN_LABEL,
    report_config_map,
)
from perfrun.controller.pods import owned_by
from perfrun.controller.status import write_status
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
        assert run.status.revision is not None, "a run is frozen before it leaves the queue"
        revision = await self._kube.get(REVISIONS, key.namespace, run.status.revision)
        spec = PerfTestSpec.parse(revision["data"]["spec"])
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
        """Write T0 and the phase Running into the PerfRun; a T0 that stands there wins."""
        key = self.key(uid)
        while True:
            run = PerfRun.parse(await self._kube.get(PERF_RUNS, *key))
            if run.metadata.uid != uid:
                raise ConflictError(409, f"{key} is another run by now")
            if run.status.start_time is not None:
                return parse_time(run.status.start_time)
            changes = {
                "phase": Phase.RUNNING.value,
                "startTime": format_time(time),
                "progress": None,
                "workers": {"planned": workers, "ready": workers, "reported": 0},
            }
            try:
                await write_status(self._kube, PERF_RUNS, run.metadata, changes)
            except ConflictError:
                continue  # the reconciler wrote meanwhile: read again
            self._wake(key)
            return time

    async def store_report(self, uid: str, index: int, packed: bytes) -> None:
        """Keep a worker's report in a ConfigMap of the run; it is there when this returns."""
        run = self._open[uid]
        body = report_config_map(run.key, run.plan, index, packed)
        try:
            await self._kube.create(CONFIG_MAPS, run.key.namespace, body)
        except AlreadyExistsError:
            name = body["metadata"]["name"]
            standing = await self._kube.get(CONFIG_MAPS, run.key.namespace, name)
            if not owned_by(standing, uid):
                raise
        self._wake(run.key)

    async def reports(self, uid: str) -> dict[int, WorkerReport]:
        """All reports that are stored, by the worker's index."""
        run = self._open[uid]
        labels = f"{RUN_LABEL}={run.key.name},{CONTENT_LABEL}=report"
        found: dict[int, WorkerReport] = {}
        for body in await self._kube.list(CONFIG_MAPS, run.key.namespace, labels=labels):
            if owned_by(body, uid):
                packed = base64.b64decode(body["binaryData"]["report"])
                index = int(body["metadata"]["labels"][INDEX_LABEL])
                found[index] = WorkerReport.unpack(packed)
        return found
