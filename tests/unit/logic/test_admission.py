"""Who may load a target: the table of places, and the law that it is one at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.target import Target
from perfrun.logic.admission import QUEUE_LIMIT, Contender, Placement, place, place_of, target_key
from perfrun.logic.policy import Cap

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
SHOP = "shop.a:80"


def run(
    name: str,
    age: int = 0,
    *,
    admitted: bool = False,
    reason: str = "Requested",
    target: str = SHOP,
    test: str = "t",
    namespace: str = "a",
) -> Contender:
    created = NOW - timedelta(seconds=age)
    return Contender(namespace, name, test, reason, target, created, admitted)


ME = run("me", age=10)

TABLE: list[tuple[str, Contender, list[Contender], Placement]] = [
    ("alone", ME, [], Placement()),
    ("it meets itself in the list", ME, [ME], Placement()),
    (
        "behind one that loads",
        ME,
        [run("x", admitted=True)],
        Placement(1, f"a/x is loading {SHOP}"),
    ),
    (
        "behind one that loads, however young",
        ME,
        [run("x", age=0, admitted=True)],
        Placement(1, f"a/x is loading {SHOP}"),
    ),
    ("another target does not matter", ME, [run("x", admitted=True, target="b:80")], Placement()),
    (
        "another namespace does",
        ME,
        [run("x", admitted=True, namespace="b")],
        Placement(1, f"b/x is loading {SHOP}"),
    ),
    (
        "behind an older one that waits",
        ME,
        [run("x", age=20)],
        Placement(1, f"a/x waits before this run for {SHOP}"),
    ),
    ("before a younger one that waits", ME, [run("x", age=5)], Placement()),
    (
        "of the same age: by name",
        ME,
        [run("a", age=10)],
        Placement(1, f"a/a waits before this run for {SHOP}"),
    ),
    ("of the same age and name: by namespace", ME, [run("me", age=10, namespace="b")], Placement()),
    (
        "behind all that are older and the one that loads",
        ME,
        [run("x", age=30), run("y", age=20), run("z", admitted=True), run("young")],
        Placement(3, f"a/z is loading {SHOP}"),
    ),
    (
        "a newer change of the same test supersedes",
        run("me", 10, reason="Change"),
        [run("new", 5, reason="Change"), run("newest", 1, reason="Change")],
        Placement(superseded_by="newest"),
    ),
    (
        "a newer change of another test does not",
        run("me", 10, reason="Change"),
        [run("new", 5, reason="Change", test="other")],
        Placement(),
    ),
    (
        "nor one of the same name elsewhere",
        run("me", 10, reason="Change"),
        [run("new", 5, reason="Change", namespace="b")],
        Placement(),
    ),
    (
        "a newer change that loads already does not: it has the target first",
        run("me", 10, reason="Change"),
        [run("new", 5, reason="Change", admitted=True)],
        Placement(1, f"a/new is loading {SHOP}"),
    ),
    ("a request is not superseded by a change", ME, [run("new", 5, reason="Change")], Placement()),
    (
        "its turn did not come in time",
        run("me", 3601),
        [run("x", admitted=True)],
        Placement(1, f"a/x is loading {SHOP}", expired=True),
    ),
    ("late, but it may start", run("me", 3601), [], Placement()),
]


@pytest.mark.parametrize(
    ("me", "others", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_place(me: Contender, others: list[Contender], expected: Placement) -> None:
    assert place(me, others, NOW) == expected


def test_limit_of_the_test_counts() -> None:
    others = [run("x", admitted=True)]
    assert place(ME, others, NOW, timedelta(seconds=9)).expired
    assert not place(ME, others, NOW, timedelta(seconds=10)).expired
    assert timedelta(hours=1) == QUEUE_LIMIT


contenders = st.builds(
    run,
    st.sampled_from("abcdef"),
    st.integers(0, 20),
    reason=st.sampled_from(["Requested", "Scheduled", "Change"]),
    target=st.sampled_from([SHOP, "b:80"]),
    test=st.sampled_from(["t", "u"]),
    namespace=st.sampled_from(["a", "b"]),
)
crowds = st.lists(
    contenders, min_size=1, max_size=8, unique_by=lambda one: (one.namespace, one.name)
)


def may_start(one: Contender, crowd: list[Contender]) -> bool:
    placement = place(one, crowd, NOW)
    return placement.superseded_by is None and placement.position == 0


@given(crowds)
def test_of_those_who_wait_for_a_free_target_exactly_one_may_start(crowd: list[Contender]) -> None:
    # A superseded run ends at its turn and is gone for the others.
    waiting = [one for one in crowd if place(one, crowd, NOW).superseded_by is None]
    for target in {one.target for one in waiting}:
        assert sum(may_start(one, waiting) for one in waiting if one.target == target) == 1


@given(crowds, st.data())
def test_while_one_loads_nobody_else_of_its_target_may_start(
    crowd: list[Contender], data: st.DataObject
) -> None:
    loading = replace(data.draw(st.sampled_from(crowd)), admitted=True)
    others = [
        one for one in crowd if one.name != loading.name or one.namespace != loading.namespace
    ]
    assert not any(
        may_start(one, [*others, loading]) for one in others if one.target == loading.target
    )


@given(crowds)
def test_all_get_their_turn_when_each_first_one_goes(crowd: list[Contender]) -> None:
    left = list(crowd)
    for _ in crowd:
        going = [one for one in left if place(one, left, NOW).superseded_by or may_start(one, left)]
        assert going, left
        left.remove(going[0])
    assert left == []


@given(crowds, st.randoms(use_true_random=False))
def test_order_of_the_list_does_not_matter(crowd: list[Contender], random: object) -> None:
    shuffled = list(crowd)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [place(one, crowd, NOW) for one in crowd] == [place(one, shuffled, NOW) for one in crowd]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://shop", "shop.a:80"),  # a Service of the run's own namespace
        ("http://shop/path?q=1", "shop.a:80"),
        ("http://SHOP.a.svc.cluster.local:80", "shop.a:80"),
        ("http://shop.a.svc", "shop.a:80"),
        ("http://shop.a.svc.cluster.local.", "shop.a:80"),
        ("https://shop", "shop.a:443"),
        ("http://shop:8000", "shop.a:8000"),
        ("http://shop.b", "shop.b:80"),  # another namespace, or a name of two parts
        ("https://example.com", "example.com:443"),
        ("http://localhost:8000", "localhost:8000"),  # a side car: no Service has that name
        ("http://[::1]:8000", "::1:8000"),
        ("http://127.0.0.1", "127.0.0.1:80"),
    ],
)
def test_target_key_is_the_same_for_all_spellings(url: str, expected: str) -> None:
    assert target_key(url, "a") == expected


# --- what policies say ------------------------------------------------------------------------

FEW = (Cap("few", 2),)


def capped(name: str, age: int = 0, **more: Any) -> Contender:
    target = more.pop("target", f"{name}:80")
    return replace(run(name, age, target=target), caps=FEW, **more)


def test_as_many_as_its_policies_let_load_one_target() -> None:
    me = replace(ME, per_target=2)
    assert place(me, [run("x", admitted=True)], NOW) == Placement()
    others = [run("x", admitted=True), run("y", admitted=True)]
    assert place(me, others, NOW) == Placement(1, f"a/x is loading {SHOP}")


def test_the_number_of_runs_in_all_is_told_with_the_place() -> None:
    busy = [capped("x", admitted=True), capped("y", admitted=True)]
    said = "PerfPolicy few lets 2 runs go on at once (limits.runs), and 2 are under way"
    assert place(capped("me", 5), [*busy, capped("older", 9)], NOW) == Placement(2, said)
    elsewhere = replace(capped("z"), caps=())
    assert place(elsewhere, busy, NOW) == Placement(), "a run of other policies"


def test_who_waits_for_its_target_takes_no_place_from_others() -> None:
    busy, stuck = capped("x", admitted=True), capped("stuck", 9, target="x:80")
    assert place(capped("me", 5), [busy, stuck], NOW) == Placement()


def test_what_policies_hold_waits_and_stands_in_nobodys_way() -> None:
    held = replace(run("held", 20), held="PerfPolicy night lets runs start only at 22:00-06:00")
    assert place(held, [], NOW) == Placement(1, held.held or "")
    assert place(ME, [held], NOW) == Placement()
    late = replace(held, created=NOW - QUEUE_LIMIT - timedelta(seconds=1))
    assert place(late, [], NOW).expired


mixed = st.builds(
    lambda one, caps, most: replace(one, caps=caps, per_target=most, reason="Requested"),
    contenders,
    st.sampled_from([(), FEW, (Cap("one", 1),), (*FEW, Cap("one", 1))]),
    st.integers(1, 2),
)


@given(
    st.lists(mixed, min_size=1, max_size=10, unique_by=lambda one: (one.namespace, one.name)),
    st.randoms(use_true_random=False),
)
def test_no_limit_is_ever_passed_and_everyone_has_their_turn(
    crowd: list[Contender], chance: Random
) -> None:
    while crowd:
        for index in chance.sample(range(len(crowd)), len(crowd)):
            one = crowd[index]
            if not one.admitted and place(one, crowd, NOW).position == 0:
                crowd[index] = replace(one, admitted=True)
        running = [one for one in crowd if one.admitted]
        assert running, "nobody may start, and nobody runs"
        for cap in {cap for one in running for cap in one.caps}:
            under_way = [one for one in running if cap in one.caps]
            assert len(under_way) <= cap.most
        for one in running:
            same = sum(other.target == one.target for other in running)
            assert same <= max(o.per_target for o in running if o.target == one.target)
        crowd.remove(chance.choice(running))


@pytest.mark.parametrize("address", ["shop:8000", "SHOP.a.svc.cluster.local:8000", "shop.a:8000"])
def test_the_same_server_is_one_target_whatever_speaks_to_it(address: str) -> None:
    spoken = Target.model_validate({"extension": {"kind": "websocket", "address": address}})
    asked = Target.model_validate({"http": {"url": "http://shop:8000/items"}})
    assert place_of(spoken, "a") == place_of(asked, "a") == "shop.a:8000"
