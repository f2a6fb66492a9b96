"""What ``perfrun init`` makes of a real service: it runs at once, and the service sees sense."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.cluster.tools import program
from tests.integration.test_local_run import Cli
from tests.unit.cli.init.given import (
    har,
    har_entry,
    jmx_argument,
    jmx_element,
    jmx_group,
    jmx_plan,
    jmx_sampler,
    postman_item,
)

API = Path(__file__).parents[1] / "unit/cli/init/data/petstore.yaml"
PATIENCE = 60.0
CLOSED = "{users: 5, duration: 2m, thinkTime: 1s}\n"
"""The load of a journey."""


OPENSLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: shop}
spec:
  indicator: {spec: {ratioMetric: {good: {metricSource: {spec: {query: 'http_requests{code="2xx"}'}}}}}}
  objectives: [{target: 0.99}]
"""


@dataclass
class Shop:
    """The pet shop of the OpenAPI document: it answers what that says, and keeps a log."""

    url: str
    seen: Counter[str] = field(default_factory=Counter)
    tenants: set[str] = field(default_factory=set)
    bodies: list[Any] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    shop: Shop

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        match parts.path.split("/")[1:]:
            case ["pets"] if parse_qs(parts.query).get("status", [""])[0] in ("new", "sold"):
                self._answer("list", 200)
            case ["pets", number] if number.isdigit():
                self._answer("pet", 200)
            case ["stores", _, "stock"]:
                self.shop.tenants.add(self.headers.get("X-Tenant", ""))
                self._answer("stock", 204)
            case ["old"]:
                self._answer("old", 302)
            case _:
                self.shop.wrong.append(self.path)
                self._answer("wrong", 404)

    def do_POST(self) -> None:
        self.shop.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer("create", 201, b'{"data": {"id": "4711"}}')

    def do_DELETE(self) -> None:
        self._answer("delete", 204)

    def _answer(self, what: str, status: int, body: bytes = b"") -> None:
        self.shop.seen[what] += 1
        time = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        self.shop.log.append(f'127.0.0.1 - - [{time}] "{self.requestline}" {status} 0 "-" "-"')
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/pets?status=new")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The shop has its own."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    class Handler(_Handler):
        """Of this test alone."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.shop = Shop(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Handler.shop
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Terminal:
    """Runs commands as a user does."""

    cli: Cli

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        with self.cli.start(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
            return process.returncode, out, err

    def made(self, *arguments: object) -> Path:
        """The file that init writes, checked."""
        file = self.cli.folder / "made.yaml"
        code, _, err = self("init", *arguments, "--output", file)
        assert code == 0, err
        code, out, _ = self("validate", file)
        assert (code, "warning" in out) == (0, False), out
        return file

    def passed(self, file: Path, load: str, shorter: str) -> None:
        """Run it with a shorter load: every request has success."""
        text = file.read_text()
        assert load in text
        file.write_text(text.replace(load, shorter))
        folder = self.cli.folder / "values"
        folder.mkdir(exist_ok=True)
        secret = folder / "pet-shop-credentials"
        secret.mkdir(exist_ok=True)
        (secret / "token").write_text("t")
        code, out, err = self("run", file, "--secrets", folder, "--json", folder / "run.json")
        assert code == 0, out + err
        status = json.loads((folder / "run.json").read_text())["status"]
        # A busy machine makes a slow generator, which takes a pass back.
        assert status["verdict"] in ("Pass", "Inconclusive"), out + err
        requests = status["summary"]["requests"]
        assert requests["sent"] == requests["succeeded"] > 0


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(Cli(tmp_path))


def test_an_openapi_document_runs_at_once(shop: Shop, terminal: Terminal) -> None:
    objectives = terminal.cli.folder / "slo.yaml"
    objectives.write_text(OPENSLO)
    file = terminal.made(API, objectives, "--url", shop.url)
    assert "{metric: successRate, min: 99%}" in file.read_text()
    terminal.passed(file, "{rate: 20/s, duration: 1m}", "{rate: 150/s, duration: 2s}")
    assert set(shop.seen) == {"list", "pet", "stock"}
    assert (shop.wrong, shop.tenants) == ([], {"eu"})


def test_its_writes_send_what_the_document_asks_for(shop: Shop, terminal: Terminal) -> None:
    file = terminal.made(API, "--url", shop.url, "--writes")
    out = terminal("run", file)[2]
    assert "takes a value from Secret pet-shop-credentials" in out  # nothing ran without it
    assert shop.seen.total() == 0
    text = re.sub(r" +class: .*\n", "", file.read_text())  # too rare in two seconds
    file.write_text(text)
    terminal.passed(
        file,
        text[text.index("open: ") :],
        "open: {rate: 150/s, duration: 2s}\n  slos: [{metric: errorRate, max: 0%}]\n",
    )
    assert {"create", "delete"} <= set(shop.seen)
    assert all(set(body) == {"id", "name", "price", "tag", "photos"} for body in shop.bodies)
    assert len({body["id"] for body in shop.bodies}) == len(shop.bodies)


def test_an_access_log_gives_the_same_mix_again(shop: Shop, terminal: Terminal) -> None:
    file = terminal.made(API, "--url", shop.url, "--name", "pet-shop")
    terminal.passed(file, "{rate: 20/s, duration: 1m}", "{rate: 150/s, duration: 2s}")
    log = terminal.cli.folder / "access.log"
    log.write_text("\n".join([*shop.log, "garbage"]) + "\n")
    asked = Counter(shop.seen)
    terminal.cli.folder = terminal.cli.folder / "again"
    terminal.cli.folder.mkdir()
    file = terminal.made(log, "--url", shop.url)
    text = file.read_text()
    load = text[text.index("open:") : text.index("  # Objectives: set")]
    terminal.passed(file, load, "open: {rate: 150/s, duration: 2s}\n")
    assert shop.wrong == []
    assert all(shop.seen[what] > asked[what] for what in ("list", "pet", "stock"))


def test_a_recording_is_gone_through_in_its_order(shop: Shop, terminal: Terminal) -> None:
    recording = terminal.cli.folder / "shop.har"
    entries = [
        har_entry(f"{shop.url}/old", status=302, at=0),
        har_entry(f"{shop.url}/pets?status=new", at=0.1),
        har_entry(f"{shop.url}/app.js", at=0.2),
        har_entry(f"{shop.url}/pets/4711", at=0.5),
    ]
    recording.write_text(json.dumps(har(*entries)))
    file = terminal.made(recording)
    terminal.passed(
        file,
        CLOSED,
        "{users: 20, duration: 4s}\n",
    )
    assert set(shop.seen) == {"old", "list", "pet"}
    assert shop.wrong == []
    assert max(shop.seen.values()) - min(shop.seen.values()) <= 20


def test_a_collection_of_postman_takes_what_a_response_gives(
    shop: Shop, terminal: Terminal
) -> None:
    create = postman_item(
        "Create",
        "{{base}}/pets",
        "POST",
        body={"mode": "raw", "raw": '{"id": "{{$guid}}", "name": "{{name}}"}'},
        tests="pm.test('created', () => pm.response.to.have.status(201));\n"
        "pm.environment.set('pet', pm.response.json().data.id);",
    )
    items = [create, postman_item("Read", "{{base}}/pets/{{pet}}")]
    variables = [{"key": "base", "value": shop.url}, {"key": "name", "value": "$(Rex)"}]
    file = terminal.cli.folder / "shop.json"
    file.write_text(json.dumps({"info": {"name": "Pets"}, "item": items, "variable": variables}))
    made = terminal.made(file, "--writes")
    terminal.passed(made, CLOSED, "{users: 10, duration: 1s}\n")
    assert set(shop.seen) == {"create", "pet"}
    assert shop.wrong == []
    assert {body["name"] for body in shop.bodies} == {"$(Rex)"}
    assert len({body["id"] for body in shop.bodies}) == len(shop.bodies)


def test_a_plan_of_jmeter_sends_its_rows_and_takes_values(shop: Shop, terminal: Terminal) -> None:
    server = urlsplit(shop.url)
    defaults = jmx_element(
        "ConfigTestElement",
        HTTPSampler__domain=server.hostname,
        HTTPSampler__port=f"${{__P(port,{server.port})}}",
    )
    data = jmx_element("CSVDataSet", filename="pets.csv", variableNames="pet")
    pet = {
        "BoundaryExtractor__refname": "id",
        "BoundaryExtractor__lboundary": '"id": "',
        "BoundaryExtractor__rboundary": '"',
    }
    create = jmx_sampler(
        "create",
        "/pets",
        jmx_element("BoundaryExtractor", **pet),
        domain="",
        method="POST",
        postBodyRaw="true",
        arguments=[jmx_argument("", '{"name": "${pet}", "id": "${__UUID}"}')],
    )
    read = jmx_sampler("read", "/pets/${id}", domain="")
    file = terminal.cli.folder / "plan.jmx"
    file.write_bytes(jmx_plan(defaults, jmx_group(data, create, read, loops="20")))
    made = terminal.made(file, "--writes")
    rows = terminal.cli.folder / "values" / "shop-data"
    rows.mkdir(parents=True)
    (rows / "pets.csv").write_text("pet\nRex\nTom\n")
    burst = "{requests: 40, concurrency: 2}"
    terminal.passed(made, burst, burst)
    assert shop.seen == {"create": 40, "pet": 40}
    assert Counter(body["name"] for body in shop.bodies) == {"Rex": 20, "Tom": 20}
    assert len({body["id"] for body in shop.bodies}) == 40


def test_targets_of_vegeta_are_sent_as_often_as_they_are_listed(
    shop: Shop, terminal: Terminal
) -> None:
    pet = f"GET {shop.url}/pets/4711\n\n"
    file = terminal.cli.folder / "targets.txt"
    file.write_text(f"{pet * 3}GET {shop.url}/stores/1/stock\nX-Tenant: eu\n")
    made = terminal.made(file)
    text = made.read_text()
    load = text[text.index("open: ") : text.index("  # Objectives: set")]
    terminal.passed(made, load, "open: {rate: 150/s, duration: 1s}\n")
    assert set(shop.seen) == {"pet", "stock"}
    assert shop.seen["pet"] > shop.seen["stock"]
    assert shop.tenants == {"eu"}


K6 = """\
import http from "k6/http";
import { seconds } from "./shared.js";
export const options = {
  scenarios: {
    buy: {
      executor: "ramping-arrival-rate", startRate: 10, timeUnit: "1s", maxVUs: 20,
      preAllocatedVUs: 5, stages: [{ target: 60, duration: `${seconds}s` }],
    },
  },
  thresholds: {
    http_req_duration: ["p(95)<800"],
    http_req_failed: [{ threshold: "rate<0.01", abortOnFail: true }],
  },
  tags: { team: "shop" },
};
export default function () { http.get("http://never.example"); }
"""


def test_the_real_k6_says_what_a_script_asks_for(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = terminal.cli.folder
    (folder / "shared.js").write_text("export const seconds = 2 * 15;\n")
    script = folder / "buy.js"
    script.write_text(K6)
    nowhere = folder / "nowhere"
    nowhere.mkdir()
    monkeypatch.setenv("PATH", str(nowhere))
    code, out, err = terminal("init", script)
    assert (code, out) == (2, "")
    assert "is a k6 script: k6 reads it, but is not in the PATH" in err
    assert "executes" not in err
    monkeypatch.setenv("PATH", str(program("k6").parent), prepend=":")
    code, out, err = terminal("init", script, "--url", "http://shop")
    assert code == 0, err
    assert "k6 executes the script to read its options (k6 inspect)" in err
    (folder / "made.yaml").write_text(out)
    assert terminal("validate", "made.yaml")[0] == 0
    spec = yaml.safe_load(out)["spec"]
    assert spec["load"] == {
        "open": {
            "stages": [
                {"rate": "10/s", "ramp": "0s", "hold": "0s"},
                {"rate": "60/s", "ramp": "30s", "hold": "0s"},
            ],
            "maxInFlight": 20,
        }
    }
    assert spec["slos"] == [
        {"metric": "latency.p95", "max": "800ms", "onBreach": "Fail"},
        {"metric": "errorRate", "max": "1%", "onBreach": "Fail"},
    ]
    assert "option tags (line 14)" in out
    broken = folder / "broken.js"
    broken.write_text("import http from 'k6/http';\nexport const options = {;\n")
    code, out, err = terminal("init", broken)
    assert (code, out) == (2, "")
    assert "k6 inspect: " in err
