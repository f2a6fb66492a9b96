"""podTemplate is a closed subset: what could make a worker's pod more than a worker is no field."""

from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.test.pod import PodTemplate
from perfrun.logic.problems import parse_problems

FORBIDDEN: dict[str, Any] = {
    "activeDeadlineSeconds": 1,
    "automountServiceAccountToken": True,
    "command": ["sh"],
    "containers": [{"name": "worker", "image": "mine"}],
    "dnsConfig": {"nameservers": ["10.0.0.1"]},
    "dnsPolicy": "Default",
    "enableServiceLinks": True,
    "env": [{"name": "LD_PRELOAD", "value": "x"}],
    "ephemeralContainers": [{"name": "debug"}],
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["shop"]}],
    "hostIPC": True,
    "hostNetwork": True,
    "hostPID": True,
    "hostUsers": True,
    "hostname": "x",
    "image": "mine",
    "initContainers": [{"name": "init", "image": "mine"}],
    "nodeName": "control-plane",
    "overhead": {"cpu": "1"},
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 2_000_000_000,
    "restartPolicy": "Always",
    "runtimeClassName": "privileged",
    "schedulerName": "mine",
    "securityContext": {"runAsUser": 0},
    "serviceAccount": "admin",
    "serviceAccountName": "admin",
    "shareProcessNamespace": True,
    "spec": {"hostPID": True},
    "terminationGracePeriodSeconds": 0,
    "volumeMounts": [{"name": "root", "mountPath": "/host"}],
    "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
}


@pytest.mark.parametrize("field", FORBIDDEN)
def test_field_of_a_pod_that_is_perfruns_is_refused(field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        PodTemplate.parse({field: FORBIDDEN[field]})
    (problem,) = parse_problems(refused.value)
    assert problem.field == field
    assert problem.message.startswith("unknown field")


@pytest.mark.parametrize("name", ["system-node-critical", "system-cluster-critical", "system-mine"])
def test_priority_of_the_clusters_own_pods_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="reserved for pods of the cluster"):
        PodTemplate.parse({"priorityClassName": name})


@pytest.mark.parametrize("name", ["high", "systems", "my-system-class"])
def test_other_priorities_are_the_tests_own(name: str) -> None:
    assert PodTemplate.parse({"priorityClassName": name}).priority_class_name == name


def test_profile_of_a_container_is_no_annotation_of_a_test() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/worker"
    with pytest.raises(ValidationError, match="AppArmor"):
        PodTemplate.parse({"annotations": {"a": "b", key: "unconfined"}})


@pytest.mark.parametrize("kind", ["requests", "limits"])
def test_claims_are_no_resources_of_a_worker(kind: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        PodTemplate.parse({"resources": {kind: {"cpu": "1"}, "claims": [{"name": "gpu"}]}})


def test_what_all_pods_have_is_extended_by_a_tests_own() -> None:
    everywhere = PodTemplate.model_validate(
        {
            "labels": {"team": "perf", "x": "all"},
            "nodeSelector": {"pool": "load"},
            "tolerations": [{"key": "load", "operator": "Exists"}],
            "affinity": {"podAffinity": {}},
            "priorityClassName": "low",
        }
    )
    own = PodTemplate.model_validate(
        {
            "labels": {"x": "mine", "y": "mine"},
            "annotations": {"a": "b"},
            "nodeSelector": {"pool": "control-plane", "zone": "a"},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "priorityClassName": "high",
            "resources": {"requests": {"cpu": "2"}},
        }
    )
    assert everywhere.extended_by(None) == everywhere
    assert PodTemplate().extended_by(own) == own
    both = everywhere.extended_by(own)
    assert both.labels == {"team": "perf", "x": "all", "y": "mine"}
    assert both.node_selector == {"pool": "load", "zone": "a"}, "a test cannot leave these nodes"
    assert [one.key for one in both.tolerations] == ["load", "spot"]
    assert (both.affinity, both.annotations) == ({"podAffinity": {}}, {"a": "b"})
    assert (both.priority_class_name, both.resources) == ("high", own.resources)
    usual = PodTemplate.model_validate(
        {"resources": {"requests": {"cpu": "1"}}, "imagePullSecrets": [{"name": "all"}]}
    )
    plain = PodTemplate.model_validate({"imagePullSecrets": [{"name": "mine"}]})
    both = usual.extended_by(plain)
    assert both.resources == usual.resources
    assert [one.name for one in both.image_pull_secrets] == ["all", "mine"]
