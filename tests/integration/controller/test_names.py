"""Names are the lock: what is created once, adopted, or left alone."""

from typing import Any

from perfrun.logic.plan.names import requested_run_name
from tests.integration.controller.apiserver import until
from tests.integration.controller.world import World


async def test_request_runs_once_for_each_value(world: World) -> None:
    await world.apply_test()
    await world.until_ready()

    async def ask(value: str) -> None:
        note = {"metadata": {"annotations": {"perfrun.dev/run-requested-at": value}}}
        await world.api.merge(world.ours("perftests", "shop"), note)

        async def noted() -> bool:
            return bool((await world.test())["status"].get("lastRequest") == value)

        await until(f"request {value} is noted", noted)

    await ask("monday")
    await ask("tuesday")
    assert len(await world.runs()) == 2
    await ask("monday")  # the name is taken, by the run of the first monday
    assert len(await world.runs()) == 2
    assert {run["spec"]["reason"] for run in await world.runs()} == {"Requested"}


async def test_name_that_another_tests_run_has_is_not_adopted_and_that_is_said(
    world: World,
) -> None:
    test = await world.apply_test()
    await world.apply_test("other", target={"http": {"url": "http://other"}})
    name = requested_run_name("shop", "monday")
    await world.create_run(name, "other")
    await world.until_phase(name, "Starting")
    note = {"metadata": {"annotations": {"perfrun.dev/run-requested-at": "monday"}}}
    await world.api.merge(world.ours("perftests", "shop"), note)

    async def said() -> dict[str, Any] | None:
        conditions = (await world.test()).get("status", {}).get("conditions", [])
        shown = {c["type"]: (c["status"], c["reason"]) for c in conditions}
        return shown if "Stalled" in shown else None

    assert await until("it is said on the test", said) == {
        "Ready": ("False", "NameTaken"),
        "Stalled": ("True", "NameTaken"),
    }
    (told,) = await world.until_events("shop", "NameTaken")
    assert name in told["note"]
    owners = (await world.run(name))["metadata"]["ownerReferences"]
    assert test["metadata"]["uid"] not in {owner["uid"] for owner in owners}
    await world.api.call("DELETE", world.ours("perfruns", name))

    async def free() -> bool:
        run = await world.api.find(world.ours("perfruns", name))
        return run is not None and run["spec"]["testRef"]["name"] == "shop"

    await until("the name is free, and the run is there", free)

    async def accepted() -> bool:
        conditions = (await world.test())["status"]["conditions"]
        return [(c["type"], c["status"]) for c in conditions] == [("Ready", "True")]

    await until("nothing is stalled any more", accepted)


async def test_run_made_by_hand_gets_its_test_as_owner(world: World) -> None:
    test = await world.apply_test()
    await world.create_run("mine", labels={"team": "a"})
    await world.until_phase("mine", "Starting")
    meta = (await world.run("mine"))["metadata"]
    assert [(o["kind"], o["uid"], o["controller"]) for o in meta["ownerReferences"]] == [
        ("PerfTest", test["metadata"]["uid"], True)
    ]
    assert meta["labels"] == {"team": "a", "perfrun.dev/test": "shop"}


async def test_run_that_another_controller_made_keeps_it_and_runs(world: World) -> None:
    await world.apply_test()
    owner = await world.api.call("POST", world.core("configmaps"), {"metadata": {"name": "flow"}})
    mine = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "flow",
        "controller": True,
        "uid": owner["metadata"]["uid"],
    }
    await world.create_run("mine", ownerReferences=[mine])
    await world.until_phase("mine", "Starting")
    owners = (await world.run("mine"))["metadata"]["ownerReferences"]
    assert [(o["kind"], o["apiVersion"], o.get("controller", False)) for o in owners] == [
        ("ConfigMap", "v1", True),
        ("PerfTest", "perfrun.dev/v1alpha1", False),
    ]
