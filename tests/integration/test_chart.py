"""The chart in a real API server: what it lets the operator and its users do, and what it keeps."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from perfrun.api.test.pod import PodTemplate
from perfrun.controller.objects.manifests import run_labels
from perfrun.controller.objects.store import Key
from perfrun.controller.settings import Settings
from perfrun.controller.test.receivers import Receivers
from tests.cluster.handle import ApiServer
from tests.integration.documented import REPO, documents

pytestmark = pytest.mark.patient

CHART = REPO / "charts/perfrun"
SYSTEM = "chart-system"
TEAM = "chart-team"
OTHER = "chart-other"
OPERATOR = f"system:serviceaccount:{SYSTEM}:perfrun"
# The session's CRDs are there already, and not Helm's.
NO_CRDS = "--set=crds.install=false"


def _helm(api: ApiServer, command: str, *values: str) -> None:
    api.helm(command, "perfrun", CHART, "--namespace", SYSTEM, NO_CRDS, *values)


def _may(api: ApiServer, what: str, namespace: str = "") -> bool:
    """As ``kubectl auth can-i``, without a process of it for each: VERB TYPE[.GROUP][/NAME]."""
    verb, resource, *more = what.split()
    if resource.startswith("/"):
        return _allowed(api, nonResourceAttributes={"verb": verb, "path": resource})
    kind, _, name = resource.partition("/")
    plural, _, group = kind.partition(".")
    subresource = more[0].removeprefix("--subresource=") if more else ""
    return _allowed(
        api,
        resourceAttributes={
            "verb": verb,
            "group": group,
            "resource": plural,
            "name": name,
            "subresource": subresource,
            "namespace": namespace,
        },
    )


def _may_list_metrics(api: ApiServer, namespace: str) -> bool:
    return _may(api, "list pods.metrics.k8s.io", namespace)


def _allowed(api: ApiServer, **asked: Any) -> bool:
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": OPERATOR, "groups": groups, **asked},
    }
    answer = api.ask("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


@pytest.fixture(scope="module")
def api(perfrun_api: ApiServer) -> ApiServer:
    for name in (SYSTEM, TEAM, OTHER):
        perfrun_api.kubectl("create", "namespace", name)
    perfrun_api.kubectl(
        "label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted"
    )
    return perfrun_api


@pytest.fixture
def installed(api: ApiServer) -> Iterator[ApiServer]:
    _helm(api, "install")
    yield api
    # Nobody here would run the hook.
    api.helm("uninstall", "perfrun", "--namespace", SYSTEM, "--no-hooks")


@pytest.fixture
def installed_for_team(api: ApiServer) -> Iterator[ApiServer]:
    _helm(api, "install", f"--set=watchNamespaces={{{TEAM}}}")
    yield api
    api.helm("uninstall", "perfrun", "--namespace", SYSTEM, "--no-hooks")


def test_lint_finds_nothing(api: ApiServer) -> None:
    api.helm("lint", "--strict", CHART)


def test_operator_may_do_its_work_anywhere_and_nothing_else(installed: ApiServer) -> None:
    needed = [
        "watch perftests.perfrun.dev",
        "patch perftests.perfrun.dev --subresource=status",
        "create perfruns.perfrun.dev",
        "patch perfruns.perfrun.dev --subresource=status",
        "create jobs.batch",
        "delete jobs.batch",
        "list pods",
        "create configmaps",
        "patch configmaps",
        "create controllerrevisions.apps",
        "create networkpolicies.networking.k8s.io",
        "get networkpolicies.networking.k8s.io",
        "get services",
        "create serviceaccounts",
        "get serviceaccounts/perfrun-worker",
        "patch serviceaccounts/perfrun-worker",
        "delete serviceaccounts/perfrun-worker",
        "create events.events.k8s.io",
        "list events.events.k8s.io",
        "create tokenreviews.authentication.k8s.io",
        "create subjectaccessreviews.authorization.k8s.io",
    ]
    assert [what for what in needed if not _may(installed, what, TEAM)] == []
    assert _may_list_metrics(installed, TEAM)
    refused = [
        "get secrets",
        "list secrets",
        "get serviceaccounts/default",
        "patch serviceaccounts/default",
        "delete serviceaccounts/default",
        "create serviceaccounts/perfrun-worker --subresource=token",
        "create pods",
        "delete pods",
        "delete networkpolicies.networking.k8s.io",
        "patch networkpolicies.networking.k8s.io",
        "list services",
        "create services",
        "create pods --subresource=exec",
        "patch perftests.perfrun.dev",
        "create deployments.apps",
        "watch events.events.k8s.io",
        "list namespaces",
        "get /metrics",
        "create rolebindings.rbac.authorization.k8s.io",
    ]
    assert [what for what in refused if _may(installed, what, TEAM)] == []


def test_operator_reads_its_own_secret_only(installed: ApiServer) -> None:
    own = "secrets/perfrun-coordinator-tls"
    assert _may(installed, f"get {own}", SYSTEM)
    assert _may(installed, f"patch {own}", SYSTEM)
    assert not _may(installed, "get secrets/another", SYSTEM)
    assert not _may(installed, "list secrets", SYSTEM)
    assert not _may(installed, f"get {own}", TEAM)
    assert not _may(installed, "get secrets/perfrun-metrics-token", SYSTEM)


def test_operator_has_its_own_lease_and_endpoint_slice_and_no_other(installed: ApiServer) -> None:
    for own in ("leases.coordination.k8s.io", "endpointslices.discovery.k8s.io"):
        kind, _, group = own.partition(".")
        slices = ["perfrun-coordinator-ipv4", "perfrun-leader-ipv4"]
        for name in ["perfrun"] if kind == "leases" else slices:
            assert _may(installed, f"patch {kind}.{group}/{name}", SYSTEM)
        assert not _may(installed, f"patch {kind}.{group}/another", SYSTEM)
        assert not _may(installed, f"create {own}", TEAM)


def test_namespaced_installation_has_rights_in_its_namespaces_only(
    installed_for_team: ApiServer,
) -> None:
    api = installed_for_team
    assert _may(api, "create jobs.batch", TEAM)
    assert _may_list_metrics(api, TEAM)
    assert not _may_list_metrics(api, OTHER)
    assert not _may(api, "create jobs.batch", OTHER)
    assert not _may(api, "list perftests.perfrun.dev", OTHER)
    assert _may(api, "create tokenreviews.authentication.k8s.io")
    # Metrics are read with a token of its own: nobody is asked who may do what.
    assert not _may(api, "create subjectaccessreviews.authorization.k8s.io")
    assert _may(api, "get secrets/perfrun-metrics-token", SYSTEM)


@pytest.mark.parametrize(
    ("values", "scheme", "shows"),
    [
        ((), "https", "bearerTokenFile"),
        (("--set=watchNamespaces={team}",), "https", "authorization"),
        (("--set=metrics.access=token",), "https", "authorization"),
        (("--set=watchNamespaces={team}", "--set=metrics.access=kubernetes"), "https",
         "bearerTokenFile"),
        (("--set=metrics.access=open",), "http", None),
    ],
)  # fmt: skip
def test_service_monitor_shows_what_the_operator_asks_for(
    api: ApiServer, values: tuple[str, ...], scheme: str, shows: str | None
) -> None:
    made = {
        (one["kind"], one["metadata"]["name"]): one
        for one in _rendered(api, "--set=metrics.serviceMonitor.enabled=true", *values)
    }
    monitor = made["ServiceMonitor", "perfrun"]["spec"]
    (endpoint,) = monitor["endpoints"]
    assert endpoint["scheme"] == scheme
    assert [name for name in ("bearerTokenFile", "authorization") if name in endpoint] == (
        [shows] if shows else []
    )
    if scheme == "https":
        ca = endpoint["tlsConfig"]["ca"]["secret"]
        assert ("Secret", ca["name"]) in made
        service = endpoint["tlsConfig"]["serverName"].split(".")[0]
        # That of the leader is in the certificate; each operator is scraped by another one.
        assert ("Service", service) in made
    if shows == "authorization":
        assert ("Secret", endpoint["authorization"]["credentials"]["name"]) in made
    scraped = made["Service", "perfrun-operators"]
    assert _selects(monitor["selector"], scraped["metadata"]["labels"])
    assert scraped["spec"]["clusterIP"] == "None"
    assert _selects({"matchLabels": scraped["spec"]["selector"]}, _pod(api)["metadata"]["labels"])
    assert "selector" not in made["Service", "perfrun-leader"]["spec"]
    reader = ("ClusterRole", "perfrun-metrics-reader") in made
    assert reader == (shows == "bearerTokenFile")


def _object(kind: str, labels: dict[str, str], account: str = "perfrun-worker") -> dict[str, Any]:
    about = {"name": "perfrun-worker", "namespace": TEAM, "labels": labels}
    if kind == "Job":
        pod = {
            "restartPolicy": "Never",
            "serviceAccountName": account,
            "containers": [{"name": "worker", "image": "perfrun:test"}],
        }
        body: dict[str, Any] = {"apiVersion": "batch/v1", "spec": {"template": {"spec": pod}}}
    elif kind == "ControllerRevision":
        body = {"apiVersion": "apps/v1", "revision": 1, "data": {}}
    else:
        body = {"apiVersion": "v1"}
    return {**body, "kind": kind, "metadata": about}


def _created(api: ApiServer, body: dict[str, Any], verb: str = "create") -> str:
    """What the API server says to the operator's account; empty where it let it."""
    words = [verb, "-f", "-", f"--as={OPERATOR}", *(["--wait=false"] if verb == "delete" else [])]
    done = api.kubectl(*words, input=json.dumps(body), check=False)
    return done.stderr if done.returncode else ""


