"""The faults. Each is done to a stage; what has to be undone is noted before it is done."""

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.processes import signal_record
from tests.cluster.settings import recorded
from tests.e2e.conftest import install
from tests.e2e.faults.outcomes import PHASES
from tests.e2e.faults.stage import Stage, leader, operator_pid, operators, part, repair, scale
from tests.e2e.processes import pid_in_pod
from tests.e2e.shop import SYSTEM, Json, Shop, until

AWAY_S = 60.0
NODE_GRACE_S = 120.0
"""Within which the control plane notices that a node is gone, or back."""
WHOLE = "Pass, with every sample"
GONE = "gone"
SUPERSEDED = "superseded, and the newer run passes"


@dataclass(frozen=True)
class Fault:
    """What is done, and what has to become of the run by the phase in which it is done."""

    name: str
    title: str
    do: Callable[[Stage], None]
    outcomes: dict[str, str]
    """By phase: :data:`WHOLE`, a verdict, :data:`GONE` or :data:`SUPERSEDED`. A phase that is
    missing has nothing yet for the fault to strike."""
    replicas: int = 1
    own_namespace: bool = False
    """Whether the shop goes down with it."""
    seconds: float = 120
    """Within which the run has come to its end."""


def kill_leader(stage: Stage) -> None:
    os.kill(operator_pid(leader(stage.shop)), signal.SIGKILL)


def drain_leader(stage: Stage) -> None:
    name = leader(stage.shop)["metadata"]["name"]
    Shop(stage.shop.cluster, SYSTEM).kubectl("delete", "pod", name, "--wait=false")


def freeze_leader(stage: Stage) -> None:
    """It stands still for longer than its Lease, and then goes on as if nothing had been."""
    pid = operator_pid(leader(stage.shop))
    stage.undo.append(lambda: _thaw(pid))
    os.kill(pid, signal.SIGSTOP)
    time.sleep(20)
    stage.restore()


def kill_worker(stage: Stage) -> None:
    pod = stage.pods()[0]
    uid = pod["metadata"]["uid"]
    stage.lost.add(pod["status"].get("podIP", ""))
    os.kill(until("a worker's process", lambda: pid_in_pod(uid, b"perfrun.worker")), signal.SIGKILL)


def kill_kubelet(stage: Stage) -> None:
    stage.undo.append(repair)
    signal_record(part("kubelet"), signal.SIGKILL)
    time.sleep(3)
    stage.restore()


def lose_node(stage: Stage) -> None:
    """Its kubelet stands still until the node is no more ready, which takes about a minute."""
    record = part("kubelet")
    stage.undo.append(lambda: signal_record(record, signal.SIGCONT))
    signal_record(record, signal.SIGSTOP)
    until("the node is not ready", lambda: not _node_is_ready(stage.shop), NODE_GRACE_S)
    stage.restore()
    until("the node is ready", lambda: _node_is_ready(stage.shop), NODE_GRACE_S)


def upgrade(stage: Stage) -> None:
    """As `helm upgrade` does: the new operator comes up first, the old one leaves the Lease."""
    before = leader(stage.shop)["metadata"]["name"]
    install(stage.shop.cluster, "--set-string", f"podAnnotations.upgraded-for={stage.test}")
    assert leader(stage.shop)["metadata"]["name"] != before


def stop_apiserver(stage: Stage) -> None:
    """It accepts connections and answers nothing: worse than a refusal."""
    record = part("apiserver")
    stage.undo.append(lambda: signal_record(record, signal.SIGCONT))
    signal_record(record, signal.SIGSTOP)
    time.sleep(AWAY_S)
    stage.restore()
    until("the API server answers", lambda: _answers(stage.shop))


def compact_etcd(stage: Stage) -> None:
    """The API server starts anew on a compacted store: what watches resume from is Gone (410)."""
    made_with = recorded()
    assert made_with is not None
    store = f"http://127.0.0.1:{made_with.ports.etcd}/v3/kv"
    revision = _ask(f"{store}/range", {"key": "Lw=="})["header"]["revision"]
    stage.undo.append(repair)
    signal_record(part("apiserver"), signal.SIGKILL)
    _ask(f"{store}/compaction", {"revision": revision, "physical": True})
    stage.restore()


def silence_watches(stage: Stage) -> None:
    """Connections that the operator has not written to for a while carry nothing any more."""
    pid = operator_pid(operators(stage.shop)[0])
    enter = ["nsenter", "-t", str(pid), "-n"]
    ports = _idle_ports([*enter, "ss", "-tinH", "state", "established"])
    assert ports, "the operator has no watch"
    drop = f"tcp dport {{ {', '.join(ports)} }} drop"
    hook = "type filter hook input priority 0;"
    rules = f"table inet perfrun_fault {{\nchain input {{\n{hook}\n{drop}\n}}\n}}\n"
    stage.undo.append(lambda: _quietly([*enter, "nft", "delete", "table", "inet", "perfrun_fault"]))
    subprocess.run([*enter, "nft", "-f", "-"], input=rules, text=True, check=True)


