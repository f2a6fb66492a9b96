"""What one tenant may do to another's runs: nothing that the other one would notice.

Against the real API server and the real operator: thousands of runs of one namespace, runs that no
node takes, and the bounds that keep both small.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.campaign import Campaign
from tests.cluster.handle import ApiServer
from tests.integration.controller.apiserver import Api, Json, until
from tests.integration.controller.world import PERFRUN, World

MANY, SLICE = 5000, 300
FIRST_LOOK_S = 2.0
POSTS = 30
"""A look is some six requests. In the slice, beside other work on the machine, one may take as long
as so many of the requests that create the runs meanwhile."""
CONNECTIONS = 8
BETWEEN_LOOKS_S = 1.0
LOOKS_UNTIL_COUNTED = 10
"""A list of all runs costs the API server as much as many looks."""


class Policy:
    """A PerfPolicy of the namespaces of a test."""

    def __init__(self, *worlds: World) -> None:
        self._api = worlds[0].api
        self._name = f"fair-{worlds[0].namespace}"
        self._namespaces = [world.namespace for world in worlds]

    async def make(self, **limits: Any) -> None:
        body = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfPolicy",
            "metadata": {"name": self._name},
            "spec": {"namespaces": self._namespaces, "limits": limits},
        }
        await self._api.call("POST", f"{PERFRUN}/perfpolicies", body)

    async def delete(self) -> None:
        if await self._api.find(f"{PERFRUN}/perfpolicies/{self._name}"):
            await self._api.call("DELETE", f"{PERFRUN}/perfpolicies/{self._name}")


@pytest.fixture
async def policy(world: World, other: World) -> AsyncIterator[Policy]:
    made = Policy(world, other)
    yield made
    await made.delete()


async def flood(world: World, server: ApiServer, count: int, *, deletes: bool = False) -> None:
    """Create, or delete, so many runs. In a thread of its own and over connections of its own, so
    that what is measured meanwhile does not wait for this."""

    async def all_of_them() -> None:
        numbers, api = iter(range(count)), Api(server)
        there = replace(world, api=api)

        async def one_after_the_other() -> None:
            for number in numbers:
                if deletes:
                    await api.call("DELETE", world.ours("perfruns", f"many-{number:04}"))
                else:
                    await there.create_run(f"many-{number:04}")

        await asyncio.gather(*(one_after_the_other() for _ in range(CONNECTIONS)))
        await api.close()

    await asyncio.to_thread(asyncio.run, all_of_them())


async def first_look(world: World, name: str) -> float:
    """Create a run. Gives the seconds from when it is there until the operator has placed it."""
    await world.create_run(name)
    before = time.monotonic()

    async def placed() -> str | None:
        return await world.phase(name)

    await until(f"run {name} was looked at", placed, 300)
    return time.monotonic() - before


async def looks_until_placed(world: World, other: World, count: int) -> list[float]:
    """The first looks at another tenant's runs until all of the first one's have had theirs."""
    looks: list[float] = []

    async def all_placed() -> bool:
        for _ in range(LOOKS_UNTIL_COUNTED):
            looks.append(await first_look(other, f"then-{len(looks)}"))
            await asyncio.sleep(BETWEEN_LOOKS_S)
        phases = Counter(run.get("status", {}).get("phase") for run in await world.runs())
        return phases == Counter(Starting=1, Queued=count - 1)

    await until("all have been placed", all_placed, 1200)
    return looks


class Probes:
    """Asks the probe once in a while, and keeps what it heard and how long that took."""

    def __init__(self, world: World) -> None:
        self._url = f"{world.operator.probes}/healthz"
        self.answers: Counter[int] = Counter()
        self.longest = 0.0

    async def ask(self) -> None:
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as http:
            while True:
                before = time.monotonic()
                self.answers[(await http.get(self._url)).status_code] += 1
                self.longest = max(self.longest, time.monotonic() - before)
                await asyncio.sleep(0.1)


async def test_another_tenants_run_is_looked_at_at_once_whatever_one_has_waiting(
    world: World, other: World, policy: Policy, server: ApiServer, campaign: Campaign
) -> None:
    count = MANY if campaign.whole else SLICE
    await policy.make(runs=10, openRunsPerNamespace=100_000)
    await world.apply_test()
    await other.apply_test()
    pid, probes = world.operator.pid, Probes(world)
    asking = asyncio.create_task(probes.ask())
    quiet = await first_look(other, "before")
    began = time.monotonic()
    flooding = asyncio.create_task(flood(world, server, count))
    looks: list[float] = []
    while not flooding.done():
        looks.append(await first_look(other, f"during-{len(looks)}"))
        await asyncio.sleep(BETWEEN_LOOKS_S)
    await flooding
    created = time.monotonic() - began
    looks.append(await first_look(other, "after"))
    if campaign.whole:
        looks += await looks_until_placed(world, other, count)
    asking.cancel()
    limit = FIRST_LOOK_S
    if not campaign.whole:
        limit = max(limit, POSTS * CONNECTIONS * created / count)
    seen = {
        "waiting": count,
        "quiet_look_s": round(quiet, 2),
        "created_s": round(created, 1),
        "all_s": round(time.monotonic() - began, 1),
        "looks": len(looks),
        "slowest_look_s": round(max(looks), 2),
        "load": os.getloadavg()[0],
        "probes": dict(probes.answers),
        "slowest_probe_s": round(probes.longest, 2),
    }
    print(seen)
    campaign.add("fairness", **seen)
    assert max(looks) < limit, (limit, seen)
    assert set(probes.answers) == {200}, seen
    assert world.operator.pid == pid
    assert world.operator.running
    # A namespace with thousands of runs takes long to delete, and others' tests wait for that.
    await flood(world, server, count, deletes=True)


async def test_runs_that_no_node_takes_give_their_turns_back_to_who_waits(
    world: World, other: World, policy: Policy
) -> None:
    """No scheduler is there: no pod gets a node, unless the test gives it one."""
    await policy.make(runs=2, unscheduledFor="4s")
    for number in range(2):
        await world.apply_test(f"t{number}", target={"http": {"url": f"http://shop-{number}/"}})
        await world.create_run(f"stuck-{number}", f"t{number}")
        await world.until_phase(f"stuck-{number}", "Starting")
    await asyncio.sleep(6)
    phases = [await world.phase(f"stuck-{number}") for number in range(2)]
    assert phases == ["Starting"] * 2, "nobody else waits: the turns are kept"
    await other.apply_test()
    await other.create_run("one")
    await other.until_phase("one", "Starting", seconds=10)
    phases = [await world.phase(f"stuck-{number}") for number in range(2)]
    assert sorted(map(str, phases)) == ["Queued", "Starting"], "no more turns than are wanted"
    back = f"stuck-{phases.index('Queued')}"
    status = (await world.run(back))["status"]
    assert "2 of 2 workers' pods were not scheduled within 4s" in status["message"]
    assert (status["turns"], status["workers"]["ready"], "job" in status) == (1, 0, False)
    await world.until_events(back, "Requeued")

    async def pods_are_gone() -> bool:
        return not await world.pods(back) and not await world.jobs(back)

    await until("its pods are gone", pods_are_gone)
    for pod in await other.pods("one"):
        await other.be_on_node(pod)
    assert (await other.finish("one"))["verdict"] == "Pass"
    # There is room again: it comes to its end as if nothing had been.
    again = (await world.until_phase(back, "Starting"))["status"]
    assert again["turns"] == 2
    assert again["acceptedTime"] < again["turnTime"]
    assert (await world.finish(back))["verdict"] == "Pass"


async def test_runs_above_the_bound_of_their_namespace_end_at_once_and_are_no_verdict(
    world: World, other: World, policy: Policy, server: ApiServer
) -> None:
    await policy.make(openRunsPerNamespace=3)
    await world.apply_test()
    await world.until_ready()
    await flood(world, server, 8)

    async def settled() -> list[Json] | None:
        runs = [run.get("status", {}) for run in await world.runs()]
        done = [status for status in runs if status.get("phase") == "Done"]
        open_ = [status for status in runs if status.get("phase") in ("Queued", "Starting")]
        return done if (len(done), len(open_)) == (5, 3) else None

    for status in await until("three are let in", settled):
        assert status["verdict"] == "Error"
        complete = next(one for one in status["conditions"] if one["type"] == "Complete")
        assert complete["reason"] == "TooManyRuns"
        assert (
            f"runs of namespace {world.namespace} are not done, but at most 3 are allowed"
            in status["message"]
        )

    async def missed() -> Json | None:
        status: Json = (await world.test())["status"]
        return status if "lastMissed" in status else None

    status = await until("it is recorded as missed", missed)
    assert "are not done, but at most 3 are allowed" in status["lastMissed"]["reason"]
    assert "lastVerdict" not in status
    assert "lastRun" not in status
    await other.apply_test()
    await other.create_run("elsewhere")
    await other.until_phase("elsewhere", "Starting")


async def test_a_resource_quota_bounds_the_objects_themselves(
    world: World, server: ApiServer
) -> None:
    """As docs/how-to/policy.md has it: the API server refuses what is above it."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "perfruns"},
        "spec": {"hard": {"count/perfruns.perfrun.dev": "2"}},
    }
    await world.api.call("POST", world.core("resourcequotas"), quota)

    async def counted() -> bool:
        status = (await world.api.call("GET", world.core("resourcequotas", "perfruns")))["status"]
        return "count/perfruns.perfrun.dev" in status.get("used", {})

    await until("the quota counts", counted, 90)
    await world.apply_test()
    for name in ("one", "two"):
        await world.create_run(name)
    run = {"metadata": {"name": "three"}, "spec": {"testRef": {"name": "shop"}}}
    body = {"apiVersion": "perfrun.dev/v1alpha1", "kind": "PerfRun", **run}
    with pytest.raises(AssertionError, match="exceeded quota: perfruns"):
        await world.api.call("POST", world.ours("perfruns"), body)


