"""Looking again and again: what fails is told, and nothing gets in the load's way."""

import asyncio
from time import monotonic_ns

import pytest

from perfrun.measure.observed import Observation
from perfrun.observe import watcher as watching
from perfrun.observe.source import ObservedSource, ObservedValues, Unseen, UnseenError
from perfrun.observe.watcher import Watcher

MS = 1_000_000


class Counting(ObservedSource):
    """Gives 1, 2, 3 ...; what is in ``failing`` is raised in the place of a number."""

    metrics = ("value",)

    def __init__(self, failing: dict[int, Exception] | None = None) -> None:
        self.looks, self.closed = 0, False
        self._failing = failing or {}
        self.third = asyncio.Event()

    async def look(self) -> ObservedValues:
        self.looks += 1
        if self.looks >= 3:
            self.third.set()
        if (error := self._failing.get(self.looks)) is not None:
            raise error
        return {"value": float(self.looks)}

    async def close(self) -> None:
        self.closed = True


class Hanging(Counting):
    async def look(self) -> ObservedValues:
        self.looks += 1
        await asyncio.Event().wait()
        raise AssertionError


async def seen(source: Counting) -> Observation:
    watcher = Watcher({"it": source}, 5 * MS)
    watcher.start(monotonic_ns())
    await source.third.wait()
    (one,) = await watcher.finish()
    return one


async def test_points_are_told_from_the_start_and_the_last_one_is_of_the_end() -> None:
    source = Counting()
    one = await seen(source)
    assert (one.name, one.metric, one.trouble) == ("it", "value", None)
    assert one.values == [float(number) for number in range(1, source.looks + 1)]
    assert 0 <= one.at[0] < one.at[-1]
    assert source.closed


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnseenError("the query returned no series"), "the query returned no series"),
        (RuntimeError("of a\ndriver"), "RuntimeError: of a driver"),
    ],
)
async def test_a_look_that_fails_leaves_a_gap_and_its_reason(error: Exception, told: str) -> None:
    one = await seen(Counting({2: error}))
    assert 2.0 not in one.values
    assert {1.0, 3.0} <= {*one.values}
    assert one.trouble == told


async def test_a_look_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE", 0.05)
    source, other = Hanging(), Counting()
    watcher = Watcher({"hangs": source, "other": other}, 5 * MS)
    watcher.start(monotonic_ns())
    await other.third.wait()
    by_name = {one.name: one for one in await watcher.finish()}
    assert by_name["hangs"].values == []
    assert by_name["hangs"].trouble == "there was no answer within 0.05s"
    assert len(by_name["other"].values) >= 3


async def test_in_haste_nothing_more_is_looked_at() -> None:
    source = Counting()
    watcher = Watcher({"it": source}, 5 * MS)
    watcher.start(monotonic_ns())
    await source.third.wait()
    looks = source.looks
    await watcher.finish(in_haste=True)
    assert source.looks == looks
    assert source.closed


async def test_what_can_never_be_looked_at_says_why_for_each_metric() -> None:
    missing = "there is no Secret db with a key dsn"
    watcher = Watcher({"db": Unseen(("connections", "locks"), missing)}, 5 * MS)
    watcher.start(monotonic_ns())
    found = await watcher.finish()
    assert [(one.metric, one.values, one.trouble) for one in found] == [
        ("connections", [], missing),
        ("locks", [], missing),
    ]
