"""The operator's clock is set while it works: forward and back, by hours and by seconds.

Only this process sees another time (libfaketime); the API server and the workers do not.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cluster.handle import ApiServer
from tests.cluster.operator import Operator, kubeconfig_again
from tests.integration.controller.apiserver import until
from tests.integration.controller.world import ALL, World

LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"


class Clock:
    """The time of day of one process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        (library,) = Path("/").glob(LIBRARY.lstrip("/"))
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # As when a clock is set: what has passed since then is another clock's to say.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, seconds: int) -> None:
        """So much off the truth from now on."""
        other = self._file.with_suffix(".new")
        other.write_text(f"{seconds:+d}\n")
        other.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
async def stepped(
    world: World, server: ApiServer, tmp_path: Path, clock: Clock
) -> AsyncIterator[World]:
    """The world with an operator whose clock can be set; it leads."""
    assert world.operator.stop() == 0
    own = Operator(
        kubeconfig_again(server, tmp_path), tmp_path, pod="stepped", environment=clock.environment
    )
    yield World(world.api, own, world.namespace)
    if own.running:
        assert own.stop() == 0
    assert "Traceback" not in own.log.read_text()


async def leads(world: World) -> None:
    async def look() -> bool:
        return "perfrun_leader 1.0" in await world.operator.metrics()

    await until("the operator is ready", world.operator.ready)
    await until("the operator leads", look)


@pytest.mark.parametrize(
    ("phase", "before", "after"),
    [("Starting", 40, 0), ("Running", 0, 7200), ("Running", 7200, 0)],
)
async def test_a_run_under_way_loses_nothing(
    stepped: World, clock: Clock, phase: str, before: int, after: int
) -> None:
    clock.set(before)
    stepped.operator.start()
    await leads(stepped)
    await stepped.apply_test()
    await stepped.create_run("one")
    workers = await stepped.workers("one")
    if phase == "Starting":
        clock.set(after)
    working = [asyncio.create_task(worker.work(intervals=20)) for worker in workers]
    await stepped.until_phase("one", "Running")
    if phase == "Running":
        clock.set(after)
    assert await asyncio.gather(*working) == [200] * len(workers)
    status = await stepped.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL), status
    assert stepped.operator.running
    # The step was one: what it wrote last is by the clock that it was left with.
    off = datetime.fromisoformat(status["completionTime"]) - datetime.now(UTC)
    assert abs(off - timedelta(seconds=after)) < timedelta(seconds=30)


async def test_a_schedule_takes_the_last_time_of_a_leap_and_none_twice(
    stepped: World, clock: Clock
) -> None:
    stepped.operator.start()
    await leads(stepped)
    await stepped.apply_test(schedule={"cron": "0 * * * *"})
    await stepped.until_ready()
    created = datetime.now(UTC)
    clock.set(7200)
    # It looks at least once a minute, for just this.
    (run,) = await until("the run of the last hour is there", stepped.runs, 90)
    hour = (created + timedelta(seconds=7200)).replace(minute=0, second=0, microsecond=0)
    assert run["spec"]["scheduledTime"] == hour.strftime("%Y-%m-%dT%H:%M:%SZ")
    clock.set(0)
    await stepped.change_test(historyLimits={"passed": 5})
    await stepped.settled()
    assert len(await stepped.runs()) == 1
    noted = (await stepped.test())["status"]["lastScheduleTime"]
    assert noted == run["spec"]["scheduledTime"]
