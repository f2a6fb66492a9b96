"""Shapes of load against a real server: what was planned, started, dropped, censored."""

import asyncio
import time
from time import monotonic_ns

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfrun.engine.http.pool import Opened, Pool
from perfrun.engine.record.recorder import ErrorClasses
from perfrun.engine.run import Engine
from perfrun.logic.plan.run_plan import planned
from perfrun.logic.plan.shape import scenario_order
from perfrun.measure.report import Interval, WorkerReport, merge
from perfrun.reach.values import Values

from .conftest import Run
from .server import answer, burst, hang, plan, running, slow, step

MS = 1_000_000


def opened(rate: str, duration: str, **more: object) -> dict[str, object]:
    """An open load."""
    return {"open": {"rate": rate, "duration": duration, **more}}


def attempts(report: WorkerReport) -> int:
    return report.warmup.attempts + report.window.attempts


async def test_a_burst_sends_exactly_its_requests(run: Run) -> None:
    async with running() as server:
        report = await run(plan(server.url, burst(500, 50)))
    scenario = report.window.scenarios[0]
    assert (scenario.planned, scenario.started, scenario.finished) == (500, 500, 500)
    assert len(server.log) == attempts(report) == 500
    assert server.connections <= 50
    assert 0 < report.window_time == report.load_time
    assert sum(report.series.succeeded) == sum(report.series.planned) == 500


@pytest.mark.parametrize("arrivals", ["Uniform", "Poisson"])
async def test_an_open_load_sends_what_is_planned(run: Run, arrivals: str) -> None:
    written = {**opened("300/s", "500ms", arrivals=arrivals), "warmup": "200ms"}
    async with running() as server:
        a_plan = plan(server.url, written)
        report = await run(a_plan)
    warm, window = report.warmup.scenarios[0], report.window.scenarios[0]
    assert warm.planned + window.planned == planned(a_plan)
    assert warm.planned == planned(a_plan, 200 * MS)
    assert warm.dropped + window.dropped == 0
    assert len(server.log) == attempts(report) == planned(a_plan)
    assert (report.window_time, report.load_time) == (500 * MS, 700 * MS)
    assert report.generator.lag.count == planned(a_plan)


async def test_two_workers_of_an_open_load_are_the_whole(run: Run) -> None:
    async with running() as server:
        a_plan = plan(server.url, {**opened("201/s", "400ms"), "workers": 2})
        reports = await asyncio.gather(run(a_plan, index=0), run(a_plan, index=1))
    whole = merge(list(reports))
    assert whole.window.scenarios[0].planned == planned(a_plan) == len(server.log)


async def test_users_of_a_closed_load_start_over_until_its_end(run: Run) -> None:
    load = {"closed": {"users": 3, "duration": "600ms"}}
    async with running(x=slow(0.05)) as server:
        report = await run(plan(server.url, load, step("/x")))
    (got,) = report.window.steps
    assert 3 * 4 <= got.succeeded <= 3 * 13
    assert report.window.scenarios[0].planned == report.window.scenarios[0].started
    assert len(server.log) == got.sent == got.attempts
    assert report.generator.user_time == 3 * 600 * MS
    assert server.connections == 3


@pytest.mark.flaky(reruns=3)
async def test_think_times_hold_users_back(run: Run) -> None:
    load = {"closed": {"users": 2, "duration": "500ms", "thinkTime": "100ms"}}
    first = {**step("/a", "a"), "thinkTime": "50ms"}
    async with running() as server:
        report = await run(plan(server.url, load, first, step("/b", "b")))
    assert 2 * 2 <= report.window.scenarios[0].finished <= 2 * 4
    journey = report.window.scenarios[0].journeys["success"]
    assert journey.least >= 45 * MS
    assert report.window.steps[0].timings["latency/success"].least < 45 * MS


async def test_a_closed_load_ramps_its_users(run: Run) -> None:
    stages = [{"users": 10, "ramp": "300ms", "hold": "100ms"}, {"users": 0, "ramp": "200ms"}]
    async with running(x=slow(0.01)) as server:
        report = await run(plan(server.url, {"closed": {"stages": stages}}, step("/x")))
    # User g is active while the level is at least g: 10 trapezes of together 3.2 user seconds.
    assert report.generator.user_time == pytest.approx(3_200 * MS, rel=0.1)
    assert report.window.steps[0].failed == 0


