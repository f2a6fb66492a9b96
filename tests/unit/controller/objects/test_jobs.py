"""The pods of a run: restricted, mounted by key, labelled as ours, and bounded."""

import json
from typing import Any

import pytest

from perfrun.controller.objects.jobs import (
    AUDIENCE,
    JOB_MARGIN_S,
    job_manifest,
    teardown_job_manifest,
)
from perfrun.logic.plan.names import job_name
from perfrun.logic.plan.run_plan import STOP_GRACE, longest
from perfrun.worker.main import CLEAN_UP_SECONDS, DEADLINE_WHEN_TERMINATED
from tests.unit.controller.build import KEY, perf_test, plan_of, settings

Json = dict[str, Any]
AUTH = {
    "basic": {
        "username": "u",
        "passwordFrom": {"secretKeyRef": {"name": "shop", "key": "password"}},
    }
}


def job(*, with_ca: bool = True, **spec: Any) -> Json:
    test = perf_test(**spec)
    return job_manifest(KEY, plan_of(test), test.spec, settings(), with_ca=with_ca)


def pod_of(manifest: Json) -> Json:
    spec: Json = manifest["spec"]["template"]["spec"]
    return spec


def test_pods_keep_to_the_restricted_profile() -> None:
    pod = pod_of(job())
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    allowed = {"configMap", "projected", "emptyDir", "secret"}
    assert all(len(allowed & volume.keys()) == 1 for volume in pod["volumes"])


@pytest.mark.parametrize(
    ("env", "user"),
    [({}, 65532), ({"PERFRUN_WORKER_USER": "1000"}, 1000), ({"PERFRUN_WORKER_USER": ""}, None)],
)
def test_user_of_pods_is_the_charts_or_the_clusters(env: dict[str, str], user: int | None) -> None:
    """OpenShift's restricted-v2 refuses a pod that names a user by itself."""
    test = perf_test()
    pod = pod_of(job_manifest(KEY, plan_of(test), test.spec, settings(**env), with_ca=True))
    named = {"runAsUser": user, "runAsGroup": user, "fsGroup": user} if user else {}
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        **named,
    }
    assert "runAs" not in str(pod["containers"])


def test_pods_have_no_access_to_the_api_server_but_a_token_for_the_coordinator() -> None:
    pod = pod_of(job())
    assert pod["automountServiceAccountToken"] is False
    (token,) = [volume["projected"] for volume in pod["volumes"] if "projected" in volume]
    (source,) = token["sources"]
    assert source["serviceAccountToken"]["audience"] == AUDIENCE


def test_values_are_mounted_key_by_key_read_only_and_optional() -> None:
    target = {
        "url": "https://shop",
        "auth": AUTH,
        "headers": [
            {"name": "X-A", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "a"}}},
            {"name": "X-B", "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "b"}}},
        ],
    }
    pod = pod_of(job(target={"http": target}))
    values = [volume for volume in pod["volumes"] if volume["name"].startswith("values-")]
    sources = [volume.get("secret") or volume["configMap"] for volume in values]
    assert [[item["key"] for item in source["items"]] for source in sources] == [
        ["b"], ["a", "password"],
    ]  # fmt: skip
    assert all(source["optional"] is True for source in sources)
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert [mounts[volume["name"]]["mountPath"] for volume in values] == [
        "/var/run/perfrun/configmaps/shop", "/var/run/perfrun/secrets/shop",
    ]  # fmt: skip
    assert all(mounts[volume["name"]]["readOnly"] for volume in values)


def test_no_value_of_a_secret_and_no_secret_at_all_without_a_reference() -> None:
    assert not any("secret" in volume for volume in pod_of(job())["volumes"])


