"""The URL and the signing key of a receiver are used, and are found nowhere that others can read."""

import base64
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from perfrun.logic.run.notices import SIGNATURE_HEADER
from tests.cluster.components import free_port
from tests.cluster.handle import ApiServer
from tests.cluster.operator import Operator, kubeconfig_again
from tests.integration.controller.apiserver import until
from tests.integration.controller.world import World
from tests.unpacked import unpacked

URL_SECRET = "Pl4nted-hook-path"
KEY_SECRET = "Pl4nted-signing-key"
KINDS = "perftests,perfruns,jobs,pods,configmaps,controllerrevisions,events,leases"


@dataclass
class Sink:
    """A receiver that takes what is sent to ``/good/...`` and refuses the rest."""

    port: int
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def sink() -> Iterator[Sink]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            held.seen.append((self.path, dict(self.headers)))
            self.send_response(204 if self.path.startswith("/good/") else 400)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    held = Sink(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield held
    server.shutdown()
    server.server_close()


def _receivers(folder: Path, sink: Sink) -> Path:
    """As the chart mounts them: one that works, one that refuses, one that cannot be reached."""
    urls = {
        "good": f"http://127.0.0.1:{sink.port}/good/{URL_SECRET}",
        "refuses": f"http://127.0.0.1:{sink.port}/refuses/{URL_SECRET}",
        "away": f"http://127.0.0.1:{free_port()}/away/{URL_SECRET}",
        # What a user may have pasted into the Secret by mistake.
        "odd": f"{URL_SECRET}://nowhere",
    }
    for name, url in urls.items():
        secret = folder / "secrets" / name
        secret.mkdir(parents=True)
        (secret / "url").write_text(url)
        (secret / "signing-key").write_text(KEY_SECRET)
    (folder / "receivers.json").write_text(json.dumps([{"name": name} for name in urls]))
    return folder


@pytest.fixture
async def notified(
    world: World, server: ApiServer, tmp_path: Path, sink: Sink
) -> AsyncIterator[World]:
    """The world with an operator that has receivers, and that logs all it can."""
    assert world.operator.stop() == 0
    folder = _receivers(tmp_path / "receivers", sink)
    environment = {"PERFRUN_RECEIVERS": str(folder)}
    own = Operator(
        kubeconfig_again(server, tmp_path), tmp_path, pod="notifies", environment=environment
    )
    own.start()
    held = World(world.api, own, world.namespace)
    await until("the operator is ready", own.ready)
    yield held
    assert own.stop() == 0
    assert "Traceback" not in own.log.read_text()


async def test_a_receivers_secrets_are_in_what_it_is_sent_and_nowhere_else(
    notified: World, server: ApiServer, sink: Sink
) -> None:
    names = ("good", "refuses", "away", "odd")
    told = [{"receiver": name, "events": ["Error"]} for name in names]
    await notified.apply_test(notifications=told)
    await notified.create_run("one")
    await notified.until_phase("one", "Starting")

    async def launched() -> bool:
        return bool(await notified.jobs("one"))

    await until("its Job is there", launched)
    await notified.delete_job("one")
    assert (await notified.until_done("one"))["verdict"] == "Error"

    async def tried() -> bool:
        log = notified.operator.log.read_text()
        return "notice to away" in log and "notice to odd" in log and len(sink.seen) == 2

    await until("all receivers were tried", tried)
    await notified.until_events("one", "NotDelivered")
    for path, headers in sink.seen:
        assert path.endswith(URL_SECRET)
        assert headers[SIGNATURE_HEADER]
    shown = {
        "objects": unpacked(
            server.kubectl("-n", notified.namespace, "get", KINDS, "-o", "json").stdout
        ),
        "the operator's log": notified.operator.log.read_text(),
        "metrics": await notified.operator.metrics(),
    }
    for where, text in shown.items():
        for secret in (URL_SECRET, KEY_SECRET):
            for spelt in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
                assert spelt not in text, f"{spelt} is in {where}"
