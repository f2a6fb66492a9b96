"""Which labels of tests are shown, and under which names."""

from perfrun.controller.metrics.labels import label_names
from perfrun.controller.objects.store import Store
from tests.unit.controller.metrics.scrape import TEST, leading, of, scrape


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