def test_labels_of_ours_win_over_the_users_and_theirs_are_kept() -> None:
    manifest = job(podTemplate={"labels": {"team": "a", "perfrun.dev/run": "forged"},
                                "annotations": {"karpenter.sh/do-not-disrupt": "false"}})  # fmt: skip
    meta = manifest["spec"]["template"]["metadata"]
    assert meta["labels"]["team"] == "a"
    assert meta["labels"]["perfrun.dev/run"] == KEY.name
    assert meta["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    assert manifest["metadata"]["labels"]["perfrun.dev/test"] == "shop"


def test_cpu_is_asked_for_and_never_limited() -> None:
    resources = pod_of(job())["containers"][0]["resources"]
    assert resources["requests"]["cpu"] == "1"
    assert "cpu" not in resources["limits"]
    assert resources["limits"]["memory"] == "1Gi"


def test_resources_of_the_test_win_over_the_charts() -> None:
    resources = pod_of(job(podTemplate={"resources": {"requests": {"cpu": "100m"}}}))["containers"][
        0
    ]["resources"]
    assert resources["requests"] == {"cpu": "100m", "memory": "256Mi"}


def test_failure_of_one_worker_does_not_end_the_others_and_nothing_is_tried_twice() -> None:
    spec = job(load={"workers": 3, "burst": {"requests": 9, "concurrency": 3}})["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (0, 3)
    assert pod_of({"spec": spec})["restartPolicy"] == "Never"


@pytest.mark.parametrize("load", [
    {"burst": {"requests": 100, "concurrency": 10}},
    {"open": {"rate": "10/s", "duration": "1h"}, "startTimeout": "1m"},
    {"closed": {"users": 5, "duration": "10s"}, "warmup": "5s"},
])  # fmt: skip
def test_job_ends_by_itself_but_not_before_the_run_may(load: Json) -> None:
    test = perf_test(load=load)
    manifest = job_manifest(KEY, plan_of(test), test.spec, settings(), with_ca=False)
    needed = (test.spec.load.start_timeout + longest(plan_of(test))) / 1e9
    deadline = manifest["spec"]["activeDeadlineSeconds"]
    assert needed < deadline <= needed + JOB_MARGIN_S
    assert manifest["spec"]["ttlSecondsAfterFinished"] > 0


def test_pod_of_the_teardown_is_a_worker_of_another_index_that_is_bounded_in_time() -> None:
    test = perf_test(
        load={"workers": 3, "burst": {"requests": 9, "concurrency": 3}},
        target={"http": {"url": "http://shop", "auth": AUTH, "timeout": "7s"}},
        teardown=[{"name": "a", "thinkTime": "2s"}, {"name": "b"}],
        podTemplate={"nodeSelector": {"pool": "load"}},
    )
    plan = plan_of(test)
    manifest = teardown_job_manifest(KEY, plan, test.spec, settings(), with_ca=True)
    assert manifest["metadata"]["name"] == f"{job_name(plan.uid)}-t"
    (owner,) = manifest["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("PerfRun", plan.uid)
    assert manifest["spec"]["activeDeadlineSeconds"] == 60 + 7 + 2 + 7
    workers, alone = (
        pod_of(job_manifest(KEY, plan, test.spec, settings(), with_ca=True)),
        pod_of(manifest),
    )
    (container,) = alone["containers"]
    assert container["env"].pop() == {"name": "PERFRUN_INDEX", "value": "3"}
    assert alone == workers
    notes = manifest["spec"]["template"]["metadata"]["annotations"]
    assert notes["batch.kubernetes.io/job-completion-index"] == "3"


def test_what_the_chart_gives_to_all_pods_is_beneath_the_tests_own() -> None:
    said = json.dumps({"labels": {"team": "perf"}, "nodeSelector": {"pool": "load"}})
    test = perf_test(
        teardown=[{"name": "a"}], podTemplate={"labels": {"team": "mine", "app": "shop"}}
    )
    given, plan = settings(PERFRUN_WORKER_POD=said), plan_of(test)
    for manifest in (
        job_manifest(KEY, plan, test.spec, given, with_ca=True),
        teardown_job_manifest(KEY, plan, test.spec, given, with_ca=True),
    ):
        labels = manifest["spec"]["template"]["metadata"]["labels"]
        assert (labels["team"], labels["app"]) == ("perf", "shop")
        assert pod_of(manifest)["nodeSelector"] == {"pool": "load"}


def test_a_deleted_worker_has_time_for_its_load_its_teardown_and_its_report() -> None:
    needed = STOP_GRACE / 1e9 + CLEAN_UP_SECONDS + DEADLINE_WHEN_TERMINATED
    assert pod_of(job())["terminationGracePeriodSeconds"] > needed


def test_coordinators_certificate_is_given_where_there_is_one() -> None:
    for with_ca in (True, False):
        names = [env["name"] for env in pod_of(job(with_ca=with_ca))["containers"][0]["env"]]
        assert ("PERFRUN_CA" in names) == with_ca


def test_scheduling_fields_of_the_test_arrive_in_the_notation_of_kubernetes() -> None:
    template = {
        "nodeSelector": {"pool": "load"},
        "tolerations": [{"key": "load", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "low",
        "imagePullSecrets": [{"name": "own"}],
    }
    pod = pod_of(job(podTemplate=template))
    assert {name: pod[name] for name in template} == template


APART = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
    {"weight": 100, "podAffinityTerm": {"labelSelector": {"matchLabels": {"app": "shop"}},
                                        "topologyKey": "kubernetes.io/hostname"}},
]}}  # fmt: skip


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, APART),
        ({"nodeAffinity": {}}, {"nodeAffinity": {}, **APART}),
        ({"podAntiAffinity": {}}, {"podAntiAffinity": {}}),
    ],
    ids=["nothing", "something-else", "what-to-keep-away-from"],
)
def test_workers_keep_away_from_observed_pods_unless_the_test_says_it_itself(
    own: Json | None, expected: Json
) -> None:
    test = perf_test(podTemplate={"affinity": own} if own is not None else {})
    selector = {"matchLabels": {"app": "shop"}}
    for away_from, affinity in (([selector], expected), ([], own)):
        manifest = job_manifest(
            KEY, plan_of(test), test.spec, settings(), with_ca=False, away_from=away_from
        )
        assert pod_of(manifest).get("affinity") == affinity


