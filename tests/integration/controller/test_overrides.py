"""Runs with overrides on a real API server: what they execute, and what they leave alone."""

import asyncio
from typing import Any

import pytest

from perfrun.api.names import STOP_ANNOTATION
from perfrun.measure.plan import RunPlan
from tests.cluster.handle import ApiServer
from tests.integration.controller.apiserver import Json
from tests.integration.controller.test_trigger import started
from tests.integration.controller.worker import EACH
from tests.integration.controller.world import World


async def create(world: World, name: str, **overrides: Any) -> Json:
    body = {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfRun",
        "metadata": {"name": name},
        "spec": {"testRef": {"name": "shop"}, "overrides": overrides},
    }
    return await world.api.call("POST", world.ours("perfruns"), body)


def about_runs(test: Json) -> Json:
    """What a test says of its runs."""
    status = test["status"]
    kept = ("lastRun", "lastVerdict", "lastSlos", "lastSuccessfulTime", "trend")
    said = {name: status.get(name) for name in kept}
    return said | {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


async def test_a_run_with_overrides_runs_what_it_says_and_counts_for_nothing_of_its_test(
    world: World, server: ApiServer
) -> None:
    await world.apply_test(variables={"region": "eu"})
    await world.create_run("plain")
    plain = await world.finish("plain")
    await world.settled()
    before = about_runs(await world.test())
    assert (before["lastRun"], before["lastVerdict"]) == ("plain", "Pass")

    options = [
        "--url", "http://shop-pr-7:8080", "--var", "region=us", "--label", "pull-request=7",
        "--set", f"load.burst.requests={EACH + 1}", "--set", "load.workers=1",
    ]  # fmt: skip
    process = await started(server, "shop", "-n", world.namespace, "--wait", *options)
    runs = {run["metadata"]["name"]: run for run in await world.until_runs(2)}
    (name,) = runs.keys() - {"plain"}
    (worker,) = await world.workers(name, count=1)
    plan = RunPlan.model_validate_json(
        (await world.config_maps(name, "plan"))[0]["data"]["plan.json"]
    )
    assert plan.target.url == "http://shop-pr-7:8080/health"
    assert plan.variables == {"region": "us"}
    assert plan.load.burst is not None
    assert (plan.load.burst.requests, plan.load.workers) == (EACH + 1, 1)
    assert await worker.work() == 200
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    # The played worker has sent one request less than there were to be.
    assert out.decode().splitlines()[-1].startswith("Inconclusive: ")

    status = await world.until_done(name)
    assert status["target"] == f"shop-pr-7.{world.namespace}:8080"
    assert status["overridden"] == (
        f"url: http://shop-pr-7:8080, variables.region: us, load.requests: {EACH + 1}, "
        "load.workers: 1, labels.pull-request: 7"
    )
    assert status["comparisonKey"] != plain["comparisonKey"]
    revisions = {one["metadata"]["name"]: one["data"]["spec"] for one in await world.revisions()}
    assert revisions[status["revision"]]["target"]["http"]["url"] == plan.target.url
    assert revisions[plain["revision"]]["target"]["http"]["url"] == "http://shop/health"
    await world.settled()
    assert about_runs(await world.test()) == before


@pytest.mark.parametrize(
    ("because", "verdict", "message"),
    [
        ("the rollout is complete", "Pass", "stopped as planned ("),
        ("replaced by two (concurrencyPolicy Replace)", "Inconclusive", "stopped (replaced by two"),
    ],
)
async def test_a_load_until_stopped_ends_by_its_stop_with_the_verdict_of_its_objectives(
    world: World, because: str, verdict: str, message: str
) -> None:
    until = {"rate": "20/s", "duration": "UntilStopped", "maxDuration": "10m"}
    await world.apply_test(load={"burst": None, "open": until})
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.until_phase("one", "Running")
    about = {"annotations": {STOP_ANNOTATION: because}}
    stop = {"metadata": about, "spec": {"stop": True}}
    await world.api.merge(world.ours("perfruns", "one"), stop)
    await asyncio.gather(*(worker.report("spec.stop") for worker in workers))
    status = await world.until_done("one")
    assert (status["verdict"], status["generator"]["coverage"]) == (verdict, "100%")
    assert status["message"].startswith(message)


async def test_overrides_cannot_be_edited(world: World) -> None:
    await world.apply_test(suspend=True)
    await create(world, "one", labels={"a": "b"})
    said = "a PerfRun is immutable"
    for spec in ({"overrides": None}, {"overrides": {"labels": {"a": "c"}}}):
        with pytest.raises(Exception, match=said):
            await world.api.merge(world.ours("perfruns", "one"), {"spec": spec})
    await world.api.merge(world.ours("perfruns", "one"), {"spec": {"stop": True}})


TOKEN = {"secretKeyRef": {"name": "shop-token", "key": "token"}}


async def test_what_may_not_be_overridden_ends_the_run_with_its_field(world: World) -> None:
    auth = {"bearer": {"tokenFrom": TOKEN}}
    target = {"http": {"url": "http://shop/health", "auth": auth}}
    await world.apply_test(target=target, overridable={"hosts": ["shop-pr-*"]})
    await create(world, "elsewhere", url="http://evil")
    await create(world, "rate", load={"rate": "5/s"})
    await create(world, "listed", url="http://shop-pr-1", load={"scale": 0.5})
    said = (await world.until_done("elsewhere"))["message"]
    assert said.startswith("PerfTest shop with the overrides of this run: spec.overrides.url: ")
    assert "values of the Secret shop-token to evil" in said
    assert "the load of the test is burst" in (await world.until_done("rate"))["message"]
    await world.until_phase("listed", "Starting")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({}, "overrides needs at least one of"),
        ({"url": "shop:8000"}, "write scheme, host and port only"),
        ({"load": {"scale": 0.5, "rate": "1/s"}}, "cannot be used together with rate"),
        ({"load": {"scale": 0}}, "must be at least 0.0001"),
        ({"labels": {"a": "b c"}}, "use letters, digits"),
    ],
)
async def test_the_api_server_refuses_what_it_can_see(
    world: World, overrides: Json, says: str
) -> None:
    with pytest.raises(Exception, match=says):
        await create(world, "wrong", **overrides)
