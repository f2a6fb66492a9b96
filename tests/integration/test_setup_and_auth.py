"""``perfrun run`` with a setup, a teardown and tokens, against a server that wants them."""

import base64
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.integration.test_local_run import Cli, cli

__all__ = ["cli"]


@dataclass
class Shop:
    """A target with a login, orders, a clean-up, and a token service beside it."""

    url: str = ""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and Authorization."""
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    """The forms that the token service was sent."""
    life: int = 3600
    broken: str = ""
    """A path that answers 500."""
    tokens: Iterator[int] = field(default_factory=lambda: itertools.count(1))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    shop: Shop

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        authorization = self.headers.get("Authorization", "")
        if self.path == "/token":
            self._token(body, authorization)
            return
        self.shop.seen.append((self.command, self.path, authorization))
        if self.path == self.shop.broken:
            self._answer(500, {})
        else:
            self._answer(200, {"id": 42})

    def _token(self, body: str, authorization: str) -> None:
        self.shop.asked.append(parse_qs(body))
        expected = "Basic " + base64.b64encode(b"perf%2Frun:s%40fe").decode()
        if authorization != expected:
            self._answer(401, {"error": "invalid_client", "error_description": "who is that?"})
            return
        token = f"token-{next(self.shop.tokens)}"
        self._answer(200, {"access_token": token, "expires_in": self.shop.life})

    do_GET = do_POST = do_DELETE = _any

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[Shop]:
    class Handler(_Handler):
        shop = Shop()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.shop.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Handler.shop
    server.shutdown()
    thread.join()
    server.server_close()


TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: orders, namespace: shop}}
spec:
  target: {{http: {{url: {url}{more}}}}}
  setup:
  - {{name: create, http: {{method: POST, path: /baskets}}, extract: {{basket: {{json: $.id}}}}}}
  scenarios:
  - name: s
    steps:
    - {{name: add, http: {{method: POST, path: /baskets/$(basket)/items}}}}
  teardown:
  - {{name: remove, http: {{method: DELETE, path: /baskets/$(basket)}}}}
  - {{name: goodbye, http: {{method: DELETE, path: /session}}}}
  load: {load}
  slos: [{{metric: successRate, min: 100%}}]
"""
OAUTH2 = (
    ", auth: {{oauth2: {{tokenUrl: {url}/token, clientId: perf/run, scopes: [a, b], "
    "clientSecretFrom: {{secretKeyRef: {{name: client, key: secret}}}}}}}}"
)


def run(
    cli: Cli, shop: Shop, load: str, more: str = "", secret: str = "s@fe"
) -> tuple[int, dict[str, Any], str]:
    file = cli.folder / "test.yaml"
    file.write_text(TEST.format(url=shop.url, load=load, more=more.format(url=shop.url)))
    (cli.folder / "secrets" / "client").mkdir(parents=True)
    (cli.folder / "secrets" / "client" / "secret").write_text(secret)
    code, out, err = cli.run(file, "--secrets", cli.folder / "secrets", "--json", "o.json")
    status = json.loads((cli.folder / "o.json").read_text())["status"]
    return code, status, out + err


BURST = "{workers: 2, burst: {requests: 40, concurrency: 4}}"


def test_setup_runs_once_first_and_teardown_once_last_with_what_it_found(
    cli: Cli, shop: Shop
) -> None:
    code, status, said = run(cli, shop, BURST)
    assert (code, status["verdict"]) == (0, "Pass"), said
    assert [entry[:2] for entry in shop.seen[:1]] == [("POST", "/baskets")]
    assert [entry[:2] for entry in shop.seen[1:-2]] == [("POST", "/baskets/42/items")] * 40
    assert [entry[1] for entry in shop.seen[-2:]] == ["/baskets/42", "/session"]
    attempts = status["summary"]["attempts"]
    assert attempts == {"setup": 1, "warmup": 0, "window": 40, "teardown": 2}


def test_a_setup_that_fails_is_the_runs_error_and_what_can_be_undone_is(
    cli: Cli, shop: Shop
) -> None:
    shop.broken = "/baskets"
    code, status, said = run(cli, shop, BURST)
    assert (code, status["verdict"]) == (3, "Error"), said
    assert "spec.setup: step create failed with Status5xx" in status["message"]
    # There is no basket whose number anybody knew: nobody else's is removed.
    assert [entry[:2] for entry in shop.seen] == [("POST", "/baskets"), ("DELETE", "/session")]


def test_a_teardown_that_fails_is_told_and_changes_no_verdict(cli: Cli, shop: Shop) -> None:
    shop.broken = "/baskets/42"
    code, status, said = run(cli, shop, BURST)
    assert (code, status["verdict"]) == (0, "Pass"), said
    assert "the teardown failed: step remove failed with Status5xx" in status["message"]


@pytest.mark.flaky(reruns=3)
def test_tokens_are_fetched_before_the_start_and_renewed_under_load(cli: Cli, shop: Shop) -> None:
    shop.life = 2
    load = "{open: {rate: 20/s, duration: 4s}}"
    code, status, said = run(cli, shop, load, OAUTH2)
    assert (code, status["verdict"]) == (0, "Pass"), said
    sent = [entry[2] for entry in shop.seen]
    assert sent[0] == "Bearer token-1"
    assert len(set(sent)) >= 2
    assert sorted(sent, key=lambda one: int(one.rpartition("-")[2])) == sent
    assert shop.asked[0] == {"grant_type": ["client_credentials"], "scope": ["a b"]}
    assert "token-" not in said
    assert "token-" not in (cli.folder / "o.json").read_text()


@pytest.mark.flaky(reruns=3)
def test_a_token_that_is_not_given_is_said_with_the_field_and_the_error_code(
    cli: Cli, shop: Shop
) -> None:
    load = "{startTimeout: 8s, burst: {requests: 1, concurrency: 1}}"
    code, status, said = run(cli, shop, load, OAUTH2, secret="wrong")
    assert (code, status["verdict"]) == (3, "Error"), said
    assert "spec.target.http.auth.oauth2" in status["message"]
    assert "returned no token: invalid_client" in status["message"]
    assert "who is that" not in said, "a service's own words may hold the secret"
    assert "wrong" not in said
    assert shop.seen == []


def test_a_service_accounts_token_is_only_there_in_a_cluster(cli: Cli, shop: Shop) -> None:
    more = ", auth: {{serviceAccountToken: {{audience: shop}}}}"
    code, status, said = run(cli, shop, BURST, more)
    assert (code, status["verdict"]) == (3, "Error"), said
    assert "no service accounts outside of a cluster" in status["message"]
