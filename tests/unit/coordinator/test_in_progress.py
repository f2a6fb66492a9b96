"""Which runs are shown as in progress."""

from datetime import datetime, timedelta

from tests.unit.coordinator.conftest import NOW, UID, World, make_interval, make_plan


async def test_a_run_before_its_load_is_not_in_progress(world: World, deadline: datetime) -> None:
    world.coordinator.open(make_plan(), start_deadline=deadline)
    assert world.coordinator.in_progress() == []


async def test_a_load_that_has_begun_is_in_progress_until_all_have_reported(
    world: World, deadline: datetime
) -> None:
    session = world.coordinator.open(make_plan(2), start_deadline=deadline, start=NOW)
    session.interval(0, make_interval(sent=17), world.clock.monotonic())
    [(plan, live)] = world.coordinator.in_progress()
    assert (plan.uid, live.sent) == (UID, 17)
    session.reported |= {0, 1}
    assert world.coordinator.in_progress() == []


async def test_the_run_that_began_last_comes_last(world: World, deadline: datetime) -> None:
    for uid, seconds in (("young", 30), ("old", 10)):
        plan = make_plan().model_copy(update={"uid": uid})
        start = NOW + timedelta(seconds=seconds)
        world.coordinator.open(plan, start_deadline=deadline, start=start)
    assert [plan.uid for plan, _ in world.coordinator.in_progress()] == ["old", "young"]
