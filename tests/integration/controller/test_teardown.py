"""Worker 0 is lost: a pod of its own runs the teardown before the run is judged."""

import asyncio
import ssl
from typing import Any

from perfrun.measure.report import Ready, Start, WorkerReport
from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.worker import EACH, Worker
from tests.integration.controller.world import ALL, WORKERS, World
from tests.unit.logic import build

TEARDOWN: dict[str, Any] = {
    "setup": [
        {"name": "begin", "http": {"path": "/begin"}, "extract": {"basket": {"json": "$.id"}}}
    ],
    "teardown": [{"name": "end", "http": {"method": "DELETE", "path": "/baskets/$(basket)"}}],
}
KILLED = {
    "phase": "Failed",
    "containerStatuses": [
        {
            "name": "worker",
            "image": "perfrun",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        }
    ],
}


async def kill(world: World, run: str, index: int) -> None:
    """As the kubelet says it."""
    pods = await world.pods(run)
    name = "batch.kubernetes.io/job-completion-index"
    (pod,) = [one for one in pods if one["metadata"]["annotations"].get(name) == str(index)]
    await world.say_of_pod(pod, KILLED)


async def under_load(world: World) -> list[Worker]:
    """The workers of a run whose setup has extracted the basket 42."""
    await world.apply_test(**TEARDOWN)
    await world.create_run("one")
    workers = await world.workers("one")
    told = asyncio.gather(*(worker.at_barrier() for worker in workers[1:]))
    answer = await workers[0].insist("ready", Ready(ceiling=1000.0).to_bytes())
    while not Start.model_validate_json(answer.content).setup:
        answer = await workers[0].insist("ready", Ready(ceiling=1000.0).to_bytes())
    await workers[0].at_barrier(Ready(ceiling=1000.0, setup={"basket": "42"}))
    await told
    return workers


async def cleaner(world: World, workers: list[Worker]) -> Worker:
    """The pod of the teardown, played, once it is there."""

    async def look() -> list[Json]:
        return [pod for pod in await world.pods("one") if "-t-" in pod["metadata"]["name"]]

    (pod,) = await until("the pod of the teardown is there", look)
    env = {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"]}
    assert env["PERFRUN_INDEX"] == str(WORKERS)
    context: ssl.SSLContext = workers[0].context
    return Worker(WORKERS, workers[0].uid, workers[0].base, await world.token(pod), context)


def cleaned(attempts: int, untidy: str | None = None) -> WorkerReport:
    report = WorkerReport.of_nothing()
    step = build.step([5 * build.MS] * attempts)
    step.scenario, step.step = "teardown", "end"
    report.teardown.steps.append(step)
    report.untidy = untidy
    return report


async def test_worker_0_is_killed_and_its_teardown_is_run_with_what_the_setup_found(
    world: World,
) -> None:
    workers = await under_load(world)
    await kill(world, "one", 0)
    assert (await workers[1].report()).status_code == 200
    late = await cleaner(world, workers)
    answer = await late.insist("ready", Ready().to_bytes())
    assert Start.model_validate_json(answer.content).values == {"basket": "42"}
    assert (await world.phase("one")) == "Collecting"
    assert (await late.insist("report", cleaned(1).pack())).status_code == 200
    status = await world.until_done("one")
    assert status["summary"]["requests"]["sent"] == EACH
    assert status["summary"]["attempts"]["teardown"] == 1
    assert status["workers"]["reported"] == WORKERS - 1
    assert "untidy" not in status
    assert await world.until_events("one", "CleaningUp")

    async def gone() -> bool:
        return not await world.jobs("one")

    await until("both Jobs are gone", gone)


async def test_all_are_killed_and_the_teardown_that_fails_is_told(world: World) -> None:
    workers = await under_load(world)
    for index in range(WORKERS):
        await kill(world, "one", index)
    late = await cleaner(world, workers)
    world.operator.kill()  # it finds the Job again, and knows what the setup found no more
    world.operator.start()
    answer = await late.insist("ready", Ready().to_bytes())
    assert Start.model_validate_json(answer.content).values == {}
    why = "step end was skipped: $(basket) is not a variable of the test"
    assert (await late.insist("report", cleaned(0, why).pack())).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["untidy"]) == ("Error", why)
    assert status["message"].endswith(f"the teardown failed: {why}")
    (event,) = await world.until_events("one", "TeardownFailed")
    assert event["type"] == "Warning"


async def test_worker_0_that_has_reported_has_run_it(world: World) -> None:
    workers = await under_load(world)
    for worker in workers:
        await worker.report()
    status = await world.until_done("one")
    assert status["summary"]["requests"]["sent"] == ALL
    assert "teardownDeadline" not in status
    assert await world.events("one")
    assert not [event for event in await world.events("one") if event["reason"] == "CleaningUp"]


async def test_nobody_else_may_speak_as_the_pod_of_the_teardown(world: World) -> None:
    workers = await under_load(world)
    body = cleaned(1).pack()
    refused = await workers[1].post("report", body, index=WORKERS)
    assert refused.status_code == 403
    for worker in workers:
        await worker.report()
    assert (await world.until_done("one"))["summary"]["attempts"]["teardown"] == 0
