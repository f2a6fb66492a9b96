"""Who may load a target: the table of places, and the law that it is one at a time."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.test.target import Target
from perfrun.logic.schedule.admission import (
    QUEUE_LIMIT,
    Admission,
    AdmissionRules,
    Placement,
    place_of,
    target_key,
)
from perfrun.logic.schedule.policy import Cap
from perfrun.logic.schedule.queues import Contender, Queues

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
    return Contender(namespace, name, test, reason, target, created, NOW if admitted else None)


def queued(crowd: Iterable[Contender]) -> Queues:
    queues = Queues()
    for one in crowd:
        queues.put(one)
    return queues


def place(
    me: Contender,
    others: Iterable[Contender],
    now: datetime = NOW,
    limit: timedelta = QUEUE_LIMIT,
    rules: Mapping[str, AdmissionRules] | AdmissionRules = AdmissionRules(),  # noqa: B008 (frozen)
) -> Placement:
    return decisions([*others, me], rules).place(me, now, limit)


def decisions(
    crowd: Iterable[Contender], rules: Mapping[str, AdmissionRules] | AdmissionRules
) -> Admission:
    def of(namespace: str) -> AdmissionRules:
        return (
            rules if isinstance(rules, AdmissionRules) else rules.get(namespace, AdmissionRules())
        )

    return Admission(queued(crowd), of)


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
        Placement(1, f"a/x has priority over this run for {SHOP}"),
    ),
    ("before a younger one that waits", ME, [run("x", age=5)], Placement()),
    (
        "of the same age: by name",
        ME,
        [run("a", age=10)],
        Placement(1, f"a/a has priority over this run for {SHOP}"),
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
        "it did not get a turn in time",
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
    loading = replace(data.draw(st.sampled_from(crowd)), turn=NOW)
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

FEW = AdmissionRules(caps=(Cap("few", 2),))
TWO_RUNS = "PerfPolicy few allows 2 runs at the same time (limits.runs), and 2 are in progress"


def own(name: str, age: int = 0, **more: Any) -> Contender:
    """A run with a target of its own."""
    return run(name, age, target=more.pop("target", f"{name}:80"), **more)


def test_as_many_as_its_policies_let_load_one_target() -> None:
    two = AdmissionRules(per_target=2)
    assert place(ME, [run("x", admitted=True)], rules=two) == Placement()
    others = [run("x", admitted=True), run("y", admitted=True)]
    assert place(ME, others, rules=two) == Placement(1, f"a/x is loading {SHOP}")


def test_the_number_of_runs_in_all_is_told_with_the_place() -> None:
    busy = [own("x", admitted=True), own("y", admitted=True)]
    crowd = [*busy, own("older", 9)]
    assert place(own("me", 5), crowd, rules=FEW) == Placement(2, TWO_RUNS)
    elsewhere = own("z", namespace="other")
    assert place(elsewhere, busy, rules={"a": FEW}) == Placement(), "a run of other policies"


def test_who_waits_for_its_target_takes_no_place_from_others() -> None:
    busy, stuck = own("x", admitted=True), own("stuck", 9, target="x:80")
    assert place(own("me", 5), [busy, stuck], rules=FEW) == Placement()


def test_what_policies_hold_waits_and_stands_in_nobodys_way() -> None:
    night = AdmissionRules(held="PerfPolicy night allows runs to start only at 22:00-06:00")
    held = run("held", 20, namespace="b")
    assert place(held, [], rules=night) == Placement(1, night.held or "")
    assert place(ME, [held], rules={"b": night}) == Placement()
    late = replace(held, created=NOW - QUEUE_LIMIT - timedelta(seconds=1))
    assert place(late, [], rules=night).expired


# --- fairness between namespaces --------------------------------------------------------------

TEN = AdmissionRules(caps=(Cap("ten", 10),))
ONE = AdmissionRules(caps=(Cap("one", 1),))
HARD = AdmissionRules(caps=(Cap("hard", 10, 2),))


def many(namespace: str, count: int, *, age: int = 100, **more: Any) -> list[Contender]:
    return [
        own(f"{namespace}{number:04}", age, namespace=namespace, **more) for number in range(count)
    ]


def starts(crowd: list[Contender], rules: AdmissionRules) -> list[str]:
    """The runs that may start now, one after the other, until none may."""
    queues = queued(crowd)
    found: list[Contender] = []
    admission = Admission(queues, lambda _: rules)
    while True:
        free = [
            one
            for one in crowd
            if one.turn is None
            and one.key not in [(o.namespace, o.name) for o in found]
            and admission.place(one, NOW).position == 0
        ]
        if not free:
            return [one.name for one in found]
        chosen = admission.next_ones(1)[0]
        assert chosen in free, "who is woken may start"
        found.append(chosen)
        queues.put(replace(chosen, turn=NOW + timedelta(seconds=len(found))))


def test_one_namespace_alone_is_lent_all_slots() -> None:
    assert len(starts(many("a", 20), TEN)) == 10


def test_namespaces_that_compete_take_turns_whoever_came_first() -> None:
    crowd = [*many("a", 20, age=100), *many("b", 20, age=1), *many("c", 2, age=50)]
    assert starts(crowd, TEN) == [
        *("a0000", "c0000", "b0000"),
        *("a0001", "c0001", "b0001"),
        *("a0002", "b0002", "a0003", "b0003"),
    ]


def test_whoever_has_less_than_a_third_goes_before_who_has_more() -> None:
    lent = [replace(one, turn=NOW) for one in many("a", 9)]
    waiting = [*(run_ for run_ in many("a", 12)[9:]), *many("b", 2, age=1)]
    crowd = [*lent, *waiting]
    assert starts(crowd, TEN) == ["b0000"]
    (first, *_), last = many("b", 2, age=1), many("a", 12)[9]
    assert place(first, crowd, rules=TEN) == Placement()
    assert place(last, crowd, rules=TEN).position == 2, "one of b goes before it"


def test_all_free_slots_go_first_to_who_has_less_than_a_third() -> None:
    lent = [replace(one, turn=NOW) for one in many("a", 8)]
    crowd = [*lent, *many("a", 12)[8:], *many("b", 3, age=1)]
    assert starts(crowd, TEN) == ["b0000", "b0001"]


def test_with_one_slot_the_namespace_that_was_served_last_goes_last() -> None:
    queues = queued([*many("a", 3, age=100), *many("b", 3, age=1)])
    admission = Admission(queues, lambda _: ONE)
    order = []
    for second in range(6):
        (chosen,) = admission.next_ones(1)
        order.append(chosen.name)
        queues.put(replace(chosen, turn=NOW + timedelta(seconds=second)))
        assert admission.next_ones(1) == [], "the only slot is taken"
        queues.drop(chosen.namespace, chosen.name)
    assert order == ["a0000", "b0000", "a0001", "b0001", "a0002", "b0002"]


def test_one_target_goes_round_too_also_for_a_namespace_that_is_served_elsewhere() -> None:
    shared = [run(f"a{n}", 100, namespace="a") for n in range(3)]
    other = run("b0", 1, namespace="b")
    queues = queued([*shared, other])
    admission = Admission(queues, lambda _: AdmissionRules())
    for second, name in enumerate(("a0", "b0", "a1", "a2")):
        queues.note_turn("b", "elsewhere:80", NOW + timedelta(seconds=second))
        (chosen,) = admission.next_ones(5)
        assert chosen.name == name
        queues.put(replace(chosen, turn=NOW + timedelta(seconds=second)))
        queues.drop(chosen.namespace, chosen.name)


def test_a_written_share_is_never_passed_though_slots_are_idle() -> None:
    assert starts(many("a", 5), HARD) == ["a0000", "a0001"]
    busy = [replace(one, turn=NOW) for one in many("a", 2)]
    third = many("a", 3)[2]
    assert place(third, busy, rules=HARD) == Placement(
        1,
        "PerfPolicy hard allows 2 runs of one namespace at the same time (limits.runsPerNamespace), and "
        "2 of a are in progress",
    )
    assert place(own("b", namespace="b"), [*busy, third], rules=HARD) == Placement()


def test_the_position_counts_turns_and_not_runs_of_others() -> None:
    busy = [replace(one, turn=NOW) for one in many("z", 10)]
    crowd = [*busy, *many("a", 1000, age=100), *many("b", 2, age=1)]
    first, second = many("b", 2, age=1)
    assert place(first, crowd, rules=TEN).position == 2
    assert place(second, crowd, rules=TEN).position == 4


@pytest.mark.parametrize(
    ("others", "rules", "wanted"),
    [
        ([], ONE, False),
        ([own("x", namespace="a")], ONE, False),  # its own namespace's
        ([own("x", namespace="b")], ONE, True),
        ([own("x", namespace="b")], TEN, False),  # there is room for both
        ([run("x", namespace="b")], TEN, True),  # for its target
        ([run("x", namespace="b"), run("y", namespace="c", admitted=True)], ONE, False),
        ([own("x", namespace="b"), own("y", namespace="c", target="x:80", admitted=True)], ONE, False),
        ([own("x", namespace="b", admitted=True), own("y", namespace="b")],
         AdmissionRules(caps=(Cap("hard", 10, 1),)), False),
        ([own("x", namespace="b")], AdmissionRules(caps=(Cap("one", 1),), held="not now"), False),
    ],
)  # fmt: skip
def test_a_turn_is_wanted_where_a_run_of_another_namespace_could_start_instead(
    others: list[Contender], rules: AdmissionRules, wanted: bool
) -> None:
    me = run("me", 10, admitted=True)
    assert decisions([me, *others], rules).is_wanted(me) is wanted


# --- several targets ----------------------------------------------------------------------------


def script(name: str, age: int = 0, *targets: str, **more: Any) -> Contender:
    first, *others = targets
    return replace(run(name, age, target=first, **more), others=tuple(others))


def test_a_run_waits_until_each_of_its_targets_is_free() -> None:
    me = script("me", 5, "pay.a:80", SHOP)
    busy = run("busy", admitted=True)
    assert place(me, [busy]) == Placement(1, f"a/busy is loading {SHOP}")
    assert decisions([busy, me], AdmissionRules()).next_ones(5) == []
    assert place(me, [run("waits", 9)]) == Placement(), "it stands in the line of its first target"


def test_a_run_with_several_targets_keeps_each_of_them_from_others() -> None:
    holder = script("holder", 5, "pay.a:80", SHOP, admitted=True)
    assert place(run("me"), [holder]) == Placement(1, f"a/holder is loading {SHOP}")
    queues = queued([holder, run("me")])
    queues.drop("a", "holder")
    assert Admission(queues, lambda _: AdmissionRules()).next_ones(5) == [run("me")]
    assert not queues.holders(SHOP) and not queues.holders("pay.a:80")


def test_two_runs_that_name_the_same_targets_in_another_order_never_wait_for_each_other() -> None:
    one = script("one", 5, "x:80", "y:80")
    two = script("two", 5, "y:80", "x:80", namespace="b")
    queues = queued([one, two])
    admission = Admission(queues, lambda _: AdmissionRules())
    assert {one.name for one in admission.next_ones(5)} == {"one", "two"}
    first = admission.next_ones(1)[0]
    queues.put(replace(first, turn=NOW))
    assert admission.next_ones(5) == [], "each of them needs both"


def test_a_turn_is_wanted_by_a_run_that_needs_one_of_its_targets() -> None:
    me = script("me", 10, "x:80", SHOP, admitted=True)
    assert decisions([me, run("waits", namespace="b")], AdmissionRules()).is_wanted(me)
    both = script("waits", 0, SHOP, "z:80", namespace="b")
    assert decisions([me, both], AdmissionRules()).is_wanted(me)
    elsewhere = run("busy", target="z:80", namespace="c", admitted=True)
    assert not decisions([me, both, elsewhere], AdmissionRules()).is_wanted(me)


crowded = st.lists(
    st.builds(
        run,
        st.sampled_from([f"r{number}" for number in range(8)]),
        st.integers(0, 20),
        target=st.sampled_from([SHOP, "b:80", "c:80", "d:80"]),
        namespace=st.sampled_from(["a", "b", "c"]),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda one: (one.namespace, one.name),
)
rule_sets = st.fixed_dictionaries(
    {
        namespace: st.builds(
            AdmissionRules,
            st.integers(1, 2),
            st.sampled_from(
                [
                    (),
                    (Cap("few", 2),),
                    (Cap("one", 1),),
                    (Cap("few", 2), Cap("one", 1)),
                    (Cap("three", 3), Cap("each", None, 1)),
                    (Cap("six", 6, 2),),
                ]
            ),
        )
        for namespace in ("a", "b", "c")
    }
)


class Play:
    """The queues over time: who may start starts, in any order of looks, and runs end."""

    def __init__(self, crowd: list[Contender], rules: Mapping[str, AdmissionRules]) -> None:
        self.crowd = {one.key: one for one in crowd}
        self.queues = queued(crowd)
        self.rules = rules
        self.admission = Admission(self.queues, lambda namespace: rules[namespace])
        self.time = NOW

    @property
    def running(self) -> list[Contender]:
        return [one for one in self.crowd.values() if one.turn is not None]

    def look_at_all(self, chance: Random) -> list[Contender]:
        started = []
        for key in chance.sample(sorted(self.crowd), len(self.crowd)):
            one = self.crowd[key]
            if one.turn is None and self.admission.place(one, NOW).position == 0:
                self.time += timedelta(seconds=1)
                self.crowd[key] = replace(one, turn=self.time)
                self.queues.put(self.crowd[key])
                started.append(one)
        return started

    def end(self, one: Contender) -> None:
        del self.crowd[one.key]
        self.queues.drop(*one.key)

    def check_limits(self) -> None:
        of = Counter(one.namespace for one in self.running)
        for cap in {cap for rules in self.rules.values() for cap in rules.caps}:
            mine = {name: count for name, count in of.items() if cap in self.rules[name].caps}
            assert cap.runs is None or sum(mine.values()) <= cap.runs
            assert cap.per_namespace is None or max(mine.values(), default=0) <= cap.per_namespace
        for one in self.running:
            same = [other for other in self.running if other.target == one.target]
            assert len(same) <= max(self.rules[other.namespace].per_target for other in same)


@given(crowded, rule_sets, st.randoms(use_true_random=False))
def test_no_limit_is_ever_passed_no_slot_is_idle_and_everyone_has_their_turn(
    crowd: list[Contender], rules: dict[str, AdmissionRules], chance: Random
) -> None:
    play = Play(crowd, rules)
    while play.crowd:
        while play.look_at_all(chance):
            play.check_limits()
        assert play.running, "nobody may start, and nobody runs"
        assert play.admission.next_ones(9) == [], "somebody may start, and does not"
        play.end(chance.choice(play.running))


@given(crowded, rule_sets, st.randoms(use_true_random=False))
def test_of_one_namespace_and_target_the_oldest_goes_first(
    crowd: list[Contender], rules: dict[str, AdmissionRules], chance: Random
) -> None:
    rules = {name: replace(one, per_target=1) for name, one in rules.items()}
    play = Play(crowd, rules)
    while play.crowd:
        for one in play.look_at_all(chance):
            younger = [
                other
                for other in crowd
                if (other.namespace, other.target) == (one.namespace, one.target)
                and other.order < one.order
            ]
            assert not any(other.key in play.crowd for other in younger)
        play.end(chance.choice(play.running))


@pytest.mark.parametrize("namespaces", [2, 3, 4])
@pytest.mark.parametrize("runs", [1, 2, 3, 10])
def test_no_namespace_starves_whatever_others_have_waiting(runs: int, namespaces: int) -> None:
    """While all have more waiting, each namespace has every n-th turn."""
    chance = Random(runs + namespaces)
    names = "abcd"[:namespaces]
    crowd = [one for name in names for one in many(name, 40)]
    play = Play(crowd, dict.fromkeys(names, AdmissionRules(caps=(Cap("few", runs),))))
    served: Counter[str] = Counter()
    for _ in range(10 * namespaces):
        served.update(one.namespace for one in play.look_at_all(chance))
        play.end(min(play.running, key=lambda one: one.turn or NOW))
    assert max(served.values()) - min(served.values()) <= max(2, runs // 3)


def test_a_look_costs_as_much_with_five_thousand_waiting_as_with_fifty() -> None:
    """Counted in rules that are asked for, which every comparison does: no time is measured."""

    def cost(waiting: int) -> int:
        asked = 0

        def rules(_: str) -> AdmissionRules:
            nonlocal asked
            asked += 1
            return TEN

        busy = [replace(one, turn=NOW) for one in many("z", 9)]
        me = own("me", namespace="b")
        queues = queued([*busy, me, *many("a", waiting)])
        admission = Admission(queues, rules)
        assert admission.place(me, NOW).position == 2
        assert admission.place(many("a", waiting)[-1], NOW).position > 0
        assert len(admission.next_ones(20)) == 20
        return asked

    assert cost(5000) == cost(50)


@pytest.mark.parametrize("address", ["shop:8000", "SHOP.a.svc.cluster.local:8000", "shop.a:8000"])
def test_the_same_server_is_one_target_whatever_speaks_to_it(address: str) -> None:
    spoken = Target.model_validate({"extension": {"kind": "websocket", "address": address}})
    asked = Target.model_validate({"http": {"url": "http://shop:8000/items"}})
    assert place_of(spoken, "a") == place_of(asked, "a") == "shop.a:8000"
