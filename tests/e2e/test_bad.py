"""What is wrong ends with one sentence that names it, in a bounded time, and hurts nobody else."""

import time

import pytest
import yaml

from tests.e2e.processes import restarts
from tests.e2e.shop import SYSTEM, Json, Shop, until
from tests.e2e.worker_image import worker_image
from tests.integration.bad_manifests import BadManifest, bad_manifests

BOUND_S = 120
"""Within which whatever is wrong was told; the longest wait is for a startTimeout of 30 s."""
BASE = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  target: {http: {url: "http://shop-NAME:8000/api/v1/health"}}
  load: {startTimeout: 30s, burst: {requests: 10, concurrency: 2}}
  slos:
  - {metric: successRate, min: 100%}
"""
# So that no run waits for another one of the same target.
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: shop-NAME}
spec:
  selector: {app: shop}
  ports: [{port: 8000, targetPort: 8080}]
"""

# What is changed in the test above, and what the run must then say.
CASES = {
    "host-unknown": (
        {"target": {"http": {"url": "http://nowhere:8000/"}}},
        ["nowhere", "30s"],
    ),
    "port-closed": (
        {"target": {"http": {"url": "http://shop-NAME:8001/"}}},
        ["shop", "8001"],
    ),
    "no-tls-there": (
        {"target": {"http": {"url": "https://shop-NAME:8000/"}}},
        ["TLS", "shop"],
    ),
    "secret-missing": (
        {
            "target": {
                "http": {
                    "url": "http://shop-NAME:8000/",
                    "auth": {
                        "bearer": {"tokenFrom": {"secretKeyRef": {"name": "absent", "key": "t"}}}
                    },
                }
            }
        },
        ["there is no Secret absent with a key t", "spec.target.http.auth.bearer.tokenFrom"],
    ),
    "config-map-missing": (
        {
            "target": {
                "http": {
                    "url": "http://shop-NAME:8000/",
                    "headers": [
                        {
                            "name": "X-A",
                            "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k"}},
                        }
                    ],
                }
            }
        },
        ["there is no ConfigMap absent with a key k", "spec.target.http.headers"],
    ),
    "node-selector": (
        {"podTemplate": {"nodeSelector": {"disk": "none"}}},
        ["Unschedulable", "30s"],
    ),
    "too-much-cpu": (
        {"podTemplate": {"resources": {"requests": {"cpu": "999"}}}},
        ["Unschedulable", "cpu"],
    ),
    "too-little-memory": (
        {
            "podTemplate": {
                "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "16Mi"}}
            }
        },
        ["OOMKilled", "podTemplate.resources.limits.memory"],
    ),
    "requests-above-limits": (
        {
            "podTemplate": {
                "resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
            }
        },
        ["could not be created", "memory"],
    ),
}


def manifest_of(name: str) -> str:
    """A case, with a Service of its own."""
    manifest = yaml.safe_load(BASE)
    manifest["spec"].update(CASES[name][0])
    return (SERVICE + "---\n" + yaml.safe_dump(manifest)).replace("NAME", name)


@pytest.fixture(scope="module")
def all_begun(shop: Shop) -> float:
    """When all of them began, at once: most wait for their startTimeout."""
    shop.apply("---".join(manifest_of(name) for name in CASES))
    return time.monotonic()


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_cannot_start_ends_with_the_reason(
    shop: Shop, all_begun: float, name: str
) -> None:
    left = all_begun + BOUND_S - time.monotonic()
    status = shop.done(shop.first_run(name), left)["status"]

    assert status["verdict"] == "Error"
    for word in CASES[name][1]:
        assert word in status["message"], status["message"]
    assert "\n" not in status["message"]
    met = next(c for c in status["conditions"] if c["type"] == "SLOMet")
    assert met["status"] == "Unknown"


@pytest.mark.disturbs
def test_an_image_that_does_not_exist_is_named(shop: Shop) -> None:
    with worker_image(shop, "localhost/absent:1"):
        before = restarts(shop.cluster)  # tests of faults may have killed it
        shop.apply((SERVICE + "---" + BASE).replace("NAME", "no-image").replace("30s", "10s"))
        status = shop.done(shop.first_run("no-image"), timeout=60)["status"]
        _has_not_crashed(shop, before)

    assert status["verdict"] == "Error"
    assert "localhost/absent:1" in status["message"]
    shop.kubectl("delete", "ptest", "no-image")


BAD = bad_manifests("condition")


@pytest.fixture(scope="module")
def all_bad(shop: Shop) -> None:
    shop.apply("---\n".join(bad.path.read_text() for bad in BAD))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.path.stem)
def test_what_only_the_operator_sees_is_on_the_ready_condition(
    shop: Shop, all_bad: None, bad: BadManifest
) -> None:
    name = yaml.safe_load(bad.path.read_text())["metadata"]["name"]
    ready = until(f"{name} is not ready", lambda: _not_ready(shop, name), timeout=BOUND_S)
    assert ready["reason"] == "Invalid"
    assert bad.says in ready["message"]
    assert bad.field in ready["message"]
    assert not shop.runs(name)


def _not_ready(shop: Shop, name: str) -> Json | None:
    conditions = shop.get("perftests", name).get("status", {}).get("conditions", [])
    return next((c for c in conditions if (c["type"], c["status"]) == ("Ready", "False")), None)


def test_a_run_of_a_test_that_does_not_exist_says_so(shop: Shop) -> None:
    shop.apply("""
apiVersion: perfrun.dev/v1alpha1
kind: PerfRun
metadata: {name: by-hand}
spec: {testRef: {name: absent}}
""")
    message = shop.done("by-hand")["status"]["message"]
    assert "PerfTest absent does not exist" in message
    shop.kubectl("delete", "prun", "by-hand")


def test_none_of_it_has_crashed_the_operator(shop: Shop) -> None:
    _has_not_crashed(shop)
    shop.kubectl("delete", "ptest", "--all")
    until("nothing is left", lambda: not shop.leftovers())


def _has_not_crashed(shop: Shop, before: int = 0) -> None:
    assert restarts(shop.cluster) <= before
    log = shop.cluster.kubectl("-n", SYSTEM, "logs", "deploy/perfrun", "--tail=-1").stdout
    assert "Traceback" not in log, log
