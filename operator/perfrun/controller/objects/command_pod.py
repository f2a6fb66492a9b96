"""The pod of a benchmark or a script: the worker, and the user's image with its command.

An init container copies the launcher from the worker's image, because the user's image may contain
nothing but its program. The worker's files are not mounted there: no token, no plan, no values
except those in the command's environment.
"""

from perfrun.api import Json
from perfrun.api.names import COMMAND_CONTAINER
from perfrun.api.test.commands.benchmark import BenchmarkTarget
from perfrun.api.test.commands.script import SCRIPTS_FOLDER, ScriptFiles, ScriptTarget
from perfrun.api.test.values import KeyRef
from perfrun.launcher.pack import argv

COMMAND_DIR = "/perfrun"
"""The folder that worker and launcher share."""
LAUNCHER_DIR = "/perfrun-launcher"
_HOME = "/tmp"  # noqa: S108 (an emptyDir of the pod)
_BENCHMARKS_WORKER_CPU = "100m"
"""The worker only waits, and reads the results. A script's reads every sample, so it has the usual
CPU."""

CommandTarget = BenchmarkTarget | ScriptTarget


def with_command(pod: Json, target: CommandTarget, resources: Json, usual: Json) -> Json:
    """The pod of a worker, with the command beside it.

    ``resources`` are the command's; ``usual`` are those of workers if a test does not set any.
    """
    (worker,) = pod["containers"]
    shared: list[Json] = [{"name": "command", "mountPath": COMMAND_DIR}]
    volumes: list[Json] = []
    env: list[Json] = [{"name": "PERFRUN_COMMAND_FOLDER", "value": COMMAND_DIR}]
    own = usual
    if isinstance(target, ScriptTarget):
        env.append({"name": "PERFRUN_ADDRESS", "valueFrom": _POD_IP})
        if target.files is not None:
            volumes.append(_files(target.files))
            shared.append(_files_mount(target.files))
    else:
        own = {**usual, "requests": {**usual["requests"], "cpu": _BENCHMARKS_WORKER_CPU}}
    worker = {
        **worker,
        "env": [*worker["env"], *env],
        "volumeMounts": [*worker["volumeMounts"], *shared],
        "resources": own,
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
            *volumes,
        ],
    }


_POD_IP = {"fieldRef": {"fieldPath": "status.podIP"}}


def _files(files: ScriptFiles) -> Json:
    """The volume with the files of a script.

    A ConfigMap that was deleted meanwhile does not leave the pod waiting without a message: the
    worker sees that the files are not those of the run, and reports that.
    """
    if files.config_map is not None:
        source: Json = {"configMap": {"name": files.config_map.name, "optional": True}}
    else:
        assert files.volume_claim is not None
        claim = {"claimName": files.volume_claim.name, "readOnly": True}
        source = {"persistentVolumeClaim": claim}
    return {"name": "scripts", **source}


def _files_mount(files: ScriptFiles) -> Json:
    mount: Json = {"name": "scripts", "mountPath": SCRIPTS_FOLDER, "readOnly": True}
    path = files.volume_claim.path if files.volume_claim is not None else None
    return {**mount, "subPath": path} if path is not None else mount


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


def _command(worker: Json, target: CommandTarget, resources: Json, shared: list[Json]) -> Json:
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
            *shared,
            {"name": "command-tmp", "mountPath": _HOME},
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _taken(target: CommandTarget) -> list[Json]:
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