async def test_what_finds_no_slot_is_dropped_and_counted(run: Run) -> None:
    load = opened("200/s", "500ms", maxInFlight=10)
    async with running(x=hang) as server:
        report = await run(plan(server.url, load, step("/x"), timeout="1s"))
    scenario = report.window.scenarios[0]
    assert (scenario.planned, scenario.started, scenario.dropped) == (100, 10, 90)
    assert len(server.log) == 10


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfrun.engine.load.execution.grace", lambda plan: 200 * MS)


@pytest.mark.usefixtures("short_grace")
async def test_what_is_open_after_the_grace_is_censored_at_its_age(run: Run) -> None:
    first = {**step("/a", "a"), "thinkTime": "20s"}
    async with running(x=hang) as server:
        for steps, sent in (([step("/x")], 20), ([first, step("/b", "b")], 0)):
            report = await run(plan(server.url, opened("100/s", "200ms"), *steps))
            scenario = report.window.scenarios[0]
            assert (scenario.started, scenario.censored) == (20, 20)
            assert report.window.steps[0].censored == sent
            assert scenario.journeys["censored"].least >= 190 * MS
            assert report.stopped is None


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize(
    "load",
    [
        opened("100/s", "60s"),
        {"closed": {"users": 5, "duration": "60s"}},
        burst(100_000, 5),
    ],
)
@pytest.mark.flaky(reruns=3)
async def test_a_stop_starts_nothing_more_and_says_why(load: dict[str, object]) -> None:
    async with running(x=slow(0.02), hang=hang) as server:
        engine = Engine(plan(server.url, load, step("/x"), step("/hang", "h")), 0, Values())
        task = asyncio.create_task(engine.run(monotonic_ns()))
        while len(server.log) < 10:
            await asyncio.sleep(0.01)
        engine.stop("enough")
        engine.stop("a second reason")
        report = await asyncio.wait_for(task, 5)
        log = len(server.log)
        await asyncio.sleep(0.1)
    assert report.stopped == "enough"
    assert report.load_time < 10_000 * MS
    assert report.window.scenarios[0].censored > 0
    assert log == len(server.log) == attempts(report)


async def test_a_stop_before_the_start_sends_nothing() -> None:
    async with running() as server:
        engine = Engine(plan(server.url, burst(10)), 0, Values())
        engine.stop("never mind")
        report = await engine.run(monotonic_ns())
    assert (report.stopped, attempts(report), server.log) == ("never mind", 0, [])


async def test_a_burst_that_takes_too_long_drops_the_rest_and_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfrun.engine.load.pacers.MAX_BURST", 300 * MS)
    async with running(x=slow(0.05)) as server:
        report = await run(plan(server.url, burst(5000, 2), step("/x")))
    scenario = report.window.scenarios[0]
    assert report.stopped == "the burst did not end within 300ms"
    assert (scenario.planned, scenario.censored) == (5000, 0)
    assert 2 <= scenario.started <= 2 * 7
    assert len(server.log) == scenario.started == scenario.finished


async def test_what_a_burst_has_in_progress_when_it_takes_too_long_gets_the_grace(
    run: Run, monkeypatch: pytest.MonkeyPatch, short_grace: None
) -> None:
    monkeypatch.setattr("perfrun.engine.load.pacers.MAX_BURST", 200 * MS)
    async with running(x=hang) as server:
        report = await run(plan(server.url, burst(10, 3), step("/x")))
    scenario = report.window.scenarios[0]
    assert (scenario.started, scenario.dropped, scenario.censored) == (3, 7, 3)


