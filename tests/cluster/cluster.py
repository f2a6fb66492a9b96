"""The embedded cluster: up, down, status. Every step can be cut short and done again."""

import base64
import http
import json
import os
import shutil
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.cluster import apt, audit, cgroups, gobuild, images, leftovers, network, node, settings
from tests.cluster.commands import Argv, run
from tests.cluster.components import Component, apiserver, client_context, controllers, etcd, fetch
from tests.cluster.errors import ClusterError, Unsupported
from tests.cluster.handle import Cluster
from tests.cluster.mounts import remove_tree
from tests.cluster.paths import cache_dir, locked, state_dir, write
from tests.cluster.pki import Pki, kubeconfig
from tests.cluster.processes import Processes, boot_id
from tests.cluster.progress import say, step
from tests.cluster.settings import NODE, Settings

NODE_READY_SECONDS = 90.0
# Who each client is; DNS has no role of its own in Kubernetes, and here it may read all.
_CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "controllers": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "dns": "/O=system:masters/CN=perfrun-dns",
}


def check_machine() -> None:
    """Unsupported, in one sentence, when this machine cannot run the cluster."""
    if shutil.which("apt-get") is None or not Path("/etc/debian_version").exists():
        raise Unsupported("The embedded cluster runs on Debian only (it installs with apt-get).")
    if os.geteuid() != 0:
        raise Unsupported("The embedded cluster needs root (network, mounts, containers).")
    gobuild.check_go()


def prepare(*, metrics: bool = False) -> None:
    """Everything that the cache shall have: packages, binaries, images.

    ``metrics``: the metrics server too. Whoever has it compiled once gets it with every cluster.
    """
    apt.ensure(apt.CLUSTER_PACKAGES)
    gobuild.ensure([*gobuild.CLUSTER, *([gobuild.METRICS_SERVER] if metrics else [])])
    images.ensure()


def to_build(*, metrics: bool = False) -> list[str]:
    """The names of the parts that the cache lacks, as :mod:`tests.cluster.costs` has them."""
    wanted = [*gobuild.CLUSTER, *([gobuild.METRICS_SERVER] if metrics else [])]
    lacking = [module.name for module in wanted if not gobuild.is_built(module)]
    made = [images.base_reference(), images.target_reference()]
    names = ("base image", "target image")
    return lacking + [
        name
        for name, reference in zip(names, made, strict=True)
        if not images.archive_of(reference).exists()
    ]


def _certificates(made_with: Settings) -> Pki:
    pki, ip = Pki(made_with.state / "pki"), f"IP:{made_with.node_ip}"
    pki.authority("ca")
    pki.authority("front-ca")
    pki.signing_key("sa")
    names = ("DNS:kubernetes.default.svc", "DNS:kubernetes.default", "DNS:kubernetes")
    addresses = (ip, "IP:127.0.0.1", f"IP:{made_with.api_service_ip}")
    pki.issue("ca", "apiserver", "/CN=kube-apiserver", (*names, *addresses))
    # As client and as server: the API server verifies the kubelet by its address.
    pki.issue("ca", "kubelet", f"/O=system:nodes/CN=system:node:{NODE}", (f"DNS:{NODE}", ip))
    pki.issue("ca", "metrics", "/CN=metrics", ("DNS:metrics-server.kube-system.svc", ip))
    pki.issue("front-ca", "front", "/CN=front-proxy-client")
    for name, subject in _CLIENTS.items():
        pki.issue("ca", name, subject)
    for name in (*_CLIENTS, "kubelet"):
        path = made_with.state / f"{name}.kubeconfig"
        kubeconfig(path, made_with.url, pki, name)
    kubeconfig(made_with.kubeconfig, made_with.url, pki, "admin")
    return pki


def _aggregation(pki: Pki) -> list[str]:
    """What the API server needs to reach the kubelet and the metrics server."""
    return [
        f"--kubelet-client-certificate={pki.crt('admin')}",
        f"--kubelet-client-key={pki.key('admin')}",
        f"--kubelet-certificate-authority={pki.crt('ca')}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki.crt('front-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki.crt('front')}",
        f"--proxy-client-key-file={pki.key('front')}",
        "--enable-aggregator-routing",
    ]


