"""The policy that a cluster is given: nothing but Services of the test's own namespace."""

from collections.abc import Iterator

import pytest

from tests.e2e.shop import Json, Shop, until

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  target: {http: {url: "URL"}}
  load: {burst: {requests: 10, concurrency: 2}}
"""
HERE = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfPolicy
metadata: {name: NAME}
spec:
  namespaces: [NAME]
  deny: {cidrs: [CIDR]}
"""


@pytest.fixture
def no_services(shop: Shop) -> Iterator[str]:
    """A policy by which no Service of the namespace can be reached."""
    address = shop.get("services", "shop")["spec"]["clusterIP"]
    policy = HERE.replace("NAME", shop.namespace).replace("CIDR", f"{address}/32")
    shop.apply(policy)
    yield shop.namespace
    shop.kubectl("delete", "perfpolicy", shop.namespace)


def _ready(shop: Shop, test: str, reason: str) -> Json | None:
    conditions = shop.get("perftests", test).get("status", {}).get("conditions", [])
    return next((c for c in conditions if (c["type"], c["reason"]) == ("Ready", reason)), None)


def test_a_target_elsewhere_is_refused_with_the_patch_that_would_allow_it(shop: Shop) -> None:
    url = "http://perfrun-operators.perfrun-system.svc:8080/healthz"
    shop.apply(TEST.replace("NAME", "elsewhere").replace("URL", url))
    refused = until("it is refused", lambda: _ready(shop, "elsewhere", "RefusedByPolicy"))
    assert "PerfPolicy perfrun-default (allow.hosts: " in refused["message"]
    assert "kubectl patch perfpolicy perfrun-default --type=json" in refused["message"]
    assert shop.runs("elsewhere") == []


def test_workers_do_not_connect_to_an_address_that_is_denied(shop: Shop, no_services: str) -> None:
    shop.apply(TEST.replace("NAME", "denied").replace("URL", "http://shop:8000/api/v1/health"))
    done = shop.done(shop.first_run("denied"))["status"]
    assert done["verdict"] == "Error"
    assert f"PerfPolicy {no_services} (deny.cidrs: " in done["message"]
    assert shop.served("denied") == 0