def _refusals(said: Iterable[str]) -> list[str]:
    """The kinds that were refused for their label; what was said instead of any other."""
    refused = "only objects with the label app.kubernetes.io/managed-by: perfrun"
    return [kind if refused in one else one for kind, one in zip(KINDS, said, strict=True)]


OWN = {"app.kubernetes.io/managed-by": "perfrun"}
KINDS = ["Job", "ConfigMap", "ControllerRevision", "ServiceAccount"]


@pytest.mark.parametrize("fixture", ["installed", "installed_for_team"])
def test_operators_account_writes_and_deletes_only_objects_with_its_label(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    """Also whoever has its token: rights alone cannot be bound to labels."""
    api: ApiServer = request.getfixturevalue(fixture)
    foreign = [_object(kind, {}) for kind in KINDS]
    _until(lambda: "only objects with the label" in _created(api, foreign[1]))
    assert _refusals(_created(api, body) for body in foreign) == KINDS
    for body in foreign:
        # One may have been made while the policy was not heeded yet.
        api.kubectl("apply", "-f", "-", input=json.dumps(body))
    assert _refusals(_created(api, body, "delete") for body in foreign) == KINDS
    for body in foreign:
        api.kubectl("delete", "-f", "-", input=json.dumps(body))
    for body in [_object(kind, OWN) for kind in KINDS]:
        assert _created(api, body) == ""
        assert _created(api, body, "delete") == ""


def test_operators_account_makes_jobs_of_the_workers_account_only(installed: ApiServer) -> None:
    job = _object("Job", OWN, account="admin")
    _until(lambda: "run as the service account perfrun-worker" in _created(installed, job))
    account = _object("ServiceAccount", OWN)
    account["metadata"]["name"] = "admin"
    assert "only service account" in _created(installed, account)


def test_without_the_admission_policy_nothing_of_it_is_rendered(api: ApiServer) -> None:
    kinds = [one["kind"] for one in _rendered(api, "--set=admissionPolicy.enabled=false")]
    assert [kind for kind in kinds if "Admission" in kind] == []


def _until(true: Callable[[], bool]) -> None:
    """An API server takes a moment to heed a new policy."""
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.2)


DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def test_digest_pins_the_image_of_operator_and_workers(api: ApiServer) -> None:
    made = _rendered(
        api, f"--set=image.digest={DIGEST}", f"--set=image.browserDigest={DIGEST[:-1]}0"
    )
    (deployment,) = (one for one in made if one["kind"] == "Deployment")
    (operator,) = deployment["spec"]["template"]["spec"]["containers"]
    assert re.fullmatch(rf"localhost/perfrun:[0-9.]+@{DIGEST}", operator["image"])
    env = {one["name"]: one.get("value") for one in operator["env"]}
    assert env["PERFRUN_WORKER_IMAGE"] == operator["image"]
    assert env["PERFRUN_BROWSER_IMAGE"].endswith(f"@{DIGEST[:-1]}0")
    assert "@" not in json.dumps(_pod(api)["spec"]["containers"][0]["image"])


MADE = {"PERFRUN_NAMESPACE": SYSTEM}
"""What comes from fields of the pod."""


def _pods(made: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All pods of the chart, with their labels, by the kind of what they are written in."""
    return {
        one["kind"]: one if one["kind"] == "Pod" else one["spec"]["template"]
        for one in made
        if one["kind"] in ("Deployment", "Job", "Pod")
    }


def test_all_pods_of_the_chart_run_where_the_operator_may(api: ApiServer) -> None:
    """The hook of the uninstallation too: `helm uninstall` waits for it."""
    said = {
        "global.imageRegistry": "registry.example.com",
        "commonLabels.team": "perf",
        "podLabels.zone": "a",
        "podAnnotations.note": "n",
        "nodeSelector.pool": "infra",
        "tolerations[0].key": "dedicated",
        "tolerations[0].operator": "Exists",
        "priorityClassName": "high",
    }
    made = _rendered(api, *(f"--set={name}={value}" for name, value in said.items()))
    pods = _pods(made)
    assert sorted(pods) == ["Deployment", "Job", "Pod"]
    for pod in pods.values():
        labels, spec = pod["metadata"]["labels"], pod["spec"]
        assert (labels["team"], labels["zone"]) == ("perf", "a")
        assert pod["metadata"]["annotations"]["note"] == "n"
        assert spec["nodeSelector"] == {"pool": "infra"}
        assert spec["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
        assert spec["priorityClassName"] == "high"
        (container,) = spec["containers"]
        assert container["image"].startswith("registry.example.com/perfrun:")
    # The CRDs are as they are generated.
    ours = [one for one in made if one["kind"] != "CustomResourceDefinition"]
    assert {one["metadata"].get("labels", {}).get("team") for one in ours} == {"perf"}


def test_what_workers_get_from_the_chart_is_read_by_the_operator(api: ApiServer) -> None:
    template = {"nodeSelector": {"pool": "load"}, "tolerations": [{"operator": "Exists"}]}
    made = _rendered(
        api,
        f"--set-json=worker.podTemplate={json.dumps(template)}",
        '--set-json=extraEnv=[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]',
    )
    for pod in (_pods(made)[kind] for kind in ("Deployment", "Job")):
        (container,) = pod["spec"]["containers"]
        env = {one["name"]: one.get("value") for one in container["env"]}
        assert env["HTTPS_PROXY"] == "http://proxy:3128"
        # What comes from fields of the pod has no value here.
        found = Settings.from_env({name: value or "here" for name, value in env.items()})
        assert found.worker_pod == PodTemplate.model_validate(template)


def test_user_of_workers_can_be_left_to_the_cluster(api: ApiServer) -> None:
    """As OpenShift's restricted-v2 needs it; the chart's own pods name no user at all."""
    for values, user in (((), 65532), (("--set=worker.runAsUser=null",), None)):
        pods = _pods(_rendered(api, *values))
        (container,) = pods["Deployment"]["spec"]["containers"]
        env = {one["name"]: one.get("value") for one in container["env"]}
        found = Settings.from_env({name: value or "" for name, value in env.items()} | MADE)
        assert found.worker_user == user
        for pod in pods.values():
            assert "runAsUser" not in json.dumps(pod)
            assert "fsGroup" not in json.dumps(pod)


def test_operator_gets_volumes_and_where_they_are(api: ApiServer) -> None:
    volume = {"name": "ca", "configMap": {"name": "corporate-ca"}}
    mount = {"name": "ca", "mountPath": "/etc/ca", "readOnly": True}
    made = _rendered(
        api,
        f"--set-json=extraVolumes={json.dumps([volume])}",
        f"--set-json=extraVolumeMounts={json.dumps([mount])}",
    )
    pod = _pods(made)["Deployment"]["spec"]
    assert volume in pod["volumes"]
    assert mount in pod["containers"][0]["volumeMounts"]


def test_chart_can_be_part_of_another_one(api: ApiServer, tmp_path: Path) -> None:
    shutil.copytree(CHART, tmp_path / "charts/perfrun")
    dependency = {"name": "perfrun", "version": "0.1.0", "condition": "perfrun.enabled"}
    about = {"apiVersion": "v2", "name": "platform", "version": "1.0.0"}
    (tmp_path / "Chart.yaml").write_text(json.dumps({**about, "dependencies": [dependency]}))
    values = ("--set=global.imageRegistry=mirror:5000", "--set=global.other=x")

    def images(enabled: str) -> list[str]:
        rendered = api.helm("template", "p", tmp_path, f"--set=perfrun.enabled={enabled}", *values)
        made = documents(rendered.stdout)
        return [pod["spec"]["containers"][0]["image"] for pod in _pods(made).values()]

    assert images("true") == ["mirror:5000/perfrun:0.1.0"] * 3
    assert images("false") == []


def test_what_a_delivery_tool_applies_shows_no_drift(api: ApiServer) -> None:
    """Argo CD and Flux render again and again, and compare with what the operator has filled."""
    values = (NO_CRDS, "--no-hooks", f"--set-json=receivers={json.dumps(RECEIVERS)}")
    template = ("template", "perfrun", CHART, "--namespace", SYSTEM, *values)
    rendered = api.helm(*template).stdout
    assert api.helm(*template).stdout == rendered
    objects = ("--server-side", "--field-manager=delivery", "-f", "-")
    try:
        api.kubectl("apply", "--validate=strict", *objects, input=rendered)
        for what, patch in {
            "secret/perfrun-coordinator-tls": {"data": {"tls.key": "AAAA"}},
            "lease/perfrun": {"spec": {"holderIdentity": "perfrun-0"}},
        }.items():
            api.kubectl("-n", SYSTEM, "patch", what, "--type=merge", "-p", json.dumps(patch))
        done = api.kubectl("diff", *objects, input=rendered, check=False)
        assert (done.returncode, done.stdout) == (0, "")
    finally:
        api.kubectl("delete", "--wait=false", "-f", "-", input=rendered)


def test_upgrade_leaves_the_operators_key_alone(installed: ApiServer) -> None:
    secret = "secret/perfrun-coordinator-tls"
    patch = json.dumps({"stringData": {"tls.key": "made by the operator"}})
    installed.kubectl("--namespace", SYSTEM, "patch", secret, "-p", patch)
    _helm(installed, "upgrade", "--set=logLevel=debug")
    stored = installed.kubectl("--namespace", SYSTEM, "get", secret, "-o", "json").stdout
    assert "tls.key" in json.loads(stored)["data"]


def test_pods_of_the_chart_are_restricted(installed: ApiServer) -> None:
    """Deployments and Jobs are only warned about: their pods are shown to the admission itself."""
    rendered = installed.helm(
        "template",
        "perfrun",
        CHART,
        "--namespace",
        SYSTEM,
        "--show-only",
        "templates/deployment.yaml",
        "--show-only",
        "templates/uninstall.yaml",
        "--show-only",
        "templates/tests/ready.yaml",
    ).stdout
    done = installed.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-", input=rendered
    )
    assert "would violate PodSecurity" not in done.stderr
    kinds = [item["kind"] for item in json.loads(done.stdout)["items"]]
    assert sorted(kinds) == ["Deployment", "Job", "Pod"]


def _rendered(api: ApiServer, *values: str) -> list[dict[str, Any]]:
    rendered = api.helm("template", "perfrun", CHART, "--namespace", SYSTEM, *values).stdout
    return documents(rendered)


def _pod(api: ApiServer) -> dict[str, Any]:
    """The operator's pod, as its Deployment makes it."""
    (deployment,) = (one for one in _rendered(api) if one["kind"] == "Deployment")
    template: dict[str, Any] = deployment["spec"]["template"]
    return template


def _accepted(api: ApiServer, policy: dict[str, Any]) -> None:
    done = api.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", input=json.dumps(policy)
    )
    assert "networkpolicy" in done.stdout


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = selector["matchLabels"]
    assert selector.keys() == {"matchLabels"}
    return bool(wanted.items() <= labels.items())


