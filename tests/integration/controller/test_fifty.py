"""A cluster bootstrap applies fifty tests at once: a policy lets three runs go on, the rest waits."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.worker import EACH
from tests.integration.controller.world import PERFRUN, World

TESTS, MAX_RUNS = 50, 3
UNDER_WAY = ("Starting", "Running", "Collecting")
ALL_DONE_S = 240.0


@pytest.fixture
async def capped(world: World, other: World) -> AsyncIterator[tuple[World, World]]:
    """Both namespaces, under one policy of three runs at once."""
    policy: Json = {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfPolicy",
        "metadata": {"name": f"few-{world.namespace}"},
        "spec": {"namespaces": [world.namespace, other.namespace], "limits": {"runs": MAX_RUNS}},
    }
    await world.api.call("POST", f"{PERFRUN}/perfpolicies", policy)
    yield world, other
    await world.api.call("DELETE", f"{PERFRUN}/perfpolicies/{policy['metadata']['name']}")


async def _runs(worlds: tuple[World, World]) -> list[Json]:
    """Those of both namespaces at one moment; never are more in progress than may be."""
    namespaces = {world.namespace for world in worlds}
    found = await worlds[0].api.items(f"{PERFRUN}/perfruns")
    ours = [run for run in found if run["metadata"]["namespace"] in namespaces]
    in_progress = [run["metadata"]["name"] for run in ours if _phase(run) in UNDER_WAY]
    assert len(in_progress) <= MAX_RUNS, in_progress
    return ours


def _phase(run: Json) -> str:
    return str(run.get("status", {}).get("phase", ""))


async def _play(world: World, run: str) -> None:
    (worker,) = await world.workers(run, 1)
    assert await worker.work() == 200


async def test_never_more_than_three_and_all_come_to_their_end(
    capped: tuple[World, World],
) -> None:
    load = {"workers": 1, "burst": {"requests": EACH, "concurrency": 1}}
    applied = [
        capped[number % 2].apply_test(
            f"t{number}",
            load=load,
            target={"http": {"url": f"http://shop-{number}/"}},
            runOn=["Change"],
        )
        for number in range(TESTS)
    ]
    await asyncio.gather(*applied)

    async def placed() -> list[Json] | None:
        runs = await _runs(capped)
        waiting = [run for run in runs if _phase(run) == "Queued" and "queue" in run["status"]]
        return waiting if (len(runs), len(waiting)) == (TESTS, TESTS - MAX_RUNS) else None

    waiting = await until("three go on and the others wait", placed)
    for run in waiting:
        queue = run["status"]["queue"]
        assert f"allows {MAX_RUNS} runs at the same time" in queue["reason"]
        assert 1 <= queue["position"] <= TESTS - MAX_RUNS

    playing: dict[tuple[str, str], asyncio.Task[None]] = {}
    by_name = {world.namespace: world for world in capped}

    async def over() -> bool:
        runs = await _runs(capped)
        for run in runs:
            about = run["metadata"]
            key = (about["namespace"], about["name"])
            if _phase(run) == "Starting" and key not in playing:
                playing[key] = asyncio.create_task(_play(by_name[key[0]], key[1]))
        return all(_phase(run) == "Done" for run in runs)

    await until("all are done", over, ALL_DONE_S)
    await asyncio.gather(*playing.values())
    runs = await _runs(capped)
    assert len(runs) == len(playing) == TESTS
    assert {run["status"]["verdict"] for run in runs} == {"Pass"}
    # Fair: neither namespace waits for the end of the other.
    ends = sorted(runs, key=lambda run: str(run["status"]["completionTime"]))
    first_half = {run["metadata"]["namespace"] for run in ends[: TESTS // 2]}
    assert first_half == set(by_name)
