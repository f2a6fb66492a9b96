"""The search for the highest rate: against targets that are steady, moody, or not there."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.quantities import format_rate, parse_rate
from perfrun.api.test.load import Capacity
from perfrun.logic.plan.capacity import (
    WIDTH,
    FinishedHold,
    HoldOutcome,
    bracket,
    found,
    most_holds,
    next_rate,
)

MET, MISSED, UNCLEAR = HoldOutcome.MET, HoldOutcome.MISSED, HoldOutcome.UNCLEAR


def capacity(first: str = "100/s", last: str = "10000/s") -> Capacity:
    return Capacity.model_validate({"from": first, "to": last, "hold": "30s"})


def search(asked: Capacity, truth: float) -> list[FinishedHold]:
    """All holds against a target that holds every rate up to ``truth``."""
    held: list[FinishedHold] = []
    while (rate := next_rate(asked, held)) is not None:
        held.append(FinishedHold(rate, MET if rate <= truth else MISSED))
    return held


@given(truth=st.floats(100, 9999), first=st.floats(0.5, 100), last=st.floats(10_000, 1e6))
def test_a_steady_target_is_found_within_5_percent(truth: float, first: float, last: float) -> None:
    asked = capacity(f"{first:.6f}/s", f"{last:.6f}/s")
    held = search(asked, truth)
    result = found(asked, held)
    assert result.unfinished is None
    assert truth / WIDTH <= result.low <= truth
    assert result.low == result.high
    # The exponential part, the halvings and the confirmation: a steady target needs no spare.
    assert len(held) <= most_holds(asked) - 8
    assert [one.rate for one in held[-2:]].count(result.low) >= 1
    assert held[-1] == FinishedHold(result.low, MET)


@given(seed=st.integers(), luck=st.floats(0, 1))
def test_a_moody_target_ends_the_search_all_the_same(seed: int, luck: float) -> None:
    asked, dice = capacity(), random.Random(seed)
    held: list[Any] = []
    while (rate := next_rate(asked, held)) is not None:
        assert 100 <= rate <= 10_000
        now = bracket(held)
        assert now.low <= rate
        assert now.high is None or rate < now.high
        held.append(FinishedHold(rate, MET if dice.random() < luck else MISSED))
    assert len(held) <= most_holds(asked)
    result = found(asked, held)
    assert result.low <= result.high
    met = [one.rate for one in held if one.outcome is MET]
    assert result.low == 0.0 or met.count(result.low) > 1


@given(truth=st.floats(1, 1e5))
def test_rates_can_be_written(truth: float) -> None:
    for one in search(capacity("1/s", "100000/s"), truth):
        assert parse_rate(format_rate(one.rate, [one.rate])) == one.rate


def test_the_way_of_a_search() -> None:
    held = search(capacity(), 500)
    assert [one.rate for one in held] == [100, 200, 400, 800, 566, 476, 519, 497, 497]


@pytest.mark.parametrize(
    ("truth", "holds", "text", "low", "high"),
    [
        (50, 1, "0/s", 0, 0),  # the first rate fails
        (1e6, 9, "≥10000/s", 10_000, float("inf")),  # the last one holds, twice
        (100, 7, "100/s", 100, 100),  # only the first one holds
    ],
)
def test_the_ends(truth: float, holds: int, text: str, low: float, high: float) -> None:
    held = search(capacity(), truth)
    result = found(capacity(), held)
    assert (len(held), result.text, result.low, result.high) == (holds, text, low, high)
    assert result.unfinished is None


def test_from_and_to_may_be_one() -> None:
    assert found(capacity("70/s", "70/s"), search(capacity("70/s", "70/s"), 80)).text == "≥70/s"


def test_a_failed_confirmation_is_an_upper_end() -> None:
    held = [*search(capacity(), 500)[:-1], FinishedHold(497, MISSED)]
    assert bracket(held).low == 476
    assert next_rate(capacity(), held) == 476  # 476 to 497 is narrow: it is confirmed next
    assert found(capacity(), [*held, FinishedHold(476, MET)]).text == "476/s"


def test_the_generator_s_limit_is_not_the_target_s() -> None:
    held = [FinishedHold(100, MET), FinishedHold(200, UNCLEAR)]
    while (rate := next_rate(capacity(), held)) is not None:
        held.append(FinishedHold(rate, UNCLEAR if rate > 150 else MET))
    result = found(capacity(), held)
    assert result.text.startswith("≥14")
    assert result.high == float("inf")
    assert result.unfinished is None


@pytest.mark.parametrize(
    ("last", "why"),
    [(HoldOutcome.LOST, "a worker was lost"), (UNCLEAR, "the load generator was the limit")],
)
def test_a_search_that_comes_to_nothing(last: HoldOutcome, why: str) -> None:
    held = [FinishedHold(100, last)]
    assert next_rate(capacity(), held) is None
    result = found(capacity(), held)
    assert (result.text, result.low) == ("≥0/s", 0)
    assert why in (result.unfinished or "")


def test_what_was_not_confirmed_is_no_proof() -> None:
    result = found(
        capacity(),
        [FinishedHold(100, MET), FinishedHold(200, MET), FinishedHold(400, HoldOutcome.LOST)],
    )
    assert (result.text, result.low, result.high) == ("≥200/s", 0, float("inf"))


def test_a_hold_that_a_restart_interrupted_is_held_again() -> None:
    held = [FinishedHold(100, MET), FinishedHold(200, HoldOutcome.REPEATED)]
    assert next_rate(capacity(), held) == 200
