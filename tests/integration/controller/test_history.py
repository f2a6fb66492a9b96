"""What starts a run by itself, and what is kept of the runs that are over."""

import time

from tests.integration.controller.apiserver import until
from tests.integration.controller.world import World


async def test_changed_objective_runs_and_changed_limits_do_not(world: World) -> None:
    await world.apply_test(runOn=["Change"])
    (first,) = await world.until_runs(1)
    await world.finish(first["metadata"]["name"])
    await world.change_test(historyLimits={"passed": 5, "other": 5})
    await world.until_ready()
    assert len(await world.runs()) == 1
    await world.change_test(slos=[{"metric": "errorRate", "max": "1%"}])
    runs = await world.until_runs(2)
    assert {run["spec"]["reason"] for run in runs} == {"Change"}
    second = next(run for run in runs if run["metadata"]["name"] != first["metadata"]["name"])
    name = second["metadata"]["name"]
    keys = {
        (await world.until_phase(name, "Starting"))["status"]["comparisonKey"],
        (await world.run(first["metadata"]["name"]))["status"]["comparisonKey"],
    }
    assert len(keys) == 1


async def test_equal_specs_share_a_revision_and_unused_ones_are_trimmed(world: World) -> None:
    await world.apply_test(historyLimits={"passed": 1, "other": 1})
    for name in ("one", "two"):
        await world.create_run(name)
        await world.finish(name)

    async def trimmed() -> bool:
        return [run["metadata"]["name"] for run in await world.runs()] == ["two"]

    await until("the older run is trimmed", trimmed)
    assert len(await world.revisions()) == 1
    await world.change_test(variables={"region": "eu"})
    await world.create_run("three")
    status = await world.finish("three")

    async def only_the_new() -> bool:
        names = [revision["metadata"]["name"] for revision in await world.revisions()]
        return names == [status["revision"]]

    await until("the revision that no run needs is gone", only_the_new)


async def test_schedule_fires_at_its_minute_under_its_name(world: World) -> None:
    await world.apply_test(schedule={"cron": "* * * * *"})
    await world.until_ready()
    (run,) = await until("the minute comes", world.runs, seconds=70)
    minute = int(run["metadata"]["name"].removeprefix("shop-"))
    assert 0 <= time.time() - minute * 60 < 65
    assert run["spec"]["reason"] == "Scheduled"

    async def noted() -> bool:
        noted = (await world.test())["status"].get("lastScheduleTime")
        return bool(noted == run["spec"]["scheduledTime"])

    await until("the test says so", noted)
