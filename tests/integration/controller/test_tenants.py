"""A tenant writes the worst that there is: the operator goes on, and says one sentence of each."""

import asyncio
import time
from typing import Any, NamedTuple

import pytest

from perfrun.kube.client import METADATA_LIST
from perfrun.kube.decoding import decode
from tests.integration.controller import hostile
from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.world import PERFRUN, World

MAX_LAG_S = 5.0
"""Of the loop, beside whatever else this machine does: less than what costs the Lease. How long it is
on a machine of its own is seen in the campaign (test_fuzz)."""

TOO_MUCH = "spec: checking it takes more than 1 s of CPU"
TOO_DEEP = "more than 64 levels deep"


WAIT = 8
"""Checks that take their whole second, one after the other."""


class Ready(NamedTuple):
    """What a test says of itself."""

    status: str
    message: str


class Tenant:
    """Somebody who may write into one namespace, and reads what he likes."""

    def __init__(self, world: World, namespace: str) -> None:
        self.world, self.namespace = world, namespace
        self._http = world.api._http

    @property
    def path(self) -> str:
        return f"{PERFRUN}/namespaces/{self.namespace}/perftests"

    async def apply(self, text: str) -> int:
        """Create what the text says. Gives the status code."""
        headers = {"Content-Type": "application/json"}
        response = await self._http.post(self.path, content=text.encode(), headers=headers)
        return response.status_code

    async def versions(self) -> dict[str, str]:
        """The version of each test, by its name; without its contents, which may be large."""
        headers = {"Accept": METADATA_LIST}
        answer = decode((await self._http.get(self.path, headers=headers)).content)
        items: list[Json] = answer["items"] or []
        return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in items}

    async def ready(self) -> dict[str, Ready]:
        """The Ready condition of each test that has one, as ``kubectl get -o wide`` shows it."""
        params = {"includeObject": "None"}
        headers = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
        table = (await self._http.get(self.path, params=params, headers=headers)).json()
        names = [column["name"] for column in table["columnDefinitions"]]
        rows = [dict(zip(names, row["cells"], strict=True)) for row in table["rows"] or ()]
        return {
            row["Name"]: Ready(row["Ready"], row["Message"])
            for row in rows
            if row["Ready"] is not None
        }

    async def until_ready(self, count: int) -> dict[str, Ready]:
        """The Ready condition of each test, once all of them have one."""

        async def look() -> dict[str, Ready] | None:
            await asyncio.sleep(0.5)
            found = await self.ready()
            return found if len(found) == count else None

        return await until(f"{count} tests have a condition", look, 150)


@pytest.fixture
async def tenant(world: World) -> Any:
    namespace = f"hostile{time.monotonic_ns()}"
    await world.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    tenant = Tenant(world, namespace)
    yield tenant
    for name in await tenant.versions():
        await tenant._http.delete(f"{tenant.path}/{name}")
    await world.api.call("DELETE", f"/api/v1/namespaces/{namespace}")


ATTACKS = [
    (hostile.allowed_regexes, TOO_MUCH),
    (hostile.unknown_names, "is not a variable"),
    (hostile.json_paths, "spec"),
    (hostile.large, "KiB as JSON; at most 256 KiB are allowed"),
    (hostile.brackets, "KiB as JSON; at most 256 KiB"),
    (lambda: hostile.nested(300), TOO_DEEP),
    (lambda: hostile.nested(1200), TOO_DEEP),
    (lambda: hostile.nested(9000), TOO_DEEP),
    (lambda: hostile.nested_affinity(1200), TOO_DEEP),
]
"""What is applied, and what is said of each object of it."""


async def test_worst_of_a_tenant_is_a_sentence_on_it_and_nobody_elses_matter(
    world: World, tenant: Tenant
) -> None:
    pid = world.operator.pid
    await world.apply_test()
    await world.create_run("shop-1")
    workers = await world.workers("shop-1")

    wanted: dict[str, str] = {}
    for attack, sentence in ATTACKS:
        for text in attack():
            wanted[hostile.name_of(text)] = sentence
            assert await tenant.apply(text) == 201
    said = await tenant.until_ready(len(wanted))
    assert {name: condition.status for name, condition in said.items()} == dict.fromkeys(
        wanted, "False"
    )
    assert [
        (name, message) for name, (_, message) in said.items() if wanted[name] not in message
    ] == []
    assert await world.operator.ready()
    assert (world.operator.pid, world.operator.running) == (pid, True)
    assert await world.operator.loop_lag() < MAX_LAG_S

    # The other tenant's run: begun before, ended meanwhile.
    assert await asyncio.gather(*(worker.work() for worker in workers)) == [200] * len(workers)
    assert (await world.until_done("shop-1"))["verdict"] == "Pass"


async def test_regular_expressions_of_many_classes_are_refused_at_apply(tenant: Tenant) -> None:
    assert [await tenant.apply(text) for text in hostile.regexes()] == [422]


async def test_after_a_restart_nothing_of_it_is_done_again(world: World, tenant: Tenant) -> None:
    attacks = [
        *hostile.allowed_regexes(),
        *hostile.nested(300),
        *hostile.nested(1200),
        *list(hostile.large())[:3],
    ]
    assert [await tenant.apply(text) for text in attacks] == [201] * len(attacks)
    await tenant.until_ready(len(attacks))
    before = await tenant.versions()
    world.operator.kill()
    world.operator.start()
    await until("the operator is ready", world.operator.ready)
    await world.apply_test()
    await world.create_run("shop-1")
    status = await world.finish("shop-1")
    assert status["verdict"] == "Pass"
    assert await tenant.versions() == before
    assert await world.operator.loop_lag() < MAX_LAG_S


async def test_what_waits_for_a_check_is_not_what_delays_others(
    world: World, tenant: Tenant
) -> None:
    (text,) = hostile.allowed_regexes()
    for n in range(WAIT):
        assert await tenant.apply(text.replace('"classes"', f'"classes-{n}"')) == 201
    began = time.monotonic()
    await world.apply_test()
    await world.until_ready()
    waited = time.monotonic() - began
    done = await tenant.ready()
    # A busy machine has most of the time; that the others still wait is what is meant.
    assert waited < 8
    assert len(done) < WAIT - 2
    await tenant.until_ready(WAIT)
