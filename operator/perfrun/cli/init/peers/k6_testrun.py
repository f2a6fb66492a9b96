"""TestRuns of k6-operator, also those of its older kind K6, as tests of scripts."""

import shlex

from perfrun.api import Json
from perfrun.api.names import TEST_LABEL
from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.peers.arguments import kept_arguments, value_of
from perfrun.cli.init.peers.drafting import PeerOperator, PeerScript, ScriptResource
from perfrun.cli.init.peers.fields import (
    Fields,
    ToolVariables,
    pod_template,
    pull_secrets,
    resources,
)
from perfrun.cli.init.source import rows

_IMAGE = "grafana/k6:latest"
_DEFAULT_FILE = "test.js"
_SHELL = frozenset("$`\"'\\*?~;|&<>")
_MOUNTED = "/test/"
"""Where k6-operator mounts the files of a script."""
_ONE_START = "perfrun starts all workers at one moment, without a pod of its own for that"
_HARDENED = "perfrun sets the security context of its pods (restricted)"
_REASONS = {
    "initializer": "the script is read in the pods of the run, before the load",
    "starter": _ONE_START,
    "paused": _ONE_START,
    "ports": "nothing connects to the tool",
    "quiet": "what the tool prints is not read",
    "scuttle": "k6-operator no longer supports it; workers in a mesh: docs/how-to/networking.md",
    "cleanup": "pods are always deleted; the results stay, as spec.historyLimit says",
    "testRunId": "it is Grafana Cloud's",
    "token": "it is Grafana Cloud's",
}
_REASONS_OF_RUNNER = {
    "securityContext": _HARDENED,
    "containerSecurityContext": _HARDENED,
    "serviceAccountName": "workers have an account without rights",
    "automountServiceAccountToken": "workers have an account without rights",
    "readinessProbe": "perfrun knows when a worker is ready",
    "livenessProbe": "perfrun knows when a worker is lost",
    "imagePullPolicy": "images are pulled by the default policy of Kubernetes",
    "envFrom": "name each variable in env",
    "initContainers": "put what they prepare into the image or the volume of the script",
    "volumes": "put the files into the image, the ConfigMap or the volume of the script",
    "volumeMounts": "put the files into the image, the ConfigMap or the volume of the script",
}


def _read(resource: ScriptResource) -> PeerScript:
    spec, variables = resource.spec, resource.variables
    runner = spec.object("runner")
    variables.add(runner.objects("env"))
    script, notes = _script(spec)
    args, field = _arguments(spec, variables)
    image = runner.text("image")
    if not image:
        notes = (*notes, "CHANGE THIS: image, to the version of k6 that you use.")
    return PeerScript(
        script={"tool": "k6", "image": image or _IMAGE, **script},
        args=kept_arguments("k6", args, resource.not_carried, spec.line(field)),
        duration=value_of(args, "-d", "--duration"),
        workers=spec.number("parallelism"),
        pod=_pod(spec, runner, resource.test),
        notes=notes,
        left=((runner, _REASONS_OF_RUNNER), (spec, _REASONS)),
    )


def _script(spec: Fields) -> tuple[Json, tuple[str, ...]]:
    """Files and entry of the script, and notes about them."""
    script = spec.object("script")
    volume, config_map = script.object("volumeClaim"), script.object("configMap")
    local = script.text("localFile")
    made: Json = {}
    notes: tuple[str, ...] = ()
    # As k6-operator looks for them: the first that is there.
    if claim := volume.text("name"):
        made, notes = _in_volume(claim, volume.text("file"))
        volume.take("readOnly")  # it always is
    elif name := config_map.text("name"):
        made = {
            "files": {"configMap": {"name": name}},
            "entry": config_map.text("file") or _DEFAULT_FILE,
        }
    elif local:
        made = {"entry": local}
    else:
        raise SourceError("a TestRun without configMap, volumeClaim or localFile has no script")
    for left in (volume, config_map, script):
        left.rest()
    return made, notes


def _in_volume(claim: str, file: str) -> tuple[Json, tuple[str, ...]]:
    file = file or _DEFAULT_FILE
    if not file.startswith("/"):
        return {"files": {"volumeClaim": {"name": claim}}, "entry": file}, ()
    if file.startswith(_MOUNTED):
        return _in_volume(claim, file.removeprefix(_MOUNTED))
    return {"entry": file}, (f"The script is not in the volume {claim}, but in the image: {file}.",)


def _arguments(spec: Fields, variables: ToolVariables) -> tuple[list[str], str]:
    """The arguments of k6, and the field that has them: exact ones, or a text that k6-operator
    gives to a shell."""
    exact = [str(one) for one in rows(spec.take("args"))]
    text = spec.text("arguments")  # ignored beside the exact ones
    if exact:
        return [variables.resolved(one, spec, "args") for one in exact], "args"
    text = variables.resolved(text, spec, "arguments")
    if set(text) & _SHELL:
        spec.refuse("arguments", "no shell reads them here: check what is quoted or replaced")
    try:
        return shlex.split(text), "arguments"
    except ValueError:
        return text.split(), "arguments"


def _pod(spec: Fields, runner: Fields, test: str) -> Json:
    metadata = runner.object("metadata")
    made = {
        **pod_template(runner, metadata),
        **resources(runner),
        **pull_secrets(rows(runner.take("imagePullSecrets"))),
    }
    metadata.rest()
    if priority := runner.text("priorityClassName"):
        made["priorityClassName"] = priority
    if spec.take("separate") is True:
        if "affinity" in made:
            spec.refuse("separate", "the pods already have an affinity: add it there")
        else:
            made["affinity"] = _apart(test)
    return made


def _apart(test: str) -> Json:
    """No two workers on one node."""
    term = {
        "labelSelector": {"matchLabels": {TEST_LABEL: test}},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


K6_TESTRUNS = PeerOperator("TestRun of k6.io", "k6.io", ("TestRun", "K6"), _read)
