"""The shipped examples that are pods of the image, as a delivery tool would start them."""

import json
from typing import Any

import yaml

from tests.e2e.shop import IMAGE, ROOT, Shop, until

EXAMPLES = ROOT / "examples"
SHIPPED_IMAGE = "registry.example.com/perfrun:0.1.0"
TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: shop-api}
spec:
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {burst: {requests: 20, concurrency: 5}}
  slos:
  - {metric: successRate, min: 100%}
"""
Json = dict[str, Any]


def ours(text: str) -> str:
    """An example with the image that was built here."""
    assert SHIPPED_IMAGE in text
    return text.replace(SHIPPED_IMAGE, IMAGE)


def finished(shop: Shop, job: str) -> str:
    """The log of a Job, once it has succeeded."""

    def ended() -> list[Json]:
        return [
            condition
            for condition in shop.get("jobs", job)["status"].get("conditions", [])
            if condition["type"] in ("Complete", "Failed") and condition["status"] == "True"
        ]

    (condition, *_) = until(f"Job {job} has ended", ended)
    log = shop.kubectl("logs", f"job/{job}", "--all-containers", check=False)
    assert condition["type"] == "Complete", log
    return log


def job_of(name: str, spec: Json) -> str:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    return json.dumps(job)


def test_the_job_of_argo_cd_and_of_argo_rollouts_trigger_a_run_and_wait_for_it(shop: Shop) -> None:
    shop.apply(TEST)
    shop.done(shop.first_run("shop-api"))
    shop.apply(ours((EXAMPLES / "gitops/argocd-postsync-job.yaml").read_text()))
    assert "Pass" in finished(shop, "shop-api-after-sync").splitlines()[-1]

    rollouts = yaml.safe_load_all(ours((EXAMPLES / "gitops/argo-rollouts.yaml").read_text()))
    provider = next(rollouts)["spec"]["metrics"][0]["provider"]
    spec = json.dumps(provider["job"]["spec"]).replace("{{args.test}}", "shop-api")
    shop.apply(job_of("analysis", json.loads(spec)))
    assert "Pass" in finished(shop, "analysis").splitlines()[-1]
    shop.apply((EXAMPLES / "previews/rights.yaml").read_text().replace("[shop]", "[shop-api]"))
    (canary,) = yaml.safe_load_all(ours((EXAMPLES / "previews/argo-rollouts.yaml").read_text()))
    spec = json.dumps(canary["spec"]["metrics"][0]["provider"]["job"]["spec"])
    given = {"test": "shop-api", "url": "http://shop:8000", "hash": "abc"}
    for name, value in given.items():
        spec = spec.replace(f"{{{{args.{name}}}}}", value)
    shop.apply(job_of("canary", json.loads(spec)))
    assert "Pass" in finished(shop, "canary").splitlines()[-1]
    runs = shop.runs("shop-api")
    assert [run["spec"]["reason"] for run in runs][1:] == ["Requested"] * 3
    assert runs[-1]["status"]["overridden"] == (
        "url: http://shop:8000, load.scale: 0.1, labels.pod-template-hash: abc"
    )
    assert runs[-1]["status"]["summary"]["requests"]["sent"] == 2
    assert shop.get("perftests", "shop-api")["status"]["lastRun"] != runs[-1]["metadata"]["name"]


def test_image_is_the_command_line_with_files_from_stdin_and_from_a_folder(shop: Shop) -> None:
    """As ``docker run -i IMAGE run -``, and with a folder at /work: a pod that names no command."""
    shop.kubectl("create", "configmap", "work", f"--from-literal=test.yaml={TEST}")
    restricted: Json = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    common: Json = {"image": IMAGE, "imagePullPolicy": "Never", "securityContext": restricted}
    mount = {"name": "work", "mountPath": "/work"}
    containers: list[Json] = [
        {"name": "stdin", **common, "args": ["run", "-"], "stdin": True, "stdinOnce": True},
        {
            "name": "folder",
            **common,
            "args": ["run", "test.yaml"],
            "volumeMounts": [mount],
            # One that no image knows, as OpenShift chooses it.
            "securityContext": {**restricted, "runAsUser": 1_000_660_000},
        },
    ]
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": containers,
        "volumes": [{"name": "work", "configMap": {"name": "work"}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "command"}, "spec": spec}
    shop.apply(json.dumps(pod))

    def states(kind: str) -> dict[str, Json]:
        told = shop.get("pods", "command")["status"].get("containerStatuses", [])
        return {one["name"]: one["state"][kind] for one in told if kind in one["state"]}

    until("it waits for its input", lambda: "stdin" in states("running"))
    shop.kubectl("attach", "-i", "pod/command", "-c", "stdin", input=TEST)
    until("both containers have ended", lambda: len(states("terminated")) == 2)
    codes = {name: state["exitCode"] for name, state in states("terminated").items()}
    logs = {name: shop.kubectl("logs", "command", "-c", name) for name in codes}
    assert codes == {"stdin": 0, "folder": 0}, logs
    assert all("PASS  default/shop-api" in log for log in logs.values()), logs


def test_the_task_of_tekton_puts_the_load_on_from_its_own_pod(shop: Shop) -> None:
    task = next(yaml.safe_load_all(ours((EXAMPLES / "ci/tekton.yaml").read_text())))
    shop.kubectl("create", "configmap", "source", f"--from-literal=test.yaml={TEST}")
    spec = pod_of(task)
    shop.apply(job_of("tekton", {"backoffLimit": 0, "template": {"spec": spec}}))
    log = finished(shop, "tekton")
    assert "shop-api" in log
    assert "Pass" in log
    # The last step shows the exit code that the Task hands on as its result. kubectl prints the
    # logs of several containers in any order.
    assert "code 0" in log.splitlines()


def pod_of(task: Json) -> Json:
    """What Tekton makes of a Task: its steps one after the other, with its variables filled in."""
    folders = {
        "$(workspaces.source.path)": "/workspace/source",
        "$(results.code.path)": "/workspace/source/code",
        "$(params.manifests[*])": "/manifests/test.yaml",
    }

    def filled(value: str) -> str:
        for variable, text in folders.items():
            value = value.replace(variable, text)
        return value

    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
        "runAsNonRoot": True,
    }
    shown = {
        "name": "shown",
        "image": IMAGE,
        "script": "echo code $(cat $(results.code.path))",
    }
    steps = [
        {
            "name": step["name"],
            "image": step["image"],
            "imagePullPolicy": "Never",
            "workingDir": "/workspace/source",
            "command": ["sh", "-c", filled(step["script"]), step["name"]],
            "args": [filled(one) for one in step.get("args", [])],
            "securityContext": step.get("securityContext", restricted),
            "resources": {"requests": {"cpu": "50m"}},
            "volumeMounts": [
                {"name": "source", "mountPath": "/workspace/source"},
                {"name": "manifests", "mountPath": "/manifests"},
            ],
        }
        for step in [*task["spec"]["steps"], shown]
    ]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": steps[:-1],
        "containers": steps[-1:],
        "securityContext": {"fsGroup": 65532},
        "volumes": [
            {"name": "source", "emptyDir": {}},
            {"name": "manifests", "configMap": {"name": "source"}},
        ],
    }