def _components(made_with: Settings, pki: Pki) -> list[Component]:
    """All parts, in the order in which they start."""
    ports, state = made_with.ports, made_with.state
    ip, services = made_with.node_ip, made_with.services
    return [
        etcd(state / "etcd", ports.etcd, ports.etcd_peer),
        apiserver(
            pki,
            ip,
            ports.apiserver,
            ports.etcd,
            services,
            [*_aggregation(pki), *audit.flags(made_with)],
            audit.files(made_with),
        ),
        controllers(pki, state / "controllers.kubeconfig", ports.controllers),
        node.scheduler(made_with),
        node.containerd(made_with),
        node.kubelet(made_with, pki),
        node.proxy(made_with),
        node.dns(made_with),
        *([node.metrics(made_with, pki)] if gobuild.is_built(gobuild.METRICS_SERVER) else []),
    ]


def _handle(made_with: Settings) -> Cluster:
    return Cluster(
        kubeconfig=made_with.kubeconfig,
        url=made_with.url,
        log=Processes(made_with.state).log("apiserver"),
        node_ip=made_with.node_ip,
        base_image=images.base_reference(),
        target_image=images.target_reference(),
    )


def _api(made_with: Settings, path: str, context: ssl.SSLContext) -> dict[str, object]:
    """An object from the API server; empty when it does not answer or has none."""
    status, body = fetch(made_with.url + path, context)
    found: dict[str, object] = json.loads(body) if status == http.HTTPStatus.OK else {}
    return found


def _node_is_ready(made_with: Settings, context: ssl.SSLContext) -> bool:
    status = _api(made_with, f"/api/v1/nodes/{NODE}", context).get("status")
    conditions = status.get("conditions", []) if isinstance(status, dict) else []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _loaded(made_with: Settings) -> Path:
    return made_with.state / "images.json"


def _images_are_loaded(made_with: Settings) -> bool:
    wanted = [images.pause_reference(), images.base_reference(), images.target_reference()]
    path = _loaded(made_with)
    return path.exists() and json.loads(path.read_text()) == wanted


def problems() -> list[str]:
    """What is wrong with the recorded cluster; empty when it is up and well. Under a second."""
    made_with = settings.recorded()
    if made_with is None:
        return ["no cluster is up"]
    if os.geteuid() != 0:
        raise Unsupported("Looking after the embedded cluster needs root.")
    pki = Pki(made_with.state / "pki")
    if not (pki.crt("ca").exists() and made_with.kubeconfig.exists()):
        return ["it was not made completely"]
    processes = Processes(made_with.state)
    found = [
        f"{part.name} does not run, or does not answer"
        for part in _components(made_with, pki)
        if not part.is_healthy(processes)
    ]
    if not network.is_up(made_with):
        found.append(f"the network interface {made_with.bridge} is missing")
    if not _images_are_loaded(made_with):
        found.append("its images are not loaded, or of another version")
    if not found and not _node_is_ready(made_with, client_context(pki)):
        found.append("its node is not Ready")
    return found


def is_up() -> bool:
    """Whether the cluster is up and well."""
    return not problems()