async def test_kubectl_shows_what_runs_and_what_a_queued_run_waits_for(
    world: World, server: ApiServer
) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two")
    await world.until_phase("two", "Queued")

    async def shown() -> str | None:
        table = server.kubectl("-n", world.namespace, "get", "ptest").stdout
        return table if "one" in table else None

    head, line = (await until("the test shows its run", shown)).splitlines()
    assert line[head.index("ACTIVE") :].split()[0] == "one"
    table = server.kubectl("-n", world.namespace, "get", "prun", "-o", "wide").stdout
    head, *lines = table.splitlines()
    queued = next(line for line in lines if line.startswith("two"))
    assert queued[head.index("POSITION") :].split()[0] == "1"
    waits = queued[head.index("WAITS FOR") :]
    assert waits.startswith(f"{world.namespace}/one is loading shop.{world.namespace}:80")


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        (["--field-manager=on-call"], "spec.stop was set by on-call"),
        ([], "spec.stop was set by kubectl-patch"),
    ],
)
async def test_a_stop_names_who_asked(
    world: World, server: ApiServer, flags: list[str], asked: str
) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    stop = ["--type=merge", "-p", '{"spec": {"stop": true}}', *flags]
    server.kubectl("-n", world.namespace, "patch", "prun", "one", *stop)
    assert asked in (await world.until_done("one"))["message"]
