"""The slowest tests of an invocation."""

import io

from rich.console import Console

from perfrun.report.console import print_slowest
from tests.unit.report.sample import a_run, an_error


def ran(name: str, seconds: float, p95: str | None = "5ms"):
    run = a_run(verdict="Pass")
    status = run.status.model_copy(
        update={
            "start_time": "2026-11-22T02:00:00Z",
            "load_end_time": f"2026-11-22T02:00:{seconds:06.3f}000Z",
            "summary": run.status.summary.model_copy(
                update={"latency": run.status.summary.latency.model_copy(update={"p95": p95})}
            ),
        }
    )
    spec = run.spec.model_copy(
        update={"test_ref": run.spec.test_ref.model_copy(update={"name": name})}
    )
    return run.model_copy(update={"status": status, "spec": spec})


def listed(most: int, *runs) -> list[list[str]]:
    out = io.StringIO()
    print_slowest(runs, most, Console(file=out, width=80))
    return [line.split() for line in out.getvalue().splitlines() if "/" in line]


def test_by_load_and_then_by_p95():
    rows = listed(
        9,
        ran("short", 1.0, "9s"),
        ran("long", 30.0),
        ran("slow", 10.02, "≥5s"),
        ran("fast", 10.04, "612ms"),
        an_error("no"),
    )
    assert [row[0] for row in rows] == [
        "shop/long",
        "shop/slow",
        "shop/fast",
        "shop/short",
        "shop/api-under-load",
    ]
    assert rows[0] == ["shop/long", "30.0s", "5ms", "Pass"]
    assert rows[-1][1:] == ["n/a", "n/a", "Error"]


def test_only_so_many_and_what_a_run_lacks():

    rows = listed(1, ran("a", 1.0, None), ran("b", 2.0, None))
    assert rows == [["shop/b", "2.0s", "n/a", "Pass"]]