def test_network_policy_lets_workers_in_and_nobody_else(api: ApiServer) -> None:
    """Rendered and taken by the API server; nothing here enforces it."""
    assert "NetworkPolicy" not in [one["kind"] for one in _rendered(api)]
    made = _rendered(api, "--set=networkPolicy.enabled=true")
    (policy,) = (one for one in made if one["kind"] == "NetworkPolicy")
    _accepted(api, policy)
    operator, spec = _pod(api), policy["spec"]
    assert _selects(spec["podSelector"], operator["metadata"]["labels"])
    assert spec["policyTypes"] == ["Ingress"]
    ports = {p["name"]: p["containerPort"] for p in operator["spec"]["containers"][0]["ports"]}
    coordinator, metrics = spec["ingress"]
    assert [ports[one["port"]] for one in coordinator["ports"]] == [8443]
    assert [ports[one["port"]] for one in metrics["ports"]] == [8080, 8444]
    assert "from" not in metrics
    (worker,) = coordinator["from"]
    assert worker["namespaceSelector"] == {}
    assert _selects(worker["podSelector"], run_labels(Key("shop", "run"), "test"))
    assert not _selects(worker["podSelector"], operator["metadata"]["labels"])


def test_documented_policy_for_workers_fits_the_pods_that_there_are(api: ApiServer) -> None:
    text = (REPO / "docs/how-to/networking.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (policy,) = (yaml.safe_load(block) for block in blocks if "kind: NetworkPolicy" in block)
    _accepted(api, policy)
    spec, operator = policy["spec"], _pod(api)
    assert _selects(spec["podSelector"], run_labels(Key("shop", "run"), "test"))
    coordinator = spec["egress"][0]
    assert _selects(coordinator["to"][0]["podSelector"], operator["metadata"]["labels"])
    listens = [p["containerPort"] for p in operator["spec"]["containers"][0]["ports"]]
    assert {one["port"] for one in coordinator["ports"]} <= set(listens)


def test_crds_are_kept_unless_told_otherwise(api: ApiServer) -> None:
    def render(*values: str) -> str:
        return api.helm("template", "perfrun", CHART, *values).stdout

    assert render().count("helm.sh/resource-policy: keep") == 3
    assert render("--set=crds.keep=false").count("helm.sh/resource-policy: keep") == 0
    assert "CustomResourceDefinition" not in render("--set=crds.install=false")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("worker.cpuu=1", "cpuu"),
        ("logLevel=verbose", "logLevel"),
        ("metrics.access=everybody", "access"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("worker.memory=much", "memory"),
        ("watchNamespaces={Shop}", "watchNamespaces"),
        ("receivers[0].name=x", "urlFrom"),
        ("receivers[0].name=X", "receivers"),
        ("replicas=0", "replicas"),
        ("image.digest=0123", "digest"),
        ("worker.podTemplate.hostNetwork=true", "hostNetwork"),
        (r"commonLabels.app\.kubernetes\.io/name=x", "app.kubernetes.io/name"),
        ("extraEnv[0].name=PERFRUN_LEASE", "extraEnv"),
        ("image.digest=sha512:0123", "digest"),
        ("policies.apiServerAudiences={a b}", "apiServerAudiences"),
        (
            "policies.written[0].metadata.name=x,policies.written[0].spec.suspend=true",
            "policies.written is only for an installation with watchNamespaces",
        ),
        ("serviceAccount.create=false", "serviceAccount.name is needed"),
    ],
)
def test_wrong_value_is_refused_by_name(api: ApiServer, value: str, says: str) -> None:
    done = api.helm("template", "perfrun", CHART, "--set", value, check=False)
    assert done.returncode != 0
    assert says in done.stderr


