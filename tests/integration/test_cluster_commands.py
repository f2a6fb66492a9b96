"""``perfrun watch`` and ``logs`` beside a real API server, where the test writes status."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perfrun.kube.client import Kube
from perfrun.kube.errors import GoneError
from perfrun.kube.resources import PERF_RUNS
from tests.cluster.handle import ApiServer
from tests.integration.controller.apiserver import Api, Json, until

OURS = "/apis/perfrun.dev/v1alpha1/namespaces"
CHART = Path(__file__).resolve().parents[2] / "charts/perfrun"
PATIENCE_S = 30.0
SUMMARY = {
    "window": "5s",
    "iterations": {"planned": 900, "started": 900, "dropped": 0},
    "requests": {"sent": 900, "succeeded": 900, "failed": 0, "censored": 0},
    "attempts": {"setup": 0, "warmup": 0, "window": 900, "teardown": 0},
    "throughput": "180/s",
    "transactions": "180/s",
    "errorRate": "0%",
    "latency": {"p95": "0.463ms"},
}


@dataclass
class Shop:
    """A namespace of the test's own, in which nobody works but the test."""

    api: Api
    namespace: str
    config: Path

    async def apply_test(self, name: str, **spec: Any) -> None:
        body = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfTest",
            "metadata": {"name": name, "labels": {"team": name}},
            "spec": {
                "target": {"http": {"url": "http://shop/health"}},
                "load": {"burst": {"requests": 10, "concurrency": 2}},
                **spec,
            },
        }
        await self.api.call("POST", f"{OURS}/{self.namespace}/perftests", body)

    async def create_run(self, name: str, test: str = "api") -> Json:
        body = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfRun",
            "metadata": {"name": name},
            "spec": {"testRef": {"name": test}},
        }
        return await self.api.call("POST", f"{OURS}/{self.namespace}/perfruns", body)

    async def say(self, plural: str, name: str, **status: Any) -> None:
        """What the operator would write."""
        path = f"{OURS}/{self.namespace}/{plural}/{name}/status"
        await self.api.merge(path, {"status": status})

    async def start(self, *words: str, config: Path | None = None) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "perfrun.cli.main", *words, "-n", self.namespace,
            stdout=PIPE, stderr=PIPE, env=environment(config or self.config),
        )  # fmt: skip

    async def perfrun(self, *words: str, config: Path | None = None) -> tuple[int, str, str]:
        """The exit code, standard output and standard error."""
        return await ended(await self.start(*words, config=config))


def environment(config: Path) -> Mapping[str, str]:
    return {**os.environ, "KUBECONFIG": str(config)}


