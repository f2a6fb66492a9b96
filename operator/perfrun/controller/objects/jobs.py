"""The Jobs of a run, and their pods. Pure functions."""

from collections.abc import Sequence

from perfrun.api import Json
from perfrun.api.names import WORKER_CONTAINER, WORKER_INDEX
from perfrun.api.quantities import NS_PER_S
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.pod import PodTemplate
from perfrun.api.test.target import Target
from perfrun.api.test.values import ValueRef, value_refs
from perfrun.controller.objects.command_pod import with_command
from perfrun.controller.objects.manifests import WORKER_ACCOUNT, owner_reference, run_labels
from perfrun.controller.objects.store import Key
from perfrun.controller.settings import Settings
from perfrun.logic.plan.names import job_name, teardown_job_name
from perfrun.logic.plan.run_plan import longest, longest_clean_up
from perfrun.measure.plan import RunPlan

AUDIENCE = "perfrun.dev"
CONFIG_DIR = "/etc/perfrun"
VALUES_DIR = "/var/run/perfrun"
TOKEN_DIR = "/var/run/secrets/perfrun.dev"  # noqa: S105 (a folder)
TTL_S = 3600
GRACE_S = 60
"""Time for a deleted pod: its load ends, its teardown runs, and its report is sent."""
TEARDOWN_RETRIES = 2
# Longer than the worker's own limit: the Job's deadline is the last resort.
JOB_MARGIN_S = 120
TMP, TMP_OF_BROWSER = "64Mi", "1Gi"
"""A browser keeps its cache there, and the shared data of its processes."""
BROWSER_MEMORY, BROWSER_MEMORY_LIMIT = "1Gi", "2Gi"
"""Requests and limits of a worker with a browser; a test's podTemplate takes precedence."""
TOKEN_S = 3600
HOSTNAME = "kubernetes.io/hostname"


def job_manifest(
    run: Key,
    plan: RunPlan,
    spec: PerfTestSpec,
    settings: Settings,
    *,
    with_ca: bool,
    away_from: Sequence[Json] = (),
) -> Json:
    """The Indexed Job of a run's workers.

    ``away_from`` are selectors of pods whose nodes the workers should avoid if there are others.
    """
    workers = plan.load.workers
    job = {
        "completionMode": "Indexed",
        "completions": workers,
        "parallelism": workers,
        # With backoffLimit 0, a single failure would make the Job kill the other workers.
        "backoffLimitPerIndex": 0,
        "maxFailedIndexes": workers,
        "activeDeadlineSeconds": _seconds(plan.load.start_timeout + longest(plan)) + JOB_MARGIN_S,
    }
    template = settings.worker_pod.extended_by(spec.pod_template)
    body = _job(run, plan, template, job, job_name(plan.uid))
    body["spec"]["template"]["spec"] = {
        **_pod_spec(plan, spec, settings, template, with_ca=with_ca),
        **_affinity(template, away_from),
    }
    return body


def teardown_job_manifest(
    run: Key, plan: RunPlan, spec: PerfTestSpec, settings: Settings, *, with_ca: bool
) -> Json:
    """The Job of one pod that only runs the teardown, otherwise like a worker."""
    job = {
        "backoffLimit": TEARDOWN_RETRIES,
        "activeDeadlineSeconds": _seconds(longest_clean_up(plan)),
    }
    template = settings.worker_pod.extended_by(spec.pod_template)
    body = _job(run, plan, template, job, teardown_job_name(plan.uid))
    pod = {
        **_pod_spec(plan, spec, settings, template, with_ca=with_ca),
        **_affinity(template, ()),
    }
    (container,) = pod["containers"]
    container["env"].append({"name": "PERFRUN_INDEX", "value": str(plan.cleaner)})
    body["spec"]["template"]["metadata"]["annotations"][WORKER_INDEX] = str(plan.cleaner)
    body["spec"]["template"]["spec"] = pod
    return body


def _job(run: Key, plan: RunPlan, template: PodTemplate, job: Json, name: str) -> Json:
    """A Job of a run, without the spec of its pods."""
    labels = {"app.kubernetes.io/name": "perfrun-worker", **run_labels(run, plan.test)}
    return {
        "metadata": {
            "name": name,
            "namespace": run.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference("PerfRun", run.name, plan.uid)],
        },
        "spec": {
            **job,
            "ttlSecondsAfterFinished": TTL_S,
            "template": {
                "metadata": {
                    "labels": {**template.labels, **labels},
                    "annotations": {
                        **template.annotations,
                        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                        "karpenter.sh/do-not-disrupt": "true",
                    },
                },
            },
        },
    }


def _affinity(template: PodTemplate, away_from: Sequence[Json]) -> Json:
    """The test's own affinity, with an anti-affinity to ``away_from`` unless the test sets one."""
    terms = [
        {
            "weight": 100,
            "podAffinityTerm": {"labelSelector": selector, "topologyKey": HOSTNAME},
        }
        for selector in away_from
    ]
    apart = {"preferredDuringSchedulingIgnoredDuringExecution": terms}
    affinity = {**({"podAntiAffinity": apart} if terms else {}), **(template.affinity or {})}
    return {"affinity": affinity} if affinity else {}


def _seconds(ns: int) -> int:
    return ns // NS_PER_S


