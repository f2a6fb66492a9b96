"""The pod of a benchmark or a script: what stands beside the worker, and what it cannot reach."""

from collections.abc import Sequence
from typing import Any

from perfrun.api.names import COMMAND_CONTAINER, WORKER_CONTAINER
from perfrun.api.test.pod import PodTemplate
from perfrun.controller.objects.command_pod import COMMAND_DIR, LAUNCHER_DIR
from perfrun.controller.objects.jobs import job_manifest, worker_resources
from perfrun.launcher.pack import argv
from tests.unit.controller.build import KEY, perf_test, plan_of, settings

Json = dict[str, Any]
ONCE = {"burst": {"requests": 1, "concurrency": 1}}  # what a benchmark without one has
IMAGE = "registry.example/suite:1"
ENV = [
    {"name": "SIZE", "value": "large"},
    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "token"}}},
    {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "region"}}},
]


def pod(env: Sequence[Any] = ENV, **spec: Any) -> Json:
    target = {"image": IMAGE, "command": ["pytest"], "results": "PytestBenchmark", "env": env}
    test = perf_test(target={"benchmark": target}, load=ONCE, **spec)
    manifest = job_manifest(KEY, plan_of(test), test.spec, settings(), with_ca=True)
    made: Json = manifest["spec"]["template"]["spec"]
    return made


def container(made: Json, name: str) -> Json:
    (found,) = [one for one in made["containers"] if one["name"] == name]
    return dict(found)


def mounts(one: Json) -> dict[str, Json]:
    return {mount["mountPath"]: mount for mount in one["volumeMounts"]}


def test_the_image_runs_our_launcher_which_the_workers_image_has_brought() -> None:
    made = pod()
    command = container(made, COMMAND_CONTAINER)
    assert command["image"] == IMAGE
    assert command["command"] == argv(LAUNCHER_DIR, COMMAND_DIR)
    (init,) = made["initContainers"]
    assert init["image"] == container(made, WORKER_CONTAINER)["image"]
    assert init["command"][-1] == LAUNCHER_DIR
    assert mounts(command)[LAUNCHER_DIR]["readOnly"] is True
    assert "readOnly" not in mounts(init)[LAUNCHER_DIR]


def test_every_container_keeps_to_the_restricted_profile() -> None:
    made = pod()
    assert made["automountServiceAccountToken"] is False
    assert made["securityContext"]["runAsUser"] == 65532
    for one in [*made["containers"], *made["initContainers"]]:
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert "shareProcessNamespace" not in made


def test_the_command_has_nothing_of_the_workers() -> None:
    made = pod(
        observe=[{"name": "db", "sql": {"dsnFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}}}]
    )
    command, worker = container(made, COMMAND_CONTAINER), container(made, WORKER_CONTAINER)
    assert set(mounts(command)) == {LAUNCHER_DIR, COMMAND_DIR, "/tmp"}
    # Not even a folder for temporary files.
    shared = {one["name"] for one in command["volumeMounts"]} & {
        one["name"] for one in worker["volumeMounts"]
    }
    assert shared == {"command"}
    assert {"name": "PERFRUN_COMMAND_FOLDER", "value": COMMAND_DIR} in worker["env"]
    assert not [one for one in command["env"] if one["name"].startswith("PERFRUN_")]


def test_its_values_are_its_environment_and_the_worker_has_those_that_it_must_hide() -> None:
    made = pod()
    command, worker = container(made, COMMAND_CONTAINER), container(made, WORKER_CONTAINER)
    assert command["env"] == [
        {"name": "HOME", "value": "/tmp"},
        {"name": "TMPDIR", "value": "/tmp"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "token"}}},
        {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "region"}}},
    ]
    # What a tool calls a request may be a URL with a token in it.
    hidden = {"secretName": "shop", "items": [{"key": "token", "path": "token"}], "optional": True}
    (volume,) = [one for one in made["volumes"] if "secret" in one]
    assert volume["secret"] == hidden
    where = mounts(worker)["/var/run/perfrun/secrets/shop"]
    assert (where["name"], where["readOnly"]) == (volume["name"], True)
    assert not [one for one in made["volumes"] if one.get("configMap", {}).get("name") == "shop"]
    own = pod(env=[{"name": "HOME", "value": "/home"}])
    assert [one["name"] for one in container(own, COMMAND_CONTAINER)["env"]] == ["TMPDIR"]


