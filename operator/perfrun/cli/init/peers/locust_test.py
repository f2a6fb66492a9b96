"""LocustTests of locust-k8s-operator, of both of its versions, as tests of scripts."""

import posixpath
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from perfrun.api import Json
from perfrun.cli.init.peers.arguments import kept_arguments, value_of, without
from perfrun.cli.init.peers.drafting import PeerOperator, PeerScript, ScriptResource
from perfrun.cli.init.peers.fields import Fields, pod_template, pull_secrets, resources
from perfrun.cli.init.source import rows, table

_SOURCES = "/lotest/src/"
"""Where locust-k8s-operator mounts the files of a script."""
_DEFAULT_FILE = "locustfile.py"
_MASTER = "the master runs beside the worker 0, and needs no settings of its own"
_HARDENED = "perfrun sets the security context of its pods (restricted)"
_NO_MOUNTS = "put the files into the image, the ConfigMap or the volume of the script"
_ONE_BY_ONE = "name each variable in env.variables"
_REASONS = {
    "imagePullPolicy": "images are pulled by the default policy of Kubernetes",
    "volumes": _NO_MOUNTS,
    "volumeMounts": _NO_MOUNTS,
    "security": _HARDENED,
    "observability": "what perfrun exports: docs/reference/metrics.md",
    "libConfigMap": _NO_MOUNTS,
}
_REASONS_OF_MASTER = dict.fromkeys(("resources", "labels", "annotations"), _MASTER) | {
    "autostart": "perfrun starts the load when all workers are ready",
    "autoquit": "the run ends with the load",
}
_REASONS_OF_FILES = {"libConfigMapRef": _NO_MOUNTS, "libMountPath": _NO_MOUNTS}
_REASONS_OF_ENV = {
    "configMapRefs": _ONE_BY_ONE,
    "secretRefs": _ONE_BY_ONE,
    "secretMounts": _NO_MOUNTS,
}


@dataclass(frozen=True)
class _Parts:
    """What the two versions write in different places."""

    master: str
    worker: str
    workers: int | None
    extra: list[str]
    config_map: str
    folder: str
    env: list[Fields]
    pod: Json


def _read(resource: ScriptResource) -> PeerScript:
    spec = resource.spec
    first = resource.root.text("apiVersion") == "locust.io/v1"
    parts = _of_v1(spec) if first else _of_v2(spec)
    resource.variables.add(parts.env)
    args = [*_words(parts.master), *parts.extra]
    _compare_commands(args, parts.worker, spec)
    line = spec.line("masterCommandSeed" if first else "master")
    script, notes = _script(value_of(args, "-f", "--locustfile"), parts)
    others = without(args, "-f", "--locustfile")
    return PeerScript(
        script={"tool": "Locust", "image": spec.text("image"), **script},
        args=kept_arguments("Locust", others, resource.not_carried, line),
        duration=value_of(args, "-t", "--run-time"),
        workers=parts.workers,
        pod={**parts.pod, **pull_secrets(rows(spec.take("imagePullSecrets")))},
        notes=notes,
        left=((spec, _REASONS),),
    )


def _of_v2(spec: Fields) -> _Parts:
    master, worker, files = spec.object("master"), spec.object("worker"), spec.object("testFiles")
    env, scheduling = spec.object("env"), spec.object("scheduling")
    parts = _Parts(
        master=master.text("command"),
        worker=worker.text("command"),
        workers=worker.number("replicas"),
        extra=[str(one) for one in rows(master.take("extraArgs"))],
        config_map=files.text("configMapRef"),
        folder=files.text("srcMountPath") or _SOURCES,
        env=list(env.objects("variables")),
        pod={**pod_template(scheduling, worker), **resources(worker)},
    )
    if worker.take("extraArgs"):
        worker.refuse("extraArgs", "master and workers have the same arguments")
    worker.rest()
    scheduling.rest({"runtimeClassName": "workers have the runtime of their nodes"})
    files.rest(_REASONS_OF_FILES)
    env.rest(_REASONS_OF_ENV)
    master.rest(_REASONS_OF_MASTER)
    return parts


def _of_v1(spec: Fields) -> _Parts:
    pod: Json = {}
    for name in ("labels", "annotations"):
        of_pods = spec.object(name)
        if found := table(of_pods.take("worker")):
            pod[name] = found
        of_pods.rest({"master": _MASTER})
    affinity = spec.object("affinity")
    nodes = affinity.object("nodeAffinity")
    if wanted := table(nodes.take("requiredDuringSchedulingIgnoredDuringExecution")):
        # All of these labels, each with the one value: what a node selector says.
        pod["nodeSelector"] = wanted
    nodes.rest()
    affinity.rest()
    if tolerations := spec.take("tolerations"):
        pod["tolerations"] = tolerations
    return _Parts(
        master=spec.text("masterCommandSeed"),
        worker=spec.text("workerCommandSeed"),
        workers=spec.number("workerReplicas"),
        extra=[],
        config_map=spec.text("configMap"),
        folder=_SOURCES,
        env=[],
        pod=pod,
    )


def _words(command: str) -> list[str]:
    """The arguments of a command, with or without its program."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return words[1:] if words[:1] == ["locust"] else words


def _compare_commands(master: Sequence[str], worker: str, spec: Fields) -> None:
    """Name what only the command of the workers says."""
    more = [word for word in _words(worker) if word not in master]
    if more:
        where = "worker" if spec.take("worker") else "workerCommandSeed"
        what = (
            f"its command also has {' '.join(more)}: all workers have the arguments of the master"
        )
        spec.refuse(where, what)


def _script(file: str, parts: _Parts) -> tuple[Json, tuple[str, ...]]:
    """Files and entry of the script, and notes about them."""
    file = file or _DEFAULT_FILE
    folder = parts.folder.rstrip("/") + "/"
    if not parts.config_map:
        return {"entry": file}, ()
    files = {"configMap": {"name": parts.config_map}}
    if not file.startswith("/") or file.startswith(folder):
        return {"files": files, "entry": posixpath.normpath(file.removeprefix(folder))}, ()
    return {"files": files, "entry": file}, (
        f"The script {file} is not among the files of the ConfigMap: it has to be in the image.",
    )


LOCUST_TESTS = PeerOperator("LocustTest of locust.io", "locust.io", ("LocustTest",), _read)
