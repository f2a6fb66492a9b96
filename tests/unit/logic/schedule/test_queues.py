"""The queues say what going through all runs would say, whatever has happened before."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from perfrun.logic.schedule.queues import MAX_TARGETS, NEVER, Contender, Queues

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def run(name: str, age: int, reason: str, target: str, namespace: str, turn: int | None):
    created = NOW - timedelta(seconds=age)
    since = None if turn is None else NOW + timedelta(seconds=turn)
    return Contender(namespace, name, f"t{name}", reason, target, created, since)


runs = st.builds(
    run,
    st.sampled_from("xyz"),
    st.integers(0, 3),
    st.sampled_from(["Requested", "Change"]),
    st.sampled_from(["a:80", "b:80"]),
    st.sampled_from(["a", "b"]),
    st.none() | st.integers(0, 9),
)
steps = st.lists(st.tuples(st.booleans(), runs), max_size=30)


@given(steps)
def test_what_is_known_is_what_is_there(steps: list[tuple[bool, Contender]]) -> None:
    queues, there = Queues(), dict[tuple[str, str], Contender]()
    for stays, one in steps:
        if stays:
            queues.put(one)
            there[one.key] = one
        else:
            queues.drop(*one.key)
            there.pop(one.key, None)
    waiting = sorted((r for r in there.values() if r.turn is None), key=lambda r: r.order)
    holding = [r for r in there.values() if r.turn is not None]
    assert set(queues.namespaces()) == {r.namespace for r in waiting}
    assert queues.in_progress == Counter(r.namespace for r in holding)
    for namespace in ("a", "b"):
        mine = [r for r in waiting if r.namespace == namespace]
        assert list(queues.waiting_in(namespace)) == [r.order for r in mine]
        heads = {r.target: r for r in reversed(mine)}
        assert list(queues.heads(namespace)) == sorted(heads.values(), key=lambda r: r.order)
        assert queues.open_in(namespace) == sum(r.namespace == namespace for r in there.values())
        for name in "xyz":
            changes = [r for r in mine if r.reason == "Change" and r.name == name]
            newest = max((r.order for r in changes), default=None)
            assert queues.newest_change(namespace, f"t{name}") == newest
    for target in ("a:80", "b:80"):
        at = [r for r in waiting if r.target == target]
        assert set(queues.namespaces_at(target)) == {r.namespace for r in at}
        assert queues.holders(target) == {r.key: r for r in holding if r.target == target}
        for namespace in ("a", "b"):
            found = list(queues.waiting_for(target, namespace))
            assert found == [r.order for r in at if r.namespace == namespace]


def test_the_last_turn_of_a_namespace_is_remembered_and_at_a_target_while_somebody_waits() -> None:
    queues = Queues()
    first, other = (
        run("x", 9, "Requested", "a:80", "a", 1),
        run("y", 5, "Requested", "a:80", "b", None),
    )
    queues.put(first)
    queues.put(other)
    queues.drop(*first.key)
    assert queues.served("a") == queues.served_on("a:80", "a") == first.turn
    assert queues.served("b") == queues.served_on("a:80", "b") == NEVER
    queues.put(replace(other, turn=NOW))
    queues.drop(*other.key)
    assert queues.served("b") == NOW
    assert queues.served_on("a:80", "a") == NEVER, "nobody is there to take turns"


def test_no_number_of_targets_that_were_tested_takes_memory_for_ever() -> None:
    queues = Queues()
    for number in range(MAX_TARGETS + 100):
        queues.note_turn("a", f"a-{number}:80", NOW)
    assert len(queues._served_on) == MAX_TARGETS
    assert queues.served_on(f"a-{MAX_TARGETS + 99}:80", "a") == NOW
