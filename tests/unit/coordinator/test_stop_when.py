"""stopWhen over the workers of a run."""

from datetime import datetime

from perfrun.api.test.load import Load
from perfrun.measure.report import Order

from .conftest import NOW, UID, S, World, make_interval, make_plan, make_report


def open_run(world: World, deadline: datetime) -> None:
    plan = make_plan(2)
    condition = {"metric": "errorRate", "above": "50%", "for": "3s"}
    open_ = {"rate": "10/s", "duration": "60s"}
    load = Load.model_validate({"workers": 2, "open": open_, "stopWhen": [condition]})
    plan = plan.model_copy(update={"load": load})
    world.coordinator.open(plan, start=NOW, start_deadline=deadline)


async def post(world: World, index: int, second: int, good: int, bad: int) -> Order:
    interval = make_interval(
        second, succeeded=good * second, failed=bad * second, errors={"Status5xx": bad * second}
    )
    _, body, _ = await world.post(index, "interval", interval.to_bytes())
    return Order.model_validate(body)


async def test_a_condition_stops_all_workers(world: World, deadline: datetime) -> None:
    open_run(world, deadline)
    for second in (1, 2, 3):
        assert (await post(world, 0, second, 10, 0)).stop is None
        order = await post(world, 1, second, 0, 90)
        world.clock.move(1)
    said = "after 3s: errorRate was at least 90% for 3s, above 50%"
    assert (order.stop, order.breached) == (said, True)
    order = await post(world, 0, 4, 10, 0)
    assert (order.stop, order.breached) == (said, True)


async def test_an_order_that_came_first_stands(world: World, deadline: datetime) -> None:
    open_run(world, deadline)
    world.coordinator.stop(UID, "spec.stop was set")
    for second in (1, 2, 3):
        await post(world, 0, second, 0, 9)
        order = await post(world, 1, second, 0, 9)
    assert (order.stop, order.breached) == ("spec.stop was set", False)


async def test_a_worker_that_judged_alone_stops_the_others(
    world: World, deadline: datetime
) -> None:
    open_run(world, deadline)
    ended = make_report()
    ended.stopped, ended.breached = "after 9s: errorRate was 100% for 3s, above 50%", True
    ended.load_time = 9 * S
    assert (await world.post(1, "report", ended.pack()))[0] == 200
    order = await post(world, 0, 10, 10, 0)
    assert (order.stop, order.breached) == (ended.stopped, True)
