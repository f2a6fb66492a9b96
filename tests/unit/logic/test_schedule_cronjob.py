"""What Kubernetes' CronJob controller is tested for, asked of our schedule.

Each situation of its tests (pkg/controller/cronjob, v1.35) has a row here, in our words. Rows where
we decide differently say so with ``DIFFERS`` and why; docs/schedules.md lists them.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

from perfrun.api.perftest import Schedule
from perfrun.logic.schedule import (
    ScheduleDecision,
    ScheduleFacts,
    decide,
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
def test_a_week_late_and_the_last_tick_past_a_short_deadline(policy: str) -> None:
    # DIFFERS by the size of "short" only: one minute after the tick, ten seconds are over.
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


def test_a_zone_moves_the_tick() -> None:
    east = decided(HOUR - timedelta(hours=9, minutes=59), cron="0 9 * * *", timeZone="Asia/Tokyo")
    assert east.next == datetime(2026, 11, 25, 0, 0, tzinfo=UTC)
    kathmandu = Schedule(cron="0 9 * * *", time_zone="Asia/Kathmandu")
    assert next_tick(kathmandu, HOUR) == datetime(2026, 11, 25, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "cron",
    ["x * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "0 0 30 2 *", "* * * *"],
)
def test_an_invalid_schedule_is_refused(cron: str) -> None:
    assert problem_with_cron(cron) is not None


@pytest.mark.parametrize("name", ["Nowhere/Land", "Europe", "localtime"])
def test_an_invalid_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"zone|localtime"):
        zone(name)


@pytest.mark.parametrize("cron", ["TZ=UTC 0 * * * *", "CRON_TZ=Europe/Berlin 0 * * * *"])
def test_a_zone_within_the_schedule_is_refused(cron: str) -> None:
    # DIFFERS: old CronJobs may keep theirs.
    with pytest.raises(ValidationError):
        Schedule(cron=cron)
    assert problem_with_cron(cron) is not None
