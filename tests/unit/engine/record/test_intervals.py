"""The series of a report: what each second of a load was like."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sized
from time import monotonic_ns
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from perfrun.engine.errors import ErrorClass
from perfrun.engine.record import intervals as module
from perfrun.engine.record.intervals import Intervals
from perfrun.engine.record.recorder import Recorder
from perfrun.engine.run import Engine
from perfrun.measure.histogram import Histogram
from perfrun.measure.report import Interval, WorkerReport
from perfrun.measure.series import MAX_POINTS
from perfrun.measure.sketch import Sketch
from perfrun.reach.values import Values
from tests.unit.engine.conftest import Run
from tests.unit.engine.load.test_capacity import search, searching
from tests.unit.engine.server import answer, burst, plan, running, slow, step

MS, S = 1_000_000, 1_000_000_000


class Load:
    """A load by hand, on a clock by hand: its recorder and its intervals."""

    def __init__(self, steps: int = 1) -> None:
        names = [SimpleNamespace(name=f"step{number}") for number in range(steps)]
        scenario: Any = SimpleNamespace(name="default", steps=names)
        self.recorder = Recorder([scenario])
        self.now, self.in_flight = 0, 0
        self.intervals: list[Interval] = []
        self.second_by_second = Intervals(self.recorder, 0, lambda: self.in_flight)

    def succeed(self, *latencies: int, step: int = 0) -> None:
        tally = self.recorder.window.scenarios[0].steps[step]
        for latency in latencies:
            tally.sent += 1
            tally.add_latency(latency)

    def fail(self, error: ErrorClass, count: int = 1) -> None:
        tally = self.recorder.window.scenarios[0].steps[0]
        for _ in range(count):
            tally.sent += 1
            tally.fail(error)

    def passes(self, seconds: int = 1) -> None:
        self.now += seconds * S
        self.second_by_second._second()


@pytest.fixture
async def load(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[int], Load]]:
    made: list[Load] = []

    def begin(steps: int = 1) -> Load:
        made.append(Load(steps))
        monkeypatch.setattr(module, "monotonic_ns", lambda: made[-1].now)
        made[-1].second_by_second.begin(made[-1].intervals.append)
        return made[-1]

    yield begin
    for one in made:
        one.second_by_second.end()


Begin = Callable[..., Load]


def sketch(*values: int) -> Sketch:
    fine = Histogram()
    fine.fold(values)
    return Sketch.of(fine)


async def test_each_second_has_what_was_new_in_it(load: Begin) -> None:
    one = load()
    one.succeed(5 * MS, 7 * MS)
    one.fail(ErrorClass.RESET)
    one.recorder.lag.values.extend([MS, 3 * MS, 2 * MS])
    one.in_flight = 4
    one.passes()
    one.in_flight = 2
    one.passes()
    one.fail(ErrorClass.RESET, 2)
    one.fail(ErrorClass.TIMEOUT)
    one.recorder.lag.values.append(2 * MS)
    one.in_flight = 1
    one.passes()
    series = one.second_by_second.series
    assert (series.started, series.succeeded, series.failed) == ([3, 0, 3], [2, 0, 0], [1, 0, 3])
    assert series.errors == {"Reset": [1, 0, 2], "Timeout": [0, 0, 1]}
    assert (series.in_flight, series.lag) == ([4, 2, 1], [3 * MS, 0, 2 * MS])
    assert series.latency == [sketch(5 * MS, 7 * MS), Sketch(), Sketch()]


async def test_the_interval_and_the_series_have_the_same_latencies(load: Begin) -> None:
    one = load()
    one.succeed(5 * MS, 7 * MS)
    one.passes()
    one.succeed(9 * MS)
    one.passes()
    told = [Sketch.of(interval.latency) for interval in one.intervals]
    assert told == one.second_by_second.series.latency == [sketch(5 * MS, 7 * MS), sketch(9 * MS)]


async def test_the_end_takes_in_the_broken_second(load: Begin) -> None:
    one = load()
    one.in_flight = 1
    one.passes()
    one.now += S // 2
    one.succeed(5 * MS)
    one.in_flight = 0
    one.second_by_second.end()
    series = one.second_by_second.series
    assert (series.succeeded, series.in_flight) == ([0, 1], [1, 0])
    assert series.latency == [Sketch(), sketch(5 * MS)]


async def test_seconds_in_which_nobody_looked_are_empty(load: Begin) -> None:
    one = load()
    one.succeed(5 * MS)
    one.passes(3)
    assert one.second_by_second.series.succeeded == [0, 0, 1]
    assert [found.count for found in one.second_by_second.series.latency] == [0, 0, 1]


async def test_an_hour_has_points_of_eight_seconds(load: Begin) -> None:
    one = load()
    for number in range(3600):
        one.succeed(5 * MS)
        if number % 8 == 0:
            one.fail(ErrorClass.CONNECT)
        one.in_flight = number % 8
        one.passes()
    series = one.second_by_second.series
    series.check()
    assert (series.resolution, len(series.planned)) == (8 * S, 450)
    assert len(series.planned) <= MAX_POINTS
    assert series.succeeded == [8] * 450
    assert series.errors == {"Connect": [1] * 450}
    assert series.in_flight == [7] * 450


async def test_a_new_window_of_a_search_loses_nothing(load: Begin) -> None:
    one = load()
    one.succeed(5 * MS)
    one.fail(ErrorClass.RESET)
    one.recorder.lag.values.append(4 * MS)
    one.recorder.turn()
    one.succeed(6 * MS)
    one.fail(ErrorClass.RESET)
    one.recorder.lag.values.append(MS)
    one.passes()
    series = one.second_by_second.series
    assert (series.errors, series.lag) == ({"Reset": [2]}, [4 * MS])
    assert series.latency == [sketch(5 * MS, 6 * MS)]


async def test_a_tick_of_ten_busy_steps_takes_under_two_milliseconds(load: Begin) -> None:
    one = load(10)
    random = np.random.default_rng(1)
    best = 1.0
    for _ in range(20):
        for number in range(10):
            one.succeed(*(random.lognormal(0, 1, 200) * 20 * MS).astype(int).tolist(), step=number)
        before = time.thread_time()  # what the machine does meanwhile is not counted
        one.passes()
        best = min(best, time.thread_time() - before)
    assert best < 0.002, f"{best * 1e3:.2f} ms"


def assert_adds_up(report: WorkerReport) -> None:
    """The series of a report has everything that its phases have."""
    series = report.series
    steps = [*report.warmup.steps, *report.window.steps]
    errors: dict[str, int] = {}
    for record in steps:
        for name, count in record.errors.items():
            errors[name] = errors.get(name, 0) + count
    assert {name: sum(points) for name, points in series.errors.items()} == errors
    assert sum(found.count for found in series.latency) == sum(one.succeeded for one in steps)
    lists: tuple[Sized, ...] = (
        *series.errors.values(),
        series.in_flight,
        series.lag,
        series.latency,
    )
    assert {len(points) for points in lists} == {len(series.planned)}
    assert series.in_flight[-1] == 0
    report.check()
    assert WorkerReport.unpack(report.pack()) == report


async def test_the_series_of_an_open_load_with_a_warm_up_and_errors() -> None:
    seen: list[Interval] = []
    load = {"open": {"rate": "200/s", "duration": "1500ms"}, "warmup": "700ms"}
    async with running(bad=answer(500), late=slow(0.03)) as server:
        steps = (step("/late", "one"), step("/bad", "two"))
        engine = Engine(plan(server.url, load, *steps), 0, Values())
        report = await engine.run(monotonic_ns() + 100 * MS, seen.append)
    assert_adds_up(report)
    series = report.series
    assert sum(series.errors["Status5xx"]) == sum(series.failed) == 440
    assert len(series.planned) == 3
    assert series.in_flight[0] > 0
    assert all(found.least > 20 * MS for found in series.latency)
    first = seen[0].latency.quantile(0.5)
    assert series.latency[0].quantile(0.5) == pytest.approx(first, rel=0.02)
    # An iteration may be handed over a moment late, and is never by more than the worst of all.
    assert max(series.lag) == report.generator.lag.greatest


async def test_the_series_of_a_burst(run: Run) -> None:
    async with running(bad=answer(404)) as server:
        report = await run(plan(server.url, burst(300, 30), step("/", "one"), step("/bad", "two")))
    assert_adds_up(report)
    assert sum(report.series.errors["Status4xx"]) == 300


async def test_the_series_of_a_capacity_search_has_all_holds() -> None:
    async with running() as server, search(searching(server)) as in_progress:
        in_progress.tell(1, 100, length=S // 2)
        await in_progress.held()
        in_progress.tell(2, 200, length=S // 2)
        await in_progress.held()
        report = await asyncio.wait_for(in_progress.done(), 10)
    assert_adds_up(report)
    assert sum(report.series.succeeded) == 150
