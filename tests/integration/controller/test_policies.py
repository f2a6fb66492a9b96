"""PerfPolicies on a real API server: what is refused, what waits, and the patches that allow it."""

import asyncio
import re
import shlex
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perfrun.measure.plan import RunPlan
from tests.cluster.handle import ApiServer
from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.world import PERFRUN, World


class Rules:
    """The policies of one namespace."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: list[str] = []

    async def make(self, what: str, **spec: Any) -> str:
        """A policy for the namespace of the test; gives its name."""
        name = f"{what}-{self._world.namespace}"
        body = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfPolicy",
            "metadata": {"name": name},
            "spec": {"namespaces": [self._world.namespace], **spec},
        }
        await self._world.api.call("POST", f"{PERFRUN}/perfpolicies", body)
        self._made.append(name)
        return name

    async def change(self, name: str, **spec: Any) -> None:
        await self._world.api.merge(f"{PERFRUN}/perfpolicies/{name}", {"spec": spec})

    async def delete(self, name: str) -> None:
        await self._world.api.call("DELETE", f"{PERFRUN}/perfpolicies/{name}")
        self._made.remove(name)

    async def clear(self) -> None:
        for name in list(self._made):
            await self.delete(name)


@pytest.fixture
async def rules(world: World) -> AsyncIterator[Rules]:
    made = Rules(world)
    yield made
    await made.clear()


async def until_reason(world: World, reason: str) -> Json:
    async def look() -> Json | None:
        ready = await world.until_ready()
        return ready if ready["reason"] == reason else None

    return await until(f"the test is {reason}", look)


def run_patch(server: ApiServer, message: str) -> None:
    """Do what a refusal says would allow it."""
    found = re.search(r"(kubectl patch perfpolicy \S+ --type=json -p '[^']+')", message)
    assert found, message
    server.kubectl(*shlex.split(found[1])[1:])


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"allow": {"hosts": ["*.$(namespace).svc"]}}, "spec.target.http.url"),
        ({"limits": {"workers": 1}}, "spec.load.workers"),
        ({"deny": {"cidrs": ["192.0.2.0/24", "198.51.100.0/24"]}}, "spec.target.http.url"),
    ],
)
async def test_what_is_refused_runs_once_the_patch_that_is_printed_was_applied(
    world: World, rules: Rules, server: ApiServer, policy: Json, field: str
) -> None:
    name = await rules.make("lab", **policy)
    await world.apply_test(target={"http": {"url": "http://198.51.100.7/"}})
    ready = await until_reason(world, "RefusedByPolicy")
    assert ready["status"] == "False"
    assert ready["message"].startswith(field)
    assert f"PerfPolicy {name}" in ready["message"]
    await world.create_run("early")
    status = await world.until_done("early")
    assert (status["verdict"], name in status["message"]) == ("Error", True)
    run_patch(server, ready["message"])
    await until_reason(world, "Accepted")
    await world.create_run("late")
    await world.until_phase("late", "Starting")


async def test_workers_are_told_what_they_may_connect_to(world: World, rules: Rules) -> None:
    name = await rules.make("lab", allow={"hosts": ["*.$(namespace).svc"]})
    await world.apply_test()
    await until_reason(world, "Accepted")
    await world.create_run("one")
    await world.until_phase("one", "Starting")

    async def planned() -> list[Json]:
        return await world.config_maps("one", "plan")

    (plan,) = await until("the plan is there", planned)
    (rule,) = RunPlan.model_validate_json(plan["data"]["plan.json"]).network
    assert (rule.policy, rule.hosts) == (name, [f"*.{world.namespace}.svc"])


async def test_suspended_runs_wait_also_on_request_and_what_runs_is_stopped(
    world: World, rules: Rules
) -> None:
    name = await rules.make("brake")
    await world.apply_test(load={"burst": None, "open": {"rate": "10/s", "duration": "10m"}})
    await world.create_run("running")
    workers = await world.workers("running")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.until_phase("running", "Running")
    await rules.change(name, suspend=True)
    await until_reason(world, "Suspended")

    async def stopped() -> str | None:
        said: str | None = (await world.run("running"))["status"].get("stopped")
        return said

    assert f"PerfPolicy {name} suspends all runs" in await until("it is stopped", stopped)
    await world.create_run("waiting")
    queued = await world.until_phase("waiting", "Queued")
    assert f"kubectl patch perfpolicy {name}" in queued["status"]["queue"]["reason"]
    await rules.change(name, suspend=False)
    await until_reason(world, "Accepted")


async def test_only_as_many_runs_as_the_policy_lets_go_on_at_once(
    world: World, rules: Rules
) -> None:
    name = await rules.make("few", limits={"runs": 2})
    for number in range(4):
        test = f"t{number}"
        await world.apply_test(test, target={"http": {"url": f"http://shop-{number}/"}})
        await world.until_ready(test)
    for number in range(4):
        await world.create_run(f"r{number}", f"t{number}")
        await asyncio.sleep(1.05)  # creation times are in seconds, and the order is by them

    async def placed() -> list[Json] | None:
        runs = [await world.run(f"r{number}") for number in range(4)]
        phases = [run.get("status", {}).get("phase") for run in runs]
        return runs if phases == ["Starting", "Starting", "Queued", "Queued"] else None

    runs = await until("two go on and two wait", placed)
    assert [run["status"]["queue"]["position"] for run in runs[2:]] == [1, 2]
    assert (
        f"PerfPolicy {name} allows 2 runs at the same time" in runs[2]["status"]["queue"]["reason"]
    )
    await world.api.merge(world.ours("perfruns", "r0"), {"spec": {"stop": True}})
    await world.until_phase("r2", "Starting")
    assert await world.phase("r3") == "Queued"


async def test_a_policy_that_cannot_be_read_lets_nothing_start(world: World, rules: Rules) -> None:
    # The schema takes it; only who knows addresses sees that this is none.
    name = await rules.make("odd", deny={"cidrs": ["999.0.0.0/8"]})
    await world.apply_test()
    ready = await until_reason(world, "Suspended")
    assert f"PerfPolicy {name} cannot be read: spec.deny.cidrs" in ready["message"]
    await rules.delete(name)
    await until_reason(world, "Accepted")
