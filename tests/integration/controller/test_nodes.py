"""Nodes that go away: pods that nobody ends any more, and pods that are gone with them."""

import asyncio

import pytest

from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.worker import EACH
from tests.integration.controller.world import World

RUNNING: Json = {
    "phase": "Running",
    "containerStatuses": [
        {
            "name": "worker",
            "image": "i",
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }
    ],
}


async def test_worker_on_a_node_that_is_tainted_is_named_with_the_reason(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    pod = (await world.pods("one"))[1]
    node = await world.be_on_node(pod)
    await world.say_of_pod(pod, RUNNING)
    taint = {"key": "maintenance", "effect": "NoExecute"}
    await world.api.merge(f"/api/v1/nodes/{node}", {"spec": {"taints": [taint]}})

    async def told() -> bool:
        progress = str((await world.run("one"))["status"].get("progress", ""))
        return progress.startswith("worker 1 (") and "DeletionByTaintManager: " in progress

    await until("the run says why worker 1 goes away", told)


async def test_worker_on_a_node_that_does_not_answer_is_lost_under_load(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    pod = (await world.pods("one"))[1]
    await world.be_on_node(pod)
    await world.say_of_pod(pod, RUNNING)
    await first.report()
    path = world.core("pods", pod["metadata"]["name"])
    await world.api.call("DELETE", f"{path}?gracePeriodSeconds=1")
    status = await world.until_done("one", seconds=60)
    assert (status["verdict"], status["workers"]["reported"]) == ("Inconclusive", 1)
    assert (
        f"lost: worker 1 ({pod['metadata']['name']}): it was deleted, and its node"
        in status["message"]
    )
    assert (await world.api.call("GET", path))["status"]["phase"] == "Running"


async def test_worker_whose_pod_is_gone_is_lost_under_load(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    pod = (await world.pods("one"))[1]
    await first.report()
    await world.api.call("DELETE", world.core("pods", pod["metadata"]["name"]))
    status = await world.until_done("one", seconds=60)
    assert (status["verdict"], status["workers"]["reported"]) == ("Inconclusive", 1)
    assert "lost: worker 1 (" in status["message"]
    assert "its pod no longer exists" in status["message"]


@pytest.mark.parametrize(
    ("allowed", "findings"),
    [
        pytest.param({"onWorkerLoss": "Continue"}, [("Coverage", "Informing")], id="Continue"),
        pytest.param({"minCoverage": "50%"}, [], id="minCoverage"),
    ],
)
async def test_run_that_may_lose_a_worker_is_judged_by_what_was_reported(
    world: World, allowed: Json, findings: list[tuple[str, str]]
) -> None:
    await world.apply_test(load=allowed)
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    pod = (await world.pods("one"))[1]
    await first.report()
    await world.api.call("DELETE", world.core("pods", pod["metadata"]["name"]))
    status = await world.until_done("one", seconds=60)
    assert (status["verdict"], status["workers"]["reported"]) == ("Pass", 1)
    assert status["summary"]["requests"]["sent"] == EACH
    assert [one["verdict"] for one in status["slos"]] == ["Pass"]
    assert "lost: worker 1 (" in status["message"]
    found = status["generator"]["findings"]
    assert [(one["type"], one["effect"]) for one in found] == findings


EVICTED: Json = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on memory.",
}


@pytest.mark.parametrize(
    ("allowed", "verdict", "findings"),
    [
        pytest.param({}, "Inconclusive", [("Coverage", "UnderLoading")], id="default"),
        pytest.param(
            {"onWorkerLoss": "Continue"}, "Pass", [("Coverage", "Informing")], id="Continue"
        ),
        pytest.param({"minCoverage": "50%"}, "Pass", [], id="minCoverage"),
    ],
)
async def test_worker_that_is_evicted_and_reports_is_lost_like_one_that_is_killed(
    world: World, allowed: Json, verdict: str, findings: list[tuple[str, str]]
) -> None:
    await world.apply_test(load=allowed)
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    pod = (await world.pods("one"))[1]
    await world.be_on_node(pod)
    await world.say_of_pod(pod, EVICTED)
    second.each = EACH // 2
    await second.report(stopped="terminated")
    await first.report()
    status = await world.until_done("one", seconds=60)
    assert (status["verdict"], status["workers"]["reported"]) == (verdict, 2)
    assert status["summary"]["requests"]["sent"] == EACH + EACH // 2
    found = status["generator"]["findings"]
    assert [(one["type"], one["effect"]) for one in found] == findings
    assert "stopped" not in status["message"]
    assert status["message"].endswith(
        f"; lost: worker 1 ({pod['metadata']['name']}): Evicted: The node was low on memory. "
        "(its measurements before that are counted)"
    )


async def test_load_that_no_worker_is_left_to_end_proves_nothing(world: World) -> None:
    await world.apply_test(load={"onWorkerLoss": "Continue"})
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    for worker in workers:
        worker.each = EACH // 2
        await worker.report(stopped="terminated")
    status = await world.until_done("one", seconds=60)
    assert (status["verdict"], status["workers"]["reported"]) == ("Inconclusive", 2)
    assert status["message"].startswith("stopped (no worker was left): 1 of 1 objective met; lost:")
    assert "worker 0" in status["message"]
    assert "1 more" in status["message"]


async def test_worker_whose_pod_is_gone_before_the_start_ends_the_run(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    pod = (await world.pods("one"))[1]
    await world.api.call("DELETE", world.core("pods", pod["metadata"]["name"]))
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "a worker ended before the load started: worker 1 (" in status["message"]
