"""Processes of pods on the node, for killing them as the kernel would."""

import os
import signal
from pathlib import Path

from tests.cluster.handle import Cluster
from tests.e2e.shop import SYSTEM, until

SELECTOR = "app.kubernetes.io/name=perfrun,app.kubernetes.io/component=operator"


def kill_operator(cluster: Cluster) -> int:
    """SIGKILL the operator in its pod; gives the pid it had."""
    return kill(cluster, SYSTEM, SELECTOR, b"perfrun.controller")


def kill(cluster: Cluster, namespace: str, selector: str, command: bytes) -> int:
    """SIGKILL the process of the first pod that ``selector`` finds; gives the pid it had."""
    pid = until("a process to kill", lambda: _pid(cluster, namespace, selector, command))
    os.kill(pid, signal.SIGKILL)
    return pid


def restarts(cluster: Cluster) -> int:
    """How often the kubelet has started the operator's container anew."""
    path = "-o=jsonpath={.items[0].status.containerStatuses[0].restartCount}"
    return int(cluster.kubectl("-n", SYSTEM, "get", "pods", "-l", SELECTOR, path).stdout or 0)


def _pid(cluster: Cluster, namespace: str, selector: str, command: bytes) -> int | None:
    path = "-o=jsonpath={.items[0].metadata.uid}"
    uid = cluster.kubectl("-n", namespace, "get", "pods", "-l", selector, path).stdout
    return pid_in_pod(uid, command)


def pid_in_pod(uid: str, command: bytes) -> int | None:
    """Found by the uid of its pod, which is in the path of its control group."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            groups = (process / "cgroup").read_text()
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if f"pod{uid}" in groups and command in line.replace(b"\0", b" "):
            return int(process.name)
    return None
