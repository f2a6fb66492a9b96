"""The example package, installed as a user installs it, on a real WebSocket server."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from websockets.asyncio.server import Server, ServerConnection, serve

from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.engine.errors import EngineError, ErrorClass
from perfrun.engine.run import Engine
from perfrun.logic.plan.run_plan import make_plan
from perfrun.measure.plan import NetworkRule
from perfrun.measure.result import RunResult
from perfrun.reach.values import Values
from tests.integration.documented import REPO

EXAMPLE = REPO / "examples/protocols/websocket"
MODULE = EXAMPLE / "perfrun_websocket.py"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip has put the package into; what it needs is here already."""
    source = tmp_path_factory.mktemp("source")
    for path in (MODULE, EXAMPLE / "pyproject.toml"):
        (source / path.name).write_bytes(path.read_bytes())
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--disable-pip-version-check", "--target", folder, source],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Chat:
    """A server that keeps book: it sends back what it is sent, after a while where asked."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.paths: list[str] = []
        self.farewells: list[int | None] = []
        """The code with which each connection was closed by the other side."""
        self.delay = 0.0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._server: Server | None = None
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(),))

    def __enter__(self) -> "Chat":
        self._thread.start()
        assert self._is_up.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._loop.call_soon_threadsafe(self._server.close)
        self._thread.join()
        self._loop.close()

    async def _live(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", 0)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self._is_up.set()
        await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        try:
            async for message in connection:
                self.messages.append(str(message))
                if message == "hang up":
                    await connection.close(1011)
                    return
                await asyncio.sleep(self.delay)
                await connection.send(message)
        finally:
            self.farewells.append(connection.close_code)


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as server:
        yield server


class Cli:
    """``perfrun`` as it is with the package, or without."""

    def __init__(self, folder: Path, installed: Path | None) -> None:
        self.folder = folder
        self.path = [os.environ.get("PYTHONPATH"), installed]

    def manifest(self, spec: object) -> Path:
        file = self.folder / "chat.yaml"
        head = {"apiVersion": "perfrun.dev/v1alpha1", "kind": "PerfTest"}
        file.write_text(yaml.safe_dump({**head, "metadata": {"name": "chat"}, "spec": spec}))
        return file

    def run(self, *arguments: object) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "perfrun.cli.main", "run", *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, self.path)))},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def measured(self, spec: object) -> tuple[PerfRun, RunResult]:
        """What came of a test that had to be run."""
        code, said = self.run(self.manifest(spec), "--json", "o.json", "--result", "r.json")
        assert code == 0, said
        run = PerfRun.model_validate(json.loads((self.folder / "o.json").read_text()))
        result = RunResult.model_validate_json((self.folder / "r.json").read_text())
        assert result.report is not None
        result.report.check()
        return run, result


@pytest.fixture
def cli(tmp_path: Path, installed: Path) -> Cli:
    return Cli(tmp_path, installed)


def spec(
    chat: Chat,
    *steps: Mapping[str, object],
    load: object = None,
    slos: object = None,
    **target: object,
) -> dict[str, object]:
    address = f"127.0.0.1:{chat.port}"
    hello = {"name": "hello", "extension": {"send": "hello $(uuid())", "expect": "hello"}}
    return {
        "target": {"extension": {"kind": "websocket", "address": address, **target}},
        "scenarios": [{"name": "talk", "steps": list(steps) or [hello]}],
        "load": load or {"workers": 2, "burst": {"requests": 200, "concurrency": 8}},
        "slos": slos or [{"metric": "successRate", "min": "100%"}],
    }


def test_the_server_has_seen_what_is_reported(cli: Cli, chat: Chat) -> None:
    run, result = cli.measured(spec(chat, options={"path": "/room"}))
    assert run.status.verdict == "Pass"
    assert result.report is not None
    (step,) = result.report.window.steps
    assert (step.sent, step.succeeded, step.checks_passed) == (200, 200, 200)
    assert len(chat.messages) == step.attempts == 200
    assert len(set(chat.messages)) == 200, "each iteration has data of its own"
    assert step.bytes_received == sum(len(message) for message in chat.messages)
    # Each worker looks once before the load whether the server is there.
    assert len(chat.paths) == result.report.generator.connections + 2
    assert set(chat.paths) == {"/room"}
    assert set(chat.farewells) == {1000}, "connections end as the protocol wants it"


@pytest.mark.flaky(reruns=3)
def test_a_planted_delay_is_in_the_response_time_from_when_a_request_was_due(
    cli: Cli, chat: Chat
) -> None:
    chat.delay = 0.08
    load = {"open": {"rate": "50/s", "duration": "4s"}}
    slos = [{"metric": "latency.p50", "max": "60ms"}, {"metric": "service.p50", "max": "1s"}]
    run, result = cli.measured(spec(chat, load=load, slos=slos))
    latency, service = run.status.slos
    # On a machine that is busy itself, a missed objective is in doubt: a pass it never is.
    assert latency.verdict in ("Warn", "Inconclusive")
    assert service.verdict == "Pass"
    assert result.report is not None
    (step,) = result.report.window.steps
    assert step.sent == len(chat.messages) == 200
    assert 80_000_000 <= step.timings["latency/success"].quantile(0.5) < 160_000_000


def test_a_connection_for_each_user_is_kept(cli: Cli, chat: Chat) -> None:
    load = {"closed": {"users": 3, "duration": "1s", "thinkTime": "20ms"}}
    _, result = cli.measured(spec(chat, load=load, connections="PerUser"))
    assert result.report is not None
    assert result.report.generator.connections == 3
    assert len(chat.messages) > 30


def test_what_an_answer_says_is_used_by_later_steps(cli: Cli, chat: Chat) -> None:
    make = {
        "name": "make",
        "extension": {"send": '{"id": $(seq())}'},
        "extract": {"id": {"json": "$.id"}},
    }
    use = {"name": "use", "extension": {"send": "item $(id)", "expect": "item"}}
    load = {"burst": {"requests": 5, "concurrency": 1}}
    cli.measured(spec(chat, make, use, load=load))
    assert [one for one in chat.messages if one.startswith("item")] == [
        f"item {number}" for number in range(1, 6)
    ]


def test_connections_that_the_server_closes_are_failures_and_opened_anew(
    cli: Cli, chat: Chat
) -> None:
    step = {"name": "last", "extension": {"send": "hang up"}}
    load = {"burst": {"requests": 20, "concurrency": 4}}
    run, result = cli.measured(spec(chat, step, load=load))
    assert run.status.verdict == "Warn"
    assert run.status.summary is not None
    assert run.status.summary.errors == {"Reset": 20}
    assert result.report is not None
    assert result.report.window.steps[0].messages == {"Reset": "closed with 1011"}
    assert result.report.generator.connections == 20


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "web-socket"}, "protocol web-socket is not installed in this worker (installed"),
        ({"options": {"pth": "/"}}, 'websocket does not know pth; did you mean "path"?'),
        ({"options": {"path": "room"}}, "options: scheme is ws or wss, and path begins with /"),
        ({"address": "127.0.0.1:1"}, "127.0.0.1:1 refused the connection"),
        ({"options": {"scheme": "wss"}}, "(websocket) could not be opened"),
    ],
)
def test_a_wrong_target_is_told_before_the_load(
    cli: Cli, chat: Chat, change: dict[str, object], says: str
) -> None:
    asked = spec(chat, load={"startTimeout": "6s", "burst": {"requests": 1, "concurrency": 1}})
    asked["target"]["extension"].update(change)  # type: ignore[index]
    code, said = cli.run(cli.manifest(asked))
    assert (code, says in said, chat.messages) == (3, True, []), said


def test_a_step_with_a_word_that_the_protocol_does_not_know(cli: Cli, chat: Chat) -> None:
    step = {"name": "hello", "extension": {"send": "hello", "expects": "hello"}}
    code, said = cli.run(cli.manifest(spec(chat, step)))
    assert code == 3
    assert 'steps[hello].extension: websocket does not know expects; did you mean "expect"?' in said


def test_without_the_package_it_is_told_what_to_do(tmp_path: Path, chat: Chat) -> None:
    code, said = Cli(tmp_path, None).run(Cli(tmp_path, None).manifest(spec(chat)))
    assert code == 3
    assert "not installed in this worker (installed: none): install the package" in said


def test_a_policy_refuses_the_address_and_nothing_is_connected_to(
    installed: Path, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    rule = NetworkRule(policy="lab", hosts=None, allow=None, deny=["127.0.0.0/8"])
    parsed, names = PerfTestSpec.parse(spec(chat)), dict.fromkeys(("uid", "test", "run"), "chat")
    plan = make_plan(parsed, **names, namespace="shop", network=[rule])

    async def check() -> None:
        await Engine(plan, 0, Values()).check()

    with pytest.raises(EngineError, match=r"PerfPolicy lab \(deny.cidrs: 127.0.0.0/8\)") as found:
        asyncio.run(check())
    assert found.value.reason is ErrorClass.POLICY
    assert chat.paths == []


def test_the_manifest_of_the_example_runs_against_its_server(cli: Cli) -> None:
    with subprocess.Popen(
        [sys.executable, EXAMPLE / "echo.py", "0"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            code, said = cli.run(EXAMPLE / "websocket.yaml", "--url", f"http://{address}")
        finally:
            server.terminate()
    assert code == 0, said
    assert "PASS default/chat" in said