def test_no_template_changes_what_is_perfruns_of_a_pod() -> None:
    free = {
        "nodeSelector": {"pool": "load"},
        "affinity": {"podAntiAffinity": {"x": []}, "securityContext": {"privileged": True}},
        "tolerations": [{"operator": "Exists"}],
        "topologySpreadConstraints": [{"hostNetwork": True, "volumes": []}],
        "priorityClassName": "low",
    }
    template = {
        **free,
        "imagePullSecrets": [{"name": "own"}],
        "labels": {"app.kubernetes.io/name": "forged", "hostPID": "true"},
        "annotations": {"a": "b"},
        "resources": {"requests": {"cpu": "9"}, "limits": {"memory": "9Gi", "cpu": "9"}},
    }
    shaped, plain = pod_of(job(podTemplate=template)), pod_of(job())
    assert {name: shaped.pop(name) for name in free} == free
    for pod in (shaped, plain):
        pod.pop("imagePullSecrets")
        pod["containers"][0].pop("resources")
    assert shaped == plain


PAGES: Json = {
    "target": {"browser": {"url": "http://shop"}},
    "scenarios": [{"name": "visit", "steps": [{"name": "home", "browser": {"goto": "/"}}]}],
}


@pytest.mark.parametrize(
    ("env", "image"),
    [({"PERFRUN_BROWSER_IMAGE": "perfrun-browser:1"}, "perfrun-browser:1"), ({}, "perfrun:1")],
)
def test_pages_are_visited_from_an_image_with_a_browser(env: dict[str, str], image: str) -> None:
    test = perf_test(**PAGES)
    pod = pod_of(job_manifest(KEY, plan_of(test), test.spec, settings(**env), with_ca=True))
    (container,) = pod["containers"]
    assert container["image"] == image
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert container["resources"]["limits"] == {"memory": "2Gi"}
    (tmp,) = [volume for volume in pod["volumes"] if volume["name"] == "tmp"]
    assert tmp["emptyDir"]["sizeLimit"] == "1Gi"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_other_workers_know_nothing_of_it() -> None:
    (container,) = pod_of(job())["containers"]
    assert container["image"] == "perfrun:1"
    assert container["resources"]["limits"] == {"memory": "1Gi"}
