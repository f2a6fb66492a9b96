"""LocustTests of locust-k8s-operator, of both of its versions, as tests of scripts."""

import posixpath
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from perfrun.api import Json
from perfrun.cli.init.draft import Draft, LoadDraft, NotCarried, SourceError
from perfrun.cli.init.peers.arguments import kept_arguments, value_of, without
from perfrun.cli.init.peers.fields import (
    REASONS_OF_METADATA,
    Fields,
    ToolVariables,
    longest,
    origin,
    pod_template,
    pull_secrets,
    resources,
    targets_of,
    test_name,
)
from perfrun.cli.init.source import rows, table, text_of

_KIND = "LocustTest"
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


def locust_test_drafts(
    documents: list[Json], source: str, *, name: str = "", url: str = ""
) -> list[Draft]:
    """A test for each LocustTest of a file. Raises SourceError."""
    found = [one for one in documents if is_locust_test(one)]
    if not found:
        raise SourceError(f"{source}: has no LocustTest of locust.io")
    others = [text_of(one.get("kind")) or "?" for one in documents if not is_locust_test(one)]
    return [_draft(one, source, others, name if len(found) == 1 else "", url) for one in found]


def is_locust_test(document: Json) -> bool:
    """Whether it is a resource of locust-k8s-operator."""
    group = text_of(document.get("apiVersion")).partition("/")[0]
    return group == "locust.io" and document.get("kind") == _KIND


def _draft(document: Json, source: str, others: list[str], name: str, url: str) -> Draft:
    not_carried = NotCarried()
    root = Fields(document, "", not_carried)
    metadata, spec = root.object("metadata"), root.object("spec")
    test = test_name(name, metadata)
    for known in ("kind", "status"):
        root.take(known)
    first = root.text("apiVersion") == "locust.io/v1"
    parts = _of_v1(spec) if first else _of_v2(spec)
    environment = ToolVariables(test, not_carried)
    environment.add(parts.env)
    args = [*_words(parts.master), *parts.extra]
    file = value_of(args, "-f", "--locustfile")
    _compare_commands(args, parts.worker, spec)
    line = spec.line("masterCommandSeed" if first else "master")
    kept = kept_arguments("Locust", without(args, "-f", "--locustfile"), not_carried, line)
    targets, target_notes = targets_of(url, [*kept, *environment.texts])
    duration, load_notes = longest(value_of(args, "-t", "--run-time"))
    script, notes = _script(file, parts)
    load = {"workers": parts.workers or 1, "maxDuration": duration}
    draft = Draft(
        name=test,
        url="",
        scenarios=(),
        namespace=metadata.text("namespace"),
        script={
            "tool": "Locust",
            "image": spec.text("image"),
            **script,
            **({"args": kept} if kept else {}),
            **({"env": environment.variables} if environment.variables else {}),
            "targets": targets,
        },
        pod={**parts.pod, **pull_secrets(rows(spec.take("imagePullSecrets")))},
        load=LoadDraft(load, (), load_notes),
        target_notes=(*notes, *target_notes, *environment.notes),
    )
    metadata.rest(REASONS_OF_METADATA)
    spec.rest(_REASONS)
    root.rest()
    return replace(draft, notes=(*origin(document, source, others), *not_carried.notes()))


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
