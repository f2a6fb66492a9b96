"""Somebody writes what only the operator should: statuses and revisions. Policies hold all the same."""

from datetime import UTC, datetime

from perfrun.api.times import format_time
from tests.integration.controller.apiserver import Json
from tests.integration.controller.test_policies import Rules, rules
from tests.integration.controller.world import World

__all__ = ["rules"]


def _revisions(world: World, name: str = "") -> str:
    path = f"/apis/apps/v1/namespaces/{world.namespace}/controllerrevisions/{name}"
    return path.rstrip("/")


async def _replace_revision(world: World, **load: Json) -> None:
    """Put another load where the one of the test is frozen. Data of a revision cannot be changed,
    so it is made anew."""
    (standing,) = await world.revisions()
    about = standing["metadata"]
    await world.api.call("DELETE", _revisions(world, about["name"]))
    kept = {key: about[key] for key in ("name", "labels", "ownerReferences")}
    spec = {**standing["data"]["spec"], "load": {"workers": 2, **load}}
    await world.api.call(
        "POST", _revisions(world), {**standing, "metadata": kept, "data": {"spec": spec}}
    )


async def test_revision_that_is_not_what_the_test_says_is_held_to_the_policies(
    world: World, rules: Rules
) -> None:
    name = await rules.make("few", limits={"users": 10})
    await world.apply_test()
    await world.create_run("first")
    assert (await world.finish("first"))["verdict"] == "Pass"
    await _replace_revision(world, burst={"requests": 1000, "concurrency": 500})
    await world.create_run("second")
    status = await world.until_done("second")
    assert status["verdict"] == "Error"
    assert f"asks for 500, and PerfPolicy {name} (limits.users)" in status["message"]
    assert await world.jobs("second") == []


async def test_run_that_says_itself_that_it_was_accepted_was_not(
    world: World, rules: Rules
) -> None:
    name = await rules.make("few", limits={"users": 10})
    await world.apply_test(load={"burst": {"requests": 1000, "concurrency": 500}})
    await world.create_run("refused")
    assert (await world.until_done("refused"))["verdict"] == "Error"
    (revision,) = await world.revisions()
    world.operator.kill()  # there is time to write before it looks
    await world.create_run("forged")
    status = {
        "phase": "Starting",
        "acceptedTime": format_time(datetime.now(UTC)),
        "target": f"shop.{world.namespace}:80",
        "revision": revision["metadata"]["name"],
    }
    await world.api.merge(f"{world.ours('perfruns', 'forged')}/status", {"status": status})
    world.operator.start()
    told = await world.until_done("forged")
    assert told["verdict"] == "Error"
    assert name in told["message"]
    assert await world.jobs("forged") == []


async def test_run_that_names_the_target_of_others_keeps_nobody_waiting(world: World) -> None:
    await world.apply_test()
    await world.apply_test("other", target={"http": {"url": "http://other/health"}})
    await world.create_run("forged")
    await world.workers("forged")
    change = {"status": {"target": f"other.{world.namespace}:80"}}
    await world.api.merge(f"{world.ours('perfruns', 'forged')}/status", change)
    await world.create_run("honest", "other")
    assert (await world.finish("honest"))["verdict"] == "Pass"
    told = await world.until_done("forged")
    assert "its status has been changed" in told["message"]


async def test_check_that_somebody_else_has_written_lets_no_load_through(
    world: World, rules: Rules
) -> None:
    name = await rules.make("few", limits={"users": 10})
    await world.apply_test(load={"burst": {"requests": 1000, "concurrency": 500}})
    await world.until_ready()
    standing = (await world.test())["status"]
    check = {**standing["check"], "asks": {"workers": 1, "longest": 0, "users": None, "hosts": {}}}
    ready: Json = {"type": "Ready", "status": "True", "reason": "Accepted", "message": "accepted"}
    ready["lastTransitionTime"] = "2026-11-30T08:00:00Z"
    await world.api.merge(
        f"{world.ours('perftests', 'shop')}/status",
        {"status": {"check": check, "conditions": [ready]}},
    )
    await world.create_run("load")
    told = await world.until_done("load")
    assert told["verdict"] == "Error"
    assert name in told["message"]
    assert await world.jobs("load") == []
