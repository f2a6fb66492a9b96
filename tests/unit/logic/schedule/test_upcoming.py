"""What schedules will ask for: a forecast with the reasons of what will not take place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfrun.api.policy import PerfPolicySpec
from perfrun.api.test.perftest import PerfTest
from perfrun.logic.schedule.admission import Admission
from perfrun.logic.schedule.forecast import forecast
from perfrun.logic.schedule.policy import Policies
from perfrun.logic.schedule.upcoming import Upcoming, load_length
from tests.unit.logic.build import BURST, spec

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LONG = {"open": {"rate": "10/s", "duration": "12m"}}
SHORT = {"open": {"rate": "10/s", "duration": "2m"}}


def scheduled(
    load: dict[str, Any] = LONG,
    suspend: bool = False,
    name: str = "shop",
    url: str = "http://shop",
    namespace: str = "team",
    **schedule: Any,
) -> PerfTest:
    usual = {"cron": "*/5 * * * *", **schedule}
    target = {"http": {"url": url}}
    return PerfTest.model_validate(
        {
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec(load, schedule=usual, suspend=suspend, target=target),
        }
    )


def coming(
    *tests: PerfTest, count: int = 5, now: datetime = NOON, **policies: dict[str, Any]
) -> list[list[Upcoming]]:
    written = {name: PerfPolicySpec.parse(body) for name, body in policies.items()}
    return forecast(tests, Policies(written, {}), now, count)


def alone(test: PerfTest, **how: Any) -> list[Upcoming]:
    (runs,) = coming(test, **how)
    return runs


def reasons(runs: list[Upcoming]) -> list[str | None]:
    return [run.reason for run in runs]


def test_without_a_schedule_there_is_nothing_to_foretell() -> None:
    test = PerfTest.model_validate({"metadata": {"name": "shop"}, "spec": spec(LONG)})
    assert coming(test, scheduled(), count=1)[0] == []


@pytest.mark.parametrize(
    ("policy", "expected", "said"),
    [
        (
            "Forbid",
            [None, "StillActive", "StillActive", None, "StillActive"],
            "missed: the run of 12:05 is still in progress, and concurrencyPolicy is Forbid",
        ),
        ("Replace", [None] * 5, "the run of 12:05 is still in progress: it is stopped first"),
        ("Allow", [None] * 5, "waits until 12:17: team/shop-29925365 is loading shop.team:80"),
    ],
)
def test_a_load_that_is_longer_than_the_pause(
    policy: str, expected: list[str | None], said: str
) -> None:
    runs = alone(scheduled(concurrencyPolicy=policy))
    assert reasons(runs) == expected
    assert runs[0].notes == []
    assert runs[1].notes[0].startswith(said)


def test_runs_that_pile_up_expire_after_an_hour_or_the_deadline() -> None:
    runs = alone(scheduled(concurrencyPolicy="Allow"), count=10)
    assert reasons(runs) == [None] * 9 + ["QueueExpired"]
    assert runs[9].notes[0].startswith("it gets no turn until 13:50: team/shop-")
    urgent = alone(scheduled(concurrencyPolicy="Allow", startingDeadlineSeconds=600))
    assert reasons(urgent) == [None, None, "QueueExpired", None, "QueueExpired"]


def test_with_two_runs_at_once_for_a_target_the_second_does_not_wait() -> None:
    most = {"limits": {"runsPerTarget": 2}}
    runs = alone(scheduled(concurrencyPolicy="Allow"), count=3, lab=most)
    assert [run.notes for run in runs[:2]] == [[], []]
    assert runs[2].notes[0].startswith("waits until 12:17: ")


def test_a_load_of_unknown_length_is_taken_for_short() -> None:
    assert all(run.takes_place for run in alone(scheduled(BURST)))
    assert load_length(scheduled(BURST).spec) is None
    assert load_length(scheduled().spec) == 12 * 60 * 1_000_000_000


def test_suspended_nothing_takes_place() -> None:
    runs = alone(scheduled(suspend=True))
    assert set(reasons(runs)) == {"Suspended"}
    assert runs[0].notes == ["suspended: it starts only on request"]


def test_a_policy_that_suspends_lets_nothing_take_place_in_its_namespaces() -> None:
    here, elsewhere = coming(
        scheduled(SHORT),
        scheduled(SHORT, namespace="other"),
        brake={"suspend": True, "namespaces": ["team"]},
    )
    assert set(reasons(here)) == {"PolicySuspended"}
    assert here[0].notes[0].startswith("PerfPolicy brake suspends all runs; to resume them: ")
    assert set(reasons(elsewhere)) == {None}


def test_what_a_policy_refuses_does_not_take_place() -> None:
    runs = alone(scheduled(SHORT), small={"limits": {"rate": "5/s"}})
    assert set(reasons(runs)) == {"RefusedByPolicy"}
    assert runs[0].notes[0].startswith("spec.load.open: asks for 10/s, but PerfPolicy small")


@pytest.mark.parametrize(
    ("deadline", "expected", "said"),
    [
        (None, "OutsideHours", "it gets no turn until 14:00: PerfPolicy night allows runs"),
        (4 * 3600, None, "waits until 15:30: PerfPolicy night allows runs to start only at 15:30-"),
    ],
)
def test_outside_of_the_hours_of_a_policy_it_waits_as_long_as_it_may(
    deadline: int | None, expected: str | None, said: str
) -> None:
    test = scheduled(SHORT, cron="0 13,16 * * *", startingDeadlineSeconds=deadline)
    first, second = alone(test, count=2, night={"allowedHours": [{"from": "15:30"}]})
    assert (first.reason, second.reason, second.notes) == (expected, None, [])
    assert first.notes[0].startswith(said)


def test_hours_of_the_next_day_are_told_with_their_day() -> None:
    test = scheduled(SHORT, cron="0 23 * * *", startingDeadlineSeconds=6 * 3600)
    (run,) = alone(test, count=1, night={"allowedHours": [{"from": "02:00", "to": "06:00"}]})
    assert run.notes[0].startswith("waits until Wed 02:00: ")


def test_tests_of_one_target_wait_for_each_other_and_others_do_not() -> None:
    first, second, third = coming(
        scheduled(name="a", cron="0 * * * *"),
        scheduled(SHORT, name="b", cron="0 * * * *", url="http://SHOP.team.svc:80/other"),
        scheduled(SHORT, name="c", cron="0 * * * *", url="http://cart"),
        count=1,
    )
    assert first[0].notes == third[0].notes == []
    assert second[0].notes == [f"waits until 13:12: team/{first[0].run} is loading shop.team:80"]


def test_whose_target_is_not_free_in_time_does_not_take_place() -> None:
    _, second = coming(
        scheduled(name="a", cron="0 * * * *"),
        scheduled(SHORT, name="b", cron="1 * * * *", startingDeadlineSeconds=60),
        count=2,
        now=NOON + timedelta(minutes=30),
    )
    assert reasons(second) == ["QueueExpired"] * 2
    assert second[0].notes[0].startswith("it gets no turn until 13:02: team/a-")


def test_a_run_that_waits_is_active_for_its_own_schedule() -> None:
    whole_hour = {"open": {"rate": "10/s", "duration": "50m"}}
    other = scheduled(whole_hour, name="a", cron="0 * * * *")
    for policy, expected, said in (
        ("Forbid", [None, "StillActive"], "missed: the run of 13:10 still waits for its turn"),
        ("Replace", ["Replaced", None], "team/a-"),
    ):
        often = scheduled(SHORT, name="b", cron="10,20 * * * *", concurrencyPolicy=policy)
        _, runs = coming(other, often, count=2, now=NOON + timedelta(minutes=30))
        assert reasons(runs) == expected
        (failed,) = (run for run in runs if run.reason)
        assert failed.notes[0].startswith(said)


def test_a_limit_of_runs_in_all_has_tests_of_other_targets_wait() -> None:
    _, second = coming(
        scheduled(name="a", cron="0 * * * *"),
        scheduled(SHORT, name="b", cron="0 * * * *", url="http://cart"),
        count=1,
        one={"limits": {"runs": 1}},
    )
    assert second[0].notes[0].startswith("waits until 13:12: PerfPolicy one allows 1 runs")


def test_a_rare_test_beside_one_of_every_minute_is_found_without_walking_through_the_year(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, next_ones = 0, Admission.next_ones

    def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return next_ones(*arguments)

    monkeypatch.setattr(Admission, "next_ones", counted)
    _, yearly = coming(
        scheduled(SHORT, name="often", cron="*/4 * * * *"),
        scheduled(SHORT, name="rare", cron="1 0 1 1 *"),
        count=3,
    )
    assert [run.tick.year for run in yearly] == [2027, 2028, 2029]
    assert all("is loading shop.team:80" in run.notes[0] for run in yearly)
    assert asked < 300


def test_clocks_that_go_back_and_forward_are_told_of_where_they_do() -> None:
    daily = scheduled(BURST, cron="30 2 * * *", timeZone="Europe/Berlin")
    autumn = alone(daily, count=3, now=datetime(2026, 10, 23, 12, 0, tzinfo=UTC))
    assert [f"{run.tick:%d %H:%M %z}" for run in autumn] == [
        "24 02:30 +0200",
        "25 02:30 +0200",
        "26 02:30 +0100",
    ]
    assert [bool(run.notes) for run in autumn] == [False, False, True]
    assert "back by 1 h" in autumn[2].notes[0]
    spring = alone(daily, count=2, now=datetime(2027, 3, 27, 12, 0, tzinfo=UTC))
    assert "forward by 1 h" in spring[0].notes[0]


def test_half_an_hour_where_it_is_half_an_hour() -> None:
    island = scheduled(BURST, cron="0 12 * * *", timeZone="Australia/Lord_Howe")
    runs = alone(island, count=2, now=datetime(2026, 10, 2, 12, 0, tzinfo=UTC))
    assert "forward by 30 min" in runs[1].notes[0]


def test_names_and_jitter_are_those_of_the_run() -> None:
    runs = alone(scheduled(BURST, jitterSeconds=60), count=2)
    assert runs[0].run == f"shop-{int(runs[0].tick.timestamp()) // 60}"
    later = {(run.due - run.tick).total_seconds() for run in runs}
    assert len(later) == 1
    assert 0 <= later.pop() <= 60


def test_what_is_due_later_by_its_jitter_is_still_to_come() -> None:
    late = scheduled(BURST, jitterSeconds=3600, cron="0 12 * * *")
    (run,) = alone(late, count=1)
    assert run.tick == NOON
    assert run.due > NOON
