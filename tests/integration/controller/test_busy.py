"""An operator that has too much to do, or is flooded: the Lease is kept, and probes are answered."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from perfrun.controller.serve.health import DEAD_AFTER_S as WATCH_DEAD_AFTER_S
from perfrun.logic.run.lease import LEASE_S
from tests.campaign import Campaign
from tests.cluster.handle import ApiServer
from tests.cluster.operator import SYSTEM, Operator, kubeconfig_again
from tests.integration.controller.apiserver import Api, until
from tests.integration.controller.world import World

pytestmark = [pytest.mark.timing, pytest.mark.flaky(reruns=2)]

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/{SYSTEM}"
PROBE_TIMEOUT_S = 5.0
"""Of the chart's probes."""
STALL_S = 20
DEAD_AFTER_S = 15.0
"""Of the operator that is to die: a minute would be one of the test, too."""
FLOOD = 4000
WHOLE, SLICE = 1500, 200
"""Runs of one tenant."""


@pytest.fixture
async def api(server: ApiServer, tmp_path: Path) -> AsyncIterator[Api]:
    api = Api(server)
    yield api
    await api.close()


@pytest.fixture
def stalling(
    server: ApiServer, operator: Operator, tmp_path: Path
) -> Iterator[Callable[..., Operator]]:
    """Operators whose main loop can be stalled, in the place of the session's."""
    if operator.running:
        operator.stop()
    made: list[Operator] = []

    def make(pod: str, seconds: float, **environment: str) -> Operator:
        made.append(
            Operator(
                kubeconfig_again(server, tmp_path),
                tmp_path,
                pod=pod,
                environment={"STALL_S": str(seconds), **environment},
                module="tests.cluster.stalling",
            )
        )
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        if one.running:
            one.kill()


async def _leads(operator: Operator) -> bool:
    return await operator.ready() and "perfrun_leader 1.0" in await operator.metrics()


@contextlib.asynccontextmanager
async def _probed(operator: Operator) -> AsyncIterator[list[str]]:
    """Ask both probes once a second, as the kubelet does; gives what went wrong."""
    failed: list[str] = []

    async def probe() -> None:
        while True:
            for path in ("/healthz", "/readyz"):
                began = time.monotonic()
                try:
                    async with httpx.AsyncClient(trust_env=False, timeout=PROBE_TIMEOUT_S) as http:
                        answer = await http.get(f"{operator.probes}{path}")
                    if answer.status_code != 200:
                        failed.append(f"{path}: {answer.status_code} {answer.text}")
                except httpx.HTTPError as error:
                    failed.append(f"{path}: {error!r} after {time.monotonic() - began:.1f} s")
            await asyncio.sleep(1)

    probing = asyncio.create_task(probe())
    try:
        yield failed
    finally:
        probing.cancel()


async def _lease(api: Api) -> tuple[str, int, str]:
    spec = (await api.call("GET", LEASE))["spec"]
    return spec["holderIdentity"], spec["leaseTransitions"], spec["renewTime"]


async def test_a_main_loop_that_stands_still_for_20_s_keeps_the_lease_and_its_probes(
    api: Api, stalling: Callable[..., Operator]
) -> None:
    busy = stalling("busy", STALL_S)
    await until("it leads", lambda: _leads(busy))
    async with _probed(busy) as failed:
        holder, transitions, renewed = await _lease(api)
        began = time.monotonic()
        busy.stall()
        while time.monotonic() < began + STALL_S:
            await asyncio.sleep(LEASE_S / 4)
            now = await _lease(api)
            assert (now[:2], now[2] != renewed) == ((holder, transitions), True)
            renewed = now[2]
        await until("it goes on", _after(began + STALL_S, lambda: _leads(busy)))
    assert failed == []
    assert await busy.loop_lag() > STALL_S / 2
    log = busy.log.read_text()
    assert log.count("the main loop has stood still for") == 1
    assert log.count("the main loop continues after") == 1
    assert busy.stop() == 0


def _after(moment: float, look: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
    async def later() -> bool:
        return time.monotonic() > moment and await look()

    return later


async def test_a_dead_main_loop_ends_the_process_and_a_standby_takes_over(
    api: Api, stalling: Callable[..., Operator]
) -> None:
    dead = stalling("dead", 10 * DEAD_AFTER_S, DEAD_AFTER_S=str(DEAD_AFTER_S))
    await until("it leads", lambda: _leads(dead))
    standby = stalling("standby", 0)
    await until("the standby is ready", standby.ready)
    dead.stall()
    assert await dead.ended(DEAD_AFTER_S + 10) == 1
    await until("the standby leads", lambda: _leads(standby), LEASE_S + 8)
    log = dead.log.read_text()
    assert "ending, so that another operator can act" in log
    assert "_stall" in log, "it says where the main thread stood"
    assert (await _lease(api))[0] == "standby_uid-of-standby"


@pytest.fixture
async def flooded(operator: Operator) -> AsyncIterator[Operator]:
    """The session's operator."""
    if not operator.running:
        operator.start()
    await until("the operator leads", lambda: _leads(operator))
    yield operator


@pytest.mark.parametrize("port", ["probes", "scraped", "coordinator"])
async def test_4000_half_open_requests_stop_no_probe(flooded: Operator, port: str) -> None:
    """From one address, which is also that of the probes: nothing tells them apart."""
    number = urlsplit(getattr(flooded, port)).port
    flood: list[socket.socket] = []
    async with _probed(flooded) as failed:
        try:
            await asyncio.to_thread(_flood, flood, number or 0)
            for _ in range(5):
                assert await flooded.ready()
                assert "perfrun_leader 1.0" in await flooded.metrics()
                await asyncio.sleep(1)
        finally:
            for one in flood:
                one.close()
    assert failed == []


async def test_very_many_runs_of_one_tenant_cost_neither_the_lease_nor_a_probe(
    world: World, campaign: Campaign
) -> None:
    """They take minutes to be looked at, each: the watch is behind all the time, and not dead."""
    await until("the operator leads", lambda: _leads(world.operator))
    before, pid = await _lease(world.api), world.operator.pid
    await world.apply_test()
    count, at_once = WHOLE if campaign.whole else SLICE, asyncio.Semaphore(16)

    async def create(number: int) -> None:
        async with at_once:
            await world.create_run(f"run-{number}")

    async with _probed(world.operator) as failed:
        await asyncio.gather(*(create(number) for number in range(count)))
        await asyncio.sleep(WATCH_DEAD_AFTER_S * 1.5 if campaign.whole else 5)
        assert await world.operator.ready()
    assert failed == []
    assert (world.operator.running, world.operator.pid) == (True, pid)
    assert (await _lease(world.api))[:2] == before[:2]
    campaign.add("runs of one tenant", count=count, lag=await world.operator.loop_lag())


def _flood(flood: list[socket.socket], port: int) -> None:
    for _ in range(FLOOD):
        one = socket.create_connection(("127.0.0.1", port), timeout=10)
        flood.append(one)
        with contextlib.suppress(OSError):  # it had to make room already
            one.send(b"GET /healthz HTTP/1.1\r\nHost: ")
