"""Pages on the real cluster: a browser in a restricted pod, and the default policy around it."""

from collections.abc import Iterator

import pytest

from tests.cluster.handle import Cluster
from tests.e2e.conftest import open_shop
from tests.e2e.shop import IMAGE, ROOT, Shop

EXAMPLE = ROOT / "examples/browser.yaml"
PATIENCE_S = 300
"""A visit takes a second, and five times as long where the processor has other things to do."""
PAGE = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  target: {browser: {url: "http://shop:8000", timeout: 15s, quietWindow: 500ms}}
  scenarios:
  - name: visit
    steps:
    - {name: home, class: Page, browser: {goto: PATH}}
  load: {burst: {requests: VISITS, concurrency: 4}}
  slos: [{metric: errorRate, max: 0%}]
"""


@pytest.fixture(scope="module")
def pages(perfrun: Cluster) -> Iterator[Shop]:
    """A shop, and the image that the chart looks for beside its own."""
    name, _, tag = IMAGE.partition(":")
    perfrun.build_image(f"{name}-browser:{tag}", ROOT, target="browser")
    with open_shop(perfrun, "e2e-pages") as held:
        yield held


@pytest.mark.timing  # where many others run, visits time out
def test_the_example_passes_and_the_server_saw_each_visit(pages: Shop) -> None:
    pages.kubectl("apply", "-f", EXAMPLE)
    status = pages.done(pages.first_run("shop-pages"), PATIENCE_S)["status"]
    assert status["verdict"] == "Pass", status["message"]
    measured = {(slo["metric"], slo.get("of", "")): slo["measured"] for slo in status["slos"]}
    assert {"pageLoad.p75", "timeToInteractive.p75"} <= {metric for metric, _ in measured}
    assert status["environment"]["resources"]["limits/memory"] == "2Gi"
    sent = {step["name"]: step["requests"]["sent"] for step in status["steps"]}
    log = pages.kubectl("logs", "deploy/shop", "--tail=-1")
    seen = [line for line in log.splitlines() if "Chrome" in line and "/shop-pages" in line]
    assert len(seen) == sent["home"] + sent["search"], "nothing but the two pages of each visit"


def test_a_slow_page_misses_the_objectives_of_its_class(pages: Shop) -> None:
    pages.apply(PAGE.replace("NAME", "slow").replace("PATH", "/slow.html").replace("VISITS", "44"))
    status = pages.done(pages.first_run("slow"), PATIENCE_S)["status"]
    assert status["verdict"] == "Warn", status["message"]
    assert "pageLoad.p75 of home" in status["message"]
    missed = {slo["metric"] for slo in status["slos"] if slo["verdict"] == "Warn"}
    assert "pageLoad.p75" in missed


def test_a_part_that_the_policy_keeps_out_is_told(pages: Shop) -> None:
    text = PAGE.replace("NAME", "parts").replace("PATH", "/with-parts").replace("VISITS", "4")
    pages.apply(text)
    status = pages.done(pages.first_run("parts"))["status"]
    assert status["summary"]["errors"] == {"Policy": 4}
    assert "does not allow connections to kubernetes.default.svc" in status["message"]