def _wait(what: str, ready: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not after {seconds:.0f} s; see {log}")
        time.sleep(0.2)


def _load_images(made_with: Settings) -> None:
    if _images_are_loaded(made_with):
        return
    references = [images.pause_reference(), images.base_reference(), images.target_reference()]
    with step("loading images into the node"):
        for reference in references:
            images.load(images.archive_of(reference))
    write(_loaded(made_with), json.dumps(references))


def _link_tools(made_with: Settings) -> None:
    """kubectl and helm in one folder for PATH, of the versions that the cluster has."""
    folder = made_with.state / "bin"
    folder.mkdir(exist_ok=True)
    for tool in ("kubectl", "helm"):
        link = folder / tool
        link.unlink(missing_ok=True)
        link.symlink_to(gobuild.binary(tool))


def _after_a_reboot(made_with: Settings) -> None:
    # Its sockets and shims are of a kernel that is gone; containers are made anew from the API.
    boot = made_with.state / "boot"
    if boot.exists() and boot.read_text() != boot_id():
        remove_tree(made_with.state / "containerd-run")
        (made_with.state / "network.json").unlink(missing_ok=True)
    write(boot, boot_id())


def _start(made_with: Settings) -> None:
    _after_a_reboot(made_with)
    network.up(made_with)
    cgroups.create(made_with.bridge)
    pki, processes = _certificates(made_with), Processes(made_with.state)
    _link_tools(made_with)
    for part in _components(made_with, pki):
        if not part.is_healthy(processes):
            with step(f"starting {part.name}"):
                part.start(processes)
        if part.name == "containerd":
            # Before the kubelet: without the pause image no pod starts.
            _load_images(made_with)
    context = client_context(pki)
    ca = base64.b64encode(pki.crt("ca").read_bytes()).decode()
    kubectl: Argv = [gobuild.binary("kubectl"), "--kubeconfig", made_with.kubeconfig]
    if gobuild.is_built(gobuild.METRICS_SERVER):
        run([*kubectl, "apply", "-f", "-"], stdin=node.metrics_manifest(made_with, ca))
    with step("waiting for the node and the default service account"):
        log = processes.log("kubelet")
        _wait("node Ready", lambda: _node_is_ready(made_with, context), NODE_READY_SECONDS, log)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        log = processes.log("controllers")
        _wait("service account", lambda: bool(_api(made_with, account, context)), 30, log)


def up(*, metrics: bool = False) -> Cluster:
    """Have a healthy cluster: as it is when it is well, else what is missing is started.

    ``metrics``: with the metrics server, which takes two minutes more to compile.
    """
    check_machine()
    if metrics:
        gobuild.ensure([gobuild.METRICS_SERVER])
    asked = settings.wanted()
    with locked(state_dir(), "the cluster"):
        made_with = settings.recorded()
        if made_with is not None and made_with != asked:
            raise ClusterError(
                f"a cluster with other settings is there ({asdict(made_with)}); "
                "end it first: python3 -m tests.cluster down"
            )
        wrong = problems()
        if wrong:
            prepare()
            if made_with is not None:
                say(f"repairing the cluster: {'; '.join(wrong)}")
            asked.save()
            _start(asked)
    return _handle(asked)


def down() -> None:
    """End what `up` started and remove its traces; logs and the cache stay."""
    with locked(state_dir(), "the cluster"):
        made_with = settings.recorded()
        if made_with is None:
            say("no cluster is up")
            return
        if os.geteuid() != 0:
            raise Unsupported("Ending the embedded cluster needs root.")
        processes = Processes(made_with.state)
        with step("ending the cluster"):
            # Whoever would start containers again goes first; the store is nobody's need then.
            processes.stop_all([name for name in processes.names() if name != "containerd"])
            cgroups.kill_all(made_with.bridge)
            processes.stop("containerd")
            leftovers.stop_marked(made_with.state)
            cgroups.remove(made_with.bridge)
            leftovers.remove_state(made_with.state)
            network.down(made_with)
            (made_with.state / "settings.json").unlink()


def forget() -> None:
    """Remove the cache; what needs it next fills it again. ClusterError while a cluster is up."""
    with locked(state_dir(), "the cluster"):
        if settings.recorded() is not None:
            raise ClusterError("a cluster is up that needs it: python3 -m tests.cluster down")
        with step(f"removing {cache_dir()}"):
            shutil.rmtree(cache_dir(), ignore_errors=True)


def running() -> Cluster:
    """The cluster that is up; ClusterError when none is."""
    made_with = settings.recorded()
    if made_with is None or (wrong := problems()):
        why = "; ".join(wrong) if made_with else "no cluster is up"
        raise ClusterError(f"{why}. Start it: python3 -m tests.cluster up")
    return _handle(made_with)
