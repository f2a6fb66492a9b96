"""The node's network on this machine: one bridge with the node's address, and routes to it.

Pods hang on routed pairs (the CNI plugin `ptp`), not on the bridge. Then the way from pod to pod
always goes through this machine's netfilter, which a Service's translation of addresses needs in
both directions, whether or not the kernel filters bridged traffic.
"""

import contextlib
import json
import shutil
from pathlib import Path

from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.paths import write
from tests.cluster.settings import Settings

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
# libcni's own place for what it did; not configurable through containerd.
_CNI_RESULTS = Path("/var/lib/cni/results")
_CONTAINER_LOGS = Path("/var/log/containers")


def is_up(made_with: Settings) -> bool:
    """Whether the bridge is there."""
    return Path(f"/sys/class/net/{made_with.bridge}").exists()


def _own_rules(made_with: Settings) -> list[list[str]]:
    tagged = ["-m", "comment", "--comment", made_with.bridge, "-j", "ACCEPT"]
    return [["FORWARD", way, made_with.subnet, *tagged] for way in ("-s", "-d")]


def _forwarding_is_dropped() -> bool:
    # As Docker sets it: then pods would not reach each other.
    if shutil.which("iptables") is None:
        return False
    return run(["iptables", "-S", "FORWARD"]).startswith("-P FORWARD DROP")


def up(made_with: Settings) -> None:
    """Make the bridge, the routes and the permission to forward, where they are missing."""
    bridge, ours = made_with.bridge, made_with.state / "network.json"
    if not ours.exists():
        if is_up(made_with):
            raise ClusterError(
                f"a network interface {bridge} exists and is not this cluster's; "
                f"remove it (ip link delete {bridge}) or set PERFRUN_CLUSTER_BRIDGE"
            )
        if any(succeeds(["nft", "list", "table", *table]) for table in _TABLES):
            raise ClusterError(
                "another Kubernetes runs in this network namespace (nft table kube-proxy); "
                "stop it, or use it: KUBECONFIG=/path/to/config make demo"
            )
        write(ours, json.dumps({"ip_forward": _FORWARD.read_text().strip()}))
    if not is_up(made_with):
        run(["ip", "link", "add", bridge, "type", "bridge"], what="making the bridge")
    run(["ip", "address", "replace", f"{made_with.node_ip}/32", "dev", bridge])
    run(["ip", "link", "set", bridge, "up"])
    # What nobody serves ends here, and not at this machine's uplink.
    for network in (made_with.subnet, made_with.services):
        run(["ip", "route", "replace", network, "dev", bridge, "src", made_with.node_ip])
    _FORWARD.write_text("1\n")
    if _forwarding_is_dropped():
        for rule in _own_rules(made_with):
            if not succeeds(["iptables", "-C", *rule]):
                run(["iptables", "-I", *rule])


def _forget_results(network: str) -> None:
    """Delete libcni's notes on our pods: NETWORK-CONTAINER-eth0, and the loopback's of the same."""
    for result in _CNI_RESULTS.glob(f"{network}-*-eth0"):
        container = result.name.removeprefix(f"{network}-").removesuffix("-eth0")
        (_CNI_RESULTS / f"cni-loopback-{container}-lo").unlink(missing_ok=True)
        result.unlink()


def forget_services() -> None:
    """Delete the rules of kube-proxy.

    One that finds those of another may leave the chain of an endpoint empty, and its Service then
    refuses connections (seen with 1.35.4, after a kube-proxy that was killed).
    """
    for table in _TABLES:
        if succeeds(["nft", "list", "table", *table]):
            run(["nft", "delete", "table", *table])


def down(made_with: Settings) -> None:
    """Undo `up`, and what kube-proxy and the CNI plugins left in the kernel and in /var."""
    recorded = made_with.state / "network.json"
    if recorded.exists():
        forget_services()
        if is_up(made_with):
            run(["ip", "link", "delete", made_with.bridge])
        if shutil.which("iptables"):
            for rule in _own_rules(made_with):
                if succeeds(["iptables", "-C", *rule]):
                    run(["iptables", "-D", *rule])
        with contextlib.suppress(ValueError, KeyError):
            _FORWARD.write_text(json.loads(recorded.read_text())["ip_forward"])
        recorded.unlink()
    _forget_results(made_with.bridge)
    if _CONTAINER_LOGS.is_dir():
        for link in _CONTAINER_LOGS.iterdir():
            if link.is_symlink() and made_with.state in link.readlink().parents:
                link.unlink()
