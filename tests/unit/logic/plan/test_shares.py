"""What a script divides by properties."""

from decimal import Decimal

import pytest

from perfrun.logic.plan.shares import jmeter_share, lacks_share


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        ("10", ["4", "3", "3"]),
        ("3", ["1", "1", "1"]),
        ("100.0", ["33.333334", "33.333333", "33.333333"]),
        ("0.000003", ["0.000001", "0.000001", "0.000001"]),
        ("999999999999999", ["333333333333333", "333333333333333", "333333333333333"]),
    ],
)
def test_parts_add_up_to_the_whole(whole: str, parts: list[str]) -> None:
    shares = [jmeter_share(f"-Jperfrun.threads={whole}", index, 3) for index in range(3)]
    assert shares == [f"-Jperfrun.threads={part}" for part in parts]
    assert sum(Decimal(part) for part in parts) == Decimal(whole)


@pytest.mark.parametrize(
    "argument", ["-Jhost=3", "-Jperfrun.name=abc", "-Jperfrun.x=-3", "-Dperfrun.x=9", "-Jperfrun.x"]
)
def test_anything_else_is_the_same_for_all(argument: str) -> None:
    assert jmeter_share(argument, 1, 3) == argument
    assert not lacks_share(argument, 1000)


def test_a_whole_that_is_too_small_leaves_some_without_a_part() -> None:
    assert lacks_share("-Jperfrun.threads=4", 5)
    assert lacks_share("-Jperfrun.threads=0", 1)
    assert not lacks_share("-Jperfrun.threads=5", 5)
    assert not lacks_share("-Jperfrun.rate=1.0", 5)
