"""Probes and scrapes while the main loop does something else: a real thread, real ports."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from http.client import HTTPConnection
from typing import TypeVar

import pytest

from perfrun.controller.objects.store import Key
from perfrun.controller.serve import front as module
from perfrun.controller.serve.front import Front
from perfrun.controller.serve.health import Watch
from perfrun.kube.resources import PERF_RUNS
from tests.cluster.components import free_port
from tests.unit.controller.build import perf_run, settings
from tests.unit.controller.metrics.scrape import DONE

T = TypeVar("T")


class Asking:
    """Asks from a thread of its own, while the main loop is busy or not."""

    def __init__(self, front: Front, probes: int, metrics: int) -> None:
        self.front = front
        self.probes, self.metrics = probes, metrics

    def probe(self, path: str) -> int:
        return self._get(self.probes, path)[0]

    def scrape(self) -> str:
        return self._get(self.metrics, "/metrics")[1]

    @staticmethod
    def _get(port: int, path: str) -> tuple[int, str]:
        # It shares the interpreter with the stalled loop, so it is to be a light one.
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def during_a_stall(self, ask: Callable[[], T], seconds: float) -> T:
        """What ``ask`` gives while nothing else happens in the loop of the caller."""
        found: list[T] = []
        asking = threading.Thread(target=lambda: found.append(ask()))
        asking.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:  # as a computation would, and not as time.sleep
            pass
        assert found, f"no response within {seconds} s"
        asking.join()
        return found[0]


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    ports = (free_port(), free_port())
    about = settings(PERFRUN_LISTEN_PROBES=str(ports[0]), PERFRUN_LISTEN_METRICS=str(ports[1]))
    async with Front(about, [PERF_RUNS]) as front:
        await front.serve_metrics()
        front.store.tests[Key("team", "shop")] = "uid"
        front.metrics.leading = True
        front.metrics.see_run(perf_run(**DONE))
        yield Asking(front, *ports)


@pytest.mark.flaky(reruns=3)
async def test_probes_are_answered_while_the_main_loop_stands_still(asking: Asking) -> None:
    asking.front.health.compared("PerfRun", Watch.CURRENT)
    began = time.monotonic()
    codes = asking.during_a_stall(
        lambda: [asking.probe(path) for _ in range(5) for path in ("/healthz", "/readyz")], 3
    )
    assert codes == [200] * 10
    assert time.monotonic() - began < 4


async def test_a_scrape_has_the_tests(asking: Asking) -> None:
    text = await asyncio.to_thread(asking.scrape)
    assert 'perfrun_verdict{namespace="team",test="shop",verdict="Warn"} 1.0' in text
    assert "perfrun_leader 1.0" in text
    assert "process_open_fds" in text


async def test_a_scrape_while_the_main_loop_stands_still_has_the_operator_itself(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SNAPSHOT_S", 0.5)
    text = asking.during_a_stall(asking.scrape, 2.5)
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines["perfrun_loop_lag_seconds"]) > 0
    assert lines["perfrun_leader"] == "1.0"
    assert "perfrun_verdict" not in text
    assert "perfrun_verdict" in await asyncio.to_thread(asking.scrape), "and all of it afterwards"


async def test_half_open_connections_stop_no_probe_and_no_scrape(asking: Asking) -> None:
    """Of the same address, which is the hardest: nothing tells the prober from the flood."""
    flood: list[socket.socket] = []
    try:
        for number in range(800):
            one = socket.create_connection(
                ("127.0.0.1", asking.probes if number % 2 else asking.metrics)
            )
            one.send(b"GET /healthz HTTP/1.1\r\nHost: ")
            flood.append(one)
        codes = await asyncio.to_thread(lambda: [asking.probe("/healthz") for _ in range(20)])
        assert codes == [200] * 20
        assert "perfrun_verdict" in await asyncio.to_thread(asking.scrape)
    finally:
        for one in flood:
            one.close()


async def test_the_ports_are_free_again_afterwards() -> None:
    port = free_port()
    about = settings(PERFRUN_LISTEN_PROBES=str(port))
    for _ in range(2):
        async with Front(about, [PERF_RUNS]):
            pass
    threads = [one.name for one in threading.enumerate()]
    assert "front" not in threads