@pytest.mark.flaky(reruns=3)
async def test_opening_a_bursts_connections_is_no_stall(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = Pool.open

    async def busily(pool: Pool) -> Opened:
        time.sleep(0.02)  # noqa: ASYNC251 - as a thousand connections at once hold it up
        return await opening(pool)

    monkeypatch.setattr(Pool, "open", busily)
    async with running(x=slow(0.1)) as server:
        report = await run(plan(server.url, burst(40, 20), step("/x")))
    assert report.window.steps[0].succeeded == 40
    assert report.generator.longest_stall < 200 * MS
    assert report.generator.last_send - report.generator.first_send >= 100 * MS


async def test_the_order_of_scenarios_is_made_before_the_start(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[list[int]] = []

    def making(weights: list[int]) -> list[int]:
        made.append(weights)
        return scenario_order(weights)

    monkeypatch.setattr("perfrun.engine.run.scenario_order", making)
    async with running() as server:
        engine = Engine(plan(server.url, burst(2)), 0, Values())
        assert made == [[1]]
        report = await engine.run(monotonic_ns())
    assert made == [[1]]
    assert report.window.scenarios[0].finished == 2


@pytest.mark.flaky(reruns=3)
async def test_a_late_worker_drops_what_it_missed(run: Run) -> None:
    async with running() as server:
        engine = Engine(plan(server.url, opened("100/s", "1s")), 0, Values())
        report = await engine.run(monotonic_ns() - 500 * MS)
    scenario = report.window.scenarios[0]
    assert scenario.planned == 100
    assert 50 <= scenario.dropped <= 60
    assert len(server.log) == scenario.started
    assert report.generator.lag.greatest < 400 * MS


@pytest.mark.flaky(reruns=3)
async def test_a_late_worker_counts_its_users_from_when_it_came() -> None:
    async with running() as server:
        load = {"closed": {"users": 4, "duration": "1s", "thinkTime": "100ms"}}
        engine = Engine(plan(server.url, load), 0, Values())
        report = await engine.run(monotonic_ns() - 600 * MS)
    assert 4 * 300 * MS <= report.generator.user_time <= 4 * 400 * MS


async def test_scenarios_run_by_their_weights(run: Run) -> None:
    async with running() as server:
        written = plan(server.url, burst(80, 4)).model_dump(mode="json", by_alias=True)
        written["scenarios"] = [
            {"name": "browse", "weight": 6, "steps": [step("/browse")]},
            {"name": "buy", "weight": 2, "steps": [step("/buy")]},
        ]
        report = await run(type(plan(server.url, burst(1))).model_validate(written))
    assert server.paths == {"/browse": 60, "/buy": 20}
    assert [got.planned for got in report.window.scenarios] == [60, 20]


async def test_intervals_add_up_to_the_report() -> None:
    seen: list[Interval] = []
    async with running() as server:
        engine = Engine(plan(server.url, opened("200/s", "2200ms")), 0, Values())
        report = await engine.run(monotonic_ns() + 100 * MS, seen.append)
    assert [interval.sequence for interval in seen] == [1, 2]
    assert all(interval.planned == interval.started + interval.dropped for interval in seen)
    assert sum(interval.latency.count for interval in seen) == seen[-1].succeeded
    assert seen[-1].succeeded <= report.window.steps[0].succeeded == 440
    assert sum(report.series.started) == 440


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    load=st.one_of(
        st.builds(lambda n, c: burst(n, min(n, c)), st.integers(1, 60), st.integers(1, 20)),
        st.builds(
            lambda rate, limit, arrivals: opened(
                f"{rate}/s", "200ms", maxInFlight=limit, arrivals=arrivals
            ),
            st.integers(1, 400),
            st.integers(1, 20),
            st.sampled_from(["Uniform", "Poisson"]),
        ),
        st.builds(
            lambda users: {"closed": {"users": users, "duration": "100ms"}}, st.integers(1, 10)
        ),
    ),
    mode=st.sampled_from(["Shared", "PerUser", "PerRequest"]),
    paths=st.lists(st.sampled_from(["/ok", "/bad", "/late", "/redirect"]), min_size=1, max_size=3),
)
async def test_nothing_is_lost_in_any_small_load(
    load: dict[str, object], mode: str, paths: list[str]
) -> None:
    steps = [step(path, f"s{number}") for number, path in enumerate(paths)]
    there = answer(302, b"", Location="/ok")
    async with running(bad=answer(500), late=slow(0.02), redirect=there) as server:
        engine = Engine(plan(server.url, load, *steps, connections=mode), 0, Values())
        report = await asyncio.wait_for(engine.run(monotonic_ns() + 5 * MS), 20)
    report.check()
    assert len(server.log) == attempts(report)
    assert WorkerReport.unpack(report.pack()) == report


def test_errors_that_a_server_names_are_so_many_classes_at_most() -> None:
    classes = ErrorClasses()
    named = {classes.name(f"Sql{number}") for number in range(1000)}
    assert len(named) <= 63
    assert "Other" in named
    assert classes.name("Timeout") == "Timeout"  # a latency sample belongs to each
    assert classes.name("x" * 500) == "Other"
    assert ErrorClasses().name("x" * 500) == "x" * 64
    assert ErrorClasses().name("") == "Other"
