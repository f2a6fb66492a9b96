"""Random and mutated manifests: each is accepted and runs, or is refused with a sentence.

A slice by default; ``--campaign FILE`` runs a thousand. What is accepted is run, with a small load:
by the operator, and by workers as processes.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from perfrun.api.test.perftest import PerfTest
from perfrun.api.test.values import value_refs
from perfrun.engine.errors import EngineError
from perfrun.engine.run import Engine
from perfrun.engine.script.engine import ScriptEngine
from perfrun.logic.plan.run_plan import make_plan
from perfrun.reach.values import Values
from tests.campaign import Campaign
from tests.integration.controller.mutation import Json, bases, mutant
from tests.integration.controller.real_worker import work
from tests.integration.controller.world import World

SLICE, WHOLE = 48, 1000
LANES = 2
"""Runs at a time, each with a target of its own."""
STALL_LOOK_S = 20.0
LOOK_S = 0.25
STALLED_S = 5.0
"""What the operator may take for an answer while two workers have the machine."""

FEED = "id,name,sku\n1,one,a\n2,two,b\n"

REFUSED = "refused by the API server"
NOT_READY = "refused by the operator (Ready is False)"
ACCEPTED = "accepted"
RUN = "of these run, with a small load"


@pytest.fixture
def urls() -> Iterator[list[str]]:
    """Servers on this machine, one for each lane."""

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

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Answer) for _ in range(LANES)]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


@dataclass
class Watched:
    """How long the operator has taken to say that it is ready, or its main loop stood still."""

    slowest: float = 0.0
    failed: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def watched(world: World) -> AsyncIterator[Watched]:
    """Ask the operator again and again while the block runs: it is not to end, nor to stall."""
    seen, pid = Watched(), world.operator.pid

    async def look() -> None:
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=30) as http:
            while True:
                began = time.monotonic()
                try:
                    response = await http.get(f"{world.operator.probes}/readyz")
                    if response.status_code != 200:
                        seen.failed.append(response.text)
                except httpx.HTTPError as error:
                    seen.failed.append(repr(error))
                seen.slowest = max(seen.slowest, time.monotonic() - began)
                await asyncio.sleep(LOOK_S)

    async def stall() -> None:
        while True:
            seen.slowest = max(seen.slowest, await world.operator.loop_lag())
            await asyncio.sleep(STALL_LOOK_S)

    looking = [asyncio.create_task(look()), asyncio.create_task(stall())]
    try:
        yield seen
        seen.slowest = max(seen.slowest, await world.operator.loop_lag())
    finally:
        for task in looking:
            task.cancel()
    assert world.operator.running
    assert world.operator.pid == pid
    assert seen.failed == []
    assert 0 < seen.slowest < STALLED_S


async def test_each_is_accepted_and_runs_or_is_refused_with_a_sentence(
    world: World, urls: list[str], tmp_path: Path, campaign: Campaign
) -> None:
    count = WHOLE if campaign.whole else SLICE
    sources, said = bases(), Counter[str]()
    async with watched(world) as seen:
        accepted = [
            stored
            for seed in range(count)
            if (stored := await _offer(world, mutant(seed, sources), said)) is not None
        ]
        # No database is here: such tests are accepted and compiled, as the others are.
        over_http = [stored for stored in accepted if "http" in stored["spec"]["target"]]
        lanes = (
            _lane(world, over_http[n::LANES], url, tmp_path, said) for n, url in enumerate(urls)
        )
        await asyncio.gather(*lanes)
    print(f"{count} manifests: {dict(said)}, slowest answer {seen.slowest:.2f} s")
    campaign.add("manifests", count=count, said=dict(said), slowest=seen.slowest)
    # Three quarters are nonsense; were all refused, or none, the mutations would be worth nothing.
    assert min(said[REFUSED], said[ACCEPTED]) > count / 20
    assert said[RUN] > count / 20
    assert said["of these Pass"] > said[RUN] / 4


async def _offer(world: World, body: Json, said: Counter[str]) -> Json | None:
    """Apply it and look at what is said of it; gives what was accepted."""
    body["spec"]["runOn"] = body["spec"].get("runOn", [])
    stored = await _apply(world, body, said)
    if stored is None:
        return None
    name = body["metadata"]["name"]
    ready = await world.until_ready(name)
    assert ready["message"], body
    await world.api.call("DELETE", world.ours("perftests", name))
    if ready["status"] == "False":
        said[NOT_READY] += 1
        assert "spec" in ready["message"], (ready["message"], body)
        return None
    said[ACCEPTED] += 1
    _compile(stored)
    return stored


async def _apply(world: World, body: Json, said: Counter[str]) -> Json | None:
    try:
        path = f"{world.ours('perftests')}?fieldValidation=Strict"
        return await world.api.call("POST", path, body)
    except AssertionError as refusal:
        message = str(refusal)
        assert '"code":4' in message, message
        # A sentence that names the field, or what the reader stumbled over.
        assert "spec" in message or "strict decoding" in message, message
        said[REFUSED] += 1
        return None
    except httpx.HTTPError as error:
        raise AssertionError(f"the API server did not answer: {body}") from error


def _compile(stored: Json) -> None:
    """What each worker does first: nothing but one of our own errors may come of it."""
    spec = PerfTest.parse(stored).spec
    plan = make_plan(spec, uid="u", namespace="n", test="t", run="r")
    try:
        if plan.target.script is not None:
            ScriptEngine(plan, 0, Values(), Path("/scripts"))
        else:
            Engine(plan, 0, Values())
    except EngineError as error:
        assert str(error)


async def _lane(
    world: World, chosen: list[Json], url: str, folder: Path, said: Counter[str]
) -> None:
    """Run some of them, one after the other."""
    for stored in chosen:
        await _run(world, _small(stored, url), folder, said)


def _small(stored: Json, url: str) -> Json:
    """The same test with a load of a moment, against a server of this machine."""
    left_out = ("schedule", "runOn", "retryInconclusive")
    spec = {name: value for name, value in stored["spec"].items() if name not in left_out}
    spec["runOn"] = []
    spec["load"] = {"burst": {"requests": 5, "concurrency": 1}, "startTimeout": "20s"}
    spec["target"]["http"]["url"] = url
    name = stored["metadata"]["name"].replace("mutant", "real")
    return {**stored, "metadata": {"name": name}, "spec": spec, "status": {}}


def _provide(body: Json, folder: Path) -> None:
    """What the test takes from Secrets and ConfigMaps; only certificates are none."""
    for ref in value_refs(PerfTest.parse(body).spec):
        file = folder / f"{ref.kind.lower()}s" / ref.name / ref.key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FEED if ref.key.endswith(".csv") else "value")


async def _run(world: World, body: Json, folder: Path, said: Counter[str]) -> None:
    name = body["metadata"]["name"]
    try:
        await world.api.call("POST", world.ours("perftests"), body)
    except AssertionError as refusal:
        # What only a load of this size lacks is refused with a sentence, too.
        assert "spec" in str(refusal), refusal
        said["of these refused for the small load"] += 1
        return
    await world.create_run(name, name)
    own = folder / name
    own.mkdir()
    _provide(body, own / "values")
    working = asyncio.create_task(work(world, name, 1, own))
    status = await world.until_done(name, 90)
    if (status.get("workers") or {}).get("planned") is None or not status.get("job"):
        working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        log = await working
        assert "Traceback" not in log, (body, log)
    assert status["message"], body
    said[RUN] += 1
    said[f"of these {status['verdict']}"] += 1
    print(f"{name}: {status['verdict']}: {status['message']}")
    await world.api.call("DELETE", world.ours("perftests", name))
