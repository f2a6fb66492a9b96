"""Ten thousand objects that a tenant could write: no exit, no traceback, no loop that stands still.

A slice by default; ``--campaign FILE`` makes all of them.
"""

import asyncio
import json
import time
from collections import Counter
from typing import Any

import pytest

from perfrun.logic.accept.budgets import MAX_SPEC_BYTES
from perfrun.logic.accept.examine import Examined, examine
from tests.campaign import Campaign
from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.fuzz import Fuzz, schema_of, shown
from tests.integration.controller.world import World

SLICE, WHOLE = 400, 10_000
APPLIED_SLICE, APPLIED = 60, 2_000
AT_ONCE = 4
MAX_LAG_S = {False: 5.0, True: 0.25}
"""Beside other work on two cores, and in the campaign, which has the machine."""


def test_each_spec_is_accepted_or_refused_with_sentences_within_the_budget(
    campaign: Campaign,
) -> None:
    schema, sources, said = schema_of("perftests"), shown(), Counter[str]()
    slowest = 0.0
    for seed in range(WHOLE if campaign.whole else SLICE):
        spec = Fuzz(seed).test("x", schema, sources)["spec"]
        assert len(json.dumps(spec)) < 40 * MAX_SPEC_BYTES
        began = time.process_time()
        outcome = examine(spec, "team", freeze=True)
        slowest = max(slowest, time.process_time() - began)
        assert bool(outcome.problems) != bool(outcome.what_runs), (seed, spec)
        assert all(text.startswith("spec") for text in outcome.problems), (seed, outcome.problems)
        Examined.model_validate_json(outcome.model_dump_json(exclude_none=True))
        said["refused" if outcome.problems else "accepted"] += 1
    print(f"{dict(said)}, slowest {slowest:.2f} s")
    campaign.add("specs", said=dict(said), slowest=slowest)
    assert said["accepted"] > sum(said.values()) / 20


async def test_operator_takes_whatever_the_api_server_takes(
    world: World, campaign: Campaign
) -> None:
    schemas = {plural: schema_of(plural) for plural in ("perftests", "perfruns")}
    sources, said, pid = shown(), Counter[str](), world.operator.pid
    took: list[str] = []

    async def one(seed: int) -> None:
        fuzz = Fuzz(seed)
        body = fuzz.test(f"fuzz-{seed}", schemas["perftests"], sources)
        if not await _took(world, "POST", world.ours("perftests"), body):
            said["refused by the API server"] += 1
            return
        took.append(body["metadata"]["name"])
        for plural in ("perftests", "perfruns"):
            if plural == "perfruns":
                run = {"apiVersion": "perfrun.dev/v1alpha1", "kind": "PerfRun",
                       "metadata": {"name": f"fuzz-{seed}"},
                       "spec": {"testRef": {"name": f"fuzz-{seed}"}}}  # fmt: skip
                await _took(world, "POST", world.ours("perfruns"), run)
            # Somebody with the right to write there, and no idea of it.
            path = world.ours(plural, f"fuzz-{seed}/status")
            if await _took(world, "PATCH", path, {"status": fuzz.status(schemas[plural])}):
                said[f"statuses of {plural}"] += 1

    count = APPLIED if campaign.whole else APPLIED_SLICE
    for first in range(0, count, AT_ONCE):
        await asyncio.gather(*(one(seed) for seed in range(first, first + AT_ONCE)))

    async def all_have() -> bool:
        bodies = [await world.test(name) for name in took]
        return all(_ready(body) for body in bodies)

    await until("all tests have a condition", all_have, 120)
    for name in took:
        said[str(_ready(await world.test(name)))] += 1
    print(f"{count}: {dict(said)}, lag {await world.operator.loop_lag():.2f} s")
    assert (world.operator.pid, world.operator.running) == (pid, True)
    assert await world.operator.loop_lag() < MAX_LAG_S[campaign.whole]
    assert "Traceback" not in world.operator.log.read_text()
    assert len(took) > count / 20


async def _took(world: World, method: str, path: str, body: Json) -> bool:
    merge = {"Content-Type": "application/merge-patch+json"}
    try:
        text = json.dumps(body)
    except RecursionError:
        return False
    headers = merge if method == "PATCH" else {"Content-Type": "application/json"}
    response = await world.api._http.request(method, path, content=text, headers=headers)
    assert response.status_code < 500, (response.text, body)
    return response.status_code < 300


def _ready(body: Json) -> Any:
    status = body.get("status", {})
    if status.get("observedGeneration") != body["metadata"]["generation"]:
        return None
    ready = [one for one in status.get("conditions", ()) if one["type"] == "Ready"]
    return ready[0]["reason"] if ready and ready[0].get("message") else None


@pytest.mark.parametrize("plural", ["perftests", "perfruns", "perfpolicies"])
def test_schemas_are_read(plural: str) -> None:
    assert schema_of(plural)["properties"]["spec"]
