"""Random and mutated manifests: each is accepted and runs, or is refused with a sentence.

A slice by default; ``--campaign FILE`` runs a thousand.
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from perfrun.api.perftest import PerfTest
from perfrun.engine.errors import EngineError
from perfrun.engine.run import Engine
from perfrun.engine.values import NoValues
from perfrun.logic.plan import make_plan
from tests.integration.controller.mutation import Json, bases, mutant
from tests.integration.controller.world import World

SLICE, WHOLE = 120, 1000
PERFRUN = Path(sys.executable).parent / "perfrun"
RUN_EACH = 12
"""Of the accepted ones every so manieth is run, really, against a server on this machine."""


@pytest.fixture
def url() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b'{"id": 1, "state": "new"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


async def test_each_is_accepted_and_runs_or_is_refused_with_a_sentence(
    world: World, url: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    count = WHOLE if pytestconfig.getoption("--campaign") else SLICE
    sources, said = bases(), Counter[str]()
    ran: list[Path] = []
    for seed in range(count):
        body = mutant(seed, sources)
        body["spec"]["runOn"] = body["spec"].get("runOn", [])
        stored = await _apply(world, body, said)
        if stored is None:
            continue
        ready = await world.until_ready(body["metadata"]["name"])
        assert ready["message"], body
        said[f"Ready {ready['status']}"] += 1
        if ready["status"] == "False":
            assert "spec" in ready["message"], (ready["message"], body)
        else:
            _compile(stored)
            if said["Ready True"] % RUN_EACH == 1:
                ran.append(_small(stored, url, tmp_path))
        await world.api.call("DELETE", world.ours("perftests", body["metadata"]["name"]))
    # Three quarters are nonsense; were all refused, or none, the mutations would be worth nothing.
    assert min(said["refused at apply"], said["Ready True"]) > count / 20, said
    for path in ran:
        await asyncio.to_thread(_run, path)
    assert world.operator.running
    print(f"{count} manifests: {dict(said)}, {len(ran)} run")


async def _apply(world: World, body: Json, said: Counter[str]) -> Json | None:
    try:
        path = f"{world.ours('perftests')}?fieldValidation=Strict"
        return await world.api.call("POST", path, body)
    except AssertionError as refusal:
        message = str(refusal)
        assert '"code":4' in message, message
        # A sentence that names the field, or what the reader stumbled over.
        assert "spec" in message or "strict decoding" in message, message
        said["refused at apply"] += 1
        return None
    except httpx.HTTPError as error:
        raise AssertionError(f"the API server did not answer: {body}") from error


def _compile(stored: Json) -> None:
    """What each worker does first: nothing but one of our own errors may come of it."""
    spec = PerfTest.parse(stored).spec
    plan = make_plan(spec, uid="u", namespace="n", test="t", run="r")
    try:
        Engine(plan, 0, NoValues())
    except EngineError as error:
        assert str(error)


def _small(stored: Json, url: str, folder: Path) -> Path:
    """The same test with a load of a moment, against the server of this machine."""
    spec = {name: value for name, value in stored["spec"].items() if name != "schedule"}
    spec["load"] = {"burst": {"requests": 5, "concurrency": 1}, "startTimeout": "5s"}
    spec["target"]["http"]["url"] = url
    body = {**stored, "metadata": {"name": stored["metadata"]["name"]}, "spec": spec}
    body.pop("status", None)
    path = folder / f"{stored['metadata']['name']}.yaml"
    path.write_text(json.dumps(body))
    return path


def _run(path: Path) -> None:
    done = subprocess.run(
        [PERFRUN, "run", path],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    # 2: what only a load of this size or a file of secrets lacks is refused with a sentence, too.
    assert done.returncode in (0, 1, 2, 3), (path.read_text(), said)
    assert "Traceback" not in said, (path.read_text(), said)
