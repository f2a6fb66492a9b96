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
    ("create", "coordination.k8s.io", "leases"): "the Lease was deleted",
    ("delete", "apps", "controllerrevisions"): "the last run of an earlier spec was trimmed",
    ("patch", "", "configmaps"): "a report is stored again after a kill",
    ("patch", "perfrun.dev", "perfruns"): "a run was made by hand, or is replaced",
}


def _rules(cluster: Cluster) -> list[Json]:
    return [
        *json.loads(cluster.kubectl("get", "clusterrole", "perfrun", "-o", "json").stdout)["rules"],
        *json.loads(
            cluster.kubectl("-n", SYSTEM, "get", "role", "perfrun-own", "-o", "json").stdout
        )["rules"],
    ]


def _granted(rules: list[Json]) -> set[tuple[str, str, str]]:
    return {
        (verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_every_right_is_used_and_none_is_missing(perfrun: Cluster) -> None:
    asked: list[Asked] = list(asked_by(ACCOUNT))
    assert asked, "nothing was recorded"
    forbidden = {(one.verb, one.resource, one.name) for one in asked if one.forbidden}
    assert forbidden == set()
    used = {(one.verb, one.group, one.resource) for one in asked}
    unused = _granted(_rules(perfrun)) - used - SELDOM.keys()
    assert unused == set()