WRONG = {
    "image.registry=https://registry.example.com": "/image/registry",
    "image.tag=latest/x": "/image/tag",
    "fullnameOverride=Per_Frun": "/fullnameOverride",
    "worker.image=not an image": "/worker/image",
    "worker.runAsUser=0": "/worker/runAsUser",
    "worker.cpu=null": "missing property 'cpu'",
    "networkPolicy=null": "missing property 'networkPolicy'",
    "tolerations[0].efect=NoSchedule": "'efect' not allowed",
    "worker.podTemplate.tolerations[0].operator=exists": "/operator",
    "affinity.nodeAfinity.x=y": "'nodeAfinity' not allowed",
    "topologySpreadConstraints[0].topologyKey=zone": "'maxSkew'",
    "extraEnv[0].name=A,extraEnv[0].value=1": "got number, want string",
    "extraVolumes[0].name=tmp": "/extraVolumes/0/name",
    "extraVolumeMounts[0].name=ca": "missing property 'mountPath'",
}


def test_wrong_values_are_refused_together(api: ApiServer) -> None:
    """A sentence for each."""
    done = api.helm("template", "perfrun", CHART, "--set", ",".join(WRONG), check=False)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.lstrip().startswith("- at ")]
    lines = [line for line in said if not line.endswith(": validation failed")]
    assert [says for says in WRONG.values() if not any(says in line for line in lines)] == []
    assert len(lines) == len(WRONG)


