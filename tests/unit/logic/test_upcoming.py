"""What a schedule will ask for: a forecast with the reasons of what will not take place."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from perfrun.api.perftest import PerfTestSpec
from perfrun.logic.upcoming import Upcoming, load_length, upcoming
from tests.unit.logic.build import BURST, spec

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LONG = {"open": {"rate": "10/s", "duration": "12m"}}


def scheduled(load: dict[str, Any] = LONG, suspend: bool = False, **schedule: Any) -> PerfTestSpec:
    usual = {"cron": "*/5 * * * *", **schedule}
    return spec(load, schedule=usual, suspend=suspend)


def forecast(of: PerfTestSpec, count: int = 5, now: datetime = NOON) -> list[Upcoming]:
    return list(islice(upcoming("shop", of, now), count))


def test_without_a_schedule_there_is_nothing_to_foretell() -> None:
    assert forecast(spec(LONG)) == []


@pytest.mark.parametrize(
    ("policy", "takes_place", "said"),
    [
        ("Forbid", [True, False, False, True, False], "missed: the run of 12:05 is still under"),
        ("Replace", [True] * 5, "the run of 12:05 is still under way: it is stopped first"),
        ("Allow", [True] * 5, "the run of 12:05 is still under way: this one waits"),
    ],
)
def test_a_load_that_is_longer_than_the_pause(
    policy: str, takes_place: list[bool], said: str
) -> None:
    runs = forecast(scheduled(concurrencyPolicy=policy))
    assert [run.takes_place for run in runs] == takes_place
    assert runs[0].notes == ()
    assert runs[1].notes[0].startswith(said)


def test_a_load_of_unknown_length_is_taken_for_short() -> None:
    assert all(run.takes_place for run in forecast(scheduled(BURST)))
    assert load_length(scheduled(BURST)) is None
    assert load_length(scheduled()) == 12 * 60 * 1_000_000_000


def test_suspended_nothing_takes_place() -> None:
    runs = forecast(scheduled(suspend=True))
    assert not any(run.takes_place for run in runs)
    assert runs[0].notes == ("suspended: it does not start by itself",)


def test_clocks_that_go_back_and_forward_are_told_of_where_they_do() -> None:
    daily = scheduled(BURST, cron="30 2 * * *", timeZone="Europe/Berlin")
    autumn = forecast(daily, 3, datetime(2026, 10, 23, 12, 0, tzinfo=UTC))
    assert [f"{run.tick:%d %H:%M %z}" for run in autumn] == [
        "24 02:30 +0200",
        "25 02:30 +0200",
        "26 02:30 +0100",
    ]
    assert [bool(run.notes) for run in autumn] == [False, False, True]
    assert "back by 1 h" in autumn[2].notes[0]
    spring = forecast(daily, 2, datetime(2027, 3, 27, 12, 0, tzinfo=UTC))
    assert "forward by 1 h" in spring[0].notes[0]


def test_half_an_hour_where_it_is_half_an_hour() -> None:
    island = scheduled(BURST, cron="0 12 * * *", timeZone="Australia/Lord_Howe")
    runs = forecast(island, 2, datetime(2026, 10, 2, 12, 0, tzinfo=UTC))
    assert "forward by 30 min" in runs[1].notes[0]


def test_names_and_jitter_are_those_of_the_run() -> None:
    runs = forecast(scheduled(BURST, jitterSeconds=60), 2)
    assert runs[0].run == f"shop-{int(runs[0].tick.timestamp()) // 60}"
    later = {(run.due - run.tick).total_seconds() for run in runs}
    assert len(later) == 1
    assert 0 <= later.pop() <= 60
