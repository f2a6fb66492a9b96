"""Protocols of other packages: found by their metadata, and kept from harming a run."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Any

import pytest

from perfrun.api.test.load import Load
from perfrun.engine.errors import DataError, EngineError, ErrorClass, OpenError
from perfrun.engine.extension.connection import ClosingConnections
from perfrun.engine.extension.kind import ExtensionKind
from perfrun.engine.extension.load import load
from perfrun.engine.run import Engine
from perfrun.extension import Peer
from perfrun.logic.plan.network import ANYWHERE
from perfrun.measure.plan import NetworkRule, RunPlan
from perfrun.measure.record import StepRecord
from perfrun.reach.resolver import Resolver
from perfrun.reach.values import Values

from .conftest import Run
from .lines import SECRET, Lines, install

MS = 1_000_000
HERE = "tests.unit.engine.lines"


@dataclass
class Server:
    """Sends back every line, and keeps book."""

    port: int = 0
    lines: list[str] = field(default_factory=list)
    opened: int = 0
    open_now: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open_now += 1
        try:
            while line := await reader.readline():
                self.lines.append(line.decode().rstrip())
                if b"hang up" in line:
                    break
                writer.write(line)
        except ConnectionError:
            pass
        finally:
            self.open_now -= 1
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    book = Server()
    listening = await asyncio.start_server(book.serve, "127.0.0.1", 0)
    book.port = listening.sockets[0].getsockname()[1]
    yield book
    listening.close()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages are looked for in."""
    install(
        tmp_path,
        {
            "lines": f"{HERE}:Lines",
            "wrong": f"{HERE}:Wrong",
            "unready": f"{HERE}:Unready",
            "unfinished": f"{HERE}:Unfinished",
            "no-class": f"{HERE}:install",
            "no-module": "nowhere_to_be_found:Lines",
            "exits": "module_that_exits:Lines",
            "slow": "module_that_is_slow:Lines",
        },
    )
    (tmp_path / "module_that_exits.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "module_that_is_slow.py").write_text("import time\ntime.sleep(1.5)\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


class Secret(Values):
    """The one secret that these plans refer to."""

    def secret(self, name: str, key: str, field: str) -> str:
        return SECRET


def plan(port: int, *steps: dict[str, Any], requests: int = 4, **target: Any) -> RunPlan:
    network = target.pop("network", [])
    kind = target.pop("kind", "lines")
    return RunPlan.model_validate(
        {
            "uid": "u",
            "namespace": "shop",
            "test": "t",
            "run": "t-1",
            "seed": 7,
            "target": {
                "extension": {
                    "kind": kind,
                    "address": f"127.0.0.1:{port}",
                    "connectTimeout": "5s",
                    "timeout": "5s",
                    **target,
                }
            },
            "scenarios": [{"name": "s", "steps": list(steps) or [step("ask", send="hello")]}],
            "load": {"burst": {"requests": requests, "concurrency": 2}},
            "network": network,
        }
    )


def step(name: str, *, more: dict[str, Any] | None = None, **request: str) -> dict[str, Any]:
    return {"name": name, "extension": request, **(more or {})}


def refused(asked: RunPlan) -> str:
    """What is said of a plan that cannot be run."""
    with pytest.raises(DataError) as found:
        ExtensionKind(asked, Secret()).compile(asked)
    assert SECRET not in found.value.message
    return found.value.message


# --- found and asked ---------------------------------------------------------------------------


def test_one_that_is_not_installed_is_told_with_those_that_are(installed: Path) -> None:
    said = refused(plan(1, kind="web-socket"))
    assert said.startswith("spec.target.extension.kind: the protocol web-socket is not installed")
    assert "exits, lines, no-class" in said
    assert "worker.image" in said


def test_two_packages_with_one_name_are_no_choice_of_ours(installed: Path) -> None:
    install(installed, {"lines": f"{HERE}:Lines"}, "other-lines")
    said = refused(plan(1))
    assert "lines of lines 1.0" in said
    assert "lines of other-lines 1.0" in said
    assert "uninstall one" in said


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("no-module", "could not be loaded: ModuleNotFoundError: No module named 'nowhere"),
        ("exits", "could not be loaded: SystemExit: 3"),
        ("no-class", "is not a subclass of perfrun.extension.Extension"),
        ("unfinished", "is not a subclass of perfrun.extension.Extension with all"),
    ],
)
def test_a_package_that_is_no_good_is_told(installed: Path, kind: str, says: str) -> None:
    assert says in refused(plan(1, kind=kind))


