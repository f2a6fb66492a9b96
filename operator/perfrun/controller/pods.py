"""What the API server says of a run's Job and pods, read once into the facts of a decision."""

from datetime import datetime

from perfrun.api.times import parse_time
from perfrun.controller.kube import Json, owned_by
from perfrun.logic.lifecycle import JobState, PodFacts

WORKER_CONTAINER = "worker"
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"

# Waiting reasons that pass by themselves in every start.
_NORMAL_WAITS = ("ContainerCreating", "PodInitializing")
_END_CONDITIONS = ("Complete", "Failed")


def job_state(job: Json | None, run_uid: str) -> JobState:
    """The state of the Job by its conditions; one that belongs to another run is not ours."""
    if job is None or not owned_by(job, run_uid):
        return JobState.ABSENT
    if job.get("metadata", {}).get("deletionTimestamp"):
        return JobState.ABSENT
    for condition in job.get("status", {}).get("conditions", []):
        if condition.get("type") in _END_CONDITIONS and condition.get("status") == "True":
            return JobState.FINISHED
    return JobState.ACTIVE


def pod_facts(pod: Json) -> PodFacts:
    """The facts of one worker's pod."""
    metadata, status = pod.get("metadata", {}), pod.get("status", {})
    dead = status.get("phase") in ("Failed", "Succeeded")
    return PodFacts(
        name=metadata.get("name", ""),
        index=_index(metadata),
        dead=dead,
        problem=_death(status) if status.get("phase") == "Failed" else _obstacle(status),
        running_since=_running_since(status),
    )


def _index(metadata: Json) -> int:
    text = metadata.get("annotations", {}).get(INDEX_ANNOTATION, "")
    return int(text) if text.isdigit() else -1


def _death(status: Json) -> str:
    if reason := status.get("reason"):  # Evicted, NodeLost, DeadlineExceeded
        return f"{reason}: {status.get('message', '')}".rstrip(": ")
    for container in _containers(status):
        ended = container.get("state", {}).get("terminated")
        if ended is None or ended.get("exitCode") == 0:
            continue
        if ended.get("reason") == "OOMKilled":
            return "OOMKilled: it ran out of memory; raise podTemplate.resources.limits.memory"
        last = _last_line(ended.get("message", ""))
        return f"exit code {ended.get('exitCode')}" + (f": {last}" if last else "")
    return "it failed without a reason"


def _obstacle(status: Json) -> str | None:
    """What keeps a pod that is not dead from running, if anything but time does."""
    for condition in status.get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', 'Unschedulable')}: {condition.get('message', '')}"
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in _NORMAL_WAITS:
            return f"{waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": ")
    return None


def _running_since(status: Json) -> datetime | None:
    """When the worker's own container was started, if it runs."""
    for container in status.get("containerStatuses", []):
        started = container.get("state", {}).get("running", {}).get("startedAt")
        if container.get("name") == WORKER_CONTAINER and started:
            return parse_time(started)
    return None


def _containers(status: Json) -> list[Json]:
    """The statuses of the worker and of its side cars, which start before it."""
    return [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""
