"""Somebody writes what only the operator should: statuses and revisions. Policies hold all the same."""

import base64
from datetime import UTC, datetime

from perfrun.api.times import format_time
from perfrun.measure.trend import Histories, History, Point, Shift, Stage
from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.test_policies import Rules, rules
from tests.integration.controller.world import World

__all__ = ["rules"]

MAX_LAG_S = 2.0
"""Of the loop, on a machine that others use too."""


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
    assert f"asks for 500, but PerfPolicy {name} (limits.users)" in status["message"]
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
    assert "its status was changed" in told["message"]


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


def _point(run: int, metrics: int) -> Point:
    when = f"2026-01-01T00:{run:02}:00.000000Z"
    values = {f"latency.p95 of step{n}": 1e6 + run for n in range(metrics)}
    return Point.model_construct(run=f"r{run}", completed=when, values=values)


def _costly(key: str, environment: dict[str, str]) -> bytes:
    """Histories whose next run takes an hour to compare."""
    metrics = 2000
    shifts = [
        {"metric": f"latency.p95 of step{n}", "worse": True, "change": 0.1} for n in range(99)
    ]
    history = History.model_construct(
        key=key,
        environment=environment,
        stage=Stage.SUSPECT,
        baseline=[_point(run, metrics) for run in range(30)],
        fresh=[_point(run, metrics) for run in range(30, 59)],
        shifts=[Shift.model_validate(shift) for shift in shifts],
    )
    return Histories.model_construct(histories=[history]).pack()


async def test_history_that_somebody_has_written_costs_the_operator_nothing(world: World) -> None:
    await world.apply_test()
    await world.create_run("first")
    await world.finish("first")

    async def kept() -> list[Json]:
        labels = "perfrun.dev/test=shop,perfrun.dev/content=trend"
        return await world.api.items(f"{world.core('configmaps')}?labelSelector={labels}")

    (standing,) = await until("the history is kept", kept)
    packed = base64.b64decode(standing["binaryData"]["trend.json.gz"])
    (history,) = Histories.unpack(packed).histories
    bomb = base64.b64encode(_costly(history.key, history.environment)).decode()
    path = world.core("configmaps", standing["metadata"]["name"])
    await world.api.merge(path, {"binaryData": {"trend.json.gz": bomb}})
    await world.create_run("second")
    completed = (await world.finish("second"))["completionTime"]

    async def compared() -> Json | None:
        trend: Json = (await world.test())["status"].get("trend", {})
        return trend if trend.get("upTo") == completed else None

    trend = await until("the second run was compared", compared)
    assert trend["message"].startswith("1 of the 10 runs")  # it begins a new history
    assert await world.operator.loop_lag() < MAX_LAG_S
    assert world.operator.running
