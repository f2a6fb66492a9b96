"""What ``perfrun validate`` says of a manifest."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import TextForm
from perfrun.cli.validate import describe, total_line, validate_files
from perfrun.local.files.manifests import parse_manifests
from perfrun.local.files.selector import parse_selector
from tests.unit.local.files.test_manifests import GOOD

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
BURST = "burst: {requests: 10, concurrency: 10}"


def said(text: str) -> list[str]:
    (manifest,) = parse_manifests("f.yaml", text.encode())
    return [line.replace("f.yaml:1:1: ", "") for line in describe(manifest, NOW)]


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
    assert said(text)[-1].endswith("1 run per day, 90000 requests per day, 1 core-hour per day")


def test_every_minute_and_weekdays():
    for cron, runs in (("* * * * *", "1440"), ("0 2 * * 1-5", "0.7143")):
        text = GOOD.replace("spec:", f'spec:\n  schedule: {{cron: "{cron}"}}')
        assert f"{runs} runs per day" in said(text)[-1]


NIGHTLY = GOOD.replace("spec:", 'spec:\n  schedule: {cron: "0 2 * * *"}')
TWO_SCENARIOS = """  scenarios:
  - {name: a, weight: 3, steps: [{name: a1, thinkTime: 2s}, {name: a2}]}
  - {name: b, weight: 1, steps: [{name: b1}]}
"""


@pytest.mark.parametrize(
    ("load", "more", "costs"),
    [
        # Nobody knows how fast the target answers.
        (
            "closed: {users: 20, duration: 1h}",
            "",
            "as many requests as the target answers, 1 core-hour per day",
        ),
        # Ten users, each at most once in two seconds, for an hour, and once at its start.
        (
            "closed: {users: 10, duration: 1h, thinkTime: 2s}",
            "",
            "at most 18010 requests per day, 1 core-hour per day",
        ),
        # A pause of 1.5s in the mean, 1.75 requests; the k-th of twenty users comes when k twentieths of the ramp are over.
        (
            "workers: 2, closed: {stages: [{users: 20, ramp: 1h, hold: 1h}]}",
            TWO_SCENARIOS,
            "at most 123935 requests per day, 4 core-hours per day",
        ),
        (
            "open: {rate: 100/s, duration: 1h}",
            TWO_SCENARIOS,
            "630000 requests per day, 1 core-hour",
        ),
        ("burst: {requests: 400, concurrency: 4}", TWO_SCENARIOS, "700 requests per day"),
    ],
)
def test_what_a_day_costs(load, more, costs):
    text = NIGHTLY.replace(BURST, load) + more
    assert costs in said(text)[-1]


def test_setup_and_teardown_are_requests_too():
    steps = "  setup: [{name: in}]\n  teardown: [{name: out}]\n"
    assert "12 requests per day" in said(NIGHTLY + steps)[-1]


def test_a_search_costs_at_most_its_holds():
    load = "capacity: {from: 100/s, to: 800/s, hold: 30s}"
    text = NIGHTLY.replace(BURST, load).replace("min: 100%", "min: 99%")
    assert "at most" in (line := said(text)[-1])
    assert "holds of 30s, 1 worker, 1 run per day, at most " in line


def of_all(*texts: str) -> str | None:
    manifests = [one for text in texts for one in parse_manifests("f", text.encode())]
    return total_line(manifests, NOW)


def test_several_tests_have_a_total():
    scheduled = NIGHTLY.replace(BURST, "open: {rate: 100/s, duration: 1h}")
    unknown = NIGHTLY.replace(BURST, "closed: {users: 20, duration: 1h}")
    assert of_all(scheduled) is None
    assert of_all(GOOD, GOOD) == "in all: 2 tests, none of them scheduled"
    assert of_all(scheduled, GOOD, scheduled) == (
        "in all: 3 tests, 2 of them scheduled, 2 runs per day, 720000 requests per day, "
        "2 core-hours per day"
    )
    assert of_all(scheduled, unknown, NIGHTLY) == (
        "in all: 3 tests, 3 of them scheduled, 3 runs per day, 360010 requests per day "
        "(not counting 1 test with an unknown number), 2 core-hours per day (not counting 1 test "
        "with an unknown number)"
    )
    assert of_all(scheduled, GOOD.replace("min: 100%", "min: fast")) is None


def validated(tmp_path: Path, *texts: str, form=TextForm.TEXT, selector=None):
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text)
    out = io.StringIO()
    wanted = None if selector is None else parse_selector(selector)
    code = validate_files([str(tmp_path)], Console(file=out, width=80), form, wanted)
    return code, out.getvalue()


def test_for_programs(tmp_path):
    code, text = validated(tmp_path, NIGHTLY, GOOD.replace("spec:", "specc:"), form=TextForm.JSON)
    right, wrong = json.loads(text)
    assert code is Exit.USAGE
    assert (right["ok"], right["test"], right["daily"]) == (
        True,
        "api",
        {"runs": 1.0, "requests": {"value": 10.0, "atMost": False}, "coreHours": None},
    )
    assert wrong["ok"] is False
    file = str(tmp_path / "1.yaml")
    assert wrong["source"] == f"{file}:1:1"
    assert wrong["problems"] == [
        {
            "file": file,
            "line": 1,
            "column": 1,
            "name": "api",
            "field": "spec",
            "message": "this field is required",
        },
        {
            "file": file,
            "line": 4,
            "column": 1,
            "name": "api",
            "field": "specc",
            "message": "unknown field; use one of: apiVersion, kind, metadata, spec, status",
        },
    ]
    assert yaml.safe_load(validated(tmp_path, form=TextForm.YAML)[1]) == json.loads(text)


LABELLED = GOOD.replace("{name: api}", "{name: soak, labels: {type: soak}}")


def test_only_the_selected(tmp_path):
    code, text = validated(tmp_path, GOOD, LABELLED, selector="type=soak")
    assert code is Exit.OK
    assert "ok: soak: " in text
    assert "api" not in text
    code, text = validated(tmp_path, selector="type=load")
    assert code is Exit.USAGE
    assert text == (
        "--selector type=load: none of 2 PerfTests has these labels (metadata.labels)\n"
    )


def test_what_is_wrong_is_told_though_it_is_not_selected(tmp_path):
    broken = LABELLED.replace("spec:", "specc:")
    code, text = validated(tmp_path, GOOD, broken, selector="type=load")
    assert code is Exit.USAGE
    assert "specc: unknown field" in text


def test_problems_and_no_costs_where_something_is_wrong():
    assert said(GOOD.replace("min: 100%", "min: fast")) == [
        "f.yaml:7:32: error: api: spec.slos[0].min: the limit of this metric must be a percentage "
        "from 0% to 100%, as in 1%"
    ]


def test_a_policy_alone_is_right_or_wrong(tmp_path: Path):
    text = "apiVersion: perfrun.dev/v1alpha1\nkind: PerfPolicy\nmetadata: {name: lab}\nspec: {}\n"
    assert said(text) == [
        "ok: PerfPolicy lab: it applies in a cluster; perfrun next takes it into account"
    ]
    file, out = tmp_path / "f.yaml", io.StringIO()
    file.write_text(text)
    assert validate_files([str(file)], Console(file=out), TextForm.JSON) is Exit.OK
    assert json.loads(out.getvalue())[0]["policy"] == "lab"
    file.write_text(text.replace("{}", "{suspend: 3}"))
    assert validate_files([str(file)], Console(file=out)) is Exit.USAGE
