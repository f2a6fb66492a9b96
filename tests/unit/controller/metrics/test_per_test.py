"""Which labels of tests are shown, and what is counted over the runs that are kept of a test."""

import pytest

from perfrun.controller.metrics.per_test import inconclusive_streak, label_names
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


def test_run_in_progress_neither_ends_nor_lengthens_the_streak() -> None:
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


def test_only_chosen_labels_are_shown() -> None:
    metrics = leading(None, "team", "example.com/cost-centre")
    metrics.see_test(TEST, {"team": "shop", "example.com/cost-centre": "7", "secret": "x"})
    assert scrape(metrics)[
        of("perfrun_test_labels", label_team="shop", label_example_com_cost_centre="7")
    ]


def test_label_that_a_test_does_not_have_is_empty() -> None:
    metrics = leading(None, "team")
    metrics.see_test(TEST, {})
    assert scrape(metrics)[of("perfrun_test_labels", label_team="")]


def test_without_chosen_labels_each_test_is_there_all_the_same() -> None:
    assert scrape(leading())[of("perfrun_test_labels")] == 1


def test_label_that_was_changed_replaces_the_old_one() -> None:
    metrics = leading(None, "team")
    metrics.see_test(TEST, {"team": "a"})
    metrics.see_test(TEST, {"team": "b"})
    shown = [labels for name, labels in scrape(metrics) if name == "perfrun_test_labels"]
    assert [dict(labels)["label_team"] for labels in shown] == ["b"]


def test_test_that_is_gone_has_no_labels() -> None:
    store = Store(tests={TEST: "uid"})
    metrics = leading(store, "team")
    metrics.see_test(TEST, {"team": "a"})
    del store.tests[TEST]
    metrics.drop_test(TEST)
    assert not [name for name, _ in scrape(metrics) if name == "perfrun_test_labels"]


def test_names_that_would_be_the_same_get_numbers() -> None:
    keys = ["a.b", "a/b", "a_b_2", "a-b"]
    assert list(label_names(keys).values()) == [
        "label_a_b",
        "label_a_b_2",
        "label_a_b_2_2",
        "label_a_b_3",
    ]
