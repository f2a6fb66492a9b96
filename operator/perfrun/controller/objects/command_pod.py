"""The pod of a benchmark: the worker, and the user's image with its command.

An init container copies the launcher from the worker's image, because the user's image may contain
nothing but its program. The worker's files are not mounted there: no token, no plan, no values
except those in the command's environment.
"""

from perfrun.api import Json
from perfrun.api.names import COMMAND_CONTAINER
from perfrun.api.test.commands.benchmark import BenchmarkTarget
from perfrun.api.test.values import KeyRef
from perfrun.launcher.pack import argv

COMMAND_DIR = "/perfrun"
"""The folder that worker and launcher share."""
LAUNCHER_DIR = "/perfrun-launcher"
_HOME = "/tmp"  # noqa: S108 (an emptyDir of the pod)
_WORKER_CPU = "100m"
"""The worker only waits, and reads the results."""


def with_command(pod: Json, target: BenchmarkTarget, resources: Json, usual: Json) -> Json:
    """The pod of a worker, with the command beside it.

    ``resources`` are the command's; ``usual`` are those of workers if a test does not set any.
    """
    (worker,) = pod["containers"]
    shared = {"name": "command", "mountPath": COMMAND_DIR}
    worker = {
        **worker,
        "env": [*worker["env"], {"name": "PERFRUN_COMMAND_FOLDER", "value": COMMAND_DIR}],
        "volumeMounts": [*worker["volumeMounts"], shared],
        "resources": {**usual, "requests": {**usual["requests"], "cpu": _WORKER_CPU}},
    }
    return {
        **pod,
        "initContainers": [_bringer(worker)],
        "containers": [worker, _command(worker, target, resources, shared)],
        "volumes": [
            *pod["volumes"],
            {"name": "launcher", "emptyDir": {"sizeLimit": "128Mi"}},
            {"name": "command", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "command-tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }


def _bringer(worker: Json) -> Json:
    """Copies the launcher to where the user's container finds it."""
    return {
        "name": "launcher",
        **{name: worker[name] for name in ("image", "imagePullPolicy", "securityContext")},
        "command": ["python", "-m", "perfrun.launcher.pack", LAUNCHER_DIR],
        "resources": worker["resources"],
        "volumeMounts": [
            {"name": "launcher", "mountPath": LAUNCHER_DIR},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (an emptyDir of the pod)
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _command(worker: Json, target: BenchmarkTarget, resources: Json, shared: Json) -> Json:
    given = {one.name for one in target.env}
    # The image's home may not be writable for the user that the container runs as.
    homes = [{"name": name, "value": _HOME} for name in ("HOME", "TMPDIR") if name not in given]
    return {
        "name": COMMAND_CONTAINER,
        "image": target.image,
        "command": argv(LAUNCHER_DIR, COMMAND_DIR),
        "env": [*homes, *_taken(target)],
        "resources": resources,
        "securityContext": worker["securityContext"],
        "volumeMounts": [
            {"name": "launcher", "mountPath": LAUNCHER_DIR, "readOnly": True},
            shared,
            {"name": "command-tmp", "mountPath": _HOME},
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _taken(target: BenchmarkTarget) -> list[Json]:
    """Variables from Secrets and ConfigMaps; those with a value come with the worker's order."""
    taken = []
    for one in target.env:
        if (source := one.value_from) is None:
            continue
        if source.secret_key_ref is not None:
            ref = {"secretKeyRef": _ref(source.secret_key_ref)}
        else:
            assert source.config_map_key_ref is not None
            ref = {"configMapKeyRef": _ref(source.config_map_key_ref)}
        taken.append({"name": one.name, "valueFrom": ref})
    return taken


def _ref(ref: KeyRef) -> Json:
    return {"name": ref.name, "key": ref.key}
