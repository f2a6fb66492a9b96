"""The operator's clock is set while it works: forward and back, by hours and by seconds.

Only this process sees another time (libfaketime); the API server and the workers do not.
``--campaign FILE`` keeps what became of the runs, for the table of docs/explanation/reliability.md.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.campaign import Campaign
from tests.cluster.handle import ApiServer
from tests.cluster.operator import Operator, kubeconfig_again
from tests.e2e.faults.outcomes import Outcome
from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.conftest import opened
from tests.integration.controller.worker import Worker
from tests.integration.controller.world import ALL, WORKERS, World

PACED = {"burst": None, "open": {"rate": f"{ALL}/s", "duration": "1s"}}
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


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def own(
    server: ApiServer, tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> Iterator[Operator]:
    """An operator whose clock can be set; it lives through all the steps, one after the other."""
    folder = tmp_path_factory.mktemp("stepped")
    own = Operator(
        kubeconfig_again(server, folder), folder, pod="stepped", environment=clock.environment
    )
    yield own
    if own.running:
        assert own.stop() == 0
    assert "Traceback" not in own.log.read_text()


@pytest.fixture
async def stepped(
    server: ApiServer, operator: Operator, own: Operator, clock: Clock
) -> AsyncIterator[World]:
    """A world with that operator, and no other one."""
    if operator.running:
        # Before that, nothing of it would hear a signal.
        await until("the operator is ready", operator.ready)
        assert operator.stop() == 0
    async with opened(server, own) as world:
        yield world


async def leads_at(world: World, clock: Clock, seconds: int = 0) -> None:
    """It leads with a clock that is so much off the truth."""
    clock.set(seconds)
    if not world.operator.running:
        world.operator.start()
    await leads(world)


async def leads(world: World) -> None:
    async def look() -> bool:
        return "perfrun_leader 1.0" in await world.operator.metrics()

    await until("the operator is ready", world.operator.ready)
    await until("the operator leads", look)


@pytest.mark.parametrize(
    ("phase", "before", "after"),
    [
        # By less than a run may wait: with two hours, its time in the queue would be over.
        ("Queued", 0, 1800),
        ("Queued", 1800, 0),
        ("Starting", 40, 0),
        ("Running", 0, 7200),
        ("Running", 7200, 0),
        ("Collecting", 0, 40),
        ("Collecting", 7200, 0),
    ],
)
async def test_a_run_in_progress_loses_nothing(
    stepped: World, clock: Clock, phase: str, before: int, after: int, campaign: Campaign
) -> None:
    await leads_at(stepped, clock, before)
    # Reports come in Collecting where the end of the load is known, which a burst's is not.
    await stepped.apply_test(load=PACED if phase == "Collecting" else None)
    holding: list[Worker] = []
    if phase == "Queued":
        await stepped.create_run("first")
        # Under load: its time to start would be over with the leap.
        holding = await stepped.workers("first")
        await asyncio.gather(*(worker.at_barrier() for worker in holding))
    await stepped.create_run("one")
    if phase == "Queued":
        await stepped.until_phase("one", "Queued")
        clock.set(after)
        await asyncio.gather(*(worker.report() for worker in holding))
    workers = await stepped.workers("one")
    if phase == "Starting":
        clock.set(after)
    struck = asyncio.Event()
    working = [asyncio.create_task(_work(worker, struck)) for worker in workers]
    if phase in ("Running", "Collecting"):
        await stepped.until_phase("one", phase)
        clock.set(after)
    struck.set()
    began = time.monotonic()
    assert await asyncio.gather(*working) == [200] * len(workers)
    status = await stepped.until_done("one")
    _keep(campaign, _title(before, after), phase, status, time.monotonic() - began)
    assert (status["verdict"], status["workers"]["reported"]) == ("Pass", WORKERS), status
    assert status["summary"]["requests"]["sent"] == ALL
    assert stepped.operator.running
    # The step was one: what it wrote last is by the clock that it was left with.
    off = datetime.fromisoformat(status["completionTime"]) - datetime.now(UTC)
    assert abs(off - timedelta(seconds=after)) < timedelta(seconds=30)


async def test_a_leap_past_the_deadline_of_reports_is_no_time_in_which_nobody_reported(
    stepped: World, clock: Clock, campaign: Campaign
) -> None:
    await leads_at(stepped, clock)
    await stepped.apply_test(load=PACED)
    await stepped.create_run("one")
    workers = await stepped.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    assert (await workers[0].report()).status_code == 200
    await stepped.until_phase("one", "Collecting")
    clock.set(7200)
    began = time.monotonic()
    await asyncio.sleep(3)  # the run is looked at several times meanwhile
    assert (await workers[1].report()).status_code == 200
    status = await stepped.until_done("one")
    _keep(campaign, _title(0, 7200), "Collecting", status, time.monotonic() - began)
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)


def _keep(campaign: Campaign, title: str, phase: str, status: Json, seconds: float) -> None:
    sent, reported = status["summary"]["requests"]["sent"], status["workers"]["reported"]
    said = f"{status['verdict']}, {reported} of {WORKERS} workers, {sent} of {ALL} requests"
    Outcome(title, phase, said, status["message"], seconds).keep(campaign)


async def _work(worker: Worker, struck: asyncio.Event) -> int:
    """A worker that has something to say before the clock is set, and its report after it."""
    await worker.at_barrier()
    await worker.interval()
    await struck.wait()
    await worker.interval(2)
    return (await worker.report()).status_code


def _title(before: int, after: int) -> str:
    way = "forward" if after > before else "back"
    by = timedelta(seconds=abs(after - before))
    return f"the operator's clock is set {way} by {by} (simulated workers)"


async def test_a_schedule_takes_the_last_time_of_a_leap_and_none_twice(
    stepped: World, clock: Clock
) -> None:
    await leads_at(stepped, clock)
    await stepped.apply_test(schedule={"cron": "0 * * * *"})
    await stepped.until_ready()
    created = datetime.now(UTC)
    clock.set(7200)
    # It looks at least once a minute, for just this.
    (run,) = await until("the run of the last hour is there", stepped.runs, 90)
    hour = (created + timedelta(seconds=7200)).replace(minute=0, second=0, microsecond=0)
    assert run["spec"]["scheduledTime"] == hour.strftime("%Y-%m-%dT%H:%M:%SZ")

    async def noted_time() -> bool:
        return "lastScheduleTime" in (await stepped.test())["status"]

    await until("the run is noted on the test", noted_time)
    clock.set(0)
    await stepped.change_test(historyLimits={"passed": 5})
    await stepped.settled()
    assert len(await stepped.runs()) == 1
    noted = (await stepped.test())["status"]["lastScheduleTime"]
    assert noted == run["spec"]["scheduledTime"]
