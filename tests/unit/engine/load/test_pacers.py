"""Pacers as tables: what is decided at which time, with no clock and no loop."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from perfrun.engine.load.kind import VirtualUser
from perfrun.engine.load.pacers import (
    JOINED,
    NONE,
    OVERDUE,
    BurstPacer,
    ClosedPacer,
    Drop,
    End,
    HoldPacer,
    Leave,
    OpenPacer,
    Pacer,
    Release,
    Share,
    WaitUntil,
    pacer_for,
)
from perfrun.logic.plan.run_plan import MAX_BURST
from perfrun.logic.plan.shape import UserSpan
from tests.unit.engine.server import plan

S = 1_000_000_000
MS = 1_000_000
T0 = 1000 * S
"""Of every load here, as monotonic ns; the tables count from it."""
ALONE, SECOND_OF_THREE = Share(1, 0, T0), Share(3, 1, T0)

Row = tuple[int, Sequence[object]]
"""At a time (ns after T0), all that is decided until the pacer waits or has ended."""


def released(number: int, due: int, lag: int = 0) -> tuple[object, ...]:
    return "release", number, due, lag


def dropped(number: int, due: int) -> tuple[object, ...]:
    return "drop", number, due


def waits(time: int) -> tuple[object, ...]:
    return "wait", time


END = ("end", None)


class Table:
    """Asks a pacer at given times, and keeps the users that it releases."""

    def __init__(self, pacer: Pacer, joins: int = -S) -> None:
        self.pacer = pacer
        self.users: list[VirtualUser] = []
        self._idles: list[WaitUntil | End | None] = []
        pacer.idles = lambda _, until: self._idles.append(until)
        pacer.start(T0 + joins)

    def at(self, time: int) -> list[object]:
        """All decisions at a time."""
        return list(self._decisions(time))

    def ended(self, user: int, time: int, pause: int = 0) -> object:
        """What becomes of a released user whose iteration is over."""
        number = self.pacer.ended(self.users[user], pause, T0 + time)
        if number != NONE:
            return number
        (until,) = self._idles
        self._idles.clear()
        return None if until is None else self._plain(until)

    def _decisions(self, time: int) -> Iterator[object]:
        for _ in range(10_000):
            answer = self.pacer.next(T0 + time)
            if isinstance(answer, Release):
                self.users.append(answer.user)
            yield self._plain(answer)
            if isinstance(answer, WaitUntil | End):
                return
        raise AssertionError("it neither waits nor ends")

    def _plain(self, answer: object) -> object:
        match answer:
            case Release(number, due, lag, _, _):
                return released(number, due - T0, lag)
            case Drop(number, due):
                return dropped(number, due - T0)
            case Leave(user):
                return "leave", self.users.index(user)
            case WaitUntil(time):
                return waits(time - T0)
            case End(early):
                return "end", early
        raise AssertionError(answer)


def open_pacer(*due: int, end: int, limit: int = 100, place: Share = ALONE) -> OpenPacer:
    chunks = [np.array(due[:2], dtype=np.int64), np.array(due[2:], dtype=np.int64)]
    return OpenPacer(place, iter(chunks), T0 + end, limit)


@pytest.mark.parametrize(
    ("pacer", "joins", "rows"),
    [
        pytest.param(
            open_pacer(0, 10, 20, end=30),
            -S,
            [
                (-5, [waits(0)]),
                (0, [released(0, 0), waits(10)]),
                (9, [waits(10)]),
                (10, [released(1, 10), waits(20)]),
                (29, [released(2, 20, 9), waits(30)]),
                (30, [END]),
            ],
            id="each when it is due",
        ),
        pytest.param(
            open_pacer(0, 10, 20, end=30),
            -S,
            [(25, [released(0, 0, 25), released(1, 10, 15), released(2, 20, 5), waits(30)])],
            id="all that is due at once, with its lag",
        ),
        pytest.param(
            open_pacer(0, 10, end=30, place=SECOND_OF_THREE),
            -S,
            [(10, [released(1, 0, 10), released(4, 10), waits(30)])],
            id="a worker's own numbers",
        ),
        pytest.param(
            open_pacer(0, 10, 20, end=30, limit=2),
            -S,
            [(20, [released(0, 0, 20), released(1, 10, 10), dropped(2, 20), waits(30)])],
            id="more than may be in progress",
        ),
        pytest.param(
            open_pacer(0, 1, 2, end=2 * S),
            -S,
            [(OVERDUE + 1, [dropped(0, 0), released(1, 1, OVERDUE), released(2, 2, OVERDUE - 1)])],
            id="what is overdue",
        ),
        pytest.param(
            open_pacer(0, JOINED, JOINED + 1, end=S),
            JOINED + 1,
            [(JOINED + 1, [dropped(0, 0), dropped(1, JOINED), released(2, JOINED + 1)])],
            id="what was due before a late worker came",
        ),
        pytest.param(
            open_pacer(0, end=S),
            JOINED,
            [(JOINED, [released(0, 0, JOINED)])],
            id="a worker that is just in time",
        ),
        pytest.param(open_pacer(end=5), -S, [(0, [waits(5)]), (5, [END])], id="nothing at all"),
    ],
)
def test_an_open_load(pacer: OpenPacer, joins: int, rows: list[Row]) -> None:
    table = Table(pacer, joins)
    for time, decided in rows:
        assert table.at(time)[: len(decided)] == decided


def test_a_release_of_an_open_load_says_when_the_next_one_is_due() -> None:
    pacer = open_pacer(0, 10, end=30)
    pacer.start(T0)
    for time, then in ((0, 10), (10, 30)):
        answer = pacer.next(T0 + time)
        assert isinstance(answer, Release)
        assert answer.then == T0 + then


def test_an_open_load_has_room_again_when_an_iteration_has_ended() -> None:
    table = Table(open_pacer(0, 10, 20, end=30, limit=1))
    assert table.at(10) == [released(0, 0, 10), dropped(1, 10), waits(20)]
    assert table.ended(0, 15) is None
    assert table.at(20) == [released(2, 20), waits(30)]


def closed_pacer(*spans: tuple[int, int], end: int = S, think: int = 0) -> ClosedPacer:
    users = [UserSpan(user, on, off) for user, (on, off) in enumerate(spans)]
    return ClosedPacer(ALONE, users, T0 + end, think)


@pytest.mark.parametrize(
    ("pacer", "joins", "rows"),
    [
        pytest.param(
            closed_pacer((0, S), (0, S)),
            -S,
            [
                (-5, [waits(0)]),
                (3, [released(0, 3, 3), released(1, 3, 3), waits(S)]),
                (S - 1, [waits(S)]),
                (S, [END]),
            ],
            id="all users at T0, due when they are released",
        ),
        pytest.param(
            closed_pacer((200, S), (0, 900), (100, S)),
            -S,
            [
                (0, [released(0, 0), waits(100)]),
                (100, [released(1, 100), waits(200)]),
                (200, [released(2, 200), waits(S)]),
            ],
            id="a ramp, in the order of time",
        ),
        pytest.param(
            closed_pacer((0, 100), (50, S)),
            -S,
            [(100, [released(0, 100, 50), waits(S)])],
            id="a user that is off before it could begin",
        ),
        pytest.param(
            closed_pacer((0, S), (JOINED + 5, S)),
            JOINED + 3,
            [(JOINED + 9, [released(0, JOINED + 9, 6), released(1, JOINED + 9, 4), waits(S)])],
            id="a late worker's lag counts from when it came",
        ),
        pytest.param(closed_pacer((0, 5), end=5), -S, [(5, [END])], id="all of it missed"),
    ],
)
def test_a_closed_load(pacer: ClosedPacer, joins: int, rows: list[Row]) -> None:
    table = Table(pacer, joins)
    for time, decided in rows:
        assert table.at(time) == decided


def test_users_of_a_closed_load_start_over_until_they_are_off() -> None:
    table = Table(closed_pacer((0, 100), (0, S)))
    table.at(0)
    assert table.ended(0, 50) == 2
    assert table.ended(1, 60) == 3
    assert table.ended(0, 99) == 4
    assert table.ended(0, 100) is None
    assert table.ended(1, 100) == 5


def test_users_that_think_are_released_in_the_order_of_their_return() -> None:
    table = Table(closed_pacer((0, S), (0, S), (500, S), think=10))
    table.at(0)
    assert table.ended(0, 100, pause=290) == waits(400)
    assert table.ended(1, 110) == waits(120)
    assert table.at(119) == [waits(120)]
    assert table.at(121) == [released(2, 121, 1), waits(400)]
    assert table.users[2] is table.users[1]
    assert table.at(500) == [released(3, 500, 100), released(4, 500), waits(S)]


def test_a_user_that_comes_back_too_late_leaves() -> None:
    table = Table(closed_pacer((0, 100), (0, S), think=10))
    table.at(0)
    assert table.ended(0, 90) is None, "it would not come back before it is off"
    assert table.ended(0, 89) == waits(99)
    assert table.at(100) == [("leave", 0), waits(S)]


def test_who_rests_when_a_load_is_stopped_leaves() -> None:
    table = Table(closed_pacer((0, S), (0, S), think=10))
    table.at(0)
    table.ended(0, 5)
    assert table.pacer.stop(T0 + 50) == [table.users[0]]
    assert table.ended(1, 60) is None
    assert table.pacer.stop(T0 + 70) == []
    assert table.pacer.user_time() == 2 * 50


@pytest.mark.parametrize(
    ("joins", "stops", "user_time"),
    [(-S, S, 600), (JOINED + 100, S, 0), (-S, 250, 350), (-S, 50, 0), (-S, -5, 0)],
)
def test_the_time_of_users_is_that_in_which_they_were_active(
    joins: int, stops: int, user_time: int
) -> None:
    table = Table(closed_pacer((50, 350), (100, 400)), joins)
    table.pacer.stop(T0 + stops)
    assert table.pacer.user_time() == user_time


def test_a_burst_releases_its_users_at_once_and_ends_with_its_last_request() -> None:
    table = Table(BurstPacer(ALONE, 4, 2))
    assert table.at(-1) == [waits(0)]
    assert table.at(1) == [released(0, 1, 1), released(1, 1, 1), waits(MAX_BURST)]
    assert table.ended(0, 10) == 2
    assert table.ended(1, 11) == 3
    assert table.ended(0, 12) == END
    assert table.ended(1, 13) is None, "it has ended already"


def test_a_burst_of_as_many_users_as_requests_ends_with_their_release() -> None:
    table = Table(BurstPacer(ALONE, 2, 2))
    assert table.at(0) == [released(0, 0), released(1, 0), END]
    assert table.ended(0, 5) is None


def test_a_user_of_a_burst_that_thinks_finds_nothing_left() -> None:
    table = Table(BurstPacer(ALONE, 3, 2))
    table.at(0)
    assert table.ended(0, 10, pause=100) == waits(110)
    assert table.ended(1, 20) == 2
    assert table.at(110) == [END], "no fourth request"
    assert table.pacer.stop(T0 + 110) == [table.users[0]]


def test_a_burst_that_takes_too_long_drops_what_it_has_not_started() -> None:
    table = Table(BurstPacer(SECOND_OF_THREE, 4, 1))
    assert table.at(0) == [released(1, 0), waits(MAX_BURST)]
    early = ("end", "the burst did not end within 3600s")
    drops = [dropped(number, MAX_BURST) for number in (4, 7, 10)]
    assert table.at(MAX_BURST + 7) == [*drops, early]
    assert table.ended(0, MAX_BURST + 8) is None


def test_holds_follow_one_another_and_numbers_go_on() -> None:
    load = {"capacity": {"from": "1/s", "to": "9/s", "hold": "1s"}, "workers": 2}
    pacer = HoldPacer(plan("http://shop/", load), Share(2, 1, T0))
    pacer.hold(4.0, 5 * S, S)
    table = Table(pacer)
    first = 5 * S + S // 4
    assert table.at(0) == [waits(first)]
    assert table.at(first) == [released(1, first), waits(first + S // 2)]
    assert table.at(6 * S) == [released(3, first + S // 2, S // 4), END]
    assert (table.ended(0, 6 * S), table.ended(1, 6 * S)) == (None, None)
    pacer.hold(2.0, 8 * S, S)
    pacer.start(T0 + 7 * S)
    assert table.at(9 * S) == [released(5, 8 * S + S // 2, S // 2), END]


@pytest.mark.parametrize(
    ("load", "kind"),
    [
        ({"burst": {"requests": 9, "concurrency": 3}}, BurstPacer),
        ({"closed": {"users": 3, "duration": "1s"}}, ClosedPacer),
        ({"open": {"rate": "9/s", "duration": "1s"}}, OpenPacer),
    ],
)
def test_every_shape_of_load_has_its_pacer(load: dict[str, Any], kind: type[Pacer]) -> None:
    """Three workers together release the whole, each number once."""
    numbers: list[int] = []
    for worker in range(3):
        pacer = pacer_for(plan("http://shop/", {**load, "workers": 3}), worker, T0)
        assert type(pacer) is kind
        pacer.start(T0)
        while isinstance(answer := pacer.next(T0 + S - 1), Release):
            numbers.append(answer.number)
    assert sorted(numbers) == list(range(9 if kind is OpenPacer else 3))
