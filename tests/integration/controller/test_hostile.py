"""A worker, or somebody with `edit` in a namespace, that means ill: one sentence on its own run."""

import asyncio
import base64
import hashlib
from pathlib import Path

from tests import hostile
from tests.integration.controller.world import ALL, World

MAX_GROWTH_KIB = 250 * 1024
"""Of the operator, whose limit in the chart is 768 MiB."""
MAX_LAG_S = 2.0
"""Of its loop, on a machine that tests share; each message alone has a tighter bound in a unit."""


def peak_kib(world: World) -> int:
    """The most memory that the operator has had."""
    lines = Path(f"/proc/{world.operator.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


async def test_hostile_messages_are_refused_and_harm_no_run_and_no_scrape(world: World) -> None:
    await world.apply_test()
    await world.apply_test("other", target={"http": {"url": "http://other/health"}})
    await world.create_run("bad")
    await world.create_run("good", "other")
    workers = [*await world.workers("bad"), *await world.workers("good")]
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    bad, bad2, good, good2 = workers
    before = peak_kib(world)
    for bomb in hostile.bombs():
        answer = await bad.insist(bomb.route, bomb.body)
        assert answer.status_code in (400, 413), (bomb.name, answer.text)
        assert bomb.says in answer.json()["message"], bomb.name
        assert (await good.interval()).status_code == 200
        live = f'perfrun_live_elapsed_seconds{{namespace="{world.namespace}",test="other"}}'
        assert live in await world.operator.metrics(), bomb.name
        assert await world.operator.loop_lag() < MAX_LAG_S, bomb.name
    assert peak_kib(world) - before < MAX_GROWTH_KIB
    for worker in (good, good2, bad, bad2):
        assert (await worker.report()).status_code == 200
    for run in ("good", "bad"):
        status = await world.until_done(run)
        assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)


async def test_report_that_was_changed_where_it_is_stored_ends_its_run_in_one_sentence(
    world: World,
) -> None:
    await world.apply_test()
    await world.apply_test("other", target={"http": {"url": "http://other/health"}})
    await world.create_run("bad")
    await world.create_run("good", "other")
    workers = [*await world.workers("bad"), *await world.workers("good")]
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    first, second, *others = workers
    assert (await first.report()).status_code == 200
    before = peak_kib(world)
    bomb = next(one for one in hostile.bombs() if one.name == "small inflating report")
    [stored] = await world.config_maps("bad", "report")
    sha256 = hashlib.sha256(bomb.body).hexdigest()
    change = {
        "metadata": {"annotations": {"perfrun.dev/sha256": sha256}},
        "binaryData": {key: base64.b64encode(bomb.body).decode() for key in stored["binaryData"]},
    }
    await world.api.merge(world.core("configmaps", stored["metadata"]["name"]), change)
    for worker in (second, *others):
        assert (await worker.report()).status_code == 200
    status = await world.until_done("bad")
    assert status["verdict"] == "Error"
    assert "is damaged: generator.lag: a histogram of more than" in status["message"]
    assert (await world.until_done("good"))["verdict"] == "Pass"
    assert peak_kib(world) - before < MAX_GROWTH_KIB
