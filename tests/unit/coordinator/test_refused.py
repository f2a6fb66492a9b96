"""Tokens that are not let in: whoever insists on one keeps no real worker waiting."""

from perfrun.coordinator import gate as module
from tests.unit.coordinator.conftest import S, World, make_interval, make_plan


async def test_refused_token_is_asked_about_once_in_a_while(world: World, deadline) -> None:
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    answers = [await world.post(0, "interval", b"{}", token="wrong") for _ in range(5)]
    assert {status for status, _, _ in answers} == {403}
    assert len({answer["message"] for _, answer, _ in answers}) == 1
    assert world.tokens.asked == 1
    world.clock.move(31)
    await world.post(0, "interval", b"{}", token="wrong")
    assert world.tokens.asked == 2


async def test_token_that_was_let_in_is_looked_at_again_and_then_refused(
    world: World, deadline
) -> None:
    world.coordinator.open(make_plan(2), start_deadline=deadline)
    interval = make_interval(1).to_bytes()
    for index in (0, 1):
        assert (await world.post(index, "interval", interval))[0] == 200
    world.tokens.ended.add("ok-0")
    world.clock.move(0.74 * module.KNOWN_FOR / S)
    assert (await world.post(0, "interval", interval))[0] == 200
    assert world.tokens.asked == 2
    world.clock.move(0.27 * module.KNOWN_FOR / S)
    assert (await world.post(0, "interval", interval))[0] == 403
    assert (await world.post(1, "interval", interval))[0] == 200
    assert world.tokens.asked == 4


async def test_tokens_that_were_let_in_long_ago_are_forgotten() -> None:
    gate = module.TokenGate(1)

    async def check() -> str:
        return "pod"

    for number in range(5):
        assert (
            await gate.identity(0, f"renewed-{number}", number * module.KNOWN_FOR, check) == "pod"
        )
    assert len(gate._identities) == 1


async def test_refused_tokens_that_are_remembered_are_bounded(
    world: World, deadline, monkeypatch
) -> None:
    monkeypatch.setattr(module, "REFUSED_KEPT", 2)
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    for token in ("a", "b", "c", "a", "c"):
        assert (await world.post(0, "interval", b"{}", token=token))[0] == 403
    assert world.tokens.asked == 4  # only the last one was still known


async def test_worker_that_is_let_in_counts_as_heard(world: World, deadline) -> None:
    session = world.coordinator.open(make_plan(2), start_deadline=deadline)
    await world.post(1, "ready", b"{", token="ok-1")  # it reached us, whatever it said
    await world.post(0, "ready", b"{", token="wrong")
    assert session.admitted == {1}


async def test_ever_new_tokens_are_checked_only_so_often_and_keep_no_known_worker_out(
    world: World, deadline
) -> None:
    world.coordinator.open(make_plan(2), start_deadline=deadline)
    assert (await world.post(0, "interval", b"{}"))[0] == 400  # let in, and what it says is no JSON
    most = module.CHECKS + 2 * module.EACH
    answers = [await world.post(1, "interval", b"{}", token=f"new-{n}") for n in range(most + 10)]
    assert [status for status, _, _ in answers] == [403] * (most - 1) + [503] * 11
    assert answers[-1][2]["Retry-After"] == "1"
    assert world.tokens.asked == most
    assert (await world.post(0, "interval", b"{}"))[0] == 400
    world.clock.move(1)  # two more may be asked about
    again = [await world.post(1, "interval", b"{}", token=f"late-{n}") for n in range(3)]
    assert [status for status, _, _ in again] == [403, 403, 503]


async def test_one_runs_flood_is_not_anothers(world: World, deadline) -> None:
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    other = make_plan(1).model_copy(update={"uid": "other"})
    world.coordinator.open(other, start_deadline=deadline)
    for number in range(module.CHECKS + module.EACH + 1):
        status, _, _ = await world.post(0, "interval", b"{}", token=f"new-{number}")
    assert status == 503
    assert (await world.post(0, "interval", b"{}", uid="other"))[0] == 400