RECEIVERS = [
    {"name": "hook", "url": "https://hook.example/", "namespaces": ["shop"], "timeoutSeconds": 5},
    {
        "name": "chat",
        "format": "slack",
        "urlFrom": {"name": "chat", "key": "url"},
        "signingKeyFrom": {"name": "chat", "key": "sign"},
    },
]


def test_receivers_are_a_file_of_the_operator_and_their_secrets_files_beside_it(
    api: ApiServer, tmp_path: Path
) -> None:
    made = _rendered(api, f"--set-json=receivers={json.dumps(RECEIVERS)}")
    (deployment,) = (one for one in made if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (volume,) = (one for one in pod["volumes"] if one["name"] == "receivers")
    config, *secrets = volume["projected"]["sources"]
    maps = {one["metadata"]["name"]: one for one in made if one["kind"] == "ConfigMap"}
    said = maps[config["configMap"]["name"]]["data"]["receivers.json"]
    assert "urlFrom" not in said
    # As the kubelet lays them out, and as the operator reads them.
    (tmp_path / "receivers.json").write_text(said)
    for source in secrets:
        secret = source["secret"]
        assert secret["optional"] is True
        for item in secret["items"]:
            file = tmp_path / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"http://{secret['name']}/{item['key']}")
    env = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    (mount,) = (m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "receivers")
    assert env["PERFRUN_RECEIVERS"] == mount["mountPath"]

    receivers = Receivers.read(str(tmp_path))
    assert receivers.names("shop") == ["chat", "hook"]
    assert receivers.names("other") == ["chat"]
    chat = receivers.find("chat", "other")
    assert chat is not None
    assert (receivers.url(chat), receivers.key(chat)) == ("http://chat/url", "http://chat/sign")


def test_without_receivers_nothing_of_them_is_rendered(api: ApiServer) -> None:
    made = [one for one in _rendered(api) if one["kind"] != "CustomResourceDefinition"]
    assert "receivers" not in json.dumps(made).lower()


def test_roles_for_users_are_marked_for_aggregation(installed: ApiServer) -> None:
    listed = json.loads(installed.kubectl("get", "clusterroles", "-o", "json").stdout)["items"]
    roles: dict[str, Any] = {item["metadata"]["name"]: item for item in listed}
    for name in ("view", "edit", "admin"):
        labels = roles[f"perfrun-{name}"]["metadata"]["labels"]
        assert labels[f"rbac.authorization.k8s.io/aggregate-to-{name}"] == "true"
    verbs = roles["perfrun-view"]["rules"][0]["verbs"]
    assert set(verbs) == {"get", "list", "watch"}
