"""CPU, memory and restarts of observed workloads during a run.

Worker pods have no access to the API, so the operator observes workloads. The observations are
stored in a ConfigMap of the run now and then, so that little is missing after a restart of the
operator.
"""

import asyncio
import base64
import gzip
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from perfrun.api import Json
from perfrun.api.quantities import NS_PER_US
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.sentence import printable
from perfrun.api.test.metric import CPU, MEMORY, OBSERVED, RESTARTS, observables
from perfrun.api.test.observe import Workload
from perfrun.api.times import parse_time
from perfrun.controller.objects.manifests import observed_config_map
from perfrun.controller.objects.writing import store_config_map
from perfrun.controller.run.environment import selected_by
from perfrun.controller.run.open_runs import OpenRun
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.decoding import quantity
from perfrun.kube.errors import KubeError, NotFoundError
from perfrun.kube.resources import CONFIG_MAPS, POD_METRICS, PODS, WORKLOADS
from perfrun.measure.observed import MAX_OBSERVATIONS, MAX_TROUBLE, Observation, ObservedMetric
from perfrun.measure.wire import Wire, parse_json, unzip

logger = logging.getLogger(__name__)

NO_METRICS = "the cluster does not serve metrics.k8s.io: install metrics-server"

PERIOD_S = 10.0
KEEP_S = 30.0
"""Time between two writes of the observations."""
SETTLE_S = 45.0
"""How long to wait after a load for the metrics of its last seconds, which arrive late."""
KEY = "observed.json.gz"
MAX_BYTES, MAX_VALUES = 4 * 1024 * 1024, 100_000
"""Size limit of the stored data, unpacked: enough for 64 metrics of 600 points."""


class StoredObservations(Wire):
    """The stored observations of a run, in ns since the PerfRun was created."""

    observed: list[Observation] = Field(default=[], max_length=MAX_OBSERVATIONS)


@dataclass
class _Course:
    opened: OpenRun
    uid: str
    base: datetime
    seen: dict[tuple[str, ObservedMetric], Observation]
    selectors: dict[str, str] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    over: datetime | None = None
    """Since when the load is known to be over."""

    def put(self, name: str, metric: ObservedMetric, at: datetime, value: float) -> None:
        self.seen[name, metric].put(_ns(at - self.base), value)

    def trouble(self, name: str, why: str, *metrics: ObservedMetric) -> None:
        for metric in metrics:
            self.seen[name, metric].trouble = printable(" ".join(why.split()), MAX_TROUBLE)