def test_a_module_that_is_never_ready_is_not_waited_for(installed: Path) -> None:
    with pytest.raises(DataError, match=r"slow of lines 1\.0 was not loaded within 0\.1s"):
        load("slow", {}, seconds=0.1)


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        (
            "lines",
            {"greting": "x"},
            'options: lines does not know greting; did you mean "greeting"?',
        ),
        ("lines", {"x": "y"}, "options: lines does not know x; there are: greeting, password"),
        ("wrong", {}, "options: how is missing, and wrong needs it"),
        ("lines", {"greeting": "bad"}, "options: greeting is bad"),
        ("lines", {"greeting": "worse"}, "options: lines has a defect: KeyError at lines.py:"),
    ],
)
def test_options_are_checked_and_never_told(
    installed: Path, kind: str, options: dict[str, str], says: str
) -> None:
    ref = {"secretKeyRef": {"name": "chat", "key": "password"}}
    given = {"password": ref} if "greeting" in options else {}
    assert says in refused(plan(1, kind=kind, options=options, optionsFrom=given))


def test_steps_say_only_what_the_protocol_knows(installed: Path) -> None:
    where = "spec.scenarios[s].steps[ask].extension"
    assert refused(plan(1, step("ask", sent="x"))) == (
        f'{where}: lines does not know sent; did you mean "send"?'
    )
    assert refused(plan(1, step("ask"))) == f"{where}: send is missing, and lines needs it"
    assert "$(nobody)" in refused(plan(1, step("ask", send="$(nobody)")))


# --- the load ----------------------------------------------------------------------------------


async def test_the_server_has_seen_what_is_reported(
    installed: Path, server: Server, run: Run
) -> None:
    ask = step("ask", send="number $(seq())", expect="number")
    report = await run(plan(server.port, ask, requests=50), Secret())
    (got,) = report.window.steps
    assert (got.sent, got.succeeded, got.attempts, got.checks_passed) == (50, 50, 50, 50)
    assert sorted(server.lines) == sorted(f"number {n}" for n in range(1, 51))
    assert got.bytes_received == sum(len(line) for line in server.lines)
    assert report.generator.connections == server.opened <= 2
    await asyncio.sleep(0.05)
    assert server.open_now == 0


async def test_answers_are_checked_and_extracted_from(
    installed: Path, server: Server, run: Run
) -> None:
    steps = (
        step(
            "make",
            send='{"id": $(seq()), "state": "new"}',
            more={
                "expect": {"json": {"$.state": "new"}, "maxBytes": 100},
                "extract": {"id": {"json": "$.id"}},
            },
        ),
        step("read", send="item $(id)", more={"extract": {"n": {"regex": "item (.*)"}}}),
        step("wrong", send='{"n": $(n)}', more={"expect": {"json": {"$.n": 0}}}),
    )
    report = await run(plan(server.port, *steps), Secret())
    make, read, wrong = report.window.steps
    assert (make.succeeded, make.checks_passed, read.succeeded) == (4, 4, 4)
    assert "item 3" in server.lines
    assert '{"n": 3}' in server.lines
    assert (wrong.errors, wrong.checks_failed) == ({"Check": 4}, 4)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"expect": {"maxBytes": 4}}, "Size"),
        ({"expect": {"json": {"$.a": 1}}}, "Check"),
        ({"extract": {"x": {"regex": "absent"}}}, "Data"),
    ],
)
async def test_an_answer_that_will_not_do_is_told_by_its_class(
    installed: Path, server: Server, run: Run, more: dict[str, Any], error: str
) -> None:
    report = await run(plan(server.port, step("ask", send="hello", more=more)), Secret())
    assert report.window.steps[0].errors == {error: 4}


