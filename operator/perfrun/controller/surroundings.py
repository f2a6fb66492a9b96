"""Where a run took place: the workers' nodes, and the observed workloads as they were then."""

import logging
from typing import Any

from perfrun.api.environment import Environment, WorkloadStatus
from perfrun.api.observe import Observed
from perfrun.api.perftest import PerfTestSpec
from perfrun.api.pod import PodTemplate
from perfrun.controller.kube import PODS, WORKLOADS, Json, Kube, KubeError
from perfrun.controller.manifests import worker_resources
from perfrun.controller.settings import Settings

logger = logging.getLogger(__name__)

MOST_TEXT = 512


class Surroundings:
    """Notes where runs took place."""

    def __init__(self, kube: Kube, settings: Settings) -> None:
        self._kube = kube
        self._settings = settings

    async def of(self, namespace: str, spec: PerfTestSpec, machines: list[str]) -> Environment:
        """As it is now. What cannot be read is left out: no verdict waits for it."""
        workloads = []
        for observed in spec.observe or []:
            try:
                found = await self._workload(namespace, observed)
            except KubeError as error:
                logger.warning("observe %s in %s: %s", observed.name, namespace, error)
                continue
            if found is not None:
                workloads.append(found)
        resources = worker_resources(self._settings, spec.pod_template or PodTemplate())
        return Environment(
            machines=machines,
            resources={
                f"{kind}/{name}": str(value)
                for kind, values in resources.items()
                for name, value in values.items()
            },
            workloads=workloads,
        )

    async def _workload(self, namespace: str, observed: Observed) -> WorkloadStatus | None:
        assert observed.workload is not None, "a rule of the API"
        kind = WORKLOADS[observed.workload.kind]
        body = await self._kube.find(kind, namespace, observed.workload.name)
        if body is None:
            return None
        chosen = body["spec"]["selector"].get("matchLabels", {})
        labels = ",".join(f"{name}={value}" for name, value in chosen.items())
        pods = await self._kube.list(PODS, namespace, labels=labels) if labels else []
        return workload_status(observed.name, body, pods)


def workload_status(name: str, body: Json, pods: list[Json]) -> WorkloadStatus:
    """Of a Deployment or StatefulSet and its pods."""
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
        images={container: image[:MOST_TEXT] for container, image in images.items()},
        since=max((one["startTime"] for one in running if "startTime" in one), default=None),
    )
