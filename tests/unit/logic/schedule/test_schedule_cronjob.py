"""What Kubernetes' CronJob controller is tested for, asked of our schedule.

The situations of its tests (pkg/controller/cronjob, v1.35.4) that a schedule decides, in our words;
which of them is where, and those that the operator decides, is in docs/reference/schedules-cases.md. Rows
where we decide differently say so with ``DIFFERS`` and why; docs/how-to/schedules.md lists them.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

from perfrun.api.test.perftest import Schedule
from perfrun.logic.schedule.due import (
    ScheduleDecision,
    ScheduleFacts,
    decide,
    latest_tick,
    next_tick,
    problem_with_cron,
    zone,
)

HOUR = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
BEFORE = HOUR - timedelta(minutes=1)
AFTER = HOUR + timedelta(minutes=1)
PRIOR = HOUR - timedelta(hours=1)
WEEK = HOUR + timedelta(days=7, minutes=1)
SHORT, MEDIUM, LONG = 10, 2 * 3600, 604_800
POLICIES = ("Allow", "Forbid", "Replace")
ACTIVE = "shop-prior"
THURSDAY = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
WORKDAYS = "30 6-16/4 * * 1-5"
MORNINGS = "30 10,11,12 * * 1-5"


def decided(
    now: datetime,
    *,
    policy: str = "Allow",
    ran: bool = False,
    active: bool = False,
    suspended: bool = False,
    deadline: int | None = None,
    **schedule: Any,
) -> ScheduleDecision:
    written: dict[str, Any] = {
        "cron": "0 * * * *",
        "concurrencyPolicy": policy,
        "startingDeadlineSeconds": deadline,
        **schedule,
    }
    facts = ScheduleFacts(
        schedule=Schedule.model_validate(written),
        test="shop",
        suspended=suspended,
        since=PRIOR + timedelta(minutes=1),
        last_schedule_time=PRIOR if ran else None,
        active=[ACTIVE] if active else [],
    )
    return decide(facts, now)


class Said(NamedTuple):
    start: datetime | None
    replace: bool
    missed: bool


def said(decision: ScheduleDecision) -> Said:
    return Said(decision.start, decision.replace, decision.missed is not None)


NOTHING = Said(None, replace=False, missed=False)
RUNS = Said(HOUR, replace=False, missed=False)
MISSED = Said(None, replace=False, missed=True)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("ran", [False, True], ids=["never-ran", "ran-and-done"])
class TestNothingIsActive:
    def test_it_is_not_time(self, policy: str, ran: bool) -> None:
        assert said(decided(BEFORE, policy=policy, ran=ran)) == NOTHING
        assert decided(BEFORE, policy=policy, ran=ran).next == HOUR

    def test_it_is_time(self, policy: str, ran: bool) -> None:
        assert said(decided(AFTER, policy=policy, ran=ran)) == RUNS
        assert decided(AFTER, policy=policy, ran=ran).next == HOUR + timedelta(hours=1)

    def test_it_is_time_and_suspended(self, policy: str, ran: bool) -> None:
        decision = decided(AFTER, policy=policy, ran=ran, suspended=True)
        assert said(decision) == NOTHING
        assert decision.next is None

    def test_past_the_deadline(self, policy: str, ran: bool) -> None:
        # DIFFERS: a CronJob is silent about it in its status; here it is recorded as missed.
        assert said(decided(AFTER, policy=policy, ran=ran, deadline=SHORT)) == MISSED

    def test_not_past_the_deadline(self, policy: str, ran: bool) -> None:
        assert said(decided(AFTER, policy=policy, ran=ran, deadline=LONG)) == RUNS

    def test_the_deadline_itself_is_in_time(self, policy: str, ran: bool) -> None:
        at_deadline = HOUR + timedelta(seconds=SHORT)
        assert said(decided(at_deadline, policy=policy, ran=ran, deadline=SHORT)) == RUNS


@pytest.mark.parametrize("policy", POLICIES)
class TestARunIsActive:
    def test_it_is_not_time(self, policy: str) -> None:
        assert said(decided(BEFORE, policy=policy, ran=True, active=True)) == NOTHING

    def test_it_is_time_and_suspended(self, policy: str) -> None:
        late = decided(AFTER, policy=policy, ran=True, active=True, suspended=True)
        assert said(late) == NOTHING

    def test_past_the_deadline(self, policy: str) -> None:
        late = decided(AFTER, policy=policy, ran=True, active=True, deadline=SHORT)
        assert said(late) == MISSED

    @pytest.mark.parametrize("deadline", [None, LONG], ids=["no-deadline", "within-the-deadline"])
    def test_it_is_time(self, policy: str, deadline: int | None) -> None:
        decision = decided(AFTER, policy=policy, ran=True, active=True, deadline=deadline)
        assert (
            said(decision)
            == {
                "Allow": RUNS,
                # DIFFERS: the tick is missed at once, and does not fire when the long run has ended.
                "Forbid": MISSED,
                # DIFFERS: the old run is stopped, and keeps what it has measured; it is not deleted.
                "Replace": Said(HOUR, replace=True, missed=False),
            }[policy]
        )


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("deadline", [None, LONG, MEDIUM], ids=["none", "long", "medium"])
def test_a_week_late_the_last_tick_runs_and_no_earlier_one(
    policy: str, deadline: int | None
) -> None:
    # DIFFERS: a CronJob warns of too many missed start times; the last one is all that counts here.
    last = WEEK.replace(minute=0)
    assert said(decided(WEEK, policy=policy, ran=True, deadline=deadline)) == Said(
        last, replace=False, missed=False
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_a_week_late_a_short_deadline_is_that_of_the_last_tick(policy: str) -> None:
    last = WEEK.replace(minute=0)
    assert said(decided(last, policy=policy, ran=True, deadline=SHORT)) == RUNS._replace(start=last)
    assert said(decided(WEEK, policy=policy, ran=True, deadline=SHORT)) == MISSED


def test_time_has_drifted_back_behind_a_tick_that_ran() -> None:
    facts = ScheduleFacts(
        schedule=Schedule(cron="0 * * * *"),
        test="shop",
        suspended=False,
        since=PRIOR,
        last_schedule_time=HOUR,
        active=[],
    )
    assert said(decide(facts, BEFORE)) == NOTHING
    assert said(decide(facts, AFTER)) == NOTHING, "nor when the time comes by again"


@pytest.mark.parametrize("policy", POLICIES)
def test_it_was_started_and_nobody_noted_it(policy: str) -> None:
    """Its run is there and active, and the status does not say so (a kill in between, a slow
    watch): the same name is started again, which is the same run."""
    facts = ScheduleFacts(
        schedule=Schedule.model_validate({"cron": "0 * * * *", "concurrencyPolicy": policy}),
        test="shop",
        suspended=False,
        since=PRIOR,
        last_schedule_time=PRIOR,
        active=[f"shop-{int(HOUR.timestamp()) // 60}"],
    )
    assert said(decide(facts, AFTER)) == RUNS


def test_whole_hours_of_another_zone_are_whole_hours() -> None:
    zoned: dict[str, Any] = {"timeZone": "America/New_York"}
    assert decided(BEFORE, **zoned).next == HOUR
    assert said(decided(AFTER, **zoned)) == RUNS


def test_a_zone_moves_the_tick() -> None:
    east = decided(HOUR - timedelta(hours=9, minutes=59), cron="0 9 * * *", timeZone="Asia/Tokyo")
    assert east.next == datetime(2026, 11, 25, 0, 0, tzinfo=UTC)
    kathmandu = Schedule(cron="0 9 * * *", time_zone="Asia/Kathmandu")
    assert next_tick(kathmandu, HOUR) == datetime(2026, 11, 25, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "cron",
    [
        "no schedule at all",
        "x * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "0 0 30 2 *",
        # DIFFERS: a CronJob is created with it, and finds out when it looks for its times.
        "59 23 31 2 *",
        "* * * *",
    ],
)
def test_an_invalid_schedule_is_refused(cron: str) -> None:
    assert problem_with_cron(cron) is not None


@pytest.mark.parametrize("name", ["Nowhere/Land", "Europe", "localtime"])
def test_an_invalid_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"zone|localtime"):
        zone(name)


@pytest.mark.parametrize("cron", ["@every", "@every 1h", "@every 1m", "@every 3m"])
def test_a_schedule_that_counts_from_its_last_run_is_refused(cron: str) -> None:
    # DIFFERS: a CronJob takes it, and its times depend on when it was created or ran last.
    assert problem_with_cron(cron) is not None


@pytest.mark.parametrize(
    ("cron", "since", "now", "tick"),
    [
        pytest.param("0 * * * *", 0, 0.5, None, id="created or ran at a tick, and none since"),
        pytest.param("0 * * * *", 0, 61, 60, id="a minute after it"),
        pytest.param("0 * * * *", 1 / 6, 301, 300, id="of five the last"),
        pytest.param("*/5 * * * *", 30, 31, None, id="a minute after the last one"),
        pytest.param("*/5 * * * *", 31, 32, None, id="after a deadline of a minute has begun"),
        pytest.param(WORKDAYS, 30, 24 * 60 + 31, 24 * 60 + 30, id="every four hours, a day on"),
        pytest.param(WORKDAYS, 0, 24 * 60 + 31, 24 * 60 + 30, id="the same, never ran"),
        pytest.param(WORKDAYS, 30, 96 * 60 + 31, 96 * 60 + 30, id="the same, over a weekend"),
        # DIFFERS: a CronJob reckons with even distances here, lands behind now, and finds nothing.
        pytest.param(MORNINGS, 30, 30 * 60 + 30, 26 * 60 + 30, id="three times in a morning"),
    ],
)
def test_the_last_tick_that_is_due(cron: str, since: float, now: float, tick: int | None) -> None:
    """All in minutes after ten on a Thursday."""
    start, until = (THURSDAY + timedelta(minutes=minutes) for minutes in (since, now))
    expected = None if tick is None else THURSDAY + timedelta(minutes=tick)
    assert latest_tick(Schedule(cron=cron), start, until) == expected


@pytest.mark.parametrize(
    ("cron", "now", "left"),
    [
        (WORKDAYS, timedelta(hours=24, minutes=31), timedelta(hours=3, minutes=59)),
        (MORNINGS, timedelta(hours=30, minutes=30), timedelta(hours=66)),
        ("0 12 * * 4", timedelta(days=19, minutes=90), timedelta(hours=48, minutes=30)),
        ("0 12 * * 5", timedelta(hours=6), timedelta(hours=20)),
    ],
    ids=["the same day", "over a weekend", "once a week, two missed", "once a week, never ran"],
)
def test_how_long_it_is_to_the_next_tick(cron: str, now: timedelta, left: timedelta) -> None:
    assert next_tick(Schedule(cron=cron), THURSDAY + now) == THURSDAY + now + left


@pytest.mark.parametrize(
    ("created", "ran", "now", "deadline", "start"),
    [
        pytest.param(-10, None, -7, None, None, id="never ran, none needed"),
        pytest.param(-10, None, 1, None, 0, id="never ran, one needed"),
        pytest.param(-10, 0, 2, None, None, id="ran, none needed"),
        pytest.param(-10, 0, 65, None, 60, id="ran, one needed"),
        pytest.param(-120, -60, 65, None, 60, id="ran, of two the last"),
        pytest.param(-120, -60, 14_460, None, 14_460, id="ran, ten days ago"),
        pytest.param(-120, -60, 14_460, MEDIUM, 14_460, id="the same with a deadline"),
    ],
)
def test_which_tick_runs(
    created: int, ran: int | None, now: int, deadline: int | None, start: int | None
) -> None:
    """All but the deadline in minutes after the hour."""

    def at(minutes: int | None) -> datetime | None:
        return None if minutes is None else HOUR + timedelta(minutes=minutes)

    facts = ScheduleFacts(
        schedule=Schedule.model_validate(
            {"cron": "0 * * * *", "startingDeadlineSeconds": deadline}
        ),
        test="shop",
        suspended=False,
        since=HOUR + timedelta(minutes=created),
        last_schedule_time=at(ran),
        active=[],
    )
    assert decide(facts, HOUR + timedelta(minutes=now)).start == at(start)


@pytest.mark.parametrize("cron", ["TZ=UTC 0 * * * *", "CRON_TZ=Europe/Berlin 0 * * * *"])
def test_a_zone_within_the_schedule_is_refused(cron: str) -> None:
    # DIFFERS: old CronJobs may keep theirs.
    with pytest.raises(ValidationError):
        Schedule(cron=cron)
    assert problem_with_cron(cron) is not None
