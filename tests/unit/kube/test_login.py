"""Who asks which API server, by the kubeconfigs that there are."""

import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError
from perfrun.kube.login import login_of_user
from perfrun.kube.resources import PERF_RUNS


@dataclass
class Api:
    """An API server that notes who has asked; also a proxy, as far as that goes without TLS."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Of each request: host, and authorization."""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.host, request.headers.get("Authorization", "")))
        return web.json_response({"items": []})


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    async with TestServer(app) as server:
        api.url = f"http://127.0.0.1:{server.port}"
        yield api


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return path


def write(path: Path, cluster: dict[str, Any], **user: Any) -> None:
    context = {"cluster": "c", "user": "u", "namespace": "shop"}
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": context}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(config))


def login_command(folder: Path, *credentials: dict[str, str]) -> dict[str, Any]:
    """A command that gives these, one each time it is run, and the last one ever after."""
    for number, one in enumerate(credentials):
        answer = {
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": one,
        }  # fmt: skip
        (folder / f"answer-{number}").write_text(json.dumps(answer))
    program = folder / "login"
    program.write_text(
        "#!/bin/sh\n"
        'cd "$(dirname "$0")"; echo x >> runs; number=$(($(wc -l < runs) - 1))\n'
        f"[ $number -lt {len(credentials)} ] || number={len(credentials) - 1}\n"
        'cat "answer-$number"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    return {"command": str(program), "apiVersion": "client.authentication.k8s.io/v1"}


async def ask(times: int = 1) -> None:
    kube, namespace = await Kube.connect_as_user(None, 5)
    try:
        for _ in range(times):
            await kube.list(PERF_RUNS, namespace)
    finally:
        await kube.close()


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({}, ""),
    ],
)
async def test_credentials_of_a_kubeconfig(
    api: Api, kubeconfig: Path, user: dict[str, str], authorization: str
) -> None:
    write(kubeconfig, {"server": api.url}, **user)
    await ask()
    assert [said for _, said in api.asked] == [authorization]


async def test_a_token_of_a_login_command_is_renewed_when_it_has_expired(
    api: Api, kubeconfig: Path, tmp_path: Path
) -> None:
    expired = {"token": "old", "expirationTimestamp": "2020-01-01T00:00:00Z"}
    valid = {"token": "new", "expirationTimestamp": "2199-01-01T00:00:00Z"}
    write(kubeconfig, {"server": api.url}, exec=login_command(tmp_path, expired, valid))
    await ask(times=3)
    assert [said for _, said in api.asked] == ["Bearer new"] * 3
    assert (tmp_path / "runs").read_text().count("x") == 2


def test_a_login_command_may_give_a_client_certificate(kubeconfig: Path, tmp_path: Path) -> None:
    given = {"clientCertificateData": "a certificate", "clientKeyData": "a key"}
    write(kubeconfig, {"server": "https://127.0.0.1:1"}, exec=login_command(tmp_path, given))
    configuration = login_of_user(None).configuration
    files = (configuration.cert_file, configuration.key_file)
    assert [Path(str(file)).read_text() for file in files] == ["a certificate", "a key"]


async def test_a_login_command_that_is_not_there_is_told(
    api: Api, kubeconfig: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = {"command": "/no/such/login", "apiVersion": "client.authentication.k8s.io/v1"}
    write(kubeconfig, {"server": api.url}, exec=missing)
    await ask()
    assert "/no/such/login" in caplog.text


async def test_the_proxy_of_a_kubeconfig_goes_before_that_of_the_environment(
    api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    write(kubeconfig, {"server": "http://k8s.example", "proxy-url": api.url})
    await ask()
    monkeypatch.setenv("http_proxy", api.url)
    write(kubeconfig, {"server": "http://other.example"})
    await ask()
    assert [host for host, _ in api.asked] == ["k8s.example", "other.example"]


@pytest.mark.parametrize(
    ("everywhere", "but_for"),
    [("http://127.0.0.1:1", "127.0.0.1"), ("socks5://127.0.0.1:1", "")],
)
async def test_no_proxy_is_obeyed_and_one_for_socks_is_left_to_others(
    api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, everywhere: str, but_for: str
) -> None:
    monkeypatch.setenv("all_proxy", everywhere)
    monkeypatch.setenv("no_proxy", but_for)
    write(kubeconfig, {"server": api.url})
    await ask()
    assert len(api.asked) == 1


def test_a_proxy_that_is_none_for_http_is_told(kubeconfig: Path) -> None:
    write(kubeconfig, {"server": "https://k8s.example", "proxy-url": "socks5://127.0.0.1:1080"})
    with pytest.raises(KubeError, match="its proxy has the scheme socks5, but only http and https"):
        login_of_user(None)
