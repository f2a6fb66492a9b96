"""Requests to an API server: what is asked, and the sentence where it is refused."""

import asyncio
import gc
import json
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import certifi
import pytest
from kubernetes.config import kube_config

from perfrun.api import Json
from perfrun.cli.cluster.refusals import sentence
from perfrun.cli.cluster.shell import Cluster
from perfrun.cli.terminal.signals import interruptible
from perfrun.kube.errors import (
    AwayError,
    GoneError,
    KubeError,
    NotFoundError,
    NotYetError,
    RefusedError,
)
from perfrun.kube.resources import CORE_EVENTS, PERF_RUNS, PERF_TESTS
from tests.unit.cli.fake_api import FakeApi, run_body, serving, status_body
from tests.unit.cli.fixtures_cluster import cluster_of


def forbidden(verb: str, user: str) -> dict:
    said = (
        f'perfruns.perfrun.dev is forbidden: User "{user}" cannot {verb} resource "perfruns" in '
        f'API group "perfrun.dev" in the namespace "shop"'
    )
    return status_body(403, said, "Forbidden")


def refused(act: Callable[[], object], kind: type[KubeError] = KubeError) -> str:
    with pytest.raises(kind) as caught:
        act()
    return sentence(caught.value)


def watch(cluster: Cluster, fields: str = "") -> list[Json]:
    async def events() -> list[Json]:
        watched = cluster.kube.watch(PERF_RUNS, cluster.namespace, "7", fields=fields)
        return [event async for event in watched]

    return cluster.wait(events())


def log(cluster: Cluster, pod: str, *, follow: bool) -> list[str]:
    async def lines() -> list[str]:
        log = cluster.kube.log(cluster.namespace, pod, "worker", follow=follow)
        return [line async for line in log]

    return cluster.wait(lines())


def test_a_list_has_all_pages_and_the_version_to_watch_from(api: FakeApi, cluster: Cluster):
    api.objects["perfruns"] = [run_body(f"api-{number}") for number in range(5)]
    items, version = cluster.wait(cluster.kube.list_to_watch(PERF_RUNS, cluster.namespace))
    assert [body["metadata"]["name"] for body in items] == [f"api-{number}" for number in range(5)]
    assert version == "7"
    assert len(api.asked) == 3
    assert "/namespaces/shop/perfruns?limit=500" in api.asked[0]


def test_what_is_not_there_is_none_and_a_missing_api_is_told_with_how_to_install(
    api: FakeApi, cluster: Cluster
):
    assert cluster.find(PERF_TESTS, "nope") is None
    api.refusing["GET", "perftests"] = "404 page not found\n"
    for act in (lambda: cluster.find(PERF_TESTS, "api"), lambda: cluster.list(PERF_TESTS)):
        assert "does not know perftests.perfrun.dev: perfrun is not installed there" in refused(act)


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("bob", "kubectl create rolebinding bob-view --clusterrole=view --user=bob -n shop"),
        (
            "system:serviceaccount:ci:runner",
            "kubectl create rolebinding runner-view --clusterrole=view "
            "--serviceaccount=ci:runner -n shop",
        ),
    ],
)
def test_a_missing_right_is_named_with_the_role_that_grants_it(
    api: FakeApi, cluster: Cluster, user: str, command: str
):
    api.refusing["GET", "perfruns"] = forbidden("list", user)
    assert refused(lambda: cluster.list(PERF_RUNS)) == (
        f"{user} may not list perfruns.perfrun.dev in namespace shop: "
        f"the ClusterRole view grants it, so ask for: {command}"
    )


def test_writing_needs_edit(api: FakeApi, cluster: Cluster):
    api.refusing["PATCH", "perftests"] = forbidden("patch", "bob")
    patch = cluster.kube.patch(PERF_TESTS, cluster.namespace, "api", {"metadata": {}})
    said = refused(lambda: cluster.wait(patch))
    assert "bob may not patch perftests.perfrun.dev in namespace shop" in said
    assert "--clusterrole=edit" in said


