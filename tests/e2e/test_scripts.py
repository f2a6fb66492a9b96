"""Scripts of k6 on several workers: one start, one verdict, and nothing that stays behind."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster import tools
from tests.e2e.shop import Json, Shop, until

ALLOWED = "/spec/allowedImages"
SHOP_JS = """
import http from 'k6/http';
import { check } from 'k6';
const load = { executor: 'constant-arrival-rate', preAllocatedVUs: 8, duration: __ENV.LENGTH };
export const options = {
  scenarios: { read: { ...load, rate: 40, exec: 'read' }, write: { ...load, rate: 10, exec: 'write' } },
  thresholds: { http_req_failed: ['rate<0.01'], http_reqs: [`count>=${__ENV.LEAST}`] },
};
export function setup() { return { page: 7 }; }
export function read(data) {
  const answer = http.get(`${__ENV.URL}?page=${data.page}`, { tags: { name: 'list' } });
  check(answer, { 'it is there': (got) => got.status === 200 });
}
export function write() { http.post(__ENV.URL, '{}', { tags: { name: 'order' } }); }
"""
FILES = {"shop.js": SHOP_JS, "broken.js": "export default function () { return nobody; "}


@pytest.fixture(scope="module")
def scripted(shop: Shop) -> Iterator[Shop]:
    """The shop, with k6's image on the node and allowed while the tests run, and the scripts."""
    image = tools.image("k6")
    _allow(shop, image)
    files = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "shop-k6"},
        "data": FILES,
    }
    shop.apply(yaml.safe_dump(files))
    yield shop
    _allow(shop)


def test_two_workers_share_a_script_and_have_one_verdict(scripted: Shop) -> None:
    status = _run(scripted, "shared")
    assert status["verdict"] == "Pass", status["message"]
    assert {slo["verdict"] for slo in status["slos"]} == {"Pass"}
    assert status["workers"]["reported"] == 2
    sent = {step["name"]: step["requests"]["sent"] for step in status["steps"]}
    # A rate of 40/s and 10/s for 4 s, however many workers there are.
    assert sent.keys() == {"list", "order"}
    assert 158 <= sent["list"] <= 161
    assert 38 <= sent["order"] <= 41
    counted = sum(status["summary"]["attempts"].values())
    assert scripted.served_in_the_end("shared", counted) == counted
    until("nothing is left of the run", lambda: not _left(scripted))


def test_what_a_script_cannot_do_is_told_and_what_it_misses_is_judged(scripted: Shop) -> None:
    broken = _run(scripted, "broken", entry="broken.js")
    assert broken["verdict"] == "Error"
    assert "broken.js" in broken["message"]
    missed = _run(scripted, "missed", least=100_000)
    assert missed["verdict"] == "Fail"
    assert "http_reqs" in missed["message"]


def test_a_stop_and_a_killed_worker_end_a_script_with_their_reasons(scripted: Shop) -> None:
    name = _begun(scripted, "stopped")
    scripted.kubectl("patch", "prun", name, "--type=merge", "-p", '{"spec":{"stop":true}}')
    stopped = scripted.done(name)["status"]
    assert stopped["verdict"] == "Inconclusive"
    assert "spec.stop" in stopped["message"]
    counted = sum(stopped["summary"]["attempts"].values())
    assert scripted.served_in_the_end("stopped", counted) == counted

    name = _begun(scripted, "killed", length="8s")
    (pod,) = scripted.items(
        "pods", labels=f"perfrun.dev/run={name},batch.kubernetes.io/job-completion-index=1"
    )
    scripted.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    killed = scripted.done(name)["status"]
    assert killed["verdict"] == "Inconclusive"
    assert "worker 1" in killed["message"]
    until("nothing is left of the runs", lambda: not _left(scripted))


def manifest(
    shop: Shop, test: str, *, entry: str = "shop.js", length: str = "4s", least: int = 1
) -> str:
    env = {"URL": "http://shop:8000/api/v1/items", "LENGTH": length, "LEAST": str(least)}
    script = {
        "tool": "k6",
        "image": tools.image("k6"),
        "files": {"configMap": {"name": "shop-k6"}},
        "entry": entry,
        "args": ["--user-agent", f"k6 {shop.namespace}/{test}"],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "targets": ["shop:8000"],
    }
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    document = {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfTest",
        "metadata": {"name": test},
        "spec": {
            "target": {"script": script},
            "load": {"workers": 2, "maxDuration": "2m"},
            "podTemplate": {"resources": resources},
        },
    }
    return yaml.safe_dump(document)


def _run(shop: Shop, test: str, **more: Any) -> Json:
    """The status of a run of a script."""
    shop.apply(manifest(shop, test, **more))
    status: Json = shop.done(shop.first_run(test))["status"]
    return status


def _begun(shop: Shop, test: str, length: str = "60s") -> str:
    """The name of a run whose load the server has seen."""
    shop.apply(manifest(shop, test, length=length))
    name = shop.first_run(test)
    until("its load has begun", lambda: shop.phase(name) == "Running" and shop.served(test) > 0)
    return name


def _left(shop: Shop) -> list[str]:
    """What a finished run does not need: pods, Jobs, NetworkPolicies, plans and reports."""
    found = shop.items("pods", "jobs", "networkpolicies", labels="perfrun.dev/run")
    maps = shop.items("configmaps", labels="perfrun.dev/run,perfrun.dev/content!=result")
    return [f"{one['kind']}/{one['metadata']['name']}" for one in [*found, *maps]]


def _allow(shop: Shop, *patterns: str) -> None:
    allow = json.dumps([{"op": "add", "path": ALLOWED, "value": list(patterns)}])
    shop.cluster.kubectl("patch", "perfpolicy", "perfrun-default", "--type=json", "-p", allow)
