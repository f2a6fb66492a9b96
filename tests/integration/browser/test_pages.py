"""What a browser is said to have seen, beside what the pages have measured themselves."""

from base64 import b64decode

import pytest

from .site import DOCUMENT_S, IMAGE_S, SHIFT, TASK_MS, Site
from .visits import mean, page, plan_of, run, visits

pytestmark = pytest.mark.flaky(reruns=2)

NEAR_MS = 5.0
"""The page looks at its own clock at another moment than the browser does."""


@pytest.mark.alone
def test_the_figures_of_a_page_are_those_that_it_measures_itself(shop: Site) -> None:
    (step,) = run(plan_of(shop.url, visits(3), page("/timed"))).window.steps
    assert (step.succeeded, step.failed, len(shop.told)) == (3, 0, 3)

    def own(name: str) -> float:
        return float(sum(one[name] for one in shop.told)) / 3

    assert mean(step, "pageLoad") == pytest.approx(own("load"), abs=NEAR_MS)
    assert mean(step, "pageLoad") >= (DOCUMENT_S + IMAGE_S) * 1000
    assert mean(step, "firstContentfulPaint") == pytest.approx(own("paint"), abs=NEAR_MS)
    assert mean(step, "largestContentfulPaint") == pytest.approx(own("largest"), abs=NEAR_MS)
    busy_until = sum(one["busy"][1] for one in shop.told) / 3
    # The task goes on after the loop: the shift is laid out in it.
    assert busy_until <= mean(step, "timeToInteractive") + 1 <= busy_until + 30
    blocked = sum(max(0, length - 50) for one in shop.told for length in one["tasks"]) / 3
    assert mean(step, "totalBlockingTime") == pytest.approx(blocked, abs=NEAR_MS)
    assert mean(step, "totalBlockingTime") >= TASK_MS - 50
    assert mean(step, "layoutShift") == pytest.approx(own("shift"), abs=1e-4)
    assert mean(step, "layoutShift") == pytest.approx(SHIFT, abs=1e-3)
    assert mean(step, "consoleErrors") == 3
    assert mean(step, "requests") == 3, "the page, its picture, and what it tells"
    # Bodies and heads, of which the smallest have some hundred bytes.
    assert 3 * 1500 < step.bytes_received < 3 * 5000
    # The time in which the page was only watched is no response time.
    service = step.timings["service/success"].mean / 1e6
    assert mean(step, "pageLoad") < service < mean(step, "pageLoad") + 300
    assert all(agent.endswith("shop/t") and "Chrome" in agent for agent in shop.agents)


@pytest.mark.alone
def test_a_cold_visit_loads_everything_and_a_warm_one_what_is_not_cached(shop: Site) -> None:
    (cold,) = run(plan_of(shop.url, visits(2), page("/pictures"))).window.steps
    assert shop.count("/picture") == 2
    assert mean(cold, "pageLoad") >= IMAGE_S * 1000
    (warm,) = run(plan_of(shop.url, visits(2), page("/pictures"), cache="Warm")).window.steps
    assert shop.count("/picture") == 4, "to warm the cache, and not again"
    assert shop.count("/pictures") == 2 + 4
    assert mean(warm, "pageLoad") < IMAGE_S * 1000
    assert warm.timings["service/success"].mean / 1e6 < IMAGE_S * 1000, "the first load is no part"


def test_a_visit_goes_on_from_step_to_step(shop: Site) -> None:
    fill = {"selector": "#q", "value": "$(text(7))"}
    search = {"fill": [fill], "click": "#go", "waitFor": "#results"}
    plan = plan_of(shop.url, visits(2, 2), page("/"), {"name": "search", "browser": search})
    first, second = run(plan).window.steps
    assert (first.succeeded, second.succeeded) == (2, 2)
    assert shop.asked.count("/found") == 2
    assert second.measures["pageLoad"].count == 2
    assert mean(second, "requests") == 1


def test_what_a_page_never_has_gives_no_sample(shop: Site) -> None:
    (step,) = run(plan_of(shop.url, visits(1), page("/blank"))).window.steps
    assert step.succeeded == 1
    assert "firstContentfulPaint" not in step.measures
    assert "largestContentfulPaint" not in step.measures
    assert "timeToInteractive" not in step.measures
    assert step.measures["pageLoad"].count == 1


@pytest.mark.parametrize("path", ["/alert", "/popup", "/flood"])
def test_pages_that_ask_open_and_talk_are_loaded(shop: Site, path: str) -> None:
    (step,) = run(plan_of(shop.url, visits(2), page(path))).window.steps
    assert (step.succeeded, step.errors) == (2, {})


def test_a_template_leads_nowhere_but_to_the_target(shop: Site) -> None:
    run(plan_of(shop.url, visits(1), page("/$(choice('@evil.test/', '//evil.test'))")))
    assert len(shop.asked) == 1, "the host was the target's"


def test_the_worst_visit_is_pictured(shop: Site) -> None:
    slow = run(plan_of(shop.url, visits(2), page("/plain"))).window.picture
    assert slow is not None
    assert (slow.step, slow.error) == ("page", "")
    assert b64decode(slow.jpeg).startswith(b"\xff\xd8\xff")
    late = run(plan_of(shop.url, visits(2), page("/plain", waitFor="#x"), timeout="2s")).window
    assert late.picture is not None
    assert late.picture.error == "Timeout"
    assert 1.9e9 < late.picture.took < 2.5e9
    assert late.steps[0].timings["latency/timeout"].greatest < 2.5e9
