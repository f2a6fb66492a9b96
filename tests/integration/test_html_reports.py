"""Reports of a real run in a real Chromium: quiet, without network, narrow, legible, by keyboard."""

from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import pytest
from playwright.sync_api import Browser
from pypdf import PageObject, PdfReader

from perfrun.logic.comparison.compare import line_up
from perfrun.logic.comparison.model import Reported
from perfrun.report.html import comparison_page, run_page
from tests.pages.chromium import Scheme, chromium, opened
from tests.pages.moody import Moods, moody
from tests.pages.runs import run

PHONE = 375
MARGIN = 12 / 25.4 * 72
"""Of paper, in points."""
NARROW = 0.35
"""Of a font's size, how wide its letters are at least, in the average of a word."""
MIN_CONTRAST = 4.5
MORE_THAN_THERE_IS = 22
VISIBILITY = "element => getComputedStyle(element).visibility"
LOAD = "{warmup: 1s, open: {rate: 80/s, duration: 5s, maxInFlight: 60}}"
PAGES = ("run", "status", "comparison")
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run with a stall and errors, the same without its result, and it beside another one."""
    folder = tmp_path_factory.mktemp("pages")
    with moody(Moods(stall=(2, 3), errors=(4, 5))) as url:
        first = run(folder, url, LOAD)
        second = run(folder, url, "{burst: {requests: 200, concurrency: 10}}")
    written = {
        "run": run_page(first),
        "status": run_page(Reported(first.run)),
        "comparison": comparison_page([first, second], line_up([first, second])),
    }
    for name, text in written.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in written}


@pytest.fixture(scope="module")
def browser(browser_tools: None) -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_is_quiet_and_every_text_is_legible(
    browser: Browser, pages: dict[str, Path], name: str, scheme: Scheme
) -> None:
    with opened(browser, pages[name], scheme=scheme) as seen:
        assert seen.page.locator("h1").inner_text()
        for data in seen.page.locator("summary").all():
            data.click()
        assert len(seen.faint(MORE_THAN_THERE_IS)) > 30, "the texts are not found"
        assert seen.faint(MIN_CONTRAST) == []
        assert (seen.complaints, seen.requests) == ([], [])


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_nothing_has_to_be_pushed_sideways(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    with opened(browser, pages[name], width=PHONE, height=800) as seen:
        assert seen.sideways == 0
        for data in seen.page.locator("summary").all():
            data.click()
        assert seen.sideways == 0


@pytest.mark.parametrize("name", PAGES)
def test_everything_that_can_be_acted_on_is_reached_by_tab_and_shows_it(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    with opened(browser, pages[name]) as seen:
        stops = seen.tabbed()
        assert stops
        assert len(stops) == seen.interactive()
        assert all(stop["name"] for stop in stops)
        assert [stop for stop in stops if not stop["seen"]] == []


def test_points_are_read_by_keyboard_and_by_pointing(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with opened(browser, pages["run"]) as seen:
        reader = seen.page.get_by_role("slider", name="Read a point of Response time", exact=True)
        told = seen.page.locator("#latency .tip")
        assert not told.is_visible()
        reader.focus()
        assert told.inner_text().startswith("0s to 1s\np50 ")
        seen.page.keyboard.press("ArrowRight")
        assert told.inner_text().startswith("1s to 2s\np50 ")
        assert str(reader.get_attribute("aria-valuetext")).startswith("1s to 2s, p50 ")
        seen.page.keyboard.press("Escape")
        assert not told.is_visible()
        reader.hover()
        assert told.inner_text()[:2] in ("2s", "3s")
        assert seen.page.locator("#latency .cursor").evaluate(VISIBILITY) == "visible"


def test_a_tooltip_stays_in_the_window_of_a_phone(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["run"], width=PHONE, height=800) as seen:
        seen.page.get_by_role("slider", name="Read a point of Response time", exact=True).focus()
        for key in ("Home", "End"):
            seen.page.keyboard.press(key)
            box = seen.page.locator("#latency .tip").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE
            assert seen.sideways == 0


def test_without_scripts_only_reading_of_single_points_is_missing(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with opened(browser, pages["run"], scripts=False) as seen:
        assert seen.page.locator("figure.chart").count() >= 6
        assert seen.page.get_by_role("slider").count() == 0
        seen.page.locator("#latency summary").click()
        assert seen.page.locator("#latency tbody tr").count() >= 6


def test_pictures_have_names_and_lines_where_the_data_are(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with opened(browser, pages["run"]) as seen:
        chart = seen.page.get_by_role("img", name="Response time (", exact=False).first
        assert chart.is_visible()
        boxes = [
            path.bounding_box() for path in seen.page.locator("#latency .plot path.line").all()
        ]
        plot = seen.page.locator("#latency .plot > svg").bounding_box()
        assert plot is not None
        assert len(boxes) >= 2, "p50 and p95; seconds of this load have too few samples for p99"
        for box in boxes:
            assert box is not None
            assert box["width"] > plot["width"] / 2
            assert plot["x"] - 2 <= box["x"]
            assert box["x"] + box["width"] <= plot["x"] + plot["width"] + 2


def test_a_printed_page_leaves_out_what_paper_cannot_do(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with opened(browser, pages["run"]) as seen:
        seen.page.emulate_media(media="print")
        assert not seen.page.locator("details").first.is_visible()
        assert not seen.page.locator(".reader").first.is_visible()
        assert seen.page.locator("#latency .plot > svg").is_visible()


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_prints_whole(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, name: str, paper: str
) -> None:
    """Each figure of each table is on the paper, inside its edges."""
    printed = tmp_path / "page.pdf"
    with opened(browser, pages[name], scheme="dark") as seen:
        cells = seen.page.locator("table:not(.data)").locator("th, td, b").all_inner_texts()
        seen.page.pdf(path=printed, format=paper)
    document = PdfReader(printed)
    wide = float(document.pages[0].mediabox.width)
    # Fonts map some letters together, and a line may break anywhere.
    on_paper = "".join(_printed(page, wide) for page in document.pages)
    # Shorter ones are found anywhere.
    told = [text for cell in cells if len(text := "".join(cell.split())) > 2]
    missing = [text for text in told if text not in on_paper]
    assert len(told) > 20, "no figures are found"
    assert missing == []


def _printed(page: PageObject, wide: float) -> str:
    """The texts of a page that are between its edges, without spaces."""
    found: list[str] = []

    def visit(text: str, page_: list[float], place: list[float], _: object, size: float) -> None:
        left = place[4] * page_[0] + place[5] * page_[2] + page_[4]
        right = left + NARROW * size * abs(place[0] * page_[0]) * len(text.strip())
        if left >= 0 and right <= wide - MARGIN:
            found.append(text)

    page.extract_text(visitor_text=visit)
    return "".join(normalize("NFKC", "".join(found)).split())


def test_pages_are_small(pages: dict[str, Path]) -> None:
    assert all(path.stat().st_size < 250_000 for path in pages.values())
