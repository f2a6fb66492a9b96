"""What a worker that is let in may send: too much of it is refused, and harms nobody else."""

import asyncio
import random

from perfrun.coordinator.app import MAX_REPORT
from tests.integration.controller.world import ALL, World


async def test_flood_of_one_worker_is_refused_and_the_run_goes_on(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    answers = await asyncio.gather(*(first.post("interval", b"{}") for _ in range(120)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {400, 429}
    assert len(refused) > 20
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert (await second.post("interval", b"{}")).status_code == 400  # read, and found wanting
    assert (await first.report()).status_code == 200
    assert (await second.report()).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)


async def test_large_reports_of_one_worker_are_taken_one_at_a_time(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    garbage = random.Random(1).randbytes(MAX_REPORT)
    answers = await asyncio.gather(*(first.post("report", garbage) for _ in range(8)))
    statuses = [answer.status_code for answer in answers]
    assert 400 in statuses
    assert 429 in statuses
    assert set(statuses) == {400, 429}
    assert (await second.report()).status_code == 200
    assert (await first.report()).status_code == 200
    assert (await world.until_done("one"))["verdict"] == "Pass"
