"""``perfrun logs``: the output of a run's workers, or what is known about the run once they are
gone.
"""

from asyncio import Queue, sleep
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console

from perfrun.api import Json
from perfrun.api.names import RUN_LABEL, WORKER_CONTAINER, WORKER_INDEX
from perfrun.api.sentence import printable
from perfrun.cli.cluster.refusals import sentence
from perfrun.cli.cluster.shell import Cluster
from perfrun.cli.cluster.views import RunView
from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import abandoned, print_line
from perfrun.kube.errors import KubeError, NotFoundError, NotYetError
from perfrun.kube.resources import CORE_EVENTS, PERF_RUNS, PODS

_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class WorkerPod:
    """The pod of a worker."""

    index: int
    name: str
    waits: str
    """Why its container has not started; the API server returns an empty log in that case."""

    @classmethod
    def of(cls, body: Json) -> "WorkerPod":
        """The worker of a pod; index -1 if the pod does not say."""
        metadata, status = body.get("metadata") or {}, body.get("status") or {}
        index = str((metadata.get("annotations") or {}).get(WORKER_INDEX, ""))
        return cls(
            index=int(index) if index.isdecimal() else -1,
            name=str(metadata.get("name", "")),
            waits=_waits(status) if status.get("phase") == "Pending" else "",
        )


def _waits(status: Json) -> str:
    """In the words of the kubelet, or else of the scheduler."""
    containers = status.get("containerStatuses") or []
    known = [(one.get("state") or {}).get("waiting") or {} for one in containers]
    known += [one for one in status.get("conditions") or [] if one.get("status") == "False"]
    reasons = (f"{one.get('reason', '')}: {one.get('message', '')}".strip(": ") for one in known)
    return printable(next((text for text in reasons if text), "the pod is Pending"))


def logs(
    cluster: Cluster, name: str, out: Console, err: Console, *, worker: int | None, follow: bool
) -> Exit:
    """Print the output of a run's workers. Raises KubeError."""
    run = _run(cluster, name)
    if run is None:
        print_line(err, f"there is no PerfRun {name} in namespace {cluster.namespace}")
        return Exit.USAGE
    pods = _pods(cluster, name)
    while follow and not pods and run is not None and not run.done:
        cluster.wait(sleep(_LOOK_S))
        run, pods = _run(cluster, name), _pods(cluster, name)
    if not pods:
        return _instead(cluster, run, out, err)
    chosen = [pod for pod in pods if worker in (None, pod.index)]
    if not chosen:
        known = ", ".join(str(pod.index) for pod in pods)
        print_line(err, f"run {name} has no pod of worker {worker}; it has pods of: {known}")
        return Exit.USAGE
    if follow:
        _follow(cluster, name, chosen, out, err)
    else:
        _print(cluster, chosen, out, err)
    return Exit.OK


def _print(cluster: Cluster, pods: Sequence[WorkerPod], out: Console, err: Console) -> None:
    for pod in pods:
        prefix = _prefix(pod, pods)
        if pod.waits:
            print_line(err, f"worker {pod.index} has not started: {pod.waits}")
            continue
        try:
            cluster.wait(_copy(cluster, pod, prefix, out))
        except (NotYetError, NotFoundError) as error:
            print_line(err, f"worker {pod.index} has no log: {error}")


async def _copy(cluster: Cluster, pod: WorkerPod, prefix: str, out: Console) -> None:
    log = cluster.kube.log(cluster.namespace, pod.name, WORKER_CONTAINER, follow=False)
    async for line in log:
        print_line(out, prefix + line)


def _follow(
    cluster: Cluster, run: str, pods: Sequence[WorkerPod], out: Console, err: Console
) -> None:
    """The output of all workers, as it is written."""
    lines: Queue[str | Exception | None] = Queue()

    async def read(pod: WorkerPod) -> None:
        prefix = _prefix(pod, pods)
        try:
            async for line in _log_when_there(cluster, run, pod):
                lines.put_nowait(prefix + line)
        except NotFoundError:
            pass  # the run is over, and its pods are gone
        except Exception as error:  # reported by the follower of the run
            lines.put_nowait(error)
        lines.put_nowait(None)

    for pod in pods:
        cluster.begin(read(pod))
    reading = len(pods)
    while reading and not abandoned(out):
        match cluster.wait(lines.get()):
            case None:
                reading -= 1
            case KubeError() as error:
                print_line(err, sentence(error))
            case Exception() as error:
                raise error
            case line:
                print_line(out, line)
    if (ended := _run(cluster, run)) is not None:
        print_line(err, ended.line)


async def _log_when_there(cluster: Cluster, run: str, pod: WorkerPod) -> AsyncIterator[str]:
    """Its log, once the container has started; nothing if it never does."""
    kube, namespace = cluster.kube, cluster.namespace
    while (body := await kube.find(PODS, namespace, pod.name)) is not None:
        with suppress(NotYetError):
            if not WorkerPod.of(body).waits:
                async for line in kube.log(namespace, pod.name, WORKER_CONTAINER, follow=True):
                    yield line
                return
        standing = await kube.find(PERF_RUNS, namespace, run)
        if standing is None or RunView.of(standing).done:
            return
        await sleep(_LOOK_S)


def _instead(cluster: Cluster, run: RunView | None, out: Console, err: Console) -> Exit:
    if run is None:
        print_line(err, "the run was deleted")
        return Exit.ERROR
    if run.done:
        print_line(
            err,
            "the workers' pods and their logs have been deleted; what is known about the run:",
        )
    else:
        print_line(err, "no worker has a pod yet; what is known about the run:")
    print_line(out, f"{run.name}  {run.line}")
    for kind, message in run.findings:
        print_line(out, f"finding  {kind}: {message}")
    fields = f"involvedObject.kind=PerfRun,involvedObject.uid={run.uid}"
    events = cluster.list(CORE_EVENTS, fields=fields)
    for event in sorted(events, key=_moment):
        moment, reason, message = (
            printable(str(text)) for text in (_moment(event), event.get("reason"), event["message"])
        )
        print_line(out, f"{moment}  {reason}: {message}")
    return Exit.OK


def _run(cluster: Cluster, name: str) -> RunView | None:
    body = cluster.find(PERF_RUNS, name)
    return RunView.of(body) if body is not None else None


def _pods(cluster: Cluster, run: str) -> list[WorkerPod]:
    bodies = cluster.list(PODS, labels=f"{RUN_LABEL}={run}")
    return sorted(map(WorkerPod.of, bodies), key=lambda pod: (pod.index, pod.name))


def _prefix(pod: WorkerPod, pods: Sequence[WorkerPod]) -> str:
    return f"[{pod.index}] " if len(pods) > 1 else ""


def _moment(event: Json) -> str:
    """When it happened: new and old events write it into different fields."""
    metadata = event.get("metadata") or {}
    times = (event.get("eventTime"), event.get("lastTimestamp"), metadata.get("creationTimestamp"))
    return next((str(time)[:19] + "Z" for time in times if time), "")
