"""Observed workloads on the real cluster, by its metrics-server: a leak, and one that is not there."""

import json
from pathlib import Path

from tests import leaking
from tests.e2e.shop import IMAGE, Shop, until
from tests.e2e.test_reports import told as told_by_cli

PATIENCE_S = 240
SERVER = Path(leaking.__file__).read_text()
TARGET = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "leaking"},
    "spec": {
        "selector": {"matchLabels": {"app": "leaking"}},
        "template": {
            "metadata": {"labels": {"app": "leaking"}},
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "server",
                        "image": IMAGE,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-c", SERVER, "8080"],
                        "ports": [{"containerPort": 8080}],
                        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
                        "resources": {
                            "requests": {"cpu": "50m", "memory": "64Mi"},
                            "limits": {"memory": "512Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        },
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "leaking"},
    "spec": {"selector": {"app": "leaking"}, "ports": [{"port": 80, "targetPort": 8080}]},
}
LEAK_TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: leak}
spec:
  target: {http: {url: "http://leaking/"}}
  load: {warmup: 5s, closed: {users: 2, duration: 75s, thinkTime: 100ms}}
  observe:
  - {name: server, workload: {kind: Deployment, name: leaking}}
  - {name: gone, workload: {kind: Deployment, name: gone}}
  slos:
  - {metric: successRate, min: 100%}
  - {metric: memory.growth, of: server, max: 20Mi}
  - {metric: memory.max, of: server, max: 500Mi}
  - {metric: cpu.max, of: server, max: "2"}
  - {metric: restarts, of: server, max: 0}
  - {metric: cpu.max, of: gone, max: "2"}
"""


def test_a_leak_breaches_its_limit_and_what_is_not_there_is_inconclusive(shop: Shop) -> None:
    shop.apply(json.dumps(TARGET))
    shop.apply(json.dumps(SERVICE))
    shop.kubectl("rollout", "status", "deploy/leaking", "--timeout=120s")
    until("metrics-server has seen the pod", lambda: _metrics(shop))
    shop.apply(LEAK_TEST)
    name = shop.first_run("leak")
    status = shop.done(name, PATIENCE_S)["status"]
    told = {(slo["metric"], slo.get("of", "")): slo for slo in status["slos"]}
    assert {key: slo["verdict"] for key, slo in told.items()} == {
        ("successRate", ""): "Pass",
        ("memory.growth", "server"): "Warn",
        ("memory.max", "server"): "Pass",
        ("cpu.max", "server"): "Pass",
        ("restarts", "server"): "Pass",
        ("cpu.max", "gone"): "Inconclusive",
    }, status["slos"]
    grown = float(told["memory.growth", "server"]["measured"].removesuffix("Mi"))
    # A mebibyte a second for 75 s.
    assert 60 < grown < 90
    assert "a second)" in told["memory.growth", "server"]["message"]
    assert 'deployments.apps "gone" not found' in told["cpu.max", "gone"]["message"]
    figures = {one["name"]: one.get("figures", {}) for one in status["observed"]}
    assert figures["server"].keys() >= {"cpu.avg", "memory.growth", "restarts"}
    assert figures["gone"] == {}

    page = told_by_cli(shop, "report", name, "--html", "-")
    assert "Memory of server" in page
    assert "slope: " in page
    left = shop.kubectl("get", "cm", "-l", "perfrun.dev/content=observed", "-o", "name")
    assert left == ""


def _metrics(shop: Shop) -> bool:
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{shop.namespace}/pods"
    said = shop.cluster.kubectl("get", "--raw", path, check=False)
    return "leaking" in said.stdout
