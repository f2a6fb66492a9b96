"""Debian's Prometheus beside the cluster, scraping the operator each second."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.components import free_port
from tests.cluster.handle import Cluster
from tests.e2e.shop import SYSTEM

Series = list[dict[str, Any]]
JOB = "perfrun"


def metrics_url(cluster: Cluster) -> str:
    """Where the operator's metrics are, for who is on the node."""
    address = cluster.kubectl(
        "-n", SYSTEM, "get", "svc", "perfrun-metrics", "-o=jsonpath={.spec.clusterIP}"
    ).stdout
    return f"{address}:8444"


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that runs."""

    address: str = ""

    def query(self, expression: str, time: float | None = None) -> Series:
        """The result of an instant query, of now or a moment; empty while Prometheus is not up."""
        moment = {} if time is None else {"time": time}
        try:
            return list(self._get("query", query=expression, **moment)["result"])
        except urllib.error.HTTPError:
            raise
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
def scraping(target: str, folder: Path, rules: Path | None = None) -> Iterator[Prometheus]:
    """A Prometheus that scrapes ``target`` and evaluates ``rules``, with its data in ``folder``."""
    scrape = {"job_name": JOB, "honor_labels": True, "static_configs": [{"targets": [target]}]}
    address = f"127.0.0.1:{free_port()}"
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