async def test_an_expectation_of_the_protocol_counts_as_a_check(
    installed: Path, server: Server, run: Run
) -> None:
    report = await run(plan(server.port, step("ask", send="a", expect="b")), Secret())
    (got,) = report.window.steps
    assert (got.errors, got.checks_failed) == ({"Check": 4}, 4)
    assert got.messages == {"Check": "another answer"}


async def test_a_secret_reaches_the_server_and_nothing_else(
    installed: Path, server: Server, run: Run
) -> None:
    ref = {"secretKeyRef": {"name": "chat", "key": "password"}}
    asked = plan(server.port, options={"greeting": "login"}, optionsFrom={"password": ref})
    report = await run(asked, Secret())
    assert server.lines.count(f"login {SECRET}") == report.generator.connections > 0
    assert SECRET not in report.model_dump_json()


async def test_connections_that_the_server_closes_are_not_used_again(
    installed: Path, server: Server, run: Run
) -> None:
    report = await run(plan(server.port, step("ask", send="hang up")), Secret())
    assert report.window.steps[0].errors == {"Reset": 4}
    assert server.opened == 4


# --- what it does wrong ------------------------------------------------------------------------


async def step_of(run: Run, server: Server, **target: Any) -> StepRecord:
    """The one step of a run that had to come to its end; no secret is in its report."""
    ref = {"secretKeyRef": {"name": "chat", "key": "password"}}
    asked = plan(server.port, optionsFrom={"password": ref}, **target)
    report = await run(asked, Secret())
    assert SECRET not in json.dumps(report.model_dump(mode="json"))
    (got,) = report.window.steps
    assert got.sent == 4
    return got


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ("raises", "Protocol", "wrong has a defect: KeyError at lines.py:"),
        ("exits", "Protocol", "wrong has a defect: SystemExit at lines.py:"),
        ("cancels itself", "Protocol", "wrong has a defect: CancelledError at lines.py:"),
        ("gives nothing", "Protocol", "did not return a Reply"),
        ("gives text", "Protocol", "did not return a Reply"),
        ("gives an error of its own", "Protocol", "did not return a Reply"),
        ("counts backwards", "Protocol", "did not return a Reply"),
        ("loses", "Reset", "Broken pipe"),
        ("loses in TLS", "TLS", "SSLError"),
        ("gives up", "Timeout", "wrong was cancelled by the extension itself"),
        ("hangs", "Timeout", ""),
        ("ignores its end", "Timeout", ""),
    ],
)
async def test_whatever_it_does_a_request_fails_and_the_run_goes_on(
    installed: Path, server: Server, run: Run, how: str, error: str, says: str
) -> None:
    within = "300ms" if error == "Timeout" else "5s"
    got = await step_of(run, server, kind="wrong", options={"how": how}, timeout=within)
    assert got.errors == {error: 4}
    assert says in got.messages.get(error, "")
    assert server.opened == 4, "a connection is used again that nobody knows the state of"


@pytest.mark.flaky(reruns=3)
async def test_giving_up_early_is_not_told_as_the_whole_timeout(
    installed: Path, server: Server, run: Run
) -> None:
    early = await step_of(run, server, kind="wrong", options={"how": "gives up"})
    assert early.timings["latency/timeout"].greatest < 4000 * MS
    late = await step_of(run, server, kind="wrong", options={"how": "hangs"}, timeout="300ms")
    assert late.timings["latency/timeout"].least >= 300 * MS


async def test_a_connection_that_is_not_known_to_be_usable_is_not_used(
    installed: Path, server: Server, run: Run
) -> None:
    got = await step_of(run, server, kind="wrong", options={"how": "knows nothing"})
    assert (got.succeeded, server.opened) == (4, 4)