def _pod_spec(
    plan: RunPlan, spec: PerfTestSpec, settings: Settings, template: PodTemplate, *, with_ca: bool
) -> Json:
    volumes, mounts = _value_volumes(_of_worker(spec))
    if (account := _account_volume(spec)) is not None:
        volumes.append(account)
        where = f"{VALUES_DIR}/serviceaccount"
        mounts.append({"name": account["name"], "mountPath": where, "readOnly": True})
    pod: Json = {
        "restartPolicy": "Never",
        "serviceAccountName": WORKER_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            **_user(settings),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(plan, settings, template, mounts, with_ca=with_ca)],
        "volumes": [*_own_volumes(plan), *volumes],
        "imagePullSecrets": [
            *({"name": name} for name in settings.worker_pull_secrets),
            *({"name": secret.name} for secret in template.image_pull_secrets),
        ],
    }
    chosen = template.model_dump(
        mode="json",
        exclude_none=True,
        include={
            "node_selector",
            "tolerations",
            "topology_spread_constraints",
            "priority_class_name",
        },
    )
    pod |= {field: value for field, value in chosen.items() if value}
    command = spec.target.benchmark or spec.target.script
    if command is None:
        return pod
    asked, usual = (
        worker_resources(spec.target, settings, one) for one in (template, PodTemplate())
    )
    return with_command(pod, command, asked, usual)


def _user(settings: Settings) -> Json:
    """Who runs the containers and reads their files; nothing where the cluster chooses."""
    user = settings.worker_user
    return {} if user is None else {"runAsUser": user, "runAsGroup": user, "fsGroup": user}


def _of_worker(spec: PerfTestSpec) -> set[ValueRef]:
    """The values that the worker reads. Those of a command are in its environment; the worker needs
    its Secrets as well, because it hides them in names and messages that the command writes."""
    target = spec.target.model_copy(update={"benchmark": None, "script": None})
    of_command = value_refs([spec.target.benchmark, spec.target.script])
    secrets = {ref for ref in of_command if ref.kind == "Secret"}
    return value_refs(spec.model_copy(update={"target": target})) | secrets


def _container(
    plan: RunPlan, settings: Settings, template: PodTemplate, mounts: list[Json], *, with_ca: bool
) -> Json:
    env = {
        "PERFRUN_PLAN": f"{CONFIG_DIR}/plan.json",
        "PERFRUN_COORDINATOR": settings.coordinator_url,
        "PERFRUN_TOKEN_FILE": f"{TOKEN_DIR}/token",
        "PERFRUN_SECRETS": VALUES_DIR,
    }
    if with_ca:
        env["PERFRUN_CA"] = f"{CONFIG_DIR}/ca.crt"
    return {
        "name": WORKER_CONTAINER,
        "image": _image(plan, settings),
        "imagePullPolicy": settings.worker_pull_policy,
        "command": ["python", "-m", "perfrun.worker"],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "resources": worker_resources(plan.target, settings, template),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "plan", "mountPath": CONFIG_DIR, "readOnly": True},
            {"name": "token", "mountPath": TOKEN_DIR, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (an emptyDir of the pod)
            *mounts,
        ],
        # The last lines of a dead worker are the best message about it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _image(plan: RunPlan, settings: Settings) -> str:
    browses = plan.target.browser is not None
    return (settings.browser_image if browses else "") or settings.worker_image


def worker_resources(target: Target, settings: Settings, template: PodTemplate) -> Json:
    """Requests and limits of a worker's container."""
    memory, most = settings.worker_memory, settings.worker_memory_limit
    if target.browser is not None:
        memory, most = BROWSER_MEMORY, BROWSER_MEMORY_LIMIT
    # No CPU limit: a throttled generator measures its own quota instead of the target.
    own: Json = {
        "requests": {"cpu": settings.worker_cpu, "memory": memory},
        "limits": {"memory": most},
    }
    if template.resources is None:
        return own
    asked = template.resources.model_dump(mode="json")
    return {kind: {**own[kind], **asked[kind]} for kind in own}


def _own_volumes(plan: RunPlan) -> list[Json]:
    browses = plan.target.browser is not None
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_S, "path": "token"}
    return [
        {"name": "plan", "configMap": {"name": f"{job_name(plan.uid)}-plan"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "tmp", "emptyDir": {"sizeLimit": TMP_OF_BROWSER if browses else TMP}},
    ]


def _account_volume(spec: PerfTestSpec) -> Json | None:
    """The token that the test's requests carry, if it asks for one; the kubelet renews it."""
    audience = spec.target.account_audience
    if audience is None:
        return None
    token = {"audience": audience, "expirationSeconds": TOKEN_S, "path": "token"}
    return {"name": "account", "projected": {"sources": [{"serviceAccountToken": token}]}}


def _value_volumes(refs: set[ValueRef]) -> tuple[list[Json], list[Json]]:
    """Mounts of exactly the keys that the test names.

    They are optional, so that a missing key does not leave the pod waiting without a message: the
    worker starts and names it.
    """
    keys: dict[tuple[str, str], list[str]] = {}
    for ref in sorted(refs):
        keys.setdefault((ref.kind, ref.name), []).append(ref.key)
    volumes: list[Json] = []
    mounts: list[Json] = []
    for number, ((kind, name), names) in enumerate(keys.items()):
        items = [{"key": key, "path": key} for key in names]
        if kind == "Secret":
            source = {"secret": {"secretName": name, "items": items, "optional": True}}
        else:
            source = {"configMap": {"name": name, "items": items, "optional": True}}
        folder = "secrets" if kind == "Secret" else "configmaps"
        volumes.append({"name": f"values-{number}", **source})
        mounts.append(
            {
                "name": f"values-{number}",
                "mountPath": f"{VALUES_DIR}/{folder}/{name}",
                "readOnly": True,
            }
        )
    return volumes, mounts