def delete_job(stage: Stage) -> None:
    stage.shop.kubectl("delete", "jobs", "-l", f"perfrun.dev/run={stage.run}", "--wait=false")


def delete_config_maps(stage: Stage) -> None:
    stage.shop.kubectl("delete", "configmaps", "-l", f"perfrun.dev/run={stage.run}")


def edit_test(stage: Stage) -> None:
    change = '{"spec":{"load":{"open":{"rate":"5/s","duration":"2s"}}}}'
    stage.shop.kubectl("patch", "ptest", stage.test, "--type=merge", "-p", change)


def delete_test(stage: Stage) -> None:
    stage.shop.kubectl("delete", "ptest", stage.test)


def delete_namespace(stage: Stage) -> None:
    """With the operator down: nobody of ours can tidy up."""
    cluster = stage.shop.cluster
    held = Shop(cluster, SYSTEM)
    stage.undo.append(lambda: scale(stage.shop, 1))
    held.kubectl("scale", "deploy/perfrun", "--replicas=0")
    until("the operator is gone", lambda: not operators(stage.shop))
    cluster.kubectl("delete", "namespace", stage.shop.namespace, "--timeout=90s")
    stage.restore()


def _node_is_ready(shop: Shop) -> bool:
    (node,) = shop.cluster.find("/api/v1/nodes")["items"]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])


def _ask(url: str, body: Json) -> Json:
    """What etcd's gateway answers."""
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: Json = json.load(response)
    return answer


def _answers(shop: Shop) -> bool:
    return "ok" in shop.kubectl("get", "--raw=/readyz", "--request-timeout=3s", check=False)


def _idle_ports(command: list[str]) -> list[str]:
    """The local ports of connections whose last write is over three seconds ago."""
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = said.splitlines()
    ports = []
    for head, detail in zip(lines[::2], lines[1::2], strict=False):
        words = dict(part.split(":", 1) for part in detail.split() if part.count(":") == 1)
        if int(words.get("lastsnd", 0)) > 3000 and head.split()[3].endswith(("]:443", ":443")):
            ports.append(head.split()[2].rpartition(":")[2])
    return ports


def _thaw(pid: int) -> None:
    # Its container may have been killed meanwhile: then there is nothing to thaw.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _quietly(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=False)


_WHOLE = dict.fromkeys(PHASES, WHOLE)

FAULTS = (
    Fault("operator-killed", "the operator is killed (SIGKILL)", kill_leader, _WHOLE),
    Fault("operator-drained", "the operator's pod is deleted", drain_leader, _WHOLE),
    Fault(
        "worker-killed",
        "a worker is killed (SIGKILL)",
        kill_worker,
        {"Starting": "Error", "Running": "Inconclusive", "Collecting": "Inconclusive"},
    ),
    Fault("kubelet-killed", "the kubelet is killed, and starts again", kill_kubelet, _WHOLE),
    Fault(
        "apiserver-away",
        f"the API server does not answer for {AWAY_S:.0f} s",
        stop_apiserver,
        _WHOLE,
        seconds=240,
    ),
    Fault(
        "store-compacted",
        "the API server restarts on a compacted store (410 Gone)",
        compact_etcd,
        _WHOLE,
    ),
    Fault(
        "watches-silent",
        "the operator's watches go silent",
        silence_watches,
        _WHOLE,
        seconds=240,
    ),
    Fault(
        "job-deleted",
        "the Job is deleted",
        delete_job,
        {"Starting": "Error", "Running": "Inconclusive", "Collecting": "Inconclusive"},
    ),
    Fault(
        "config-maps-deleted",
        "plan and reports (ConfigMaps) are deleted",
        delete_config_maps,
        {"Starting": WHOLE, "Running": WHOLE, "Collecting": WHOLE},
    ),
    Fault(
        "test-edited",
        "the PerfTest is edited",
        edit_test,
        # Of changes that wait, only the newest is run.
        {**_WHOLE, "Queued": SUPERSEDED},
    ),
    Fault("test-deleted", "the PerfTest is deleted", delete_test, dict.fromkeys(PHASES, GONE)),
    Fault(
        "namespace-deleted",
        "the namespace is deleted while the operator is down",
        delete_namespace,
        dict.fromkeys(PHASES, GONE),
        own_namespace=True,
    ),
    Fault(
        "leader-killed",
        "of two operators, the leader is killed (SIGKILL)",
        kill_leader,
        _WHOLE,
        replicas=2,
    ),
    Fault(
        "leader-frozen",
        "of two operators, the leader is frozen for 20 s",
        freeze_leader,
        _WHOLE,
        replicas=2,
    ),
    Fault(
        "operator-upgraded",
        "the operator is upgraded (helm upgrade), with the old one beside the new one",
        upgrade,
        _WHOLE,
    ),
    Fault(
        "node-gone",
        "the node's kubelet is frozen until the node is not ready",
        lose_node,
        _WHOLE,
        seconds=240,
    ),
)