@pytest.mark.parametrize("kind", ["wrong", "unready"])
async def test_one_that_never_waits_leaves_others_their_turn(
    installed: Path, server: Server, kind: str
) -> None:
    load = Load.model_validate({"closed": {"users": 2, "duration": "3s"}})
    asked = plan(server.port, kind=kind, options={"how": "blocks"})
    engine = Engine(asked.model_copy(update={"load": load}), 0, Secret())
    asyncio.get_running_loop().call_later(0.3, engine.stop, "enough")
    report = await engine.run(monotonic_ns())
    assert report.stopped == "enough"
    (got,) = report.window.steps
    assert got.failed == (got.sent if kind == "unready" else 0)


@pytest.mark.parametrize("how", ["closes badly", "never closes"])
async def test_a_farewell_has_an_end(installed: Path, server: Server, run: Run, how: str) -> None:
    async with asyncio.timeout(5):
        got = await step_of(run, server, kind="wrong", options={"how": how})
    assert got.succeeded == 4


async def test_a_farewell_that_hears_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = asyncio.Event()

    class Deaf(Lines):
        async def close(self, connection: object) -> None:
            while not released.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await released.wait()

    monkeypatch.setattr("perfrun.engine.extension.connection.CLOSE_SECONDS", 0.05)
    closing = ClosingConnections(Deaf())
    closing.begin(object())
    ending = asyncio.create_task(closing.end())
    try:
        done, _ = await asyncio.wait({ending}, timeout=5)
        assert done, "the report waits for it"
    finally:
        released.set()
        await ending
        await closing.end()


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ("raises", "Protocol", "unready has a defect: KeyError at lines.py:"),
        ("cancels itself", "Protocol", "unready has a defect: CancelledError at lines.py:"),
        ("hangs", "Connect", "was not ready within 150ms"),
        ("is refused", "Connect", "could not be opened: Connection refused"),
        ("is not trusted", "TLS", "TLS with 127.0.0.1"),
        ("gives up", "Connect", "was cancelled by the extension itself"),
        ("is told", "Status4xx", "the server wants another login"),
        ("is strange", "Protocol", "the server is strange"),
    ],
)
async def test_a_connection_that_is_not_opened_fails_the_request(
    installed: Path, server: Server, run: Run, how: str, error: str, says: str
) -> None:
    within = "150ms" if how == "hangs" else "5s"
    got = await step_of(run, server, kind="unready", options={"how": how}, connectTimeout=within)
    assert got.errors == {error: 4}
    assert got.attempts == 0
    assert says in got.messages.get(error, "")


@pytest.mark.parametrize("how", ["hangs", "ignores its end"])
async def test_the_check_before_the_load_has_an_end(
    installed: Path, server: Server, how: str
) -> None:
    asked = plan(server.port, kind="unready", options={"how": how}, connectTimeout="100ms")
    with pytest.raises(OpenError, match="was not ready"):
        await ExtensionKind(asked, Secret()).check()


# --- where it connects to ----------------------------------------------------------------------


async def test_policies_look_at_the_address_that_is_connected_to(
    installed: Path, server: Server, run: Run
) -> None:
    rule = NetworkRule(policy="default", hosts=None, allow=None, deny=["127.0.0.0/8"])
    asked = plan(server.port, network=[rule.model_dump(by_alias=True)])
    with pytest.raises(EngineError) as found:
        await ExtensionKind(asked, Secret()).check()
    assert found.value.reason is ErrorClass.POLICY
    report = await run(asked, Secret())
    assert report.window.steps[0].errors == {"Policy": 4}
    assert "deny.cidrs: 127.0.0.0/8" in (report.forbidden or "")
    assert server.opened == 0


async def test_a_peer_gives_addresses_and_says_who_is_not_there() -> None:
    listening = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    peer = Peer("localhost", port, Resolver("127.0.0.1", port, ANYWHERE))
    assert await peer.addresses() == ["127.0.0.1"]
    (await peer.connect()).close()
    listening.close()
    await listening.wait_closed()
    with pytest.raises(OpenError, match=f"localhost:{port} refused the connection"):
        await peer.connect()
    assert str(Peer("::1", 80, Resolver("::1", 80, ANYWHERE))) == "[::1]:80"
