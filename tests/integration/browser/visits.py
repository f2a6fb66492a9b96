"""Visits to a site, by the engine alone."""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import uvloop

from perfrun.api.test.metric import MEASURES
from perfrun.engine.errors import EngineError
from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import StepRecord
from perfrun.measure.report import WorkerReport
from perfrun.reach.values import NoValues

PATIENCE_S = 120
QUIET = "400ms"


def plan_of(
    url: str,
    load: dict[str, Any],
    *steps: dict[str, Any],
    hosts: list[str] | None = None,
    **of: Any,
) -> RunPlan:
    """A plan of one scenario. ``hosts``: all that may be connected to; ``of`` the target."""
    rules = [{"policy": "p", "hosts": hosts}] if hosts is not None else []
    return RunPlan.model_validate(
        {
            "uid": "u",
            "namespace": "shop",
            "test": "t",
            "run": "t-1",
            "seed": 7,
            "target": {"browser": {"url": url, "quietWindow": QUIET, "timeout": "30s", **of}},
            "scenarios": [{"name": "s", "steps": list(steps)}],
            "load": load,
            "network": rules,
        }
    )


def run(plan: RunPlan, meanwhile: Callable[[], Any] | None = None) -> WorkerReport:
    """The report of a load, its laws checked. ``meanwhile`` runs in a thread beside it."""

    async def whole() -> WorkerReport:
        engine = Engine(plan, 0, NoValues())
        beside = asyncio.create_task(asyncio.to_thread(meanwhile or (lambda: None)))
        try:
            async with asyncio.timeout(PATIENCE_S):
                # The browser is started at the barrier; a target that is not there is no matter.
                with contextlib.suppress(EngineError):
                    await engine.check()
                return await engine.run(monotonic_ns() + 50_000_000)
        finally:
            await engine.close()
            await beside

    return uvloop.run(whole())


def visits(number: int, at_once: int = 1) -> dict[str, Any]:
    return {"burst": {"requests": number, "concurrency": at_once}}


def page(goto: str, **more: Any) -> dict[str, Any]:
    return {"name": "page", "browser": {"goto": goto, **more}}


def mean(step: StepRecord, name: str) -> float:
    """The mean of a measure: ms, or a plain number."""
    measure = MEASURES[name]
    scale = measure.scale if measure.digits is not None else 1_000_000
    return step.measures[name].mean / scale
