"""What is wrong ends with one sentence that names it, in a bounded time, and hurts nobody else."""

import pytest
import yaml

from tests.e2e.processes import restarts
from tests.e2e.shop import SYSTEM, Shop, until
from tests.e2e.worker_image import worker_image
from tests.integration.bad_manifests import BadManifest, bad_manifests

BASE = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {startTimeout: 10s, burst: {requests: 10, concurrency: 2}}
  slos:
  - {metric: successRate, min: 100%}
"""

# What is changed in the test above, and what the run must then say.
CASES = {
    "host-unknown": (
        {"target": {"http": {"url": "http://nowhere:8000/"}}},
        ["nowhere", "10s"],
    ),
    "port-closed": (
        {"target": {"http": {"url": "http://shop:8001/"}}},
        ["shop", "8001"],
    ),
    "no-tls-there": (
        {"target": {"http": {"url": "https://shop:8000/"}}},
        ["TLS", "shop"],
    ),
    "secret-missing": (
        {
            "target": {
                "http": {
                    "url": "http://shop:8000/",
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
                    "url": "http://shop:8000/",
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
        ["Unschedulable", "10s"],
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


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_cannot_start_ends_with_the_reason(shop: Shop, name: str) -> None:
    changes, words = CASES[name]
    manifest = yaml.safe_load(BASE.replace("NAME", name))
    manifest["spec"].update(changes)
    shop.apply(yaml.safe_dump(manifest))
    status = shop.done(shop.first_run(name), timeout=60)["status"]

    assert status["verdict"] == "Error"
    for word in words:
        assert word in status["message"], status["message"]
    assert "\n" not in status["message"]
    met = next(c for c in status["conditions"] if c["type"] == "SLOMet")
    assert met["status"] == "Unknown"
    shop.kubectl("delete", "ptest", name)


@pytest.mark.disturbs
def test_an_image_that_does_not_exist_is_named(shop: Shop) -> None:
    with worker_image(shop, "localhost/absent:1"):
        before = restarts(shop.cluster)  # tests of faults may have killed it
        shop.apply(BASE.replace("NAME", "no-image"))
        status = shop.done(shop.first_run("no-image"), timeout=60)["status"]
        _has_not_crashed(shop, before)

    assert status["verdict"] == "Error"
    assert "localhost/absent:1" in status["message"]
    shop.kubectl("delete", "ptest", "no-image")


@pytest.mark.parametrize("bad", bad_manifests("condition"), ids=lambda bad: bad.path.stem)
def test_what_only_the_operator_sees_is_on_the_ready_condition(
    shop: Shop, bad: BadManifest
) -> None:
    text = bad.path.read_text()
    name = yaml.safe_load(text)["metadata"]["name"]
    shop.apply(text)
    shop.kubectl("wait", "--for=condition=Ready=False", f"ptest/{name}", "--timeout=20s")

    ready = shop.get("perftests", name)["status"]["conditions"][0]
    assert ready["reason"] == "Invalid"
    assert bad.says in ready["message"]
    assert bad.field in ready["message"]
    assert not shop.runs(name)
    shop.kubectl("delete", "ptest", name)


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
    until("nothing is left", lambda: not shop.leftovers())


def _has_not_crashed(shop: Shop, before: int = 0) -> None:
    assert restarts(shop.cluster) <= before
    log = shop.cluster.kubectl("-n", SYSTEM, "logs", "deploy/perfrun", "--tail=-1").stdout
    assert "Traceback" not in log, log
