"""The pictures of reports in docs/images: ``python -m tests.screenshots docs/images``.

Everything in them is of real runs of ``perfrun run`` against a server that stalls and fails. Takes
three minutes.
"""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from perfrun.logic.comparison.compare import compare
from perfrun.report.html import comparison_page, run_page
from tests.cluster import apt
from tests.pages.chromium import Scheme, chromium, opened
from tests.pages.moody import Moods, moody
from tests.pages.runs import run

STAGES = "stages: [{rate: 60/s, hold: 12s}, {rate: 100/s, ramp: 6s, hold: 12s}]"
LOAD = f"{{warmup: 4s, open: {{{STAGES}, arrivals: Poisson, maxInFlight: 60}}}}"
COMPARED = "{closed: {users: 3, duration: 4s}}"
RUNS = 6
"""In each of two groups."""
SLOWER = 1.25
MAX_BYTES = 250_000


def pages(folder: Path) -> dict[str, Path]:
    """A run and a comparison, as files."""
    with moody(Moods(stall=(14, 17), errors=(20, 23))) as url:
        written = {"report": run_page(run(folder, url, LOAD))}
    moods = Moods()
    with moody(moods) as url:
        old = [run(folder, url, COMPARED) for _ in range(RUNS)]
        moods.slow = SLOWER
        new = [run(folder, url, COMPARED) for _ in range(RUNS)]
    written["comparison"] = comparison_page([*old, *new], compare(old, new))
    for name, text in written.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in written}


def picture(
    browser: Browser,
    page: Path,
    into: Path,
    *,
    first: str = "body",
    height: int,
    width: int = 1000,
    scheme: Scheme = "light",
    scale: float = 1,
) -> None:
    """A stretch of a page, from an element on."""
    with opened(browser, page, width=width, scheme=scheme, scale=scale) as seen:
        box = seen.page.locator(first).bounding_box()
        assert box is not None
        top = max(0, box["y"] - 16)
        seen.page.screenshot(
            path=into,
            clip={"x": 0, "y": top, "width": width, "height": height},
            full_page=True,
        )
    size = into.stat().st_size
    print(f"{into}: {size:,} bytes")
    if size > MAX_BYTES:
        raise SystemExit(f"{into} is larger than {MAX_BYTES:,} bytes: take a smaller stretch")


def main() -> None:
    """Make all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("into", type=Path, help="the folder, made where there is none")
    parser.add_argument("--keep", type=Path, help="keep the pages in this folder")
    options = parser.parse_args()
    into: Path = options.into
    into.mkdir(parents=True, exist_ok=True)
    apt.ensure(apt.BROWSER_PACKAGES)
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        made = pages(folder)
        run_, comparison = made["report"], made["comparison"]
        picture(browser, run_, into / "report-light.png", height=1440)
        picture(
            browser,
            run_,
            into / "report-dark.png",
            first="#distribution",
            height=1080,
            scheme="dark",
        )
        picture(
            browser,
            run_,
            into / "report-phone.png",
            height=1770,
            width=375,
            scheme="dark",
            scale=1.2,
        )
        picture(browser, comparison, into / "comparison.png", height=1500)


if __name__ == "__main__":
    main()
