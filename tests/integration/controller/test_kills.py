"""The operator is killed at any point, and the run goes on from what the API holds."""

import asyncio
import random
from typing import Any

import pytest

from perfrun.measure.report import Ready
from tests.integration.controller.apiserver import until
from tests.integration.controller.world import ALL, WORKERS, World

pytestmark = pytest.mark.timing


async def test_killed_between_start_and_report_the_verdict_still_comes(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    began = (await world.run("one"))["status"]["startTime"]
    assert (await workers[0].report()).status_code == 200
    world.operator.kill()
    late = asyncio.create_task(workers[1].report())
    world.operator.start()
    assert (await late).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)
    assert status["startTime"] == began

    async def over() -> bool:
        return (await workers[0].post("ready", Ready().to_bytes())).status_code == 410

    await until("its workers are told that it is over", over)


async def test_killed_after_a_report_another_one_of_that_worker_is_still_refused(
    world: World,
) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    assert (await first.report()).status_code == 200
    world.operator.kill()
    world.operator.start()
    forged = first.measured()
    forged.window.steps[0].attempts += 1000
    answer = await first.insist("report", forged.pack())
    assert (answer.status_code, answer.json()["message"]) == (
        409,
        "worker 0 has already sent a different report",
    )
    assert (await first.report()).status_code == 200
    assert (await second.report()).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["attempts"]["window"]) == ("Pass", ALL)


async def test_killed_while_workers_are_ready_they_start_together_later(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    waiting = asyncio.create_task(first.work())

    async def one_ready() -> bool:
        return bool((await world.run("one"))["status"]["workers"]["ready"] == 1)

    await until("one worker is ready", one_ready)
    world.operator.kill()
    world.operator.start()
    assert (await second.work(), await waiting) == (200, 200)
    assert (await world.until_done("one"))["verdict"] == "Pass"


async def test_killed_after_a_stop_the_workers_are_still_told(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.api.merge(world.ours("perfruns", "one"), {"spec": {"stop": True}})

    async def noted() -> bool:
        return "stopped" in (await world.run("one"))["status"]

    await until("the stop is noted", noted)
    world.operator.kill()
    world.operator.start()
    assert (await workers[0].interval()).json()["stop"] == "spec.stop was set by python-httpx"
    for worker in workers:
        await worker.report()
    assert (await world.until_done("one"))["verdict"] == "Inconclusive"


async def test_killed_in_a_search_what_was_found_stands_and_the_hold_is_repeated(
    world: World,
) -> None:
    capacity = {"from": "100/s", "to": "400/s", "hold": "2s"}
    slos = [{"metric": "latency.p95", "max": "100ms"}, {"metric": "capacity", "min": "400/s"}]
    await world.apply_test(load={"burst": None, "capacity": capacity}, slos=slos)
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    holds = []
    for number in (1, 2, 3, 4, 5):
        hold = await workers[0].told(number)
        holds.append(hold)
        if number == 3:
            persisted = (await world.run("one"))["status"]["capacity"]["holds"]
            assert [one["rate"] for one in persisted] == ["100/s", "200/s", "400/s"]
            world.operator.kill()
            world.operator.start()
            continue
        for worker in workers:
            report = worker.held(hold, len(workers)).pack()
            assert (await worker.insist("hold", report)).status_code == 200

    async def over() -> bool:
        return bool((await workers[0].interval(99)).json()["done"])

    await until("the search is over", over)
    for worker in workers:
        report = worker.held(holds[-1], len(workers)).pack()
        assert (await worker.insist("report", report)).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["capacity"]) == ("Pass", "≥400/s")
    tried = [(one["rate"], one["outcome"]) for one in status["capacity"]["holds"]]
    assert tried == [
        ("100/s", "Met"),
        ("200/s", "Met"),
        ("400/s", "Repeated"),
        ("400/s", "Met"),
        ("400/s", "Met"),
    ]


async def test_what_a_run_was_frozen_to_is_gone_after_a_restart(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    world.operator.kill()
    (revision,) = await world.revisions()
    path = f"/apis/apps/v1/namespaces/{world.namespace}/controllerrevisions"
    await world.api.call("DELETE", f"{path}/{revision['metadata']['name']}")
    world.operator.start()
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert revision["metadata"]["name"] in status["message"]


async def test_asked_to_end_it_ends_with_0_and_the_run_goes_on(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    working = [asyncio.create_task(worker.work(intervals=20)) for worker in workers]
    await world.until_phase("one", "Running")
    assert world.operator.stop() == 0
    world.operator.start()
    assert await asyncio.gather(*working) == [200, 200]
    assert (await world.until_done("one"))["summary"]["requests"]["sent"] == ALL


@pytest.mark.parametrize("seed", range(3))
async def test_killed_at_any_moments_the_run_ends_with_the_same_counts(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    await world.apply_test()
    playing = asyncio.create_task(_play(world, "one"))
    await world.create_run("one")
    for _ in range(3):
        await asyncio.sleep(chance.uniform(0.05, 2.5))
        world.operator.kill()
        world.operator.start()
    status = await playing
    assert status["verdict"] == "Pass", status["message"]
    assert status["summary"]["iterations"] == {"planned": ALL, "started": ALL, "dropped": 0}
    assert status["summary"]["requests"]["sent"] == ALL
    assert status["workers"] == {"planned": WORKERS, "ready": WORKERS, "reported": WORKERS}
    for reason in ("Started", "Pass"):
        assert len(await world.until_events("one", reason)) == 1


async def _play(world: World, run: str) -> dict[str, Any]:
    workers = await world.workers(run)
    await asyncio.gather(*(worker.work(intervals=20) for worker in workers))
    return await world.until_done(run)
