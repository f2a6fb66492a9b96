"""The list of several runs."""

from perfrun.logic.comparison.model import Reported
from perfrun.report.html import run_pages
from perfrun.report.html.index import INDEX
from tests.unit.report.html.build import Page
from tests.unit.report.sample import a_run, an_error


def named(name: str, run):
    return Reported(
        run.model_copy(update={"metadata": run.metadata.model_copy(update={"name": name})})
    )


def test_several_runs_have_a_list_with_a_link_to_each_the_worst_first():
    pages = run_pages([named("good", a_run(verdict="Pass")), named("bad", an_error("it refused"))])
    assert list(pages) == ["good.html", "bad.html", INDEX]
    page = Page(pages[INDEX])
    assert [link["href"] for link in page.all("a")][1:] == ["bad.html", "good.html"]
    assert "2 runs: 1 Error, 1 Pass" in page.text
    assert "it refused" in page.text
    assert page.text.count("n/a") >= 3, "an error has no figures"


def test_one_run_needs_no_list_and_a_run_of_that_name_keeps_its_page():
    assert list(run_pages([named("index", a_run())])) == ["run-index.html"]
    pages = run_pages([named("index", a_run()), named("b", a_run())])
    assert list(pages) == ["run-index.html", "b.html", INDEX]


def test_nothing_that_others_wrote_is_markup():
    bad = "<script>alert(1)</script>\u202e"
    text = run_pages([named("a", a_run(message=bad)), named("b", a_run())])[INDEX]
    assert len(Page(text).scripts) == 1
    assert "\u202e" not in text
