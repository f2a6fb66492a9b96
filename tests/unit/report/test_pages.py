"""Measures of pages in reports."""

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.logic.comparison.measurables import measurables
from perfrun.measure.picture import Picture
from perfrun.report.html import run_page
from perfrun.report.markdown import markdown
from tests.unit.logic.build import MS, report
from tests.unit.logic.build import step as record
from tests.unit.report.html.build import Page, reported, series
from tests.unit.report.sample import a_run, step
from tests.unit.report.test_console import printed

FIGURES = {"samples": 42, "p50": "403ms", "p75": "427ms", "max": "503ms"}
SHIFTS = {"samples": 1042, "p50": "0", "p75": "0.1", "p95": "0.25", "max": "0.3"}
PICTURE = {"scenario": "visit", "step": "search", "took": 1200 * MS, "jpeg": "/9j/4AAQ"}


def pages() -> PerfRun:
    run = a_run()
    steps = [step("home", "visit", measures={"pageLoad": FIGURES, "layoutShift": SHIFTS})]
    status = run.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    document = run.model_dump(mode="json", by_alias=True, exclude_none=True)
    return PerfRun.parse({**document, "status": {**status, "steps": steps}})


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_terminal_shows_whole_figures_and_says_what_there_is_no_room_for(width: int) -> None:
    text = printed(pages(), width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    flat = text.split()
    assert "427ms" in flat
    assert ("1,042" in flat) == (width >= 60)
    assert "home" in flat


def test_markdown_has_a_table_of_them() -> None:
    text = markdown([pages()])
    assert "| Page | Measure | p50 | p75 | p95 | max | Samples |" in text
    assert "| home | pageLoad | 403ms | 427ms | n/a | 503ms | 42 |" in text


def test_runs_are_compared_by_the_p75_of_each_measure() -> None:
    found = {one.name: one.texts for one in measurables([pages(), pages()])}
    assert found["pageLoad.p75 of home"] == {0: "427ms", 1: "427ms"}
    assert found["layoutShift.p75 of home"] == {0: "0.1", 1: "0.1"}


def test_measures_of_another_perfrun_are_passed_over() -> None:
    run = pages()
    step = run.status.steps[0]
    strange = step.model_copy(update={"measures": {"beauty": step.measures["pageLoad"]}})
    status = run.status.model_copy(update={"steps": [strange]})
    names = [one.name for one in measurables([run.model_copy(update={"status": status})])]
    assert not any("beauty" in name for name in names)


def test_runs_without_pages_have_none() -> None:
    assert "Measure" not in printed(a_run())
    assert "| Page |" not in markdown([a_run()])


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("", "The slowest visit, 1.2s: visit, at the end of step search."),
        ("Timeout", "The first visit that failed (Timeout): visit, at the end of step search."),
    ],
)
def test_the_page_shows_the_worst_visit_without_fetching_it(error: str, says: str) -> None:
    measured = report(record([MS] * 100))
    measured.series = series()
    measured.window.picture = Picture.model_validate({**PICTURE, "error": error})
    page = Page(run_page(reported(measured)))
    (image,) = page.all("img")
    assert image == {"src": "data:image/jpeg;base64,/9j/4AAQ", "alt": says}
    assert says in page.text


def test_a_picture_as_large_as_may_be_is_shown_whole() -> None:
    jpeg = "/9j/" + "A" * 136_000
    measured = report(record([MS] * 100))
    measured.series = series()
    measured.window.picture = Picture.model_validate({**PICTURE, "jpeg": jpeg})
    (image,) = Page(run_page(reported(measured))).all("img")
    assert image["src"].endswith(jpeg)
