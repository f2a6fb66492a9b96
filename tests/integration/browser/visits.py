"""Visits to a site, by the engine alone."""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic_ns
from typing import Any
from unittest.mock import patch

import uvloop

from perfrun.api.test.metric import MEASURES
from perfrun.engine.browser import kind
from perfrun.engine.browser.chromium import Chromium
from perfrun.engine.errors import EngineError
from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import StepRecord
from perfrun.measure.report import WorkerReport
from perfrun.reach.values import Values

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


class _Kept(Chromium):
    """A browser that outlives the engines that use it: to start one costs three times a visit."""

    async def close(self) -> None:
        """Wait for what has to be closed, and no more."""
        if self._unwanted:
            await asyncio.wait(self._unwanted)

    async def end(self) -> None:
        """Stop it."""
        await super().close()


class Browser:
    """The browser of the tests that are not about its life, in a loop of its own."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._kept: _Kept | None = None

    def run(self, plan: RunPlan) -> WorkerReport:
        """The report of a load, its laws checked."""
        try:
            with patch.object(kind, "Chromium", self._chromium):
                return self._loop.run_until_complete(_report(plan))
        except BaseException:
            self.end()
            raise

    def _chromium(self, user_agent: str) -> _Kept:
        if self._kept is None:
            self._kept = _Kept(user_agent)
        return self._kept

    def end(self) -> None:
        """Stop it; the next load has another one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self._loop.run_until_complete(kept.end())

    def close(self) -> None:
        """Stop it for good."""
        self.end()
        self._loop.close()


BROWSER = Browser()
run = BROWSER.run


def run_alone(plan: RunPlan, meanwhile: Callable[[], Any] | None = None) -> WorkerReport:
    """The same with a browser of its own. ``meanwhile`` runs in a thread beside it."""
    BROWSER.end()

    async def both() -> WorkerReport:
        beside = asyncio.create_task(asyncio.to_thread(meanwhile or (lambda: None)))
        try:
            return await _report(plan)
        finally:
            await beside

    return uvloop.run(both())


async def _report(plan: RunPlan) -> WorkerReport:
    engine = Engine(plan, 0, Values())
    try:
        async with asyncio.timeout(PATIENCE_S):
            # The browser is started at the barrier; a target that is not there is no matter.
            with contextlib.suppress(EngineError):
                await engine.check()
            return await engine.run(monotonic_ns() + 50_000_000)
    finally:
        await engine.close()


def visits(number: int, at_once: int = 1) -> dict[str, Any]:
    return {"burst": {"requests": number, "concurrency": at_once}}


def page(goto: str, **more: Any) -> dict[str, Any]:
    return {"name": "page", "browser": {"goto": goto, **more}}


def mean(step: StepRecord, name: str) -> float:
    """The mean of a measure: ms, or a plain number."""
    measure = MEASURES[name]
    scale = measure.scale if measure.digits is not None else 1_000_000
    return step.measures[name].mean / scale
