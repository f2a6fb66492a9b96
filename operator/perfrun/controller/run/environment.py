"""The environment of a run: the workers' nodes, and the observed workloads at that time."""

import logging
from typing import Any

from pydantic import ValidationError

from perfrun.api import Json
from perfrun.api.run.environment import Environment, WorkloadStatus
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import PerfTestSettings, PerfTestSpec
from perfrun.controller.objects.jobs import worker_resources
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import PERF_TESTS, PODS, WORKLOADS

logger = logging.getLogger(__name__)

MAX_TEXT = 512


class EnvironmentReader:
    """Records the environment of runs."""

    def __init__(self, kube: Kube, settings: Settings) -> None:
        self._kube = kube
        self._settings = settings

    async def of(self, run: PerfRun, spec: PerfTestSpec, machines: list[str]) -> Environment:
        """The current environment. What cannot be read is left out, because no verdict should wait
        for it.
        """
        workloads = []
        for name, body in await self._observed(run):
            try:
                workloads.append(workload_status(name, body, await self._pods(body)))
            except KubeError as error:
                logger.warning(
                    "run %s: observed pods could not be read: %s", run.metadata.name, error
                )
        template = self._settings.worker_pod.extended_by(spec.pod_template)
        resources = worker_resources(spec.target, self._settings, template)
        return Environment(
            machines=machines,
            resources={
                f"{kind}/{name}": str(value)
                for kind, values in resources.items()
                for name, value in values.items()
            },
            workloads=workloads,
        )

    async def selectors(self, run: PerfRun) -> list[Json]:
        """The label selectors of the observed workloads."""
        return [body["spec"]["selector"] for _, body in await self._observed(run)]

    async def _observed(self, run: PerfRun) -> list[tuple[str, Json]]:
        """The workloads that the run's test observes now; those that cannot be read are left out.

        Not those of the frozen spec: here it matters where the target is now.
        """
        namespace, name = run.metadata.namespace, run.spec.test_ref.name
        try:
            written = (await self._kube.get(PERF_TESTS, namespace, name))["spec"]
            test = PerfTestSettings.parse(written)
        except (KubeError, ValidationError) as error:
            logger.warning(
                "run %s: observed workloads could not be read: %s", run.metadata.name, error
            )
            return []
        found = []
        for observed in test.observe or []:
            if observed.workload is None:
                continue
            kind = WORKLOADS[observed.workload.kind]
            try:
                body = await self._kube.find(kind, namespace, observed.workload.name)
            except KubeError as error:
                logger.warning("observe %s in %s: %s", observed.name, namespace, error)
                continue
            if body is not None:
                found.append((observed.name, body))
        return found

    async def _pods(self, workload: Json) -> list[Json]:
        labels = selected_by(workload)
        namespace = workload["metadata"]["namespace"]
        return await self._kube.list(PODS, namespace, labels=labels) if labels else []


def selected_by(workload: Json) -> str:
    """The labels by which a Deployment or StatefulSet selects its pods; empty if there are none."""
    chosen = workload["spec"]["selector"].get("matchLabels", {})
    return ",".join(f"{name}={value}" for name, value in chosen.items())


def workload_status(name: str, body: Json, pods: list[Json]) -> WorkloadStatus:
    """The status of a Deployment or StatefulSet, from the object and its pods."""
    containers: list[Json] = body["spec"]["template"]["spec"]["containers"]
    running = [pod["status"] for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    images: dict[str, Any] = {one["name"]: one.get("image", "") for one in containers}
    for status in sorted(running, key=lambda one: one.get("startTime", "")):
        for one in status.get("containerStatuses", []):
            if one.get("name") in images and one.get("imageID"):
                images[one["name"]] = one["imageID"]
    return WorkloadStatus(
        name=name,
        replicas=body["spec"].get("replicas", 1),
        limits={
            f"{one['name']}/{kind}": str(value)
            for one in containers
            for kind, value in one.get("resources", {}).get("limits", {}).items()
        },
        images={container: image[:MAX_TEXT] for container, image in images.items()},
        since=max((one["startTime"] for one in running if "startTime" in one), default=None),
    )