def test_resources_are_the_commands_and_the_worker_is_small() -> None:
    template = {"resources": {"requests": {"cpu": "2"}, "limits": {"memory": "64Mi"}}}
    test = perf_test(podTemplate=template)
    made = pod(podTemplate=template)
    assert test.spec.pod_template is not None
    resources = worker_resources(test.spec.target, settings(), test.spec.pod_template)
    assert container(made, COMMAND_CONTAINER)["resources"] == resources
    assert resources["requests"]["cpu"] == "2"
    # Whatever little memory the command is given, the worker has its own.
    usual = worker_resources(test.spec.target, settings(), PodTemplate())
    for one in (container(made, WORKER_CONTAINER), *made["initContainers"]):
        assert one["resources"] == {
            "requests": {**usual["requests"], "cpu": "100m"},
            "limits": usual["limits"],
        }


def test_what_the_command_may_fill_is_bounded() -> None:
    sizes = {one["name"]: one["emptyDir"] for one in pod()["volumes"] if "emptyDir" in one}
    assert set(sizes) == {"tmp", "launcher", "command", "command-tmp"}
    assert all("sizeLimit" in one for one in sizes.values())


# --- scripts ------------------------------------------------------------------------------------

SCRIPT = {
    "tool": "k6",
    "image": IMAGE,
    "files": {"configMap": {"name": "shop-k6"}},
    "entry": "shop.js",
    "targets": ["shop:80"],
}


def script_job(target: Json = SCRIPT, workers: int = 1, **spec: Any) -> Json:
    load = {"maxDuration": "10m", "workers": workers}
    test = perf_test(target={"script": target}, load=load, **spec)
    return job_manifest(KEY, plan_of(test), test.spec, settings(), with_ca=True)


def script_pod(target: Json = SCRIPT, **spec: Any) -> Json:
    made: Json = script_job(target, **spec)["spec"]["template"]["spec"]
    return made


def test_workers_of_a_script_are_an_indexed_job_like_any_other() -> None:
    job = script_job(workers=5)["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 5, 5)
    assert job["activeDeadlineSeconds"] > 10 * 60


def test_a_script_and_its_worker_have_the_files_and_neither_can_change_them() -> None:
    made = script_pod()
    for name in (COMMAND_CONTAINER, WORKER_CONTAINER):
        assert mounts(container(made, name))["/scripts"] == {
            "name": "scripts",
            "mountPath": "/scripts",
            "readOnly": True,
        }
    (files,) = [one for one in made["volumes"] if one["name"] == "scripts"]
    assert files["configMap"] == {"name": "shop-k6", "optional": True}
    assert "scripts" not in [one["name"] for one in made["initContainers"][0]["volumeMounts"]]


def test_files_of_a_volume_are_a_folder_of_it() -> None:
    claim = {"volumeClaim": {"name": "load", "path": "shop/load"}}
    made = script_pod({**SCRIPT, "files": claim})
    (files,) = [one for one in made["volumes"] if one["name"] == "scripts"]
    assert files["persistentVolumeClaim"] == {"claimName": "load", "readOnly": True}
    for name in (COMMAND_CONTAINER, WORKER_CONTAINER):
        mount = mounts(container(made, name))["/scripts"]
        assert (mount["subPath"], mount["readOnly"]) == ("shop/load", True)


def test_a_script_in_its_image_mounts_nothing() -> None:
    made = script_pod({name: value for name, value in SCRIPT.items() if name != "files"})
    assert set(mounts(container(made, COMMAND_CONTAINER))) == {LAUNCHER_DIR, COMMAND_DIR, "/tmp"}


def test_the_tool_has_the_tests_resources_and_its_worker_those_of_any_worker() -> None:
    made = script_pod(podTemplate={"resources": {"requests": {"cpu": "2"}}})
    assert container(made, COMMAND_CONTAINER)["resources"]["requests"]["cpu"] == "2"
    usual = worker_resources(perf_test().spec.target, settings(), PodTemplate())
    assert container(made, WORKER_CONTAINER)["resources"] == usual


def test_a_tool_has_its_secrets_and_nothing_of_the_workers() -> None:
    made = script_pod({**SCRIPT, "env": ENV})
    command, worker = container(made, COMMAND_CONTAINER), container(made, WORKER_CONTAINER)
    assert [one["name"] for one in command["env"]] == ["HOME", "TMPDIR", "TOKEN", "REGION"]
    assert {
        "name": "PERFRUN_ADDRESS",
        "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
    } in worker["env"]
    assert [one["secret"]["secretName"] for one in made["volumes"] if "secret" in one] == ["shop"]
    shared = {one["name"] for one in command["volumeMounts"]} & {
        one["name"] for one in worker["volumeMounts"]
    }
    assert shared == {"command", "scripts"}
    for one in [*made["containers"], *made["initContainers"]]:
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert made["automountServiceAccountToken"] is False