class Sampler:
    """Observes the workloads of all runs in progress."""

    def __init__(self, kube: Kube, period: float = PERIOD_S) -> None:
        """``period`` in seconds."""
        self._kube, self._period = kube, period
        self._courses: dict[str, _Course] = {}

    async def watch(self, run: PerfRun, opened: OpenRun) -> None:
        """Observe a run's workloads from now on, continuing from what is stored."""
        uid = run.metadata.uid
        things = [thing.name for thing in opened.plan.observe if thing.workload is not None]
        if uid in self._courses or not things:
            return
        seen = {
            (name, metric): Observation(name=name, metric=metric)
            for name in things
            for metric in _METRICS
        }
        course = _Course(opened, uid, run.metadata.creation_timestamp or opened.since, seen)
        self._courses[uid] = course
        for one in await self._kept(course):
            if (one.name, one.metric) in seen:
                seen[one.name, one.metric].add(one)
        course.task = asyncio.create_task(self._follow(course), name=f"observe {opened.key}")

    def forget(self, uid: str) -> None:
        """The run is over, or gone."""
        course = self._courses.pop(uid, None)
        if course is not None and course.task is not None:
            course.task.cancel()

    def settled(self, uid: str, now: datetime) -> bool:
        """Whether no more observations are expected for a load that is over by ``now``."""
        course = self._courses.get(uid)
        if course is None or not any(s.metric in OBSERVED for s in course.opened.spec.slos):
            return True  # no verdict depends on it
        course.over = course.over or now
        if now > course.over + timedelta(seconds=SETTLE_S):
            return True
        last = _ns(course.over - course.base)
        seen = [one for one in course.seen.values() if one.metric != RESTARTS and one.at]
        return all(one.at[-1] >= last for one in seen)

    def observed(self, uid: str, start: datetime) -> list[Observation]:
        """The observations of a run, relative to T0 = ``start``."""
        course = self._courses.get(uid)
        if course is None:
            return []
        ahead = _ns(start - course.base)
        return [one.relative_to(ahead) for one in course.seen.values()]

    # --- observing -----------------------------------------------------------------------------

    async def _follow(self, course: _Course) -> None:
        loop = asyncio.get_running_loop()
        keep_at = loop.time() + KEEP_S
        while True:
            for thing in course.opened.plan.observe:
                if thing.workload is not None:
                    await self._look(course, thing.name, thing.workload)
            if loop.time() >= keep_at:
                await self._keep(course)
                keep_at = loop.time() + KEEP_S
            await asyncio.sleep(self._period)

    async def _look(self, course: _Course, name: str, workload: Workload) -> None:
        """Any problem is only recorded: no run may depend on what is observed."""
        namespace = course.opened.key.namespace
        try:
            if name not in course.selectors:
                body = await self._kube.get(WORKLOADS[workload.kind], namespace, workload.name)
                # Without labels it would be every pod in the namespace.
                course.selectors[name] = selected_by(body) or _NOTHING
            labels = course.selectors[name]
            pods = await self._kube.list(PODS, namespace, labels=labels)
            course.put(name, RESTARTS, datetime.now(UTC), restarts(pods))
        except KubeError as error:
            course.trouble(name, str(error), *_METRICS)
            return
        except Exception as error:
            logger.exception("observe %s: %s", name, course.opened.key)
            course.trouble(name, f"{type(error).__name__}: {error}", *_METRICS)
            return
        await self._look_at_usage(course, name, labels)

    async def _look_at_usage(self, course: _Course, name: str, labels: str) -> None:
        namespace = course.opened.key.namespace
        try:
            found: Usage = usage(await self._kube.list(POD_METRICS, namespace, labels=labels))
        except NotFoundError:
            course.trouble(name, NO_METRICS, CPU, MEMORY)
        except (KubeError, ValueError) as error:
            course.trouble(name, f"metrics.k8s.io: {error}", CPU, MEMORY)
        else:
            course.put(name, CPU, found.at, found.cores)
            course.put(name, MEMORY, found.at, found.memory)

    # --- storing -------------------------------------------------------------------------------

    async def _keep(self, course: _Course) -> None:
        data = {KEY: packed(list(course.seen.values()))}
        body = observed_config_map(course.opened.key, course.opened.plan, data)
        try:
            await store_config_map(self._kube, body, course.uid)
        except KubeError as error:
            logger.warning("run %s: observations could not be stored: %s", course.opened.key, error)

    async def _kept(self, course: _Course) -> list[Observation]:
        body = observed_config_map(course.opened.key, course.opened.plan, {})
        name = body["metadata"]["name"]
        try:
            standing = await self._kube.find(CONFIG_MAPS, course.opened.key.namespace, name)
            if standing is None or not owned_by(standing, course.uid):
                return []
            data = base64.b64decode(standing["binaryData"][KEY])
            return (await asyncio.to_thread(_unpacked, data)).observed
        except (KubeError, KeyError, TypeError, ValueError) as error:
            logger.warning("run %s: observations are lost: %s", course.opened.key, error)
            return []


def packed(observed: list[Observation]) -> bytes:
    """The observations as they are stored."""
    return gzip.compress(StoredObservations(observed=observed).to_bytes(), mtime=0)


def _unpacked(data: bytes) -> StoredObservations:
    """The stored observations, within limits, because anyone who may write ConfigMaps can change
    them.
    """
    return StoredObservations.model_validate(parse_json(unzip(data, MAX_BYTES), MAX_VALUES))


_NOTHING = "perfrun.dev/none=none"
_METRICS = observables("workload")


def _ns(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * NS_PER_US


class Usage(NamedTuple):
    """All pods of a workload together."""

    at: datetime
    """The end of the measured period of the newest figure."""
    cores: float
    memory: int
    """Bytes: the working set."""


def usage(pods: Sequence[Json]) -> Usage:
    """The sum over PodMetrics. Raises ValueError if there are none, or none that can be read."""
    if not pods:
        raise ValueError("it has no metrics of these pods yet")
    try:
        used = [one["usage"] for pod in pods for one in pod["containers"]]
        return Usage(
            at=max(parse_time(pod["timestamp"]) for pod in pods),
            cores=float(sum(quantity(one["cpu"]) for one in used)),
            memory=int(sum(quantity(one["memory"]) for one in used)),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its response cannot be read: {error!r}") from error


def restarts(pods: Sequence[Json]) -> int:
    """Restarts of all containers, including native sidecars, since their pods were created."""
    return sum(
        int(one.get("restartCount", 0))
        for pod in pods
        for kind in ("containerStatuses", "initContainerStatuses")
        for one in pod.get("status", {}).get(kind) or []
    )
