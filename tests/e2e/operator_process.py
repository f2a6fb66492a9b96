"""The operator's process on the node, for killing it as the kernel would."""

import os
import signal
from pathlib import Path

from tests.cluster.handle import Cluster
from tests.e2e.shop import SYSTEM, until

SELECTOR = "app.kubernetes.io/name=perfrun"


def kill(cluster: Cluster) -> int:
    """SIGKILL the operator in its pod; gives the pid it had."""
    pid = until("the operator's process", lambda: _pid(cluster))
    os.kill(pid, signal.SIGKILL)
    return pid


def restarts(cluster: Cluster) -> int:
    """How often the kubelet has started the operator's container anew."""
    path = "-o=jsonpath={.items[0].status.containerStatuses[0].restartCount}"
    return int(cluster.kubectl("-n", SYSTEM, "get", "pods", "-l", SELECTOR, path).stdout or 0)


def _pid(cluster: Cluster) -> int | None:
    """Found by the uid of its pod, which is in the path of its control group."""
    path = "-o=jsonpath={.items[0].metadata.uid}"
    uid = cluster.kubectl("-n", SYSTEM, "get", "pods", "-l", SELECTOR, path).stdout
    for process in Path("/proc").glob("[0-9]*"):
        try:
            groups = (process / "cgroup").read_text()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if f"pod{uid}" in groups and b"perfrun.controller" in command:
            return int(process.name)
    return None
