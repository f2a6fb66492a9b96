"""What is counted over the runs that are kept of a test."""

import pytest

from perfrun.controller.metrics.kept import inconclusive_streak
from perfrun.controller.objects.store import RunRecord, Store, run_record
from tests.unit.controller.build import perf_run
from tests.unit.controller.metrics.scrape import TEST, leading, of, scrape

LETTERS = {"P": "Pass", "W": "Warn", "E": "Error", "I": "Inconclusive"}


def records(verdicts: str) -> list[RunRecord]:
    """Finished runs in the order in which they ended."""
    return [
        run_record(
            perf_run(
                f"shop-{minute}",
                phase="Done",
                verdict=LETTERS[letter],
                completionTime=f"2026-11-22T02:{minute:02}:00Z",
            )
        )
        for minute, letter in enumerate(verdicts)
    ]


@pytest.mark.parametrize(
    ("verdicts", "streak"),
    [("", 0), ("P", 0), ("I", 1), ("IIP", 0), ("PII", 2), ("IPI", 1), ("IE", 0), ("EI", 1)],
)
def test_streak_is_of_the_last_runs_in_a_row(verdicts: str, streak: int) -> None:
    assert inconclusive_streak(records(verdicts)) == streak


def test_streak_goes_by_the_end_of_runs_and_not_by_the_order_they_are_known_in() -> None:
    assert inconclusive_streak(reversed(records("PII"))) == 2


def test_run_under_way_neither_ends_nor_lengthens_the_streak() -> None:
    store = Store(tests={TEST: "uid"})
    for record in [*records("PII"), run_record(perf_run("now", phase="Running"))]:
        store.put_run(record)
    assert scrape(leading(store))[of("perfrun_inconclusive_streak")] == 2


def test_results_are_added_up_over_the_runs_that_still_have_theirs() -> None:
    store = Store(tests={TEST: "uid"})
    for name, size in (("a", 1000), ("b", 500)):
        result = {"configMaps": [f"pr-{name}"], "sha256": "x", "bytes": size}
        store.put_run(run_record(perf_run(name, phase="Done", result=result)))
    store.put_run(run_record(perf_run("trimmed", phase="Done")))
    assert scrape(leading(store))[of("perfrun_results_bytes")] == 1500
