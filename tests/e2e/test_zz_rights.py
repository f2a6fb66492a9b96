"""The operator's rights are exactly what it uses: its rules, beside what it has asked for so far.

Runs after the other tests, because what they made it do is what is compared. A right counts as used
where it was used: in a namespace of tests if it is one of the whole cluster, in the operator's own
if it is one of its own, and on each of the names that it is bound to.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.cluster.audit import Asked, asked_by
from tests.cluster.handle import Cluster
from tests.e2e.shop import SYSTEM, Json, Shop, until

pytestmark = pytest.mark.alone

ACCOUNT = f"{SYSTEM}:perfrun"


class Right(NamedTuple):
    """One verb on one resource, as a rule gives it."""

    namespace: str
    """Empty: all of them."""
    verb: str
    group: str
    resource: str
    name: str
    """Empty: all of them."""

    def covers(self, one: Asked) -> bool:
        """Whether it is this right that something was asked by."""
        return (
            (one.verb, one.group, one.resource) == (self.verb, self.group, self.resource)
            and self.namespace in ("", one.namespace)
            and self.name in ("", one.name)
        )


IPV6_SLICES = ("perfrun-coordinator-ipv6", "perfrun-leader-ipv6")
# What these need does not happen here every time; tests/integration/controller does it, under the
# rights of the chart.
SELDOM = {
    Right("", "list", "batch", "jobs", ""): "it is uninstalled, which comes after this test",
    Right("", "delete", "", "serviceaccounts", "perfrun-worker"): (
        "its signature is another one's"
    ),
    Right("", "list", "events.k8s.io", "events", ""): "the Job controller could not create a pod",
    Right("", "patch", "", "configmaps", ""): "a result is stored again after a kill",
    Right("", "get", "networking.k8s.io", "networkpolicies", ""): (
        "a script's run was created again after a kill"
    ),
    **{
        Right(SYSTEM, verb, "discovery.k8s.io", "endpointslices", name): "pods have IPv6"
        for verb in ("get", "patch")
        for name in IPV6_SLICES
    },
}
MANIFEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: rights}
spec:
  runOn: [Rollout]
  historyLimits: {passed: 1, other: 1}
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {burst: {requests: REQUESTS, concurrency: 1}}
  observe:
  - {name: shop, workload: {kind: Deployment, name: shop}}
  - {name: db, workload: {kind: StatefulSet, name: db}}
"""
RUN = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfRun
metadata: {name: rights-NUMBER}
spec: {testRef: {name: rights}}
"""


@pytest.fixture(scope="module")
def seldom_done(shop: Shop) -> None:
    """What other tests do not make it do: another spec's runs go, a StatefulSet is looked at, runs
    are made by hand, and its Lease is deleted."""
    for number in (1, 2):
        shop.apply(MANIFEST.replace("REQUESTS", str(number)))
        shop.apply(RUN.replace("NUMBER", str(number)))
        shop.done(f"rights-{number}")
    until("the first run and what it was made from are gone", lambda: _one_revision(shop))
    system = Shop(shop.cluster, SYSTEM)
    before = system.get("leases", "perfrun")["metadata"]["uid"]
    system.kubectl("delete", "lease", "perfrun")
    until("it has a Lease again", lambda: _another_lease(system, before))


def _one_revision(shop: Shop) -> bool:
    return len(shop.items("controllerrevisions", labels="perfrun.dev/test=rights")) == 1


def _another_lease(system: Shop, before: str) -> bool:
    leases = system.items("leases", fields="metadata.name=perfrun")
    return bool(leases) and leases[0]["metadata"]["uid"] != before


def _rules(cluster: Cluster, *role: str) -> list[Json]:
    rules: list[Json] = json.loads(cluster.kubectl("get", *role, "-o", "json").stdout)["rules"]
    return rules


def _rights(rules: list[Json], namespace: str) -> Iterator[Right]:
    for rule in rules:
        for verb in rule["verbs"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for name in rule.get("resourceNames", [""]):
                        yield Right(namespace, verb, group, resource, name)


def _of_tests(one: Asked) -> bool:
    """Not about the operator's own namespace: there it has rights of its own."""
    return one.namespace != SYSTEM


def test_every_right_is_used_and_none_is_missing(perfrun: Cluster, seldom_done: None) -> None:
    everywhere = set(_rights(_rules(perfrun, "clusterrole", "perfrun"), ""))
    at_home = set(_rights(_rules(perfrun, "-n", SYSTEM, "role", "perfrun-own"), SYSTEM))
    asked = set(asked_by(ACCOUNT))
    assert asked, "nothing was recorded"

    # An API server that has just started refuses what the roles give until it has read them.
    rights = everywhere | at_home
    refused = {one for one in asked if one.forbidden}
    assert {one for one in refused if not any(right.covers(one) for right in rights)} == set()
    used = {right for right in everywhere for one in asked if right.covers(one) and _of_tests(one)}
    used |= {right for right in at_home for one in asked if right.covers(one)}
    assert rights - used - SELDOM.keys() == set()
    assert SELDOM.keys() <= rights