def test_a_user_that_is_no_word_gets_no_command_to_paste(api: FakeApi, cluster: Cluster):
    api.refusing["GET", "perfruns"] = forbidden("list", "x; rm -rf ~")
    assert "kubectl" not in refused(lambda: cluster.list(PERF_RUNS))


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (401, KubeError, "does not accept these credentials"),
        (429, AwayError, "slow down"),
        (503, AwayError, "slow down"),
        (422, RefusedError, "slow down"),
    ],
)
def test_other_refusals(
    api: FakeApi, cluster: Cluster, code: int, kind: type[KubeError], said: str
):
    api.refusing["GET", "perfruns"] = status_body(code, "slow down")
    with pytest.raises(KubeError) as caught:
        cluster.list(PERF_RUNS)
    assert type(caught.value) is kind
    assert said in sentence(caught.value)


def test_what_a_server_says_does_not_steer_the_terminal(api: FakeApi, cluster: Cluster):
    api.refusing["GET", "perfruns"] = status_body(422, "a\x1b[2Jb\r\n" + "x" * 5000)
    said = refused(lambda: cluster.list(PERF_RUNS))
    assert said.isprintable()
    assert len(said) < 1200


def test_a_server_that_is_gone_is_told_in_a_sentence_and_asked_once(
    tmp_path: Path, api: FakeApi, monkeypatch, caplog: pytest.LogCaptureFixture
):
    config = tmp_path / "config"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    with serving(api, config):
        cluster = Cluster(None, None)
    said = refused(lambda: cluster.list(PERF_RUNS), AwayError)
    assert said == f"{cluster.kube.host} does not answer: [Errno 111] Connection refused"
    assert not caplog.records
    cluster.close()


def test_an_answer_that_is_no_json_is_told(api: FakeApi, cluster: Cluster):
    api.refusing["GET", "perfruns"] = b"<html>log in first</html>"
    assert ("does not answer with JSON: is it an API server?") in refused(
        lambda: cluster.list(PERF_RUNS)
    )


def test_a_watch_gives_events_and_raises_where_its_version_is_gone(api: FakeApi, cluster: Cluster):
    changed = {"type": "MODIFIED", "object": run_body()}
    error = {"type": "ERROR", "object": status_body(410, "too old resource version")}
    api.events["perfruns"] = [[changed, error], []]
    seen: list[Json] = []

    async def read() -> None:
        async for event in cluster.kube.watch(
            PERF_RUNS, cluster.namespace, "7", fields="metadata.name=api-1"
        ):
            seen.append(event)  # noqa: PERF401

    with pytest.raises(GoneError):
        cluster.wait(read())
    assert seen == [changed]
    assert "resourceVersion=7" in api.asked[0]
    assert "fieldSelector=metadata.name=api-1" in api.asked[0]


def test_a_watch_that_may_not_be_is_refused_as_a_watch(api: FakeApi, cluster: Cluster):
    api.refusing["watch", "perfruns"] = forbidden("watch", "bob")
    assert "bob may not watch perfruns" in refused(lambda: watch(cluster))


def test_a_log_is_lines_and_says_why_there_is_none(api: FakeApi, cluster: Cluster):
    api.logs = {"there": "one\ntwo\n", "waiting": 400}
    assert log(cluster, "there", follow=False) == ["one", "two"]
    with pytest.raises(NotYetError, match="ContainerCreating"):
        log(cluster, "waiting", follow=True)
    with pytest.raises(NotFoundError):
        log(cluster, "gone", follow=True)


def test_namespaces(api: FakeApi, cluster: Cluster):
    assert not cluster.has_namespace()
    api.refusing["GET", "namespaces"] = status_body(403, "no", "Forbidden")
    assert cluster.has_namespace()  # nobody may say that it is not


def test_an_unknown_context_names_those_that_there_are(cluster: Cluster):
    with pytest.raises(KubeError, match="there is no context mars; there are: fake"):
        Cluster("mars", None)


@pytest.mark.parametrize("text", ["", "{", "[]", "apiVersion: v1\nkind: Config\n", "a: [\n"])
def test_a_kubeconfig_that_is_none_is_told(tmp_path: Path, monkeypatch, text: str):
    config = tmp_path / "config"
    config.write_text(text)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    with pytest.raises(KubeError, match="no cluster found"):
        Cluster(None, None)


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path, monkeypatch):
    config = str(tmp_path / "config")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", config)
    with pytest.raises(KubeError) as refused:
        Cluster(None, None)
    assert f"(there is no {config})" in str(refused.value)


