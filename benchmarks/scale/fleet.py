"""``python -m benchmarks.scale.fleet``: one run of a thousand workers through one coordinator.

The coordinator has one core, and the workers, which are played, have another one. Reports are what
a load of four steps gives, and are kept in files.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from benchmarks import cores
from perfrun.api.run.perfrun import HoldStatus
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.controller.serve.server import COORDINATOR, serving
from perfrun.coordinator.app import make_app
from perfrun.coordinator.coordinator import Coordinator
from perfrun.logic.plan.run_plan import make_plan
from perfrun.measure.histogram import Histogram
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import Outcome, Timing
from perfrun.measure.report import Interval, Ready, Start, WorkerReport
from perfrun.worker.main import raise_descriptor_limit
from tests.cluster.components import free_port
from tests.cluster.progress import say
from tests.unit.logic.build import MS, S, report, step

SECONDS, RATE, STEPS = 10, 100, 4
UID = "fleet"


def plan_of(workers: int) -> RunPlan:
    """A load of ``workers`` workers, each with ``RATE`` requests a second."""
    steps = [{"name": f"step{n}", "http": {"path": f"/{n}"}} for n in range(STEPS)]
    document = {
        "target": {"http": {"url": "http://shop"}},
        "scenarios": [{"name": f"scenario{n}", "steps": [one]} for n, one in enumerate(steps)],
        "load": {
            "workers": workers,
            "open": {"rate": f"{workers * RATE}/s", "duration": f"{SECONDS}s"},
        },
    }
    spec = PerfTestSpec.model_validate(document)
    return make_plan(spec, uid=UID, namespace="scale", test="fleet", run="fleet-1")


def report_of(index: int) -> WorkerReport:
    """What one worker measured: its own latencies, in four steps."""
    chance = random.Random(index)
    each = RATE * SECONDS // STEPS
    steps = []
    for number in range(STEPS):
        took = [round(chance.lognormvariate(3, 0.5) * MS) for _ in range(each)]
        of_step = step(took, name=f"step{number}", scenario=f"scenario{number}")
        of_step.histogram(Timing.TTFB, Outcome.SUCCESS).fold(took)
        steps.append(of_step)
    return report(*steps, window=SECONDS * S)


class Files:
    """A store in a folder: what is acknowledged is on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first = 0.0

    async def persist_start(self, uid: str, time: datetime, workers: int) -> datetime:
        """T0 is kept by this process."""
        del uid, workers
        return time

    async def persist_holds(self, uid: str, holds: Sequence[HoldStatus]) -> None:
        """There are none."""

    async def store_report(self, uid: str, index: int, packed: bytes) -> None:
        """Keep it in a file."""
        del uid
        self.first = self.first or time.monotonic()
        (self.folder / f"{index}.gz").write_bytes(packed)


class Anybody:
    """Every worker is who it says it is; TokenReview has a cost of its own."""

    async def identify(self, uid: str, index: int, token: str) -> str:
        """The index."""
        del uid, token
        return str(index)


async def coordinate(workers: int, port: int) -> None:
    """Host the run, and say how long its parts took."""
    plan = plan_of(workers)
    with tempfile.TemporaryDirectory(prefix="perfrun-fleet-") as name:
        store = Files(Path(name))
        coordinator = Coordinator(store, Anybody())
        deadline = datetime.now(UTC) + timedelta(minutes=5)
        session = coordinator.open(plan, start_deadline=deadline)
        async with serving(make_app(coordinator), port, COORDINATOR):
            say("the coordinator listens")
            while session.start is None:  # noqa: ASYNC110 (it is asked, and does not tell)
                await asyncio.sleep(0.01)
            say(f"all {workers:,} workers were ready, and T0 was told")
            while not session.all_reported:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            stored = time.monotonic()
        say(f"{workers:,} reports stored and acknowledged in {stored - store.first:.1f} s")
        began, used = time.monotonic(), time.process_time()
        whole: WorkerReport | None = None
        for file in store.folder.iterdir():
            one = WorkerReport.unpack(file.read_bytes(), plan)
            if whole is None:
                whole = one
            else:
                whole.add(one)
        assert whole is not None
        whole.check()
        took = time.monotonic() - began
        sent = sum(record.sent for record in whole.window.steps)
        assert sent == workers * RATE * SECONDS, "a sample was lost or counted twice"
        say(
            f"{workers:,} reports merged in {took:.1f} s, {time.process_time() - used:.1f} s of "
            f"CPU: {sent:,} requests, none lost"
        )


async def play(workers: int, port: int) -> None:
    """All workers: ready, an interval each second, a report."""
    base = f"http://127.0.0.1:{port}/v1/runs/{UID}/workers"
    packed = [report_of(index).pack() for index in range(workers)]
    say(f"reports of {statistics.mean(map(len, packed)) / 1024:.0f} KiB, packed")
    waits: list[float] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:

        async def post(index: int, what: str, body: bytes) -> bytes:
            while True:
                try:
                    url = f"{base}/{index}/{what}"
                    headers = {"Authorization": f"Bearer {index}"}
                    async with http.post(url, data=body, headers=headers) as answer:
                        if answer.status == 200:
                            return await answer.read()
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.2)

        async def live(index: int) -> None:
            start = Start()
            while start.start_in is None:
                start = Start.model_validate_json(
                    await post(index, "ready", Ready(ceiling=1e5).to_bytes())
                )
            t0 = time.monotonic() + start.start_in / S
            for second in range(1, SECONDS + 1):
                await asyncio.sleep(max(t0 + second - time.monotonic(), 0))
                asked = time.monotonic()
                await post(index, "interval", _interval(second))
                waits.append(time.monotonic() - asked)
            await post(index, "report", packed[index])

        await asyncio.gather(*(live(index) for index in range(workers)))
    late = statistics.quantiles(waits, n=100)
    say(
        f"{len(waits):,} intervals, {workers:,} each second: answered in {late[49] * 1e3:.0f} ms "
        f"(median), {late[98] * 1e3:.0f} ms (p99), at most {max(waits) * 1e3:.0f} ms"
    )


def _interval(second: int) -> bytes:
    latency = Histogram()
    latency.fold([20 * MS] * RATE)
    count = RATE * second
    return Interval(
        sequence=second, elapsed=second * S, in_flight=1, planned=count, started=count, dropped=0,
        sent=count, succeeded=count, failed=0, latency=latency,
    ).to_bytes()  # fmt: skip


def main() -> None:
    """Both parts, each on a core of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.fleet", description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--play", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    raise_descriptor_limit()
    if options.play:
        asyncio.run(play(options.workers, options.play))
        return
    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.scale.fleet", f"--workers={options.workers}"]
    playing = subprocess.Popen(["taskset", "-c", cores.CLIENT, *argv, f"--play={port}"])
    try:
        os.sched_setaffinity(0, {int(cores.SERVER)})
        asyncio.run(coordinate(options.workers, port))
        playing.wait(60)
    finally:
        playing.kill()


if __name__ == "__main__":
    main()
