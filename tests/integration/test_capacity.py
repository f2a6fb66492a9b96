"""``perfrun run`` against a target of known capacity, and against one that breaks under load."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from perfrun.api.quantities import parse_rate
from tests.integration.test_local_run import Cli, children, cli
from tests.integration.waiting import until

pytestmark = pytest.mark.flaky(reruns=2)

__all__ = ["cli"]

SERVICE = 0.002
"""Seconds that the target takes for a request; it does one at a time."""
PATIENCE = 180.0


class Target(threading.Thread):
    """A server that answers 1 / SERVICE requests a second and lets the others wait in line."""

    def __init__(self, fails_after: int | None = None) -> None:
        super().__init__(daemon=True)
        self.url = ""
        self.served = 0
        self._fails_after = fails_after
        self._free = 0.0
        self.transports: list[asyncio.Transport] = []
        self._up = threading.Event()

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: _Line(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        self._up.set()
        await self._over.wait()
        server.close()
        for transport in self.transports:
            transport.abort()
        await asyncio.sleep(0)

    @contextmanager
    def running(self) -> Iterator["Target"]:
        self.start()
        assert self._up.wait(5)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            self.join()

    def queue(self, transport: asyncio.Transport) -> None:
        now = self._loop.time()
        self._free = max(self._free, now) + SERVICE
        self._loop.call_at(self._free, self._answer, transport)

    def _answer(self, transport: asyncio.Transport) -> None:
        self.served += 1
        broken = self._fails_after is not None and self.served > self._fails_after
        if not transport.is_closing():
            status = b"500 Broken" if broken else b"200 OK"
            transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")


class _Line(asyncio.Protocol):
    def __init__(self, target: Target) -> None:
        self._target = target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._target.transports.append(transport)

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self._target.queue(self._transport)


def run(cli: Cli, load: str, url: str, slos: str) -> tuple[dict[str, Any], str]:
    file = cli.manifest("api", url, load, slos)
    with cli.start("run", file, "--json", cli.folder / "out.json") as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert out, err
    run = json.loads((cli.folder / "out.json").read_text())
    return run["status"], out + err


@pytest.mark.alone
def test_the_capacity_of_a_target_is_found_by_two_workers(cli: Cli) -> None:
    load = "{workers: 2, capacity: {from: 300/s, to: 2400/s, hold: 2s}}"
    slos = "[{metric: latency.p95, max: 100ms}, {metric: capacity, min: 350/s}]"
    with Target().running() as target:
        status, said = run(cli, load, target.url, slos)
    # A busy machine may be the limit itself; it says so, and never claims too much.
    found = parse_rate(status["summary"]["capacity"].removeprefix("≥"))
    assert 0.85 / SERVICE <= found <= 1.15 / SERVICE, said
    attempts = status["summary"]["attempts"]
    assert attempts["warmup"] + attempts["window"] == target.served
    holds = status["capacity"]["holds"]
    assert [hold["rate"] for hold in holds[:2]] == ["300/s", "600/s"]
    assert (holds[1]["outcome"], holds[-1]["outcome"]) == ("Missed", "Met")
    assert holds[-1]["rate"] == f"{found:g}/s"
    assert status["message"].startswith(f"capacity {status['summary']['capacity']}: ")
    assert "hold 2 at 600/s, at least 300/s" in said


@pytest.mark.timing
@pytest.mark.parametrize(
    "shape",
    [
        "open: {rate: 100/s, duration: 60s}",
        "closed: {users: 4, duration: 60s, thinkTime: 20ms}",
        "burst: {requests: 100000, concurrency: 4}",
    ],
)
def test_a_load_ends_when_its_target_breaks(cli: Cli, shape: str) -> None:
    condition = "{metric: errorRate, above: 50%, for: 2s}"
    load = f"{{workers: 2, stopWhen: [{condition}], {shape}}}"
    begin = time.monotonic()
    with Target(fails_after=250).running() as target:
        status, said = run(cli, load, target.url, "[{metric: latency.p95, max: 5s}]")
    assert time.monotonic() - begin < 30
    assert status["verdict"] == "Warn", said
    assert status["message"].startswith("stopped after ")
    assert ": errorRate was " in status["message"]
    assert "above 50%: 1 of 1 objective met" in status["message"]
    assert status["summary"]["attempts"]["window"] == target.served
    assert not [one for one in status["generator"]["findings"] if one["type"] == "Coverage"]


@pytest.mark.timing
def test_a_search_of_a_target_that_breaks_is_cut(cli: Cli) -> None:
    condition = "{metric: errorRate, above: 50%, for: 1s}"
    search = "capacity: {from: 100/s, to: 400/s, hold: 20s}"
    load = f"{{workers: 2, stopWhen: [{condition}], {search}}}"
    with Target(fails_after=200).running() as target:
        status, said = run(cli, load, target.url, "[{metric: latency.p95, max: 5s}]")
    (hold,) = status["capacity"]["holds"]
    assert (hold["outcome"], status["summary"]["capacity"]) == ("Missed", "0/s"), said
    assert hold["message"].startswith("stopped after ")
    assert status["summary"]["iterations"]["planned"] < 1500
    assert not [one for one in status["generator"]["findings"] if one["type"] == "Coverage"]


@pytest.mark.timing
def test_a_worker_that_is_killed_ends_the_search_without_a_verdict(cli: Cli) -> None:
    load = "{workers: 2, capacity: {from: 100/s, to: 400/s, hold: 2s}}"
    slos = "[{metric: latency.p95, max: 1s}]"
    with Target().running() as target:
        file = cli.manifest("api", target.url, load, slos)
        with cli.start("run", file, "--json", cli.folder / "out.json") as process:
            until(lambda: target.served > 50, 40)
            os.kill(children(process.pid)[0], signal.SIGKILL)
            process.communicate(timeout=PATIENCE)
    status = json.loads((cli.folder / "out.json").read_text())["status"]
    assert status["verdict"] == "Inconclusive"
    assert "because a worker was lost" in status["message"]
    assert status["capacity"]["holds"][-1]["outcome"] == "Lost"
    assert status["capacity"]["holds"][-1]["message"].endswith("did not report this hold")
