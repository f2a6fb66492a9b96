"""Tokens that are not let in: whoever insists on one keeps no real worker waiting."""

from perfrun.coordinator import coordinator as module
from tests.unit.coordinator.conftest import World, make_plan


async def test_refused_token_is_asked_about_once_in_a_while(world: World, deadline) -> None:
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    answers = [await world.post(0, "interval", b"{}", token="wrong") for _ in range(5)]
    assert {status for status, _, _ in answers} == {403}
    assert len({answer["message"] for _, answer, _ in answers}) == 1
    assert world.tokens.asked == 1
    world.clock.move(31)
    await world.post(0, "interval", b"{}", token="wrong")
    assert world.tokens.asked == 2


async def test_refused_tokens_that_are_remembered_are_bounded(
    world: World, deadline, monkeypatch
) -> None:
    monkeypatch.setattr(module, "_REFUSED_KEPT", 2)
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    for token in ("a", "b", "c", "a", "c"):
        assert (await world.post(0, "interval", b"{}", token=token))[0] == 403
    assert world.tokens.asked == 4  # only the last one was still known


async def test_worker_that_is_let_in_counts_as_heard(world: World, deadline) -> None:
    session = world.coordinator.open(make_plan(2), start_deadline=deadline)
    await world.post(1, "ready", b"{", token="ok-1")  # it reached us, whatever it said
    await world.post(0, "ready", b"{", token="wrong")
    assert session.heard == {1}
