"""CSV as RFC 4180 has it: columns with units, empty fields, quotes, CRLF."""

import csv
import io

from perfrun.logic.comparison.model import Reported
from perfrun.report.csv_tables import csv_files, steps_csv, timeline_csv
from tests.unit.logic.build import OPEN, report, step
from tests.unit.report.html.build import MS, S, reported, series, sketch
from tests.unit.report.sample import a_run, an_error


def rows(text: str) -> list[dict[str, str]]:
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_all_steps_come_first_and_then_each():
    found = rows(steps_csv([Reported(a_run())]))
    assert [(one["scenario"], one["step"]) for one in found] == [
        ("", ""),
        ("browse", "list"),
        ("buy", "create-order-with-a-long-name"),
    ]
    whole = found[0]
    assert (whole["run"], whole["window_s"]) == ("api-under-load-rab3de4fgh5", "330.0")
    assert (whole["sent"], whole["failed"]) == ("329990", "200")
    assert (whole["latency_p95_s"], whole["latency_p999_s"]) == ("0.612", "")
    assert (whole["throughput_per_s"], whole["success_ratio"]) == ("999.4", "0.9994")
    assert whole["lower_bounds"] == "latency_max_s"


def test_points_in_time_say_what_part_of_the_load_they_are():
    made = report(step([MS] * 1000))
    made.series = series(
        seconds=3,
        latency=[sketch(*[MS] * 300), sketch(MS), sketch()],
        errors={"Timeout": [0, 2, 0]},
    )
    made.load_time = 2 * S
    found = rows(timeline_csv([reported(made, load={**OPEN, "warmup": "1s"})]))
    assert [(one["start_s"], one["end_s"], one["part"]) for one in found] == [
        ("0.0", "1.0", "warmup"),
        ("1.0", "2.0", "window"),
        ("2.0", "3.0", "after"),
    ]
    assert [one["latency_p95_s"] for one in found] == ["0.001", "", ""]
    assert [one["latency_max_s"] for one in found] == ["0.001", "0.001", ""]
    assert [one["failed_Timeout"] for one in found] == ["0", "2", "0"]
    assert {one["lag_max_s"] for one in found} == {"0.001"}


def test_runs_share_a_table_and_those_without_measurements_have_no_lines():
    one = reported(report(step([MS] * 10)))
    files = csv_files([one, Reported(an_error("it refused")), Reported(a_run())])
    assert list(files) == ["steps.csv", "timeline.csv"]
    assert {line["run"] for line in rows(files["steps.csv"])} == {
        "api-1",
        "api-under-load-rab3de4fgh5",
    }
    nothing = rows(steps_csv([Reported(an_error("it refused"))]))
    assert nothing == []


def test_names_with_commas_and_quotes_stay_one_field():
    body = a_run().status.steps[0].model_dump(mode="json") | {"name": 'a "b", c'}
    assert rows(steps_csv([Reported(a_run(steps=[body]))]))[1]["step"] == 'a "b", c'


def test_a_text_that_a_spreadsheet_would_execute_is_a_text_there():
    run = a_run()
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\tx", "\rx", "a-b=c", "'=x"]
    steps = [run.status.steps[0].model_copy(update={"name": name}) for name in names]
    status = run.status.model_copy(update={"steps": steps})
    lines = rows(steps_csv([Reported(run.model_copy(update={"status": status}))]))
    assert [one["step"] for one in lines[1:]] == [*(f"'{one}" for one in names[:6]), *names[6:]]
    made = report(step([MS] * 10))
    made.series = series(seconds=1, latency=[], errors={"Timeout": [1]})
    made.series.errors = {"Timeout": [-1]}
    (line,) = rows(timeline_csv([reported(made, load=OPEN)]))
    assert line["failed_Timeout"] == "-1"
