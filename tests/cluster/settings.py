"""What a cluster is made with: folders, addresses, ports. Recorded: `down` ends that one."""

import ipaddress
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.paths import state_dir, write

NODE = "node1"
SUBNET_VARIABLE = "PERFRUN_CLUSTER_SUBNET"
SERVICES_VARIABLE = "PERFRUN_CLUSTER_SERVICES"
BRIDGE_VARIABLE = "PERFRUN_CLUSTER_BRIDGE"


@dataclass(frozen=True)
class Ports:
    """Unusual and below the range that the kernel gives to clients, so that nobody sits there."""

    etcd: int = 21379
    etcd_peer: int = 21380
    apiserver: int = 21443
    metrics_server: int = 21444
    kubelet_health: int = 21248
    proxy_metrics: int = 21249
    kubelet: int = 21250
    dns_ready: int = 21253
    proxy_health: int = 21256
    controllers: int = 21257
    scheduler: int = 21259


@dataclass(frozen=True)
class Settings:
    """One cluster's choices."""

    state: Path
    bridge: str
    subnet: str
    services: str
    ports: Ports = Ports()

    @property
    def node_ip(self) -> str:
        """The node's address on its bridge: the first of the pods' subnet."""
        return str(ipaddress.ip_network(self.subnet)[1])

    @property
    def api_service_ip(self) -> str:
        """The ClusterIP of the Service `kubernetes`: always the first."""
        return str(ipaddress.ip_network(self.services)[1])

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://{self.node_ip}:{self.ports.apiserver}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens; unique to this cluster, so its shims can be told by it."""
        return self.state / "containerd.sock"

    def save(self) -> None:
        """Record what this cluster is made with."""
        write(self.state / "settings.json", json.dumps(asdict(self), default=str, indent=1))


def _network(variable: str, default: str) -> str:
    text = os.environ.get(variable) or default
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ClusterError(f"{variable}={text} is not an IPv4 network: {error}") from error
    if not 16 <= network.prefixlen <= 24:
        raise ClusterError(f"{variable}={text}: the prefix must be from /16 to /24")
    return str(network)


def wanted() -> Settings:
    """The settings that the environment asks for."""
    bridge = os.environ.get(BRIDGE_VARIABLE) or "perfrun0"
    # It also names a cgroup and a CNI network, and the kernel allows 15 characters.
    if not bridge.isalnum() or len(bridge) > 15:
        raise ClusterError(f"{BRIDGE_VARIABLE}={bridge}: at most 15 letters and digits")
    return Settings(
        state=state_dir(),
        bridge=bridge,
        subnet=_network(SUBNET_VARIABLE, "10.213.0.0/16"),
        services=_network(SERVICES_VARIABLE, "10.214.0.0/16"),
    )


def recorded() -> Settings | None:
    """The settings of the cluster in the state folder, running or not; None if there is none."""
    path = state_dir() / "settings.json"
    if not path.exists():
        return None
    try:
        raw = json.loads(path.read_text())
        ports = Ports(**raw.pop("ports"))
        state = Path(raw.pop("state"))
        return Settings(state=state, ports=ports, **raw)
    except (ValueError, TypeError, KeyError) as error:
        raise ClusterError(f"{path} is damaged ({error}); see `ip link` and delete it") from error
