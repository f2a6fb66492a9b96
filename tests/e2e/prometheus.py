"""Debian's Prometheus beside the cluster, scraping the operator each second."""

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from tests.cluster.components import free_port
from tests.cluster.handle import Cluster
from tests.e2e.shop import SYSTEM

Series = list[dict[str, Any]]
JOB = "perfrun"


READER = "e2e-prometheus"
"""The service account that scrapes, with the chart's ClusterRole for it."""


@dataclass(frozen=True)
class Scrape:
    """How the operator's metrics are read, by who is on the node."""

    address: str
    server_name: str
    ca: str
    """PEM."""
    token: str

    def text(self) -> str:
        """The exposition. Raises OSError."""
        context = ssl.create_default_context(cadata=self.ca)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        host, _, port = self.address.partition(":")
        plain = socket.create_connection((host, int(port)), timeout=10)
        connection = HTTPSConnection(host, int(port), timeout=10)
        connection.sock = context.wrap_socket(plain, server_hostname=self.server_name)
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request("GET", "/metrics", headers=headers)
            response = connection.getresponse()
            body = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise OSError(f"/metrics answered {response.status}: {body}")
        return body


def scrape_of(cluster: Cluster) -> Scrape:
    """As docs/reference/metrics.md has a Prometheus do it: the Service, the CA of the Secret, an account."""
    system = ("-n", SYSTEM)
    address = cluster.kubectl(
        *system, "get", "svc", "perfrun-leader", "-o=jsonpath={.spec.clusterIP}"
    ).stdout
    ca = cluster.kubectl(
        *system, "get", "secret", "perfrun-coordinator-tls", "-o=jsonpath={.data.tls\\.crt}"
    ).stdout
    for command in (
        [*system, "create", "serviceaccount", READER],
        [
            "create", "clusterrolebinding", READER, "--clusterrole=perfrun-metrics-reader",
            f"--serviceaccount={SYSTEM}:{READER}",
        ],
    ):  # fmt: skip
        made = cluster.kubectl(*command, "--dry-run=client", "-o=yaml").stdout
        cluster.kubectl("apply", "-f", "-", input=made)
    token = cluster.kubectl(*system, "create", "token", READER, "--duration=6h").stdout.strip()
    host = f"perfrun-leader.{SYSTEM}.svc"
    return Scrape(f"{address}:8444", host, base64.b64decode(ca).decode(), token)


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that runs."""

    address: str = ""

    def query(self, expression: str, time: float | None = None) -> Series:
        """The result of an instant query, of now or a moment; empty while Prometheus is not up."""
        moment = {} if time is None else {"time": time}
        try:
            return list(self._get("query", query=expression, **moment)["result"])
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            return []
        except OSError:
            return []

    def query_range(self, expression: str, start: float, end: float, step: float) -> Series:
        """The result of a query over time."""
        found = self._get("query_range", query=expression, start=start, end=end, step=step)
        return list(found["result"])

    def rules(self) -> list[dict[str, Any]]:
        """All alerting rules, as they stand."""
        groups = self._get("rules", type="alert")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _get(self, what: str, **parameters: str | float) -> dict[str, Any]:
        url = f"http://{self.address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
        return data


@contextlib.contextmanager
def scraping(target: Scrape, folder: Path, rules: Path | None = None) -> Iterator[Prometheus]:
    """A Prometheus that scrapes ``target`` and evaluates ``rules``, with its data in ``folder``."""
    address = f"127.0.0.1:{free_port()}"
    ca, token = folder / "ca.crt", folder / "token"
    ca.write_text(target.ca)
    token.touch(mode=0o600)
    token.write_text(target.token)
    scrape = {
        "job_name": JOB,
        "honor_labels": True,
        "scheme": "https",
        "tls_config": {"ca_file": str(ca), "server_name": target.server_name},
        "authorization": {"credentials_file": str(token)},
        "static_configs": [{"targets": [target.address]}],
    }
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)] if rules else [],
        "scrape_configs": [scrape],
    }
    path = folder / "prometheus.yaml"
    path.write_text(json.dumps(config))
    subprocess.run(["promtool", "check", "config", path], check=True, capture_output=True)
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            yield Prometheus(address)
        finally:
            process.terminate()
            process.wait(timeout=20)
