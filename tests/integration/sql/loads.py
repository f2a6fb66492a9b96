"""Loads on a database, by the engine alone."""

import asyncio
from time import monotonic_ns
from typing import Any

import uvloop

from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.reach.values import Values

SECONDS_PATIENCE = 30


class Secret(Values):
    """The one value that these plans refer to."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def secret(self, name: str, key: str, field: str) -> str:
        return self._dsn


def run(dsn: str, load: dict[str, Any], *steps: dict[str, Any], **target: Any) -> WorkerReport:
    """The report of a load, its laws checked."""
    ref = {"secretKeyRef": {"name": "db", "key": "dsn"}}
    plan = RunPlan.model_validate(
        {
            "uid": "u",
            "namespace": "shop",
            "test": "t",
            "run": "t-1",
            "seed": 7,
            "target": {"sql": {"dsnFrom": ref, **target}},
            "scenarios": [{"name": "s", "steps": list(steps)}],
            "load": load,
        }
    )

    async def whole() -> WorkerReport:
        engine = Engine(plan, 0, Secret(dsn))
        try:
            async with asyncio.timeout(SECONDS_PATIENCE):
                await engine.check()
                return await engine.run(monotonic_ns() + 50_000_000)
        finally:
            await engine.close()

    return uvloop.run(whole())


def burst(requests: int, concurrency: int = 2) -> dict[str, Any]:
    return {"burst": {"requests": requests, "concurrency": concurrency}}
