"""The operator's rights are exactly what it uses: its rules, beside what it has asked for so far.

Runs after the other tests, because what they made it do is what is compared.
"""

import json

from tests.cluster.audit import Asked, asked_by
from tests.cluster.handle import Cluster
from tests.e2e.shop import SYSTEM, Json

ACCOUNT = f"{SYSTEM}:perfrun"
# What these need does not happen here every time; tests/integration/controller does it, under the
# rights of the chart.
SELDOM = {
    ("get", "apps", "statefulsets"): "a test runs on rollouts of a StatefulSet",
    ("create", "coordination.k8s.io", "leases"): "the Lease was deleted",
    ("delete", "apps", "controllerrevisions"): "the last run of an earlier spec was trimmed",
    ("list", "events.k8s.io", "events"): "the Job controller could not create a pod",
    ("list", "batch", "jobs"): "it is uninstalled, which comes after this test",
    ("patch", "", "configmaps"): "a result is stored again after a kill",
    ("patch", "perfrun.dev", "perfruns"): "a run was made by hand, or is replaced",
}


def _rules(cluster: Cluster, *role: str) -> list[Json]:
    rules: list[Json] = json.loads(cluster.kubectl("get", *role, "-o", "json").stdout)["rules"]
    return rules


def _gives(rule: Json, one: Asked) -> bool:
    return (
        one.verb in rule["verbs"]
        and one.group in rule["apiGroups"]
        and one.resource in rule["resources"]
        and one.name in rule.get("resourceNames", [one.name])
    )


def test_every_right_is_used_and_none_is_missing(perfrun: Cluster) -> None:
    everywhere = _rules(perfrun, "clusterrole", "perfrun")
    at_home = _rules(perfrun, "-n", SYSTEM, "role", "perfrun-own")
    asked: list[Asked] = list(asked_by(ACCOUNT))
    assert asked, "nothing was recorded"

    def given(one: Asked) -> bool:
        rules = everywhere + (at_home if one.namespace == SYSTEM else [])
        return any(_gives(rule, one) for rule in rules)

    # An API server that has just started refuses what the roles give until it has read them.
    missing = {one for one in asked if one.forbidden and not given(one)}
    assert missing == set()
    used = {(one.verb, one.group, one.resource) for one in asked}
    granted = {
        (verb, group, resource)
        for rule in everywhere + at_home
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted - used - SELDOM.keys() == set()
