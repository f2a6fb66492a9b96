"""What ``perfrun validate`` says of a manifest."""

from datetime import UTC, datetime

import pytest

from perfrun.cli.manifests import parse_manifests
from perfrun.cli.validate import describe
from tests.unit.cli.test_manifests import GOOD

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
BURST = "burst: {requests: 10, concurrency: 10}"


def said(text: str) -> list[str]:
    (manifest,) = parse_manifests("f.yaml", text.encode())
    return list(describe(manifest, NOW))


@pytest.mark.parametrize(
    ("load", "costs"),
    [
        (BURST, "burst of 10 iterations, 10 at a time, 1 worker"),
        ("closed: {users: 20, duration: 5m}", "up to 20 users, 5m of load, 1 worker"),
        ("workers: 4, open: {rate: 100/s, duration: 1m}", "6000 iterations, 1m of load, 4 workers"),
    ],
)
def test_what_a_load_is(load, costs):
    assert said(GOOD.replace(BURST, load))[-1] == f"ok: api: {costs}"


def test_a_scheduled_test_is_counted_by_the_day():
    text = GOOD.replace(BURST, "workers: 4, open: {rate: 100/s, duration: 15m}")
    text = text.replace("spec:", 'spec:\n  schedule: {cron: "0 2 * * *"}')
    assert said(text)[-1].endswith("1 runs a day, 90000 requests a day, 1 core-hours a day")


def test_every_minute_and_weekdays():
    for cron, runs in (("* * * * *", "1440"), ("0 2 * * 1-5", "0.7143")):
        text = GOOD.replace("spec:", f'spec:\n  schedule: {{cron: "{cron}"}}')
        assert f"{runs} runs a day" in said(text)[-1]


def test_problems_and_no_costs_where_something_is_wrong():
    lines = said(GOOD.replace("min: 100%", "min: fast"))
    assert len(lines) == 1
    assert lines[0].startswith("spec.slos[0].min: ")
