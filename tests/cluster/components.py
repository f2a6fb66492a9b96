"""The command line, configuration and readiness of each part of a Kubernetes control plane."""

import contextlib
import http.client
import secrets
import socket
import ssl
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.commands import Argv
from tests.cluster.gobuild import binary
from tests.cluster.paths import key_of, write
from tests.cluster.pki import Pki
from tests.cluster.processes import Processes, alive

READY_SECONDS = 60.0
API_AUDIENCE = "api-of-perfrun-tests"


@dataclass(frozen=True)
class Component:
    """A process to run: started when it is not alive, restarted when this changes."""

    name: str
    argv: Sequence[str | Path]
    ready: Callable[[], bool]
    files: Mapping[Path, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    """What is to be done whenever it is about to be started."""

    def fingerprint(self) -> str:
        """Tells a changed command line or configuration."""
        return key_of(*map(str, self.argv), *self.files.values())

    def is_running(self, processes: Processes) -> bool:
        """Whether it runs as it is described here."""
        record = processes.record(self.name)
        same = record is not None and record.fingerprint == self.fingerprint()
        return same and alive(record)

    def is_healthy(self, processes: Processes) -> bool:
        """Whether it runs as described and answers."""
        return self.is_running(processes) and self.ready()

    def start(self, processes: Processes) -> None:
        """Start it unless it runs, and wait until it answers."""
        record = processes.record(self.name)
        if record is None or not self.is_running(processes):
            processes.stop(self.name)
            for path, text in self.files.items():
                write(path, text)
            if self.before is not None:
                self.before()
            record = processes.start(self.name, self.argv, self.fingerprint())
        processes.wait(record, self.ready, READY_SECONDS)


def answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Whether a URL answers 200."""
    return fetch(url, context)[0] == http.HTTPStatus.OK


def fetch(url: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Status and body of a URL, without any proxy; status 0 when nothing answers."""
    where = urllib.parse.urlsplit(url)
    host, port = where.hostname or "", where.port or 0
    connection = (
        http.client.HTTPSConnection(host, port, timeout=3, context=context)
        if context
        else http.client.HTTPConnection(host, port, timeout=3)
    )
    try:
        connection.request("GET", where.path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def client_context(pki: Pki, name: str = "admin") -> ssl.SSLContext:
    """TLS with one of our client certificates, trusting our authority only."""
    context = ssl.create_default_context(cafile=str(pki.crt("ca")))
    context.load_cert_chain(pki.crt(name), pki.key(name))
    return context


def unverified_context() -> ssl.SSLContext:
    """TLS for the health ports whose servers sign their own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def free_port() -> int:
    """A port that nobody listens on now, and that the kernel gives to no connection meanwhile: it
    takes those from 32768 on. Kubernetes' node ports begin at 30000."""
    while True:
        port = 15_000 + secrets.randbelow(15_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("", port))
            return port


def etcd(data: Path, port: int, peer_port: int) -> Component:
    """The store. Unsafe without fsync: a test cluster's data need not survive a power cut."""
    url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    argv = [
        "etcd",
        "--name=perfrun",
        f"--data-dir={data}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=perfrun={peer}",
        "--log-level=warn",
    ]
    return Component("etcd", argv, lambda: answers(f"{url}/health"))


def apiserver(
    pki: Pki,
    address: str,
    port: int,
    etcd_port: int,
    services: str,
    extra: Sequence[str],
    files: Mapping[Path, str] | None = None,
) -> Component:
    """The API server, with node and RBAC authorisation and service account tokens."""
    ca, sa = pki.crt("ca"), pki.key("sa")
    argv: Argv = [
        binary("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        # The node's address alone: nothing outside this machine shall reach it.
        f"--bind-address={address}",
        f"--advertise-address={address}",
        f"--secure-port={port}",
        f"--service-cluster-ip-range={services}",
        f"--client-ca-file={ca}",
        f"--tls-cert-file={pki.crt('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--service-account-key-file={sa}",
        f"--service-account-signing-key-file={sa}",
        "--service-account-issuer=https://kubernetes.default.svc",
        # One that nobody could guess: operators have to ask for it.
        f"--api-audiences=https://kubernetes.default.svc,{API_AUDIENCE}",
        *extra,
    ]
    context = client_context(pki)
    url = f"https://{address}:{port}/readyz"
    return Component("apiserver", argv, lambda: answers(url, context), files or {})


def controllers(pki: Pki, kubeconfig: Path, port: int, extra: Sequence[str] = ()) -> Component:
    """The controller manager; start it after the API server is ready, or it exits."""
    argv: Argv = [
        binary("kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--service-account-private-key-file={pki.key('sa')}",
        f"--root-ca-file={pki.crt('ca')}",
        "--use-service-account-credentials",
        *extra,
    ]
    context = unverified_context()
    url = f"https://127.0.0.1:{port}/healthz"
    return Component("controllers", argv, lambda: answers(url, context))
