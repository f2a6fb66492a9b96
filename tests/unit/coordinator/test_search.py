"""A capacity search over the workers of a run: what is kept, told, waited for and given up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from perfrun.api.run.perfrun import HoldStatus
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.times import format_moment
from perfrun.coordinator import coordinator
from perfrun.coordinator.search import AGAIN, HoldSearch, search_of
from perfrun.logic.plan.run_plan import HOLD_GRACE, HOLD_LEAD, HOLD_REPORTS
from perfrun.logic.plan.run_plan import make_plan as plan_of
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import GeneratorRecord, Outcome, PhaseRecord, Timing
from perfrun.measure.report import Order, WorkerReport
from perfrun.measure.series import Second, Series
from tests.unit.logic.build import MS, iterations, step

from .conftest import NOW, UID, S, World, make_interval

SPEC = PerfTestSpec.model_validate(
    {
        "target": {"http": {"url": "http://127.0.0.1:1/"}},
        "load": {
            "workers": 2,
            "capacity": {"from": "100/s", "to": "1000/s", "hold": "10s"},
            "stopWhen": [{"metric": "errorRate", "above": "50%", "for": "2s"}],
        },
        "slos": [{"metric": "latency.p95", "max": "100ms"}],
    }
)


def plan() -> RunPlan:
    return plan_of(SPEC, uid=UID, namespace="shop", test="api", run="api-1")


def new_search(holds: list[HoldStatus] | None = None) -> HoldSearch:
    search = search_of(plan(), SPEC, holds or [])
    assert search is not None
    return search


def hold_report(number: int, rate: int, ms: int = 10, workers: int = 2) -> WorkerReport:
    record = step([ms * MS] * (10 * rate // workers))
    return WorkerReport(
        warmup=PhaseRecord(),
        window=PhaseRecord(steps=[record], scenarios=[iterations(record)]),
        generator=GeneratorRecord.empty(),
        series=Series(),
        window_time=10 * S,
        load_time=10 * S,
        hold=number,
    )


@pytest.fixture
async def run(world: World, deadline: datetime) -> AsyncIterator[World]:
    """A search whose T0 was a moment ago."""
    world.coordinator.open(plan(), start=NOW, start_deadline=deadline, search=new_search())
    yield world
    world.coordinator.close(UID)


async def ask(world: World, index: int = 0, **counts: Any) -> Order:
    """What a worker is told when it says how it goes."""
    seconds = 1 + (world.clock.ns - 50 * S) // S
    interval = make_interval(int(seconds), **counts)
    status, body, _ = await world.post(index, "interval", interval.to_bytes())
    assert status == 200
    return Order.model_validate(body)


async def told(world: World, number: int) -> Order:
    """The order once it names that hold."""
    async with asyncio.timeout(5):
        while True:
            order = await ask(world)
            if order.hold is not None and order.hold.number == number:
                return order
            await asyncio.sleep(0.01)


async def done(world: World) -> Order:
    async with asyncio.timeout(5):
        while not (order := await ask(world)).done:
            await asyncio.sleep(0.01)
        return order


async def deliver(world: World, report: WorkerReport, *workers: int) -> None:
    for index in workers or (0, 1):
        assert (await world.post(index, "hold", report.pack()))[0] == 200


async def test_the_first_hold_is_told_in_time(run: World) -> None:
    order = await told(run, 1)
    assert order.hold is not None
    assert (order.hold.rate, order.hold.length) == (100, 10 * S)
    assert order.hold.start == HOLD_LEAD
    assert run.store.holds[0].rate == "100/s"
    assert run.store.holds[0].start_time == format_moment(NOW + timedelta(seconds=2))


async def test_nothing_is_told_that_is_not_kept(run: World) -> None:
    run.store.gate.clear()
    assert (await ask(run)).hold is None
    await asyncio.sleep(0.05)
    assert (await ask(run)).hold is None
    run.store.gate.set()
    await told(run, 1)


async def test_a_hold_that_was_kept_too_late_is_moved(run: World) -> None:
    run.store.gate.clear()
    await ask(run)
    await asyncio.sleep(0.05)
    run.clock.move(10)
    run.store.gate.set()
    order = await told(run, 1)
    assert order.hold is not None
    assert order.hold.start == 10 * S + HOLD_LEAD


async def test_a_search_goes_on_when_all_have_reported(run: World) -> None:
    await told(run, 1)
    run.clock.move(13)
    await deliver(run, hold_report(1, 100), 0)
    order = await ask(run)
    assert order.hold is not None
    assert order.hold.number == 1
    await deliver(run, hold_report(1, 100), 0, 1)  # 0 once more: its acknowledgement was lost
    order = await told(run, 2)
    assert order.hold is not None
    assert (order.hold.rate, order.hold.start) == (200, 13 * S + HOLD_LEAD)
    first = run.store.holds[0]
    assert (first.outcome, first.throughput, first.p95) == ("Met", "100/s", "10ms")


async def test_a_search_ends_when_it_has_found(run: World) -> None:
    for number, rate in enumerate((100, 200, 141, 119, 130, 124, 119), 1):
        await told(run, number)
        run.clock.move(13)
        await deliver(run, hold_report(number, rate, ms=10 if rate < 120 else 200))
    await done(run)
    outcomes = [(hold.rate, hold.outcome) for hold in run.store.holds]
    assert outcomes[-2:] == [("124/s", "Missed"), ("119/s", "Met")]
    live = run.coordinator.live(UID).search
    assert live is not None
    assert live.line() == "hold 7 at 119/s, between 119/s and 124/s"


async def test_a_worker_that_does_not_report_ends_it(run: World) -> None:
    await told(run, 1)
    run.clock.move((HOLD_LEAD + 10 * S + HOLD_GRACE + HOLD_REPORTS) / S)
    await deliver(run, hold_report(1, 100), 0)
    assert not (await ask(run)).done
    run.clock.move(0.1)
    await done(run)
    last = run.store.holds[-1]
    assert (last.outcome, last.message) == ("Lost", "worker 1 did not report this hold")


async def test_a_worker_that_ends_early_ends_it(run: World) -> None:
    await told(run, 1)
    ended = hold_report(1, 100)
    ended.stopped = "terminated"
    assert (await run.post(1, "report", ended.pack()))[0] == 200
    await done(run)
    last = run.store.holds[-1]
    assert (last.outcome, last.message) == ("Lost", "worker 1 ended (terminated)")


async def test_a_hold_that_a_worker_was_ended_in_is_not_met_by_the_others(run: World) -> None:
    await told(run, 1)
    half = hold_report(1, 100)
    half.stopped = "terminated"
    await deliver(run, hold_report(1, 100), 0)
    await deliver(run, half, 1)
    await done(run)
    last = run.store.holds[-1]
    assert (last.outcome, last.message) == ("Lost", "worker 1 ended (terminated)")


async def test_of_all_searches_the_one_that_takes_most_memory_is_given_up(
    run: World, deadline: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = plan().model_copy(update={"uid": "other"})
    run.coordinator.open(other, start=NOW, start_deadline=deadline, search=new_search())
    await told(run, 1)
    assert (await run.post(0, "interval", make_interval(1).to_bytes(), uid="other"))[0] == 200
    searches = [run.coordinator.session(uid).search for uid in (UID, "other")]
    async with asyncio.timeout(5):
        while searches[1].order().hold is None:
            await asyncio.sleep(0.01)
    large = hold_report(1, 100)
    large.window.steps[0].histogram(Timing.SERVICE, Outcome.SUCCESS).fold(range(1, 2**30, 2**20))
    assert (await run.post(0, "hold", large.pack(), uid="other"))[0] == 200
    small_room = _room(hold_report(1, 100))
    assert searches[1].room == _room(large) > small_room
    monkeypatch.setattr(coordinator, "MAX_HOLDS_ROOM", _room(large))
    await deliver(run, hold_report(1, 100), 0)
    assert [search.room for search in searches] == [small_room, 0]
    assert searches[1].merged is None
    ended = searches[1].judged()[-1]
    assert ended.outcome == "Lost"
    assert "test fewer steps, or search for fewer capacities" in (ended.message or "")
    await deliver(run, hold_report(1, 100), 1)
    await told(run, 2)
    assert run.store.holds[0].outcome == "Met"


async def test_what_is_not_of_a_hold_is_not_kept(run: World) -> None:
    await told(run, 1)
    report = hold_report(1, 100)
    report.series.put(0, Second(planned=1, started=1))
    report.warmup = report.window.model_copy(deep=True)
    await deliver(run, report, 0)
    merged = run.coordinator.session(UID).search.merged
    assert (merged.series.planned, merged.warmup.steps, len(merged.window.steps)) == ([], [], 1)


def _room(report: WorkerReport) -> int:
    return WorkerReport.unpack(report.pack()).histogram_bytes


async def test_a_stop_condition_cuts_the_hold_and_not_the_run(run: World) -> None:
    await told(run, 1)
    for second in range(3, 8):
        run.clock.move(1)
        errors = {"Status5xx": 100 * second}
        for index in (0, 1):
            order = await ask(run, index, succeeded=0, failed=100 * second, errors=errors)
    assert order.stop is None
    assert order.cut is not None
    assert "errorRate was 100% for 2s, above 50%" in order.cut
    cut = hold_report(1, 10)
    cut.stopped, cut.breached = order.cut, True
    await deliver(run, cut)
    await done(run)
    assert run.store.holds[0].outcome == "Missed"
    assert "errorRate was 100%" in (run.store.holds[0].message or "")


async def test_a_stop_ends_the_search(run: World) -> None:
    await told(run, 1)
    run.coordinator.stop(UID, "spec.stop was set")
    await deliver(run, hold_report(1, 100))
    order = await ask(run)
    assert (order.stop, order.breached) == ("spec.stop was set", False)
    assert len(run.store.holds) == 1


async def test_after_a_restart_a_hold_is_repeated_and_what_was_found_stands(
    world: World, deadline: datetime
) -> None:
    kept = [
        HoldStatus(rate="100/s", start_time=format_moment(NOW), outcome="Met"),
        HoldStatus(rate="200/s", start_time=format_moment(NOW + timedelta(seconds=15))),
    ]
    world.clock.move(20)
    search = new_search(kept)
    world.coordinator.open(plan(), start=NOW, start_deadline=deadline, search=search)
    order = await told(world, 3)
    assert order.hold is not None
    # Workers that know the interrupted hold bring it to its end first.
    assert order.hold.rate == 200
    assert order.hold.start == 25 * S + HOLD_GRACE + HOLD_LEAD
    told_again = world.store.holds[1]
    assert (told_again.outcome, told_again.message) == ("Repeated", AGAIN)
    await deliver(world, hold_report(2, 200))  # of the interrupted one: of no use any more
    await deliver(world, hold_report(3, 200))
    assert (await told(world, 4)).hold is not None
    world.coordinator.close(UID)


async def test_after_a_restart_a_finished_search_is_over(world: World, deadline: datetime) -> None:
    kept = [HoldStatus(rate="100/s", start_time=format_moment(NOW), outcome="Missed")]
    search = new_search(kept)
    world.coordinator.open(plan(), start=NOW, start_deadline=deadline, search=search)
    assert (await done(world)).hold is None
    assert search.order().done


async def test_another_load_has_no_holds(world: World, deadline: datetime) -> None:
    from .conftest import make_plan, make_report

    world.coordinator.open(make_plan(2), start=NOW, start_deadline=deadline)
    assert (await world.post(0, "hold", make_report().pack()))[0] == 400
