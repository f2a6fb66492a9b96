"""``python -m tests.dashboards FOLDER``: pictures of the dashboards, from a real run.

Needs the embedded cluster with perfrun in it (``make test-e2e`` leaves it so), Prometheus and
Chromium. Applies scene.yaml, lets its tests run for some minutes, and draws each dashboard from
its own JSON. What draws is this script and not Grafana.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.cluster import cluster
from tests.cluster.errors import ClusterError
from tests.dashboards.model import Dashboard, dashboards
from tests.dashboards.page import WIDTH, Source, height, page
from tests.e2e.conftest import open_shop
from tests.e2e.prometheus import JOB, Prometheus, scrape_of, scraping
from tests.e2e.shop import until

SCENE = Path(__file__).parent / "scene.yaml"
NAMESPACE = "shop"
MINUTES = 8


def draw(board: Dashboard, source: Source, folder: Path) -> Path:
    """The picture of a dashboard."""
    picture = folder / f"dashboard-{board.name}.png"
    with tempfile.TemporaryDirectory() as scratch:
        html = Path(scratch) / "page.html"
        html.write_text(page(board, source))
        done = subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--hide-scrollbars",
                f"--user-data-dir={scratch}/profile",
                f"--window-size={WIDTH + 24},{height(board)}",
                f"--screenshot={picture}",
                html.as_uri(),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or not picture.exists():
        raise ClusterError(f"chromium has drawn nothing: {done.stderr[-500:]}")
    return picture


def play(prometheus: Prometheus, minutes: float) -> Source:
    """Let the scene go on for a while, up to a moment with a run in progress."""
    start = time.time()
    time.sleep(minutes * 60)
    in_progress = f'perfrun_live_elapsed_seconds{{namespace="{NAMESPACE}",test="api"}} > 15'
    until("a run is in progress", lambda: prometheus.query(in_progress), timeout=150)
    values = {"namespace": NAMESPACE, "test": ".*", "step": ".*", "job": JOB}
    return Source(prometheus, values, start, time.time())


def main() -> int:
    """Run the scene and draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboards", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    running = cluster.running()
    with (
        tempfile.TemporaryDirectory() as data,
        open_shop(running, NAMESPACE) as shop,
        scraping(scrape_of(running), Path(data)) as prometheus,
    ):
        shop.apply(SCENE.read_text())
        source = play(prometheus, options.minutes)
        for board in dashboards():
            # One test alone has no use for a pattern.
            chosen = {"test": "api"} if board.name == "test" else {}
            of_board = replace(source, values={**source.values, **chosen})
            print(draw(board, of_board, options.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
