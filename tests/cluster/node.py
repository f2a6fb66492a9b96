"""The parts that make this machine a node: containerd, kubelet, kube-proxy, DNS, metrics."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import network
from tests.cluster.commands import Argv, succeeds
from tests.cluster.components import Component, answers, client_context, unverified_context
from tests.cluster.gobuild import binary
from tests.cluster.images import ctr, pause_reference
from tests.cluster.pki import Pki
from tests.cluster.settings import NODE, Settings

_CAP_SYS_RESOURCE = 24
CNI_PLUGINS = "/usr/lib/cni"


def may_raise_priority(status: str) -> bool:
    """Whether /proc/self/status shows CAP_SYS_RESOURCE, which lowering an OOM score needs."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return False


def _json(content: Mapping[str, object]) -> str:
    # JSON is YAML, but the parser insists on a sign that YAML is meant.
    return "# JSON, read as YAML\n" + json.dumps(content, indent=1) + "\n"


def cni(made_with: Settings) -> str:
    """The pods' network: a routed pair for each, addresses from the node's subnet."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": made_with.subnet}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(made_with.state / "cni-addresses"),
    }
    plugins = [{"type": "ptp", "ipMasq": False, "ipam": ipam}]
    content = {"cniVersion": "1.0.0", "name": made_with.bridge, "plugins": plugins}
    return json.dumps(content, indent=1) + "\n"


def containerd(made_with: Settings) -> Component:
    """The container runtime, with its root, state and socket in the cluster's own folder."""
    state, socket = made_with.state, made_with.containerd_socket
    restrict = not may_raise_priority(Path("/proc/self/status").read_text())
    text = f"""version = 2
root = "{state}/containerd"
state = "{state}/containerd-run"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{state}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause_reference()}"
restrict_oom_score_adj = {str(restrict).lower()}
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{state}/cni"
"""
    config = state / "containerd.toml"
    return Component(
        "containerd",
        ["containerd", "--config", config],
        lambda: socket.exists() and succeeds(ctr(socket, "version")),
        {config: text, state / "cni" / "10-perfrun.conflist": cni(made_with)},
    )


def _kubelet_config(made_with: Settings, pki: Pki) -> dict[str, object]:
    state, ip = made_with.state, made_with.node_ip
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ip,
        "port": made_with.ports.kubelet,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": made_with.ports.kubelet_health,
        "tlsCertFile": str(pki.crt("kubelet")),
        "tlsPrivateKeyFile": str(pki.key("kubelet")),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.crt("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{made_with.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{made_with.bridge}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # Chains of the machine's firewall that no pod here needs, and that it would leave behind.
        "makeIPTablesUtilChains": False,
        "enforceNodeAllocatable": [],
        "podCIDR": made_with.subnet,
        "clusterDNS": [ip],
        "clusterDomain": "cluster.local",
        "resolvConf": str(state / "resolv.conf"),
        "podLogsDir": str(state / "pod-logs"),
        "volumePluginDir": str(state / "volume-plugins"),
        "maxPods": 110,
        "serializeImagePulls": False,
        # Images cannot be pulled again: they are never collected, however full the disk is.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
    }


def kubelet(made_with: Settings, pki: Pki) -> Component:
    """The node's agent."""
    path = made_with.state / "kubelet.yaml"
    # The host's own resolvers and search domains stay outside.
    resolvers = {made_with.state / "resolv.conf": f"nameserver {made_with.node_ip}\n"}
    files = {path: _json(_kubelet_config(made_with, pki)), **resolvers}
    argv: Argv = [
        binary("kubelet"),
        f"--config={path}",
        f"--kubeconfig={made_with.state}/kubelet.kubeconfig",
        f"--hostname-override={NODE}",
        f"--node-ip={made_with.node_ip}",
        f"--root-dir={made_with.state}/kubelet",
        f"--cert-dir={made_with.state}/kubelet-certificates",
    ]
    health = f"http://127.0.0.1:{made_with.ports.kubelet_health}/healthz"
    return Component("kubelet", argv, lambda: answers(health), files)


def scheduler(made_with: Settings) -> Component:
    """The scheduler."""
    config = made_with.state / "scheduler.kubeconfig"
    argv: Argv = [
        binary("kube-scheduler"),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={made_with.ports.scheduler}",
    ]
    health, context = f"https://127.0.0.1:{made_with.ports.scheduler}/healthz", unverified_context()
    return Component("scheduler", argv, lambda: answers(health, context))


def proxy(made_with: Settings) -> Component:
    """Services' addresses, by nftables."""
    path, ports = made_with.state / "proxy.yaml", made_with.ports
    config: dict[str, object] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NODE,
        "clusterCIDR": made_with.subnet,
        "clientConnection": {"kubeconfig": str(made_with.state / "proxy.kubeconfig")},
        "healthzBindAddress": f"127.0.0.1:{ports.proxy_health}",
        "metricsBindAddress": f"127.0.0.1:{ports.proxy_metrics}",
        "nodePortAddresses": [f"{made_with.node_ip}/32"],
        # A new Service answers at once, not after the default's second.
        "nftables": {"minSyncPeriod": "100ms"},
        # The machine's own connection tracking limits are not ours to change.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    health = f"http://127.0.0.1:{ports.proxy_health}/healthz"
    argv: Argv = [binary("kube-proxy"), f"--config={path}"]
    return Component(
        "proxy", argv, lambda: answers(health), {path: _json(config)}, network.forget_services
    )


def dns(made_with: Settings) -> Component:
    """Names of Services. Every other name does not exist, at once, as on a node without uplink."""
    ready = f"{made_with.node_ip}:{made_with.ports.dns_ready}"
    path = made_with.state / "Corefile"
    # Two servers, because in one the template would answer before kubernetes is asked.
    text = f"""cluster.local in-addr.arpa ip6.arpa {{
    bind {made_with.node_ip}
    errors
    ready {ready}
    kubernetes {{
        kubeconfig {made_with.state}/dns.kubeconfig
        pods insecure
        ttl 5
    }}
}}
. {{
    bind {made_with.node_ip}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
    argv: Argv = [binary("coredns"), "-conf", path]
    return Component("dns", argv, lambda: answers(f"http://{ready}/ready"), {path: text})


def metrics(made_with: Settings, pki: Pki) -> Component:
    """What `kubectl top` and autoscalers read."""
    config = made_with.kubeconfig
    argv: Argv = [
        binary("metrics-server"),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--kubelet-certificate-authority={pki.crt('ca')}",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-use-node-status-port",
        f"--bind-address={made_with.node_ip}",
        f"--secure-port={made_with.ports.metrics_server}",
        f"--tls-cert-file={pki.crt('metrics')}",
        f"--tls-private-key-file={pki.key('metrics')}",
        # The shortest that exceeds its 10 s timeout of a kubelet.
        "--metric-resolution=15s",
    ]
    url = f"https://{made_with.node_ip}:{made_with.ports.metrics_server}/livez"
    context = client_context(pki)
    return Component("metrics", argv, lambda: answers(url, context))


def metrics_manifest(made_with: Settings, ca: str) -> str:
    """What joins the metrics server, a process of the host, to the API."""
    name = {"name": "metrics-server", "namespace": "kube-system"}
    owner = {"kubernetes.io/service-name": "metrics-server"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": name,
        "spec": {"ports": [{"port": 443, "targetPort": made_with.ports.metrics_server}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**name, "labels": owner},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": made_with.ports.metrics_server}],
        "endpoints": [{"addresses": [made_with.node_ip]}],
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "service": name,
            "caBundle": ca,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    items = [service, endpoints, api]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
