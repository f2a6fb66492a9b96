"""An API server without a node, ready in seconds, for tests of what only the API server decides."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster import apt, gobuild
from tests.cluster.components import apiserver, controllers, etcd, free_port
from tests.cluster.handle import ApiServer
from tests.cluster.pki import Pki, kubeconfig
from tests.cluster.processes import Processes

ADDRESS = "127.0.0.1"
SERVICES = "10.215.0.0/24"
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
)
"""What tests without a node meet. All forty have the API server hold every kind that there is, which
doubles what its start costs."""


def _certificates(folder: Path) -> Pki:
    pki = Pki(folder / "pki")
    pki.authority("ca")
    pki.signing_key("sa")
    pki.issue("ca", "apiserver", "/CN=kube-apiserver", ("DNS:localhost", f"IP:{ADDRESS}"))
    pki.issue("ca", "admin", "/O=system:masters/CN=admin")
    return pki


@contextlib.contextmanager
def running(
    folder: Path, *, with_controllers: bool = False, controller_flags: Sequence[str] = ()
) -> Iterator[ApiServer]:
    """Run etcd and an API server, and the controller manager if asked, in a folder of their own."""
    apt.ensure(apt.API_PACKAGES)
    gobuild.ensure([gobuild.KUBERNETES, gobuild.HELM])
    pki, processes = _certificates(folder), Processes(folder)
    port, etcd_port = free_port(), free_port()
    url, config = f"https://{ADDRESS}:{port}", folder / "kubeconfig"
    kubeconfig(config, url, pki, "admin")
    # Loopback cannot be the endpoint of a Service.
    extra = ["--endpoint-reconciler-type=none"]
    if not with_controllers:
        # Nobody makes the service accounts that it would ask of every pod.
        extra.append("--disable-admission-plugins=ServiceAccount")
    try:
        etcd(folder / "etcd", etcd_port, free_port()).start(processes)
        apiserver(pki, ADDRESS, port, etcd_port, SERVICES, extra).start(processes)
        if with_controllers:
            flags = [f"--controllers={','.join(CONTROLLERS)}", *controller_flags]
            controllers(pki, config, free_port(), flags).start(processes)
        server = ApiServer(config, url, processes.log("apiserver"))
        yield server
        server.close()
    finally:
        # The store last: the others would spend their end complaining.
        processes.stop_all(["controllers", "apiserver"])
        processes.stop("etcd")
