"""``perfrun next``: what it prints, and what it says of wrong input."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from perfrun.cli.next import next_runs, parse_from
from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import TextForm
from perfrun.local.files.selector import parse_selector
from tests.unit.local.files.test_manifests import GOOD

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
JSON = TextForm.JSON
NIGHTLY = GOOD.replace("spec:", 'spec:\n  schedule: {cron: "0 2 * * *", timeZone: Europe/Berlin}')


def said(path: Path, text: str, count: int = 2, form: TextForm = TextForm.TEXT) -> tuple[Exit, str]:
    file = path / "f.yaml"
    file.write_text(text)
    out = io.StringIO()
    console = Console(file=out, width=80, soft_wrap=True)
    return next_runs([str(file)], console, count, START, form), out.getvalue()


def test_a_line_for_each_run(tmp_path: Path) -> None:
    code, text = said(tmp_path, NIGHTLY)
    assert code is Exit.OK
    assert text.splitlines() == [
        "api: 0 2 * * * (Europe/Berlin), a load of unknown length, concurrencyPolicy Forbid",
        "  ✔ Wed 2026-11-25 02:00 +0100  api-29926140",
        "  ✔ Thu 2026-11-26 02:00 +0100  api-29927580",
    ]


def test_without_a_schedule_it_says_when_it_runs(tmp_path: Path) -> None:
    _, text = said(tmp_path, GOOD)
    assert "no schedule: it runs when it is created, and when what it runs changes" in text


def test_json_for_programs(tmp_path: Path) -> None:
    code, text = said(tmp_path, NIGHTLY, 1, TextForm.JSON)
    (one,) = json.loads(text)
    assert yaml.safe_load(said(tmp_path, NIGHTLY, 1, TextForm.YAML)[1]) == [one]
    assert code is Exit.OK
    assert (one["test"], one["cron"], one["timeZone"]) == ("api", "0 2 * * *", "Europe/Berlin")
    assert one["runs"] == [
        {
            "time": "2026-11-25T02:00:00+01:00",
            "due": "2026-11-25T01:00:00Z",
            "name": "api-29926140",
            "takesPlace": True,
            "reason": None,
            "notes": [],
        }
    ]


POLICY = """---
apiVersion: perfrun.dev/v1alpha1
kind: PerfPolicy
metadata: {name: night}
spec: {allowedHours: [{from: "04:00", to: "05:00", timeZone: Europe/Berlin}]}
"""


def test_a_policy_of_the_files_is_looked_at(tmp_path: Path) -> None:
    code, text = said(tmp_path, NIGHTLY + POLICY, 1)
    assert code is Exit.OK
    assert text.splitlines()[1] == (
        "  ✘ Wed 2026-11-25 02:00 +0100  api-29926140  it gets no turn until 03:00: "
        "PerfPolicy night allows runs to start only at 04:00-05:00 Europe/Berlin "
        "(allowedHours)"
    )
    ((one,),) = (test["runs"] for test in json.loads(said(tmp_path, NIGHTLY + POLICY, 1, JSON)[1]))
    assert (one["takesPlace"], one["reason"]) == (False, "OutsideHours")


def test_a_policy_that_is_wrong_is_told_and_nothing_foretold(tmp_path: Path) -> None:
    code, text = said(tmp_path, NIGHTLY + POLICY.replace("Berlin", "Berln"))
    assert code is Exit.USAGE
    assert (
        "f.yaml:13:52: error: night: spec.allowedHours[0].timeZone: Europe/Berln is not a time zone"
        in text
    )
    assert "✔" not in text


def test_a_test_that_is_not_selected_has_its_turn_all_the_same(tmp_path: Path) -> None:
    load = "open: {rate: 10/s, duration: 5m}"
    first = NIGHTLY.replace("burst: {requests: 10, concurrency: 10}", load)
    second = first.replace("{name: api}", "{name: late, labels: {type: load}}")
    file = tmp_path / "f.yaml"
    file.write_text(f"{first}---\n{second}")
    out = io.StringIO()
    console = Console(file=out, width=80, soft_wrap=True)
    code = next_runs([str(file)], console, 1, START, selector=parse_selector("type=load"))
    assert code is Exit.OK
    assert out.getvalue().splitlines()[1:] == [
        "  ✔ Wed 2026-11-25 02:00 +0100  late-29926140  waits until 02:05: "
        "default/api-29926140 is loading 127.0.0.1:1"
    ]
    assert "api: " not in out.getvalue()


def test_what_is_wrong_is_told_and_nothing_foretold(tmp_path: Path) -> None:
    code, text = said(tmp_path, NIGHTLY.replace("0 2 * * *", "0 2 30 2 *"))
    assert code is Exit.USAGE
    assert "spec.schedule.cron" in text
    assert said(tmp_path, "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")[0] is Exit.USAGE


@pytest.mark.parametrize("text", ["yesterday", "2026-11-24", "2026-11-24T02:00:00"])
def test_a_time_without_a_zone_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"--from: .*\+01:00"):
        parse_from(text)


def test_a_time_with_a_zone_is_taken() -> None:
    assert parse_from("2026-11-24T13:00:00+01:00") == START


DOCUMENTED = re.findall(
    r"^\$ perfrun next (\S+) --count (\d+) --from (\S+)\n(.*?)^```",
    (Path(__file__).parents[3] / "docs/how-to/schedules.md").read_text(),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize(("file", "count", "start", "output"), DOCUMENTED)
def test_what_the_page_shows_is_what_is_printed(
    file: str, count: str, start: str, output: str
) -> None:
    data, out = Path(__file__).parent / "data", io.StringIO()
    console = Console(file=out, width=80, soft_wrap=True)
    assert next_runs([str(data / file)], console, int(count), parse_from(start)) is Exit.OK
    assert out.getvalue() == output


def test_the_page_shows_something() -> None:
    assert [file for file, *_ in DOCUMENTED] == ["nightly.yaml", "nights.yaml"]
