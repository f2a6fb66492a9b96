"""A capacity search on one worker or two: holds as they are told, against a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic_ns

import pytest

from perfrun.engine.run import Engine
from perfrun.logic.plan.run_plan import hold_plan, planned
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Hold, Interval, Order, WorkerReport, merge
from perfrun.reach.values import Values
from tests.unit.engine.server import Server, hang, plan, running, step

MS = 1_000_000
S = 1_000_000_000


def searching(
    server: Server, *, workers: int = 1, path: str = "/n/$(seq())", **http: str
) -> RunPlan:
    load = {"workers": workers, "capacity": {"from": "1/s", "to": "9999/s", "hold": "1s"}}
    return plan(server.url, load, step(path), **http)


@dataclass
class Run:
    """A search in progress."""

    engine: Engine
    ended: asyncio.Task[WorkerReport]
    start: int
    holds: asyncio.Queue[WorkerReport] = field(default_factory=asyncio.Queue)
    intervals: list[Interval] = field(default_factory=list)

    def tell(self, number: int, rate: float, length: int = S, ahead: int = 100 * MS) -> None:
        begin = monotonic_ns() - self.start + ahead
        hold = Hold(number=number, rate=rate, start=begin, length=length)
        self.engine.follow(Order(hold=hold))
        self.engine.follow(Order(hold=hold))  # as every answer to an interval does

    async def held(self) -> WorkerReport:
        return await asyncio.wait_for(self.holds.get(), 15)

    async def done(self) -> WorkerReport:
        self.engine.follow(Order(done=True))
        return await asyncio.wait_for(self.ended, 15)


@asynccontextmanager
async def search(a_plan: RunPlan, index: int = 0, start_in: int = 20 * MS) -> AsyncIterator[Run]:
    engine, start = Engine(a_plan, index, Values()), monotonic_ns() + start_in
    holds: asyncio.Queue[WorkerReport] = asyncio.Queue()
    intervals: list[Interval] = []
    task = asyncio.create_task(
        engine.run(start, intervals.append, on_hold=holds.put_nowait), name="search"
    )
    await asyncio.sleep(0)  # it runs from its first turn on
    try:
        yield Run(engine, task, start, holds, intervals)
    finally:
        task.cancel()


@pytest.mark.flaky(reruns=3)
async def test_holds_are_measured_one_by_one() -> None:
    async with running() as server, search(searching(server)) as run:
        run.tell(1, 200)
        first = await run.held()
        run.tell(2, 400, length=S // 2)
        second = await run.held()
        whole = await run.done()
    for report, number, window in ((first, 1, S), (second, 2, S // 2)):
        counts = report.window.scenarios[0]
        assert (report.hold, counts.planned, counts.started) == (number, 200, 200)
        assert (report.window_time, report.load_time) == (window, window)
        assert report.generator.lag.count == 200
        assert (report.stopped, report.warmup.attempts) == (None, 0)
        assert report.late < 10 * MS
    assert whole.hold == 2
    assert (whole.warmup.attempts, whole.window.attempts) == (200, 200)
    assert whole.stopped is None
    assert len(server.log) == 400
    assert sum(whole.series.succeeded) == 400


async def test_numbers_go_on_from_hold_to_hold_over_two_workers() -> None:
    async with running() as server:
        a_plan = searching(server, workers=2)
        async with search(a_plan) as one, search(a_plan, 1) as two:
            for number, rate in ((1, 101.0), (2, 203.0)):
                for run in (one, two):
                    run.tell(number, rate)
                both = merge([await one.held(), await two.held()])
                due = planned(hold_plan(a_plan, rate))
                assert both.window.scenarios[0].planned == due
            await one.done()
            await two.done()
        assert max(server.paths.values()) == 1
        assert len(server.log) == 101 + 203


@pytest.mark.flaky(reruns=3)
async def test_a_hold_that_is_cut_ends_early_and_says_why() -> None:
    async with running() as server, search(searching(server)) as run:
        run.tell(1, 100, length=60 * S)
        await until(lambda: len(server.log) >= 20)
        hold = run.engine._execution._hold
        run.engine.follow(Order(hold=hold, cut="after 3s: errorRate was 100%"))
        cut = await run.held()
        run.tell(2, 100, length=S // 5)
        after = await run.held()
        whole = await run.done()
    assert (cut.stopped, cut.breached) == ("after 3s: errorRate was 100%", True)
    assert cut.window_time < 5 * S
    assert (after.stopped, whole.stopped, whole.breached) == (None, None, False)


async def test_what_is_open_after_a_hold_is_censored_before_the_next() -> None:
    async with running() as server:
        server.behaviours["/hang"] = hang
        async with search(searching(server, path="/hang", timeout="300ms")) as run:
            run.tell(1, 50, length=S // 5)
            first = await run.held()
            assert run.engine._execution._carrier.in_flight() == 0
            await run.done()
    record = first.window.steps[0]
    assert record.sent == 10
    assert record.censored + record.errors.get("Timeout", 0) == 10


@pytest.mark.flaky(reruns=3)
async def test_a_hold_that_was_heard_of_late_drops_what_it_missed() -> None:
    async with running() as server, search(searching(server), start_in=-S) as run:
        run.tell(1, 100, ahead=-500 * MS)
        held = await run.held()
        counts = held.window.scenarios[0]
        await run.done()
    assert 500 * MS <= held.late < 700 * MS
    assert counts.planned == 100
    assert 45 <= counts.dropped <= 70


@pytest.mark.parametrize("when", ["before", "during", "after"])
async def test_a_stop_ends_it_at_any_time(when: str) -> None:
    async with running() as server, search(searching(server)) as run:
        if when != "before":
            run.tell(1, 100, length=S // 2 if when == "after" else 60 * S)
            await until(lambda: len(server.log) >= 10)
        if when == "after":
            await run.held()
        run.engine.stop("spec.stop was set")
        whole = await asyncio.wait_for(run.ended, 5)
    assert (whole.stopped, whole.breached) == ("spec.stop was set", False)
    assert whole.hold == (0 if when == "before" else 1)
    assert whole.window.attempts == len(server.log)


async def test_a_hold_in_which_the_worker_was_ended_says_so() -> None:
    async with running() as server, search(searching(server)) as run:
        run.tell(1, 100, length=60 * S)
        await until(lambda: len(server.log) >= 10)
        run.engine.stop("terminated")
        held = await run.held()
        await asyncio.wait_for(run.ended, 5)
    assert (held.stopped, held.breached) == ("terminated", False)


async def test_without_a_coordinator_it_ends_after_its_hold() -> None:
    async with running() as server, search(searching(server)) as run:
        run.tell(1, 100, length=S)
        await until(lambda: len(server.log) >= 10)
        run.engine.give_up_search("the coordinator could not be reached for 2m")
        whole = await asyncio.wait_for(run.ended, 5)
    assert whole.stopped == "the coordinator could not be reached for 2m"
    assert whole.window.scenarios[0].planned == 100


async def test_a_new_coordinator_s_hold_ends_the_one_that_it_does_not_know() -> None:
    async with running() as server, search(searching(server)) as run:
        run.tell(1, 100, length=60 * S)
        await until(lambda: len(server.log) >= 10)
        run.tell(2, 50, length=S // 2)
        old, new = await run.held(), await run.held()
        whole = await run.done()
    assert (old.hold, new.hold, whole.hold) == (1, 2, 2)
    assert new.window.scenarios[0].planned == 25
    assert whole.window.attempts + whole.warmup.attempts == len(server.log)


async def test_intervals_count_over_all_holds() -> None:
    async with running() as server, search(searching(server)) as run:
        run.tell(1, 100)
        await run.held()
        run.tell(2, 100)
        await run.held()
        await until(lambda: run.intervals[-1].succeeded == 200)
        await run.done()
    counts = [interval.succeeded for interval in run.intervals]
    assert counts == sorted(counts)
    assert sum(interval.latency.count for interval in run.intervals) == 200


async def until(true: object) -> None:
    async with asyncio.timeout(10):
        while not true():  # type: ignore[operator]
            await asyncio.sleep(0.01)
