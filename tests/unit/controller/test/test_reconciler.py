"""Since when a schedule counts: nothing fires for a time at which it was not written yet."""

from datetime import UTC, datetime

import pytest

from perfrun.api.times import format_time
from perfrun.controller.test.starts import _schedule_epoch
from tests.unit.controller.build import CREATED, Json, checked_test

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NIGHTLY: Json = {"cron": "0 2 * * *"}
_, HASH = _schedule_epoch(checked_test(schedule=NIGHTLY), NOW)
SINCE = {
    "scheduleHash": HASH,
    "scheduledSince": "2026-11-23T00:00:00Z",
    "observedGeneration": 1,
}


@pytest.mark.parametrize(
    ("status", "schedule", "since"),
    [
        pytest.param({}, NIGHTLY, CREATED, id="a new test: since its creation"),
        pytest.param(SINCE, NIGHTLY, "2026-11-23T00:00:00Z", id="nothing has changed"),
        pytest.param({"observedGeneration": 3}, NIGHTLY, "2026-11-25T12:00:00Z",
                     id="a schedule that was added"),
        pytest.param(SINCE, {"cron": "0 3 * * *"}, "2026-11-25T12:00:00Z", id="edited"),
        pytest.param(SINCE, {**NIGHTLY, "timeZone": "Europe/Berlin"}, "2026-11-25T12:00:00Z",
                     id="moved to another zone"),
        pytest.param(SINCE, {**NIGHTLY, "jitterSeconds": 5}, "2026-11-23T00:00:00Z",
                     id="the same times, otherwise"),
    ],
)  # fmt: skip
def test_since_when_a_schedule_counts(status: Json, schedule: Json, since: str) -> None:
    test = checked_test(status=status, schedule=schedule)
    counts_from, _ = _schedule_epoch(test, NOW)
    assert format_time(counts_from) == since


def test_long_schedules_that_differ_at_their_end_are_different() -> None:
    minutes = ",".join(str(number) for number in range(40))
    (_, one), (_, other) = (
        _schedule_epoch(checked_test(schedule={"cron": f"{minutes} {hour} * * *"}), NOW)
        for hour in (1, 2)
    )
    assert one != other
