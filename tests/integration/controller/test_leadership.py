"""Two operators, one Lease: one acts, and the other goes on where it ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cluster.handle import ApiServer
from tests.cluster.operator import SYSTEM, Operator, kubeconfig_again
from tests.integration.controller.apiserver import until
from tests.integration.controller.world import ALL, World

pytestmark = [pytest.mark.timing, pytest.mark.flaky(reruns=2)]

HAND_OVER_S = 20.0
START_S = 90.0
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/{SYSTEM}"


@pytest.fixture
async def standby(world: World, server: ApiServer, tmp_path: Path) -> AsyncIterator[Operator]:
    """A second operator, up and ready to take over: a start takes its time, and is no part of it."""
    second = Operator(kubeconfig_again(server, tmp_path), tmp_path, pod="standby")
    await until("the first one leads", lambda: _leads(world.operator))
    second.start()
    await until("the standby is ready", second.ready, START_S)
    yield second
    if second.running:
        assert second.stop() == 0
    assert "Traceback" not in second.log.read_text()


async def _leads(operator: Operator) -> bool:
    return await operator.ready() and "perfrun_leader 1.0" in await operator.metrics()


async def _holder(world: World) -> str:
    return str((await world.api.call("GET", LEASE))["spec"]["holderIdentity"])


async def test_a_leader_that_is_killed_is_followed_within_20_seconds(
    world: World, standby: Operator
) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    working = [asyncio.create_task(worker.work(intervals=40)) for worker in workers]
    await world.until_phase("one", "Running")
    world.operator.kill()
    killed = time.monotonic()
    for worker in workers:
        worker.base = standby.coordinator  # the Service leads them to whoever acts
    await until("the standby leads", lambda: _leads(standby), HAND_OVER_S)
    assert time.monotonic() - killed < HAND_OVER_S
    assert await asyncio.gather(*working) == [200] * len(workers)
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)
    assert await _holder(world) == "standby_uid-of-standby"


async def test_a_leader_that_is_asked_to_end_hands_over_at_once(
    world: World, standby: Operator
) -> None:
    assert "perfrun_leader 0.0" in await standby.metrics()
    assert "perfrun_runs_total" not in await standby.metrics()
    await world.apply_test("after", runOn=["Change"])
    await world.until_runs(1)
    assert world.operator.stop() == 0
    asked = time.monotonic()
    await until("the standby leads", lambda: _leads(standby), HAND_OVER_S)
    assert time.monotonic() - asked < 5


async def test_a_leader_that_stood_still_writes_nothing_when_it_goes_on(
    world: World, standby: Operator
) -> None:
    world.operator.freeze()
    try:
        await until("the standby leads", lambda: _leads(standby), HAND_OVER_S)
        # Both know of it, one may act: what the old one does now would be done twice.
        await world.apply_test("meanwhile", runOn=["Change"])
        await world.until_runs(1)
        renewed = (await world.api.call("GET", LEASE))["spec"]["leaseTransitions"]
    finally:
        world.operator.thaw()
    assert await world.operator.ended(15) == 1
    assert "ending, so that only one operator acts" in world.operator.log.read_text()
    assert (await world.api.call("GET", LEASE))["spec"]["leaseTransitions"] == renewed
    assert await _holder(world) == "standby_uid-of-standby"
    created = await world.until_events("meanwhile", "RunCreated")
    assert [event["reportingInstance"] for event in created] == ["standby"]
