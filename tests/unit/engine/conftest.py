"""The engine runs on uvloop, and so do its tests."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic_ns

import pytest
import uvloop

from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.reach.values import Values

Run = Callable[..., Awaitable[WorkerReport]]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def run() -> Run:
    """Runs a plan at once, bounded in time, and gives the report (its laws were checked)."""

    async def run(plan: RunPlan, values: Values | None = None, index: int = 0) -> WorkerReport:
        engine = Engine(plan, index, values or Values())
        async with asyncio.timeout(20):
            return await engine.run(monotonic_ns() + 100_000_000)

    return run
