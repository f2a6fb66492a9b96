"""``perfrun next``: what it prints, and what it says of wrong input."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from perfrun.cli.choices import TextForm
from perfrun.cli.exits import Exit
from perfrun.cli.next import next_runs, parse_from
from tests.unit.cli.test_manifests import GOOD

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
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
    assert "no schedule: it runs when it is created and when what it runs changes" in text


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
            "notes": [],
        }
    ]


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
