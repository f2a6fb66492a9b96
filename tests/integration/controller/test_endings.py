"""Stopped, suspended, deleted: what is left, and what is told."""

import asyncio

from tests.integration.controller.apiserver import until
from tests.integration.controller.world import ALL, World


async def test_stop_while_starting_is_inconclusive_and_tidies_up(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    await world.api.merge(world.ours("perfruns", "one"), {"spec": {"stop": True}})
    status = await world.until_done("one")
    assert status["verdict"] == "Inconclusive"
    assert "spec.stop" in status["message"]

    async def gone() -> bool:
        return not await world.jobs("one")

    await until("its Job is gone", gone)


async def test_stop_under_load_is_told_to_the_workers_and_measured_so_far(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.api.merge(world.ours("perfruns", "one"), {"spec": {"stop": True}})

    async def ordered() -> bool:
        return (await workers[0].interval()).json()["stop"] is not None

    await until("the workers are told to stop", ordered)
    for worker in workers:
        await worker.report()
    status = await world.until_done("one")
    assert (status["verdict"], status["stopped"]) == (
        "Inconclusive",
        "spec.stop was set by python-httpx",
    )
    assert status["summary"]["requests"]["sent"] == ALL


async def test_suspended_test_runs_on_request_only(world: World) -> None:
    await world.apply_test(runOn=["Change"], suspend=True)
    ready = await world.until_ready()
    assert (ready["status"], ready["reason"]) == ("True", "Suspended")
    assert await world.runs() == []
    note = {"metadata": {"annotations": {"perfrun.dev/run-requested-at": "now"}}}
    await world.api.merge(world.ours("perftests", "shop"), note)
    (run,) = await world.until_runs(1)
    assert run["spec"]["reason"] == "Requested"
    await world.change_test(suspend=False)
    runs = await world.until_runs(2)
    assert sorted(run["spec"]["reason"] for run in runs) == ["Change", "Requested"]


async def test_run_deleted_under_load_takes_all_with_it(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.api.call("DELETE", world.ours("perfruns", "one"))

    async def gone() -> bool:
        left = [
            *await world.jobs("one"),
            *await world.pods("one"),
            *await world.config_maps("one", "plan"),
        ]
        return not left and (await workers[0].post("interval", b"{}")).status_code == 410

    await until("nothing of it is left", gone)
    await world.create_run("one")  # the name is free again, and the target too
    assert (await world.finish("one"))["verdict"] == "Pass"


async def test_job_deleted_under_load_ends_it_with_what_was_measured(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.delete_job("one")
    await world.until_phase("one", "Collecting")
    for worker in workers:  # SIGTERM has them report
        await worker.report()
    status = await world.until_done("one")
    assert status["summary"]["requests"]["sent"] == ALL


async def test_test_deleted_under_load_takes_all_with_it_and_may_come_again(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.api.call("DELETE", world.ours("perftests", "shop"))
    await world.apply_test()  # while the garbage collector is still at it

    async def gone() -> bool:
        left = [*await world.runs(), *await world.jobs("one"), *await world.pods("one")]
        return not left and not await world.config_maps("one", "plan")

    await until("run, Job, pods and plan are gone", gone)
    await world.create_run("one")
    assert (await world.finish("one"))["verdict"] == "Pass"


async def test_run_held_by_a_finalizer_gives_its_target_and_its_load_up(world: World) -> None:
    await world.apply_test()
    await world.create_run("one", finalizers=["example.com/keep"])
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.create_run("two")
    await world.until_phase("two", "Queued")
    await world.api.call("DELETE", world.ours("perfruns", "one"))

    async def gone() -> bool:
        return not await world.jobs("one")

    await until("its Job is gone", gone)
    assert (await world.finish("two"))["verdict"] == "Pass"
    assert (await world.run("one"))["metadata"]["deletionTimestamp"]
    await world.api.merge(world.ours("perfruns", "one"), {"metadata": {"finalizers": None}})
