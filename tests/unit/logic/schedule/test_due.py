"""Schedules: which tick runs now, which is missed, and when to look again."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.api.test.perftest import Schedule
from perfrun.logic.schedule.due import (
    ScheduleDecision,
    ScheduleFacts,
    decide,
    due,
    latest_tick,
    next_tick,
    problem_with_cron,
    ticks,
    zone,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(cron: str = "0 2 * * *", **parts: Any) -> Schedule:
    return Schedule.model_validate({"cron": cron, **parts})


def facts(**parts: Any) -> ScheduleFacts:
    known: dict[str, Any] = {
        "schedule": schedule(),
        "test": "api",
        "suspended": False,
        "since": at("2026-11-20T00:00"),
        "last_schedule_time": at("2026-11-22T02:00"),
        "active": (),
    }
    return ScheduleFacts(**{**known, **parts})


TICK, NEXT = at("2026-11-23T02:00"), at("2026-11-24T02:00")


@pytest.mark.parametrize(
    ("parts", "now", "decision"),
    [
        # Not due yet.
        ({}, "2026-11-23T01:59:59", ScheduleDecision(next=TICK)),
        # Due on the second.
        ({}, "2026-11-23T02:00:00", ScheduleDecision(start=TICK, next=NEXT)),
        # Started before: not again.
        ({"last_schedule_time": TICK}, "2026-11-23T02:00:10", ScheduleDecision(next=NEXT)),
        # Recorded as missed before: not again.
        ({"last_missed": TICK}, "2026-11-23T02:00:10", ScheduleDecision(next=NEXT)),
        # Never ran: ticks count from the creation.
        (
            {"last_schedule_time": None},
            "2026-11-23T01:00",
            ScheduleDecision(start=at("2026-11-22T02:00"), next=TICK),
        ),
        # Created after the tick: nothing to catch up.
        (
            {"last_schedule_time": None, "since": at("2026-11-23T02:00:01")},
            "2026-11-23T03:00",
            ScheduleDecision(next=NEXT),
        ),
        # The schedule was edited after its last run: earlier ticks of the new one do not count.
        ({"since": at("2026-11-23T08:00")}, "2026-11-23T09:00", ScheduleDecision(next=NEXT)),
        # Down for days: one catch-up, the latest.
        (
            {"last_schedule_time": at("2026-10-01T02:00"), "since": at("2026-09-01T00:00")},
            "2026-11-23T10:00",
            ScheduleDecision(start=TICK, next=NEXT),
        ),
        # Within the deadline, to the second.
        (
            {"schedule": schedule(startingDeadlineSeconds=600)},
            "2026-11-23T02:10:00",
            ScheduleDecision(start=TICK, next=NEXT),
        ),
        # Behind the deadline.
        (
            {"schedule": schedule(startingDeadlineSeconds=600)},
            "2026-11-23T02:10:01",
            ScheduleDecision(
                missed=(TICK, "it was 601s late, and startingDeadlineSeconds is 600"), next=NEXT
            ),
        ),
        # Forbid: missed at once while a run is active.
        (
            {"active": ("api-1",)},
            "2026-11-23T02:00:01",
            ScheduleDecision(
                missed=(TICK, "run api-1 was not done yet, and concurrencyPolicy is Forbid"),
                next=NEXT,
            ),
        ),
        # ... and never fired later, when the run is done.
        ({"last_missed": TICK, "active": ()}, "2026-11-23T02:30", ScheduleDecision(next=NEXT)),
        # The active run is this very tick's, started but not noted: it is no obstacle to itself ...
        (
            {"active": ("api-29923320",)},
            "2026-11-23T02:00:05",
            ScheduleDecision(start=TICK, next=NEXT),
        ),
        # ... and is not replaced by itself, nor too late for itself.
        (
            {
                "schedule": schedule(concurrencyPolicy="Replace", startingDeadlineSeconds=10),
                "active": ("api-29923320",),
            },
            "2026-11-23T02:05",
            ScheduleDecision(start=TICK, next=NEXT),
        ),
        # Replace: stop the active one first.
        (
            {"schedule": schedule(concurrencyPolicy="Replace"), "active": ("api-1",)},
            "2026-11-23T02:00:01",
            ScheduleDecision(start=TICK, replace=True, next=NEXT),
        ),
        # Replace with nothing active has nothing to stop.
        (
            {"schedule": schedule(concurrencyPolicy="Replace")},
            "2026-11-23T02:00:01",
            ScheduleDecision(start=TICK, next=NEXT),
        ),
        # Allow: both run.
        (
            {"schedule": schedule(concurrencyPolicy="Allow"), "active": ("api-1",)},
            "2026-11-23T02:00:01",
            ScheduleDecision(start=TICK, next=NEXT),
        ),
        # Suspended or deleted: nothing, and no next run to show.
        ({"suspended": True}, "2026-11-23T02:00:01", ScheduleDecision()),
        # Resumed: the latest tick that was missed fires at once ...
        ({}, "2026-11-23T17:00", ScheduleDecision(start=TICK, next=NEXT)),
        # ... unless the deadline says no.
        (
            {"schedule": schedule(startingDeadlineSeconds=60)},
            "2026-11-23T17:00",
            ScheduleDecision(
                missed=(TICK, "it was 54000s late, and startingDeadlineSeconds is 60"), next=NEXT
            ),
        ),
        # A clock that went back: what ran stays settled.
        (
            {"last_schedule_time": at("2026-11-25T02:00")},
            "2026-11-23T02:00:01",
            ScheduleDecision(next=NEXT),
        ),
    ],
)
def test_what_a_schedule_asks_for(
    parts: dict[str, Any], now: str, decision: ScheduleDecision
) -> None:
    assert decide(facts(**parts), at(now)) == decision


def test_jitter_moves_start_deadline_and_next_alike() -> None:
    late = schedule(jitterSeconds=600, startingDeadlineSeconds=60)
    start = due(late, "api", TICK)
    assert TICK < start <= TICK + timedelta(seconds=600)
    second = timedelta(seconds=1)
    assert decide(facts(schedule=late), start - second) == ScheduleDecision(next=start)
    tomorrow = start + timedelta(days=1)
    assert decide(facts(schedule=late), start) == ScheduleDecision(start=TICK, next=tomorrow)
    behind = decide(facts(schedule=late), start + timedelta(seconds=61))
    assert behind.missed is not None
    assert behind.missed[0] == TICK


def test_jitter_is_stable_for_a_name_and_spreads_names() -> None:
    late = schedule(jitterSeconds=600)
    starts = {due(late, f"test-{number}", TICK) for number in range(50)}
    assert len(starts) > 40
    assert all(TICK <= start <= TICK + timedelta(seconds=600) for start in starts)
    assert due(late, "api", TICK) == due(late, "api", TICK)


def test_it_wakes_for_the_next_run() -> None:
    assert decide(facts(), at("2026-11-23T01:00")).next == TICK


@pytest.mark.parametrize(
    ("cron", "name", "after", "expected"),
    [
        # Berlin goes back at 03:00 CEST, 2026-10-25: 02:30 comes twice, and runs once.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            ["2026-10-25T00:30", "2026-10-26T01:30"],
        ),
        # Asked in the hour that is repeated: not again.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["2026-10-26T01:30"]),
        # Berlin goes forward at 02:00 CET, 2026-03-29: 02:30 does not come, and runs at 03:00.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            ["2026-03-29T01:00", "2026-03-30T00:30"],
        ),
        # Every hour is every hour, both ways.
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:00",
            ["2026-10-25T01:00", "2026-10-25T02:00"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:00",
            ["2026-03-29T01:00", "2026-03-29T02:00"],
        ),
        # Half an hour of change on Lord Howe Island: the first passing, once.
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00",
            ["2026-04-04T14:45", "2026-04-05T15:15"],
        ),
        # A zone without changes.
        ("0 2 * * *", "Asia/Kolkata", "2026-11-22T00:00", ["2026-11-22T20:30"]),
        # Leap days.
        ("0 0 29 2 *", "Etc/UTC", "2026-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        # Day of month or day of week, as in cron, where both are given.
        ("0 0 13 * FRI", "Etc/UTC", "2026-11-10T00:00", ["2026-11-13T00:00", "2026-11-20T00:00"]),
        # ? is any.
        ("0 0 ? * MON", "Etc/UTC", "2026-11-22T00:00", ["2026-11-23T00:00", "2026-11-30T00:00"]),
        ("@hourly", "Etc/UTC", "2026-11-22T00:00", ["2026-11-22T01:00"]),
        (
            "*/20 0-1 * * 1-5",
            "Etc/UTC",
            "2026-11-20T01:45",
            ["2026-11-23T00:00", "2026-11-23T00:20"],
        ),
    ],
)
def test_the_next_ticks(cron: str, name: str, after: str, expected: list[str]) -> None:
    coming = ticks(schedule(cron, timeZone=name), at(after))
    assert [next(coming) for _ in expected] == [at(text) for text in expected]


@pytest.mark.parametrize(
    ("cron", "name", "until", "expected"),
    [
        # In the repeated hour the latest is the first passing's, of the same day.
        ("45 2 * * *", "Europe/Berlin", "2026-10-25T01:10", "2026-10-25T00:45"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00", "2026-03-29T01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59", "2026-03-28T01:30"),
        ("0 0 29 2 *", "Etc/UTC", "2027-01-01T00:00", "2024-02-29T00:00"),
        ("* * * * *", "Etc/UTC", "2026-11-22T00:00:59", "2026-11-22T00:00"),
    ],
)
def test_the_latest_tick(cron: str, name: str, until: str, expected: str) -> None:
    long_ago = at("2020-01-01T00:00")
    assert latest_tick(schedule(cron, timeZone=name), long_ago, at(until)) == at(expected)


def test_years_of_minutes_are_not_walked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = 0

    def counting(*arguments: Any) -> Any:
        nonlocal walked
        for tick in ticks(*arguments):
            walked += 1
            yield tick

    monkeypatch.setattr("perfrun.logic.schedule.due.ticks", counting)
    minutely = schedule("* * * * *")
    found = latest_tick(minutely, at("2010-01-01T00:00"), at("2026-11-23T02:00:30"))
    assert found == at("2026-11-23T02:00")
    assert walked < 100


crons = st.sampled_from(
    [
        "30 2 * * *",
        "0 3 * * *",
        "*/15 * * * *",
        "5 1-3 * * *",
        "0 */2 * * *",
        "15,45 2 * * SUN",
        "0 0 1 * *",
        "59 23 28-31 * *",
    ]
)
zones = st.sampled_from(["Etc/UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


@settings(max_examples=200, deadline=None)
@given(crons, zones, moments, st.integers(0, 40 * 86_400))
def test_the_latest_tick_is_the_last_of_those_that_come(
    cron: str, name: str, after: datetime, seconds: int
) -> None:
    one, until = schedule(cron, timeZone=name), after + timedelta(seconds=seconds)
    walked = []
    for tick in ticks(one, after):
        if tick > until:
            break
        walked.append(tick)
    assert latest_tick(one, after, until) == (walked[-1] if walked else None)


@settings(max_examples=200, deadline=None)
@given(crons, zones, moments)
def test_ticks_ascend_and_do_not_depend_on_where_one_begins(
    cron: str, name: str, after: datetime
) -> None:
    one = schedule(cron, timeZone=name)
    coming = ticks(one, after)
    first, second, third = next(coming), next(coming), next(coming)
    assert after < first < second < third
    assert next_tick(one, first) == second
    assert next_tick(one, second - timedelta(seconds=1)) == second


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("0 0 30 2 *", "never occurs"),
        ("0 0 31 4,6,9,11 *", "never occurs"),
        ("61 * * * *", "minute 61 is not"),
        ("0 0 * * 8", "day of the week 8 is not"),
        ("* * * *", "has 4 fields"),
        ("* * * * * *", "has 6 fields"),
        ("@every", "@every is not supported"),
        ("@reboot", "@reboot is not supported"),
        ("TZ=UTC 0 0 * * *", "set timeZone instead"),
        ("CRON_TZ=UTC 0 0 * * *", "set timeZone instead"),
    ],
)
def test_what_is_no_schedule(cron: str, reason: str) -> None:
    assert reason in (problem_with_cron(cron) or "")
    with pytest.raises(ValueError):
        next_tick(Schedule.model_construct(cron=cron, time_zone="Etc/UTC"), TICK)


@given(st.text("0123456789*/-,?LW#MONFRIJAN ", max_size=20))
def test_any_text_is_a_schedule_or_has_a_problem(cron: str) -> None:
    if problem_with_cron(cron) is None:
        one = Schedule.model_construct(cron=cron, time_zone="Etc/UTC")
        assert next_tick(one, TICK) is not None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Europe/Berln", 'did you mean "Europe/Berlin"'),
        ("Mars/Olympus", "Mars/Olympus is not a time zone"),
        ("Europe", "Europe is not a time zone"),  # a folder
        ("../etc/passwd", "is not a time zone"),
        ("localtime", "the machine that the operator runs on"),
    ],
)
def test_what_is_no_time_zone(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        zone(name)


def test_time_zones_by_their_names() -> None:
    assert zone("Etc/UTC") is UTC
    assert zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
