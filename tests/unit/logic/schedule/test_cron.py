"""Cron expressions mean here what they mean to Kubernetes; the table is robfig/cron 3.0.1's own."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from perfrun.api.test.perftest import Schedule
from perfrun.logic.schedule.cron import expanded
from perfrun.logic.schedule.due import problem_with_cron, ticks
from tests.tables.cron.__main__ import TABLE

ROWS = [line.split("\t") for line in TABLE.read_text().splitlines()]
FROM = datetime(2026, 11, 30, tzinfo=UTC)


def expression(asked: str) -> str:
    return asked.split(" ", 2)[2]


def here(cron: str) -> str:
    if problem_with_cron(cron) is not None:
        return "refused"
    one = Schedule.model_construct(cron=cron, time_zone="Etc/UTC")
    return " ".join(f"{tick:%Y-%m-%dT%H:%M}" for tick in islice(ticks(one, FROM), 5))


def test_every_expression_ticks_as_in_kubernetes() -> None:
    assert len(ROWS) > 900
    different = {
        expression(asked): (told, mine)
        for asked, told in ROWS
        # One that never comes is accepted there, and refused here.
        if (mine := here(expression(asked))) != (told or "refused")
    }
    assert different == {}


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("61 * * * *", "minute 61 is not from 0 to 59"),
        ("0 0 * * 7", "day of the week 7 is not from 0 to 6: Sunday is 0, as in Kubernetes"),
        ("0 0 L * *", "'L' is not a valid day of the month"),
        (
            "0 0 * * 6#3",
            "'6#3' is not a valid day of the week: L and # are not supported, as in Kubernetes",
        ),
        ("0 0 * XYZ *", "'XYZ' is not a valid month"),
        (
            "*/0 * * * *",
            "'0' is not a valid step of a minute: a step is a whole number of at least 1",
        ),
        ("5/x * * * *", "'x' is not a valid step of a minute"),
        ("10-5 * * * *", "minute 10-5 goes backwards"),
        ("1-2-3 * * * *", "'2-3' is not a valid minute"),
        ("1/2/3 * * * *", "'2/3' is not a valid step of a minute"),
        ("+5 * * * *", "'+5' is not a valid minute"),
        ("٣ * * * *", "is not a valid minute"),
        ("9" * 400 + " * * * *", "is not from 0 to 59"),
        # Accepted by robfig/cron, where each is more likely a slip.
        ("1,,2 * * * *", "'' is not a valid minute"),
        ("*-5 * * * *", "'*' is not a valid minute"),
    ],
)
def test_what_is_wrong_is_named(cron: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        expanded(cron)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("cron", "written"),
    [
        # What runs by the clock stays what cronsim knows as that.
        ("*/15 * * * *", "*/15 * * * *"),
        ("0 */2 * * *", "0 */2 * * *"),
        ("0 0 */10 * 1", "0 0 1,11,21,31 * 1"),
        ("0 0 5,* * MON", "0 0 * * 1"),
        ("50/5 ? * * *", "50,55 * * * *"),
    ],
)
def test_how_it_is_written_out(cron: str, written: str) -> None:
    assert expanded(cron) == written


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        # DIFFERS from Kubernetes, where no run is made on that day: at the end of the skipped hour.
        ("30 2 * * *", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        # DIFFERS from Kubernetes, where a repeated hour has two.
        ("0 2 * * *", "2026-10-24T12:00", ["2026-10-25T00:00", "2026-10-26T01:00"]),
        # As in Kubernetes: what runs every hour runs in each of the repeated ones, and in no skipped one.
        ("30 * * * *", "2026-10-24T23:40", ["2026-10-25T00:30", "2026-10-25T01:30"]),
        ("30 * * * *", "2026-03-29T00:40", ["2026-03-29T01:30", "2026-03-29T02:30"]),
    ],
)
def test_clock_changes_in_berlin(cron: str, after: str, expected: list[str]) -> None:
    one = Schedule.model_validate({"cron": cron, "timeZone": "Europe/Berlin"})
    found = islice(ticks(one, datetime.fromisoformat(after).replace(tzinfo=UTC)), 2)
    assert [f"{tick:%Y-%m-%dT%H:%M}" for tick in found] == expected