async def ended(process: Process) -> tuple[int, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def line(process: Process) -> str:
    """The next one that it prints."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode().rstrip("\n")


async def until_line(process: Process, wanted: str) -> str:
    """The next line with that in it."""
    while wanted not in (said := await line(process)):
        assert said, f"it ended without a message of {wanted!r}"
    return said


@contextlib.asynccontextmanager
async def namespace_in(server: ApiServer, folder: Path) -> AsyncIterator[Shop]:
    api = Api(server)
    name = f"c{time.monotonic_ns()}"
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield Shop(api, name, server.kubeconfig)
    await api.close()


@pytest.fixture
async def shop(perfrun_api: ApiServer, tmp_path: Path) -> AsyncIterator[Shop]:
    async with namespace_in(perfrun_api, tmp_path) as shop:
        yield shop


@pytest.fixture
async def filled(shop: Shop) -> Shop:
    """Two tests, and two runs of one of them."""
    await shop.apply_test("api", schedule={"cron": "0 2 * * *"})
    await shop.apply_test("orders")
    await shop.create_run("api-1")
    await shop.say(
        "perfruns", "api-1", phase="Done", verdict="Pass", message="fine", summary=SUMMARY
    )
    await shop.create_run("api-2")
    await shop.say("perfruns", "api-2", phase="Running", progress="3s, 180 requests/s")
    await shop.say(
        "perftests", "api", lastVerdict="Pass", lastSlos="3/3", lastRun="api-1", active=["api-2"],
        nextScheduleTime="2199-01-01T02:00:00Z",
    )  # fmt: skip
    return shop


# --- lists, which are kubectl's ------------------------------------------------------------------


async def test_kubectl_lists_what_is_selected_with_what_a_trend_found(
    filled: Shop, perfrun_api: ApiServer
) -> None:
    trend = {"state": "Regressed", "message": "latency.p95 is 7% up"}
    await filled.say("perftests", "orders", lastVerdict="Fail", trend=trend)

    def listed(*words: str) -> list[str]:
        said = perfrun_api.kubectl("get", *words, "--no-headers", "-n", filled.namespace)
        return said.stdout.splitlines()

    (unwell,) = listed(
        "ptest", "-o", "wide", "--field-selector=status.lastVerdict!=Pass,status.lastVerdict!="
    )
    assert unwell.startswith("orders ")
    assert "Regressed" in unwell
    assert "latency.p95 is 7% up" in unwell
    fields = "spec.testRef.name=api,spec.reason=Requested,status.phase=Done,status.verdict=Pass"
    (passed,) = listed("prun", f"--field-selector={fields}")
    assert passed.split()[:5] == ["api-1", "api", "Requested", "Done", "Pass"]


# --- watch ---------------------------------------------------------------------------------------


async def test_watches_a_run_until_its_verdict(filled: Shop) -> None:
    process = await filled.start("watch", "run/api-2")
    assert await line(process) == "Running: 3s, 180 requests/s"
    await filled.say("perfruns", "api-2", progress="4s, 181 requests/s")
    assert await line(process) == "Running: 4s, 181 requests/s"
    await filled.say("perfruns", "api-2", phase="Done", verdict="Fail", message="1 of 3 missed")
    assert await ended(process) == (1, "Fail: 1 of 3 missed\n", "")
    # Of one that is done, the verdict at once.
    assert await filled.perfrun("watch", "run/api-1") == (0, "Pass: fine\n", "")
    assert await filled.perfrun("watch", "run/api-1", "--once") == (0, "Pass: fine\n", "")


async def test_watches_a_namespace_and_ends_with_ctrl_c(filled: Shop) -> None:
    process = await filled.start("watch")
    first = [await line(process) for _ in range(3)]
    assert sorted(first) == [
        "api-2: Running: 3s, 180 requests/s",
        "api: next run at 2199-01-01T02:00:00Z",
        "orders: no run is scheduled",
    ]
    await filled.create_run("orders-1", "orders")
    assert await line(process) == "orders-1: Created: in progress"
    queue = {"reason": "shop:80 is under load by api-2", "position": 1}
    await filled.say("perfruns", "orders-1", phase="Queued", queue=queue)
    assert await line(process) == "orders-1: Queued, place 1: shop:80 is under load by api-2"
    await filled.api.call("DELETE", f"{OURS}/{filled.namespace}/perfruns/orders-1")
    assert await line(process) == "orders-1: the run was deleted"
    process.send_signal(signal.SIGINT)
    code, _, err = await ended(process)
    assert (code, err) == (130, "perfrun stopped; runs in the cluster continue\n")


async def test_ctrl_c_ends_the_waiting_for_a_run(filled: Shop) -> None:
    for words, first in (
        (["watch", "run/api-2"], "Running: 3s, 180 requests/s"),
        (["trigger", "api", "--wait"], "PerfRun api-r"),
    ):
        process = await filled.start(*words)
        assert (await line(process)).startswith(first)
        process.send_signal(signal.SIGINT)
        code, _, err = await ended(process)
        assert (code, err) == (130, "perfrun stopped; runs in the cluster continue\n")


async def test_a_watch_that_nobody_reads_ends(filled: Shop) -> None:
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perfrun.cli.main", "watch", "-n", filled.namespace,
        stdout=writing, env=environment(filled.config),
    )  # fmt: skip
    os.close(writing)
    assert await asyncio.to_thread(os.read, reading, 1)
    os.close(reading)
    await filled.say("perfruns", "api-2", progress="4s, 181 requests/s")
    await filled.say("perfruns", "api-2", progress="5s, 181 requests/s")
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0


async def test_watch_once_shows_what_is_now(filled: Shop) -> None:
    code, out, _ = await filled.perfrun("watch", "api", "--once")
    assert code == 0
    assert (await filled.perfrun("watch", "ptest/api", "--once"))[0] == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [rows[0][0], rows[1][:3], rows[1][5]] == [
        "TEST", ["api", "api-2", "Running"], "3s, 180 requests/s",
    ]  # fmt: skip


async def test_what_is_not_there_cannot_be_watched(filled: Shop) -> None:
    where = f"in namespace {filled.namespace}"
    for words, said in (
        (["run/nope"], f"there is no PerfRun nope {where}\n"),
        (["run/nope", "--once"], f"there is no PerfRun nope {where}\n"),
        (["nope"], f"there is no PerfTest nope {where}\n"),
        (["api-1"], f"there is no PerfTest api-1 {where}; did you mean the run, run/api-1?\n"),
    ):
        assert await filled.perfrun("watch", *words) == (2, "", said)


async def test_a_run_that_is_deleted_ends_the_watch(filled: Shop) -> None:
    process = await filled.start("watch", "run/api-2")
    await line(process)
    await filled.api.call("DELETE", f"{OURS}/{filled.namespace}/perfruns/api-2")
    assert await ended(process) == (3, "the run was deleted\n", "")


async def test_a_terminal_shows_a_table_and_is_left_as_it_was(filled: Shop) -> None:
    control, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perfrun.cli.main", "watch", "-n", filled.namespace,
        stdout=terminal, stderr=terminal, stdin=terminal,
        env={**environment(filled.config), "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
    )  # fmt: skip
    os.close(terminal)
    shown = bytearray()

    def read_on() -> None:
        with contextlib.suppress(OSError):  # a terminal that nobody has any more
            shown.extend(os.read(control, 65536))

    asyncio.get_running_loop().add_reader(control, read_on)

    async def sees(text: bytes) -> bool:
        return text in shown

    await until("the table has the run", lambda: sees(b"3s, 180 requests/s"))
    await filled.say("perfruns", "api-2", progress="4s, 181 requests/s")
    await until("the table follows", lambda: sees(b"4s, 181 requests/s"))
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 130
    await until(
        "the cursor is back", lambda: sees(b"perfrun stopped; runs in the cluster continue")
    )
    asyncio.get_running_loop().remove_reader(control)
    os.close(control)
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


# --- an API server that goes away ------------------------------------------------------------------


class Door:
    """What stands before the API server: open, or shut with everyone thrown out."""

    def __init__(self, server: ApiServer) -> None:
        host, _, port = server.url.removeprefix("https://").partition(":")
        self._behind = (host, int(port))
        self._server: asyncio.Server | None = None
        self._inside: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._let_in, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._inside):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._behind)
        self._inside |= {writer, back}
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        self._inside.discard(writer)
        writer.transport.abort()


async def test_an_api_server_that_goes_away_is_said_and_nothing_is_missed(
    filled: Shop, perfrun_api: ApiServer, tmp_path: Path
) -> None:
    door = Door(perfrun_api)
    await door.open()
    config = json.loads(filled.config.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{door.port}"
    through = tmp_path / "through"
    through.write_text(json.dumps(config))
    one = await filled.start("watch", "run/api-2", config=through)
    everything = await filled.start("watch", config=through)
    await line(one)
    await until_line(everything, "api-2: Running")
    await door.shut()
    assert "the run continues, and perfrun still waits for it" in await line(one)
    assert "trying again, and the runs continue" in await until_line(everything, "does not answer")
    await filled.say("perfruns", "api-2", phase="Done", verdict="Pass", message="fine")
    await door.open()
    assert (await ended(one))[:2] == (0, "Pass: fine\n")
    assert await until_line(everything, "again") == "the API server answers again"
    assert await until_line(everything, "api-2") == "api-2: Pass: fine"
    everything.send_signal(signal.SIGINT)
    assert (await ended(everything))[0] == 130
    await door.shut()


async def test_a_version_that_the_server_no_longer_knows_is_told_apart(
    filled: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(where, str(filled.config))
    kube, _ = await Kube.connect_as_user(None, PATIENCE_S)
    with pytest.raises(GoneError):
        async for _ in kube.watch(PERF_RUNS, filled.namespace, "1"):
            pass
    await kube.close()


# --- logs ----------------------------------------------------------------------------------------


async def test_logs_of_a_run_that_is_over_are_what_is_known_of_it(filled: Shop) -> None:
    uid = (await filled.api.call("GET", f"{OURS}/{filled.namespace}/perfruns/api-1"))["metadata"][
        "uid"
    ]
    event = {
        "metadata": {"name": "api-1.abc"},
        "eventTime": "2026-11-25T10:00:03.000000Z",
        "reportingController": "perfrun.dev/operator",
        "reportingInstance": "test",
        "action": "Passed",
        "reason": "Passed",
        "type": "Normal",
        "note": "3 of 3 objectives met",
        "regarding": {"apiVersion": "perfrun.dev/v1alpha1", "kind": "PerfRun", "name": "api-1",
                      "namespace": filled.namespace, "uid": uid},
    }  # fmt: skip
    await filled.api.call(
        "POST", f"/apis/events.k8s.io/v1/namespaces/{filled.namespace}/events", event
    )
    code, out, err = await filled.perfrun("logs", "api-1")
    assert (code, out.splitlines()) == (
        0,
        ["api-1  Pass: fine", "2026-11-25T10:00:03Z  Passed: 3 of 3 objectives met"],
    )
    assert err.startswith("the workers' pods and their logs have been deleted")


async def test_logs_of_what_is_not_there_or_has_not_started(filled: Shop) -> None:
    missing = f"there is no PerfRun nope in namespace {filled.namespace}\n"
    assert await filled.perfrun("logs", "nope") == (2, "", missing)
    container = {"name": "worker", "image": "perfrun:test"}
    index = {"batch.kubernetes.io/job-completion-index": "0"}
    pod = {
        "metadata": {"name": "pr-0", "labels": {"perfrun.dev/run": "api-2"}, "annotations": index},
        "spec": {"containers": [container]},
    }
    await filled.api.call("POST", f"/api/v1/namespaces/{filled.namespace}/pods", pod)
    code, out, err = await filled.perfrun("logs", "api-2")
    assert (code, out) == (0, "")
    assert err == "worker 0 has not started: the pod is Pending\n"
    assert (await filled.perfrun("logs", "api-2", "--worker", "1"))[0] == 2


# --- rights, and clusters without perfrun ----------------------------------------------------------


async def test_who_may_not_is_told_what_to_ask_for_and_that_is_enough(
    apiserver_with_controllers: ApiServer, tmp_path: Path
) -> None:
    server = apiserver_with_controllers
    server.install_crds(CHART / "files/crds")
    async with namespace_in(server, tmp_path) as shop:
        server.kubectl("create", "serviceaccount", "ci", "-n", shop.namespace)
        token = server.kubectl("create", "token", "ci", "-n", shop.namespace).stdout.strip()
        config = json.loads(server.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        mine = tmp_path / "mine"
        mine.write_text(json.dumps(config))
        user = f"system:serviceaccount:{shop.namespace}:ci"
        refused = (
            f"{user} may not {{}} in namespace {shop.namespace}: the ClusterRole view grants it"
        )
        err = ""
        for words, right in (
            (["watch", "--once"], "list perftests.perfrun.dev"),
            (["watch", "api"], "get perftests.perfrun.dev"),
            (["watch", "run/api-1"], "list perfruns.perfrun.dev"),
            (["logs", "api-1"], "get perfruns.perfrun.dev"),
        ):
            code, out, err = await shop.perfrun(*words, config=mine)
            assert (code, out, err.count("\n")) == (3, "", 1)
            assert err.startswith(refused.format(right)), err
        # Chart and command together are the whole of it.
        roles = ("template", "p", CHART, "--show-only=templates/rbac-users.yaml")
        server.kubectl("apply", "-f", "-", input=server.helm(*roles).stdout)
        server.kubectl(*err.strip().partition("ask for: kubectl ")[2].split())

        async def allowed() -> bool:
            return (await shop.perfrun("watch", "--once", config=mine))[0] == 0

        await until("the role has come to be", allowed)
        missing = f"there is no PerfRun api-1 in namespace {shop.namespace}\n"
        assert await shop.perfrun("logs", "api-1", config=mine) == (2, "", missing)
        await shop.create_run("api-1")
        code, out, err = await shop.perfrun("logs", "api-1", config=mine)
        assert (code, out[:7]) == (0, "api-1  "), err
        # An operator of other tests may be there, and say that there is no such test.
        assert (await shop.perfrun("watch", "run/api-1", "--once", config=mine))[0] in (0, 3)


async def test_no_perfrun_no_credentials_no_server(shop: Shop, tmp_path: Path) -> None:
    config = json.loads(shop.config.read_text())
    changed = tmp_path / "changed"

    async def said(*words: str) -> str:
        changed.write_text(json.dumps(config))
        code, out, err = await shop.perfrun(*words, config=changed)
        assert (code, out, err.count("\n")) == (3, "", 1)
        return err

    config["users"][0]["user"] = {"token": "nobody's"}
    assert "does not accept these credentials (401 Unauthorized)" in await said("watch", "--once")
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    assert "does not answer: [Errno 111] Connection refused" in await said("watch")
    for words in (["watch"], ["logs", "x"], ["watch", "x"]):
        _, _, err = await shop.perfrun(*words, config=tmp_path / "none")
        assert err.startswith("no cluster found")


async def test_a_cluster_without_perfrun_is_told_how_to_get_it(
    shop: Shop, perfrun_api: ApiServer
) -> None:
    crd = "perftests.perfrun.dev"
    perfrun_api.kubectl("delete", "crd", crd)
    try:

        async def gone() -> bool:
            return "is not installed there" in (await shop.perfrun("watch", "--once"))[2]

        await until("the API server has forgotten it", gone)
        code, _, err = await shop.perfrun("watch", "api")
        assert (code, "does not know perftests.perfrun.dev" in err) == (3, True)
    finally:
        perfrun_api.install_crds(CHART / "files/crds")


# --- as a plugin of kubectl ------------------------------------------------------------------------


async def test_kubectl_finds_the_plugin_and_its_completion(
    filled: Shop, perfrun_api: ApiServer
) -> None:
    env = perfrun_api.env()
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"

    async def kubectl(*words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "kubectl", *words, stdout=PIPE, stderr=PIPE, env=env
        )
        code, out, err = await ended(process)
        assert code == 0, err
        return out

    table = await kubectl("perfrun", "watch", "--once", "-n", filled.namespace)
    assert table.splitlines()[1].startswith("api\tapi-2\tRunning")
    assert "Usage: kubectl perfrun watch" in await kubectl("perfrun", "watch", "--help")
    offered = await kubectl("__complete", "perfrun", "trigger", "-n", filled.namespace, "")
    assert offered.splitlines()[:2] == ["api", "orders"]
