"""Metrics of the real operator, over HTTPS, for those whom the real API server lets read them."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.cluster.handle import ApiServer
from tests.cluster.operator import CHART, SYSTEM, Operator, kubeconfig_again
from tests.e2e.prometheus import Scrape, Series, scraping
from tests.integration.controller.apiserver import until

READER = f"{SYSTEM}-metrics-reader"
METRICS_HOST = f"{SYSTEM}-leader.{SYSTEM}.svc"


class Scraper:
    """Asks as a Prometheus does: by address, for the name in the certificate."""

    def __init__(self, server: ApiServer, operator: Operator) -> None:
        self._server, self._operator = server, operator

    def token(self, account: str) -> str:
        return self._server.kubectl("-n", SYSTEM, "create", "token", account).stdout.strip()

    def secret(self, name: str, key: str) -> str:
        path = f"-o=jsonpath={{.data.{key}}}"
        found = self._server.kubectl("-n", SYSTEM, "get", "secret", name, path).stdout
        return base64.b64decode(found).decode()

    @property
    def ca(self) -> str:
        return self.secret(f"{SYSTEM}-coordinator-tls", "tls\\.crt")

    async def by_prometheus(self, token: str, folder: Path) -> None:
        """Debian's Prometheus, with the CA and a token, sees the operator."""
        address = self._operator.scraped.rpartition("/")[2]
        with scraping(Scrape(address, METRICS_HOST, self.ca, token), folder) as prometheus:

            async def seen() -> Series:
                return await asyncio.to_thread(prometheus.query, "perfrun_leader")

            await until("Prometheus has the operator's series", seen)
            assert [one["value"][1] for one in await seen()] == ["0"]

    async def get(self, token: str = "") -> httpx.Response:
        context = ssl.create_default_context(cadata=self.ca)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=20) as http:
            return await http.get(
                f"{self._operator.scraped.replace('http:', 'https:')}/metrics",
                headers=headers,
                extensions={"sni_hostname": METRICS_HOST},
            )


@pytest.fixture
async def scraper(
    server: ApiServer, operator: Operator, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Scraper]:
    """Of an operator of its own, which stands by, with the access that the test names."""
    access = request.param
    if not operator.running:
        operator.start()
    values = [f"--set=fullnameOverride={SYSTEM}", f"--set=metrics.access={access}"]
    shown = [f"--show-only=templates/{name}.yaml" for name in ("rbac", "secret")]
    rendered = server.helm("template", SYSTEM, CHART, "--namespace", SYSTEM, *values, *shown).stdout
    server.kubectl("apply", "-f", "-", input=rendered)
    own = Operator(
        kubeconfig_again(server, tmp_path),
        tmp_path,
        pod=f"scraped-{access}",
        environment={
            "PERFRUN_METRICS_ACCESS": access,
            "PERFRUN_METRICS_TOKEN_SECRET": f"{SYSTEM}-metrics-token",
        },
    )
    own.start()
    await until("the operator is ready", own.ready)
    yield Scraper(server, own)
    assert own.stop() == 0
    said = own.log.read_text()
    assert "forbidden: User" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("scraper", ["kubernetes"], indirect=True)
async def test_the_api_server_says_who_may_read_and_nothing_is_said_without_tls(
    scraper: Scraper, server: ApiServer, tmp_path: Path
) -> None:
    server.kubectl("-n", SYSTEM, "create", "serviceaccount", "scrape")
    await _nothing_is_said_without_tls(scraper)
    assert (await scraper.get()).status_code == 401
    assert (await scraper.get("made-up")).status_code == 401
    refused = await scraper.get(scraper.token("scrape"))
    assert (refused.status_code, "bind a ClusterRole" in refused.text) == (403, True)
    server.kubectl(
        "create", "clusterrolebinding", "scrape", f"--clusterrole={READER}",
        f"--serviceaccount={SYSTEM}:scrape",
    )  # fmt: skip
    allowed = scraper.token("scrape")  # a new one: the answer about the old one is kept a while

    async def let_in() -> bool:
        return (await scraper.get(allowed)).status_code == 200

    # The authorizer of the API server learns of the binding by a watch.
    await until("who may get /metrics is let in", let_in)
    assert "perfrun_leader 0.0" in (await scraper.get(allowed)).text
    assert (await scraper.get()).status_code == 401
    await scraper.by_prometheus(allowed, tmp_path)


@pytest.mark.parametrize("scraper", ["token"], indirect=True)
async def test_an_installation_for_some_namespaces_has_a_token(
    scraper: Scraper, tmp_path: Path
) -> None:
    token = scraper.secret(f"{SYSTEM}-metrics-token", "token")
    assert (await scraper.get()).status_code == 401
    assert (await scraper.get(token[:-1])).status_code == 401
    answer = await scraper.get(token)
    assert (answer.status_code, "perfrun_leader" in answer.text) == (200, True)
    await scraper.by_prometheus(token, tmp_path)


async def _nothing_is_said_without_tls(scraper: Scraper) -> None:
    address = scraper._operator.scraped.rpartition("/")[2]
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"perfrun" not in await asyncio.wait_for(reader.read(), 20)
    writer.close()


def test_whoever_scrapes_is_bound_to_the_role_of_the_chart(server: ApiServer) -> None:
    values = [f"--set=fullnameOverride={SYSTEM}", "--show-only=templates/rbac.yaml"]
    rendered = server.helm("template", SYSTEM, CHART, "--namespace", SYSTEM, *values).stdout
    server.kubectl("apply", "-f", "-", input=rendered)
    role = json.loads(server.kubectl("get", "clusterrole", READER, "-o", "json").stdout)
    assert role["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