def as_pod(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kubelet gives a pod, and no kubeconfig."""
    (folder / "token").write_text("t0ken")
    (folder / "ca.crt").write_text(certifi.contents())
    (folder / "namespace").write_text("shop")
    loader = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{loader}.SERVICE_TOKEN_FILENAME", str(folder / "token"))
    monkeypatch.setattr(f"{loader}.SERVICE_CERT_FILENAME", str(folder / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    missing = str(folder / "none")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", missing)


def test_a_pod_without_a_kubeconfig_speaks_as_its_service_account(tmp_path: Path, monkeypatch):
    as_pod(tmp_path, monkeypatch)
    with Cluster(None, None) as cluster:
        assert (cluster.kube.host, cluster.namespace) == ("https://10.96.0.1:443", "shop")
    with Cluster(None, "other") as cluster:
        assert cluster.namespace == "other"


def test_a_kubeconfig_and_a_context_go_before_the_service_account(
    api: FakeApi, tmp_path: Path, monkeypatch
):
    as_pod(tmp_path, monkeypatch)
    with pytest.raises(KubeError, match="no cluster found"):
        Cluster("mars", None)
    config = tmp_path / "config"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    with serving(api, config), Cluster(None, None) as cluster:
        assert cluster.kube.host.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_ctrl_c_ends_the_waiting_and_nobody_else_gets_it(
    api: FakeApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: signal.Signals,
):
    ended: list[str] = []

    async def go_on() -> None:
        try:
            signal.raise_signal(kind)  # it comes while this one has its turn
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("with the cluster")

    with cluster_of(api, tmp_path, monkeypatch) as cluster:
        cluster.begin(go_on())
        with interruptible(), pytest.raises(KeyboardInterrupt):
            cluster.wait(asyncio.Event().wait())
        assert ended == []
    assert ended == ["with the cluster"]
    gc.collect()
    assert not caplog.records


def test_events_are_of_the_core(api: FakeApi, cluster: Cluster):
    cluster.list(CORE_EVENTS, fields="involvedObject.uid=u")
    assert api.asked[0].startswith("GET /api/v1/namespaces/shop/events?")


def certificate(folder: Path, name: str, *more: str) -> None:
    """A self-signed certificate as clusters have it, without a key usage extension."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", f"/CN={name}"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt", *more),
        ],
        check=True,
        capture_output=True,
    )


@contextmanager
def over_tls(folder: Path, name: str) -> Iterator[str]:
    """An API server that answers everything with an empty list."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"items": []}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def kubeconfig_for(folder: Path, url: str, authority: str) -> Path:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": url,
                    "certificate-authority": str(folder / f"{authority}.crt"),
                },
            }
        ],
        "users": [{"name": "u", "user": {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_a_certificate_authority_without_key_usage_is_taken(tmp_path: Path, monkeypatch):
    """Python 3.13 refuses it by default; many clusters have such a one."""
    certificate(tmp_path, "cluster", "-addext", "subjectAltName=IP:127.0.0.1")
    with over_tls(tmp_path, "cluster") as url:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig_for(tmp_path, url, "cluster")))
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", os.environ["KUBECONFIG"])
        with Cluster(None, None) as cluster:
            context = cluster.kube._api.rest_client.ssl_context
            assert not context.verify_flags & ssl.VERIFY_X509_STRICT
            assert cluster.list(PERF_RUNS) == []


def test_a_certificate_of_another_cluster_is_said_to_be_that(tmp_path: Path, monkeypatch):
    for name in ("cluster", "another"):
        certificate(tmp_path, name, "-addext", "subjectAltName=IP:127.0.0.1")
    with over_tls(tmp_path, "cluster") as url:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig_for(tmp_path, url, "another")))
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", os.environ["KUBECONFIG"])
        with Cluster(None, None) as cluster:
            told = refused(lambda: cluster.list(PERF_RUNS))
    assert told == (
        f"{url}: its certificate is not trusted: self-signed certificate. Does "
        "certificate-authority-data in the kubeconfig belong to this cluster?"
    )
