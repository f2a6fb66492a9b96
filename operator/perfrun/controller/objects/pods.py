"""What the API server says about a run's Job and pods, as facts for a decision."""

from datetime import datetime, timedelta

from perfrun.api import Json
from perfrun.api.names import COMMAND_CONTAINER, WORKER_CONTAINER, WORKER_INDEX
from perfrun.api.sentence import printable
from perfrun.api.times import parse_time
from perfrun.kube.client import owned_by
from perfrun.logic.run.facts import JobState, WorkerFacts
from perfrun.logic.run.losses import leaves_undone

# Reasons for waiting that pass by themselves in every start.
_NORMAL_WAITS = ("ContainerCreating", "PodInitializing")
GONE_AFTER = timedelta(seconds=15)
"""From the time when a deleted pod should have been gone until it counts as lost."""
_END_PHASES = ("Failed", "Succeeded")
_END_CONDITIONS = ("Complete", "Failed")


def job_state(job: Json | None, run_uid: str) -> JobState:
    """The state of the Job by its conditions; a Job of another run does not count."""
    if job is None or not owned_by(job, run_uid):
        return JobState.ABSENT
    if job.get("metadata", {}).get("deletionTimestamp"):
        return JobState.ABSENT
    for condition in job.get("status", {}).get("conditions", []):
        if condition.get("type") in _END_CONDITIONS and condition.get("status") == "True":
            return JobState.FINISHED
    return JobState.ACTIVE


def failed_indexes(job: Json, planned: int) -> set[int]:
    """The workers that the Job has given up, as in ``1,3-5``; their pods may be gone."""
    found: set[int] = set()
    for part in str(job.get("status", {}).get("failedIndexes", "")).split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found.update(range(int(first), min(int(last or first), planned - 1) + 1))
    return found


def pod_facts(pod: Json, now: datetime) -> WorkerFacts:
    """The facts of one worker's pod.

    A worker is dead when its container is, because a sidecar that never ends keeps the pod running.
    It is also dead if it was deleted and nothing can end it: the pod of a lost node stays Running.
    """
    metadata, status = pod.get("metadata", {}), pod.get("status", {})
    dead = has_ended(pod) or _is_overdue(metadata, now)
    ended = _worker_state(status).get("terminated", {})
    return WorkerFacts(
        name=metadata.get("name", ""),
        index=_index(metadata),
        dead=dead,
        left_undone=dead and leaves_undone(ended.get("exitCode")),
        problem=_problem(metadata, status, now),
        scheduled=bool(pod.get("spec", {}).get("nodeName")),
        running_since=_running_since(status),
        image=str(_container(status, COMMAND_CONTAINER).get("imageID", "")),
    )


def gone_pod(job: str, index: int) -> WorkerFacts:
    """The facts of a worker that the Job has given up, and whose pod no longer exists."""
    return WorkerFacts(
        name=f"{job}-{index}",
        index=index,
        dead=True,
        left_undone=True,
        problem="its pod no longer exists: it was deleted, or its node was",
    )


def _problem(metadata: Json, status: Json, now: datetime) -> str | None:
    """In words that are partly those of the kubelet, a scheduler plugin, or a container's last
    output.
    """
    found = _obstruction(metadata, status, now)
    return printable(found) if found is not None else None


def _obstruction(metadata: Json, status: Json, now: datetime) -> str | None:
    if status.get("phase") == "Failed":
        return _death(status)
    if (ended := _worker_state(status).get("terminated")) is not None:
        return _disruption(status) or _exit(ended)
    return _disruption(status) or _deletion(metadata, now) or _obstacle(status)


def _deletion(metadata: Json, now: datetime) -> str | None:
    if "deletionTimestamp" not in metadata:
        return None
    if _is_overdue(metadata, now):
        return "it was deleted, and its node has not confirmed that it ended"
    return "it was deleted"


def _is_overdue(metadata: Json, now: datetime) -> bool:
    """Whether the pod should have been gone long ago: its deletion has a deadline."""
    deletion = metadata.get("deletionTimestamp")
    return deletion is not None and now - parse_time(deletion) > GONE_AFTER


def _disruption(status: Json) -> str | None:
    """Why Kubernetes itself ends the pod: eviction, preemption, a taint, a lost node."""
    for condition in status.get("conditions", []):
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return f"{condition.get('reason')}: {condition.get('message', '')}".rstrip(": ")
    return None


def has_ended(pod: Json) -> bool:
    """Whether the worker of a pod no longer runs; one that is being terminated still does."""
    status = pod.get("status", {})
    return status.get("phase") in _END_PHASES or "terminated" in _worker_state(status)


def _index(metadata: Json) -> int:
    text = metadata.get("annotations", {}).get(WORKER_INDEX, "")
    return int(text) if text.isdigit() else -1


def _death(status: Json) -> str:
    if reason := status.get("reason"):  # Evicted, NodeLost, DeadlineExceeded
        return f"{reason}: {status.get('message', '')}".rstrip(": ")
    if disruption := _disruption(status):
        return disruption
    for state in [_worker_state(status), *(_state(one) for one in _containers(status))]:
        if (ended := state.get("terminated")) is not None and (why := _exit(ended)) is not None:
            return why
    return "it failed without a reason"


def _exit(ended: Json) -> str | None:
    """Why a container has failed; None if it succeeded."""
    if ended.get("exitCode") == 0:
        return None
    if ended.get("reason") == "OOMKilled":
        return "OOMKilled: it ran out of memory; raise podTemplate.resources.limits.memory"
    last = _last_line(ended.get("message", ""))
    return f"exit code {ended.get('exitCode')}" + (f": {last}" if last else "")


def _obstacle(status: Json) -> str | None:
    """What keeps a pod that is not dead from running, other than time."""
    for condition in status.get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', 'Unschedulable')}: {condition.get('message', '')}"
    for container in _containers(status):
        waiting = _state(container).get("waiting")
        if waiting and waiting.get("reason") not in _NORMAL_WAITS:
            return f"{waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": ")
        if container.get("name") == COMMAND_CONTAINER:
            ended = _state(container).get("terminated")
            if ended is not None and (why := _exit(ended)) is not None:
                return f"container {COMMAND_CONTAINER}: {why}"
    return None


def _running_since(status: Json) -> datetime | None:
    """When the worker's own container was started, if it is running."""
    started = _worker_state(status).get("running", {}).get("startedAt")
    return parse_time(started) if started else None


def _worker_state(status: Json) -> Json:
    """The state of the worker's own container."""
    return _state(_container(status, WORKER_CONTAINER))


def _container(status: Json, name: str) -> Json:
    """The status of a container; empty until there is one."""
    named = (one for one in status.get("containerStatuses", []) if one.get("name") == name)
    found: Json = next(named, {})
    return found


def _state(container: Json) -> Json:
    state: Json = container.get("state", {})
    return state


def _containers(status: Json) -> list[Json]:
    """The statuses of the worker and of its sidecars, which start before it."""
    return [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""
