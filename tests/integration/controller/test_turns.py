"""One run of a target at a time: the others wait for their turn."""

from tests.integration.controller.apiserver import until
from tests.integration.controller.world import ALL, World


async def test_second_run_of_a_target_waits_with_reason_and_position(world: World) -> None:
    await world.apply_test()
    await world.apply_test("same", target={"http": {"url": "http://SHOP:80/other"}})
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two", "same")
    queued = (await world.until_phase("two", "Queued"))["status"]
    assert queued["queue"] == {
        "reason": f"{world.namespace}/one is loading shop.{world.namespace}:80",
        "position": 1,
    }
    assert queued["target"] == (await world.run("one"))["status"]["target"]
    await world.finish("one")
    started = (await world.until_phase("two", "Starting"))["status"]
    assert "queue" not in started


async def test_edit_does_not_touch_a_run_that_waits(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two")
    frozen = (await world.until_phase("two", "Queued"))["status"]["revision"]
    await world.change_test(load={"burst": {"requests": 1000}})
    await world.until_ready()
    await world.finish("one")
    started = (await world.until_phase("two", "Starting"))["status"]
    assert started["revision"] == frozen
    assert (await world.finish("two"))["summary"]["iterations"]["planned"] == ALL


async def test_at_most_one_of_many_runs_has_the_target_whoever_is_killed(world: World) -> None:
    await world.apply_test()
    for number in range(6):
        await world.create_run(f"run-{number}")

    async def placed() -> bool:
        phases = [run.get("status", {}).get("phase") for run in await world.runs()]
        assert sum(phase in ("Starting", "Running", "Collecting") for phase in phases) <= 1
        return phases.count("Queued") == 5 and phases.count("Starting") == 1

    await until("one starts, five wait", placed)
    for _ in range(3):
        world.operator.kill()
        world.operator.start()
        await until("the operator is ready", world.operator.ready)
        await world.settled()
        assert await placed()
    first = next(run for run in await world.runs() if run["status"]["phase"] == "Starting")
    await world.finish(first["metadata"]["name"])

    async def next_starts() -> bool:
        phases = sorted(run["status"]["phase"] for run in await world.runs())
        assert sum(phase in ("Starting", "Running", "Collecting") for phase in phases) <= 1
        return phases == ["Done", *["Queued"] * 4, "Starting"]

    await until("the next one starts", next_starts)


async def test_waiting_run_whose_target_is_freed_by_a_deletion_starts(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two")
    await world.until_phase("two", "Queued")
    await world.api.call("DELETE", world.ours("perfruns", "one"))
    await world.until_phase("two", "Starting", seconds=8)


async def test_deletion_while_the_operator_is_away_frees_the_target(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two")
    await world.until_phase("two", "Queued")
    world.operator.kill()
    await world.api.call("DELETE", world.ours("perfruns", "one"))
    world.operator.start()
    await world.until_phase("two", "Starting")


async def test_of_waiting_changes_only_the_newest_is_kept(world: World) -> None:
    await world.apply_test(runOn=["Change"])
    (first,) = await world.until_runs(1)
    await world.until_phase(first["metadata"]["name"], "Starting")
    await world.change_test(variables={"region": "eu"})
    await world.until_runs(2)
    await world.change_test(variables={"region": "us"})
    await world.until_runs(3)

    async def superseded() -> list[str]:
        done = [
            run["status"]
            for run in await world.runs()
            if run.get("status", {}).get("phase") == "Done"
        ]
        return [status["message"] for status in done]

    (message,) = await until("one is superseded", superseded)
    assert "superseded by shop-c" in message
