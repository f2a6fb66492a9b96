"""Pages without a browser: what their figures are made of, and what went wrong is called."""

import sys

import pytest

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.engine.browser.problems import endpoint_of, failure_of, not_started
from perfrun.engine.browser.socks import Endpoint
from perfrun.engine.browser.steps import compile_pages
from perfrun.engine.browser.timing import (
    PageState,
    blocked,
    interactive,
    measures_of,
    quiet_since,
    seen_of,
)
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.kinds import kind_of
from perfrun.logic.plan.run_plan import make_plan
from perfrun.reach.errors import DataError, ErrorClass, OpenError
from perfrun.reach.values import Values

RAW = {
    "now": 2000.0,
    "load": 700.0,
    "ready": 300.0,
    "paint": 400.0,
    "largest": 650.0,
    "shift": 0.28125,
    "tasks": [[380.0, 90.0], [835.0, 200.0]],
}


def seen(**changed: object) -> PageState:
    state = seen_of({**RAW, **changed})
    assert state is not None
    return state


def test_figures_in_nanoseconds_and_plain_numbers() -> None:
    assert measures_of(seen()) == {
        "pageLoad": 700e6,
        "timeToInteractive": 1035e6,
        "firstContentfulPaint": 400e6,
        "largestContentfulPaint": 650e6,
        # 70 of the first task come after the paint, of which 20 are beyond 50.
        "totalBlockingTime": 170e6,
        "layoutShift": 0.28125,
    }


def test_what_was_never_painted_has_no_such_figures() -> None:
    found = measures_of(seen(paint=None, largest=None))
    assert sorted(found) == ["layoutShift", "pageLoad"]


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({"tasks": []}, 400.0),
        ({"tasks": [], "ready": 500.0}, 500.0),
        ({"tasks": [[100.0, 60.0]]}, 400.0),
    ],
)
def test_a_page_is_interactive_after_paint_parsing_and_the_last_long_task(
    changed: dict[str, object], at: float
) -> None:
    assert interactive(seen(**changed)) == at


def test_tasks_before_the_paint_and_short_ones_block_nothing() -> None:
    assert blocked(seen(tasks=[[100.0, 290.0], [500.0, 50.0]])) == 0


@pytest.mark.parametrize(
    ("changed", "crowded", "since"),
    [({}, 0.0, 1035.0), ({"tasks": []}, 0.0, 700.0), ({"tasks": []}, 1500.0, 1500.0)],
)
def test_a_page_is_quiet_since_its_load_its_last_task_and_its_last_crowd(
    changed: dict[str, object], crowded: float, since: float
) -> None:
    assert quiet_since(seen(**changed), crowded) == since


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "1",
        {},
        {**RAW, "load": -1},
        {**RAW, "load": 1e12},
        {**RAW, "load": "Infinity"},
        {**RAW, "paint": "nan"},
        {**RAW, "shift": 1e9},
        {**RAW, "tasks": 5},
        {**RAW, "tasks": [[1]]},
    ],
)
def test_a_page_that_lies_about_its_timing_is_not_believed(raw: object) -> None:
    assert seen_of(raw) is None


REFUSED = OpenError(ErrorClass.POLICY, "PerfPolicy p does not let it")


@pytest.mark.parametrize(
    ("message", "refused", "error", "said"),
    [
        ("Page.goto: net::ERR_CERT_AUTHORITY_INVALID at https://a/", None, "TLS", "AUTHORITY"),
        ("Page.goto: net::ERR_SOCKS_CONNECTION_FAILED at x", REFUSED, "Policy", "PerfPolicy p"),
        ("Page.goto: net::ERR_SOCKS_CONNECTION_FAILED at x", None, "Connect", "SOCKS"),
        ("Page.goto: net::ERR_CONNECTION_RESET at x", REFUSED, "Reset", "RESET"),
        ("Page.goto: net::ERR_TIMED_OUT at x", None, "Timeout", "TIMED_OUT"),
        ("Page.goto: net::ERR_INVALID_HTTP_RESPONSE at x", None, "Protocol", "INVALID"),
        ("Page.goto: Page crashed", None, "Browser", "the browser crashed while loading"),
        ("Page.goto: Target page, context or browser has been closed", None, "Browser", "crashed"),
        ("Page.goto: net::ERR_CONNECTION_RESET at http://a/crashed/b", None, "Reset", "RESET"),
        ("Page.goto: net::ERR_CONNECTION_RESET at http://a/ERR_ABORTED", None, "Reset", "RESET"),
        ("Page.goto: net::ERR_ABORTED at http://a/", None, "Protocol", "a download, not a page"),
        ("Page.goto: Download is starting\nCall log: x", None, "Protocol", "a download"),
        ("Page.goto: Target crashed \nx", None, "Browser", "crashed"),
        ("Page.click: Navigation failed because page crashed!", None, "Browser", "crashed"),
        ("Connection closed while reading from the driver", None, "Browser", "crashed"),
        ("Page.fill: Error: no net::ERR_X\nlog: crashed, has been closed", None, "Data", "net::"),
        (
            "Page.fill: Error: Element is not an <input>\nCall log: x",
            None,
            "Data",
            "not an <input>",
        ),
    ],
)
def test_what_a_browser_says_has_a_class_and_words(
    message: str, refused: OpenError | None, error: str, said: str
) -> None:
    failure = failure_of(message, "loading the page", refused)
    assert failure.error == error
    assert said in failure.message


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://shop/a?b", Endpoint("shop", 80)),
        ("https://shop:8443/", Endpoint("shop", 8443)),
        ("wss://shop/", Endpoint("shop", 443)),
        ("data:text/html,x", None),
        ("http://shop:x/", None),
        ("http://[::1]/", Endpoint("::1", 80)),
    ],
)
def test_what_is_connected_to(url: str, endpoint: Endpoint | None) -> None:
    assert endpoint_of(url) == endpoint


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("BrowserType.launch: closed\nChromium sandboxing failed!\n====", "NO_SANDBOX=off"),
        ("BrowserType.launch: Executable doesn't exist\nx", "Executable doesn't exist (spec"),
        ("", "it did not respond"),
    ],
)
def test_why_a_browser_did_not_start_is_a_line(message: str, said: str) -> None:
    told = not_started(message, "NO_SANDBOX")
    assert said in told
    assert "\n" not in told


def test_without_playwright_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith(("playwright", "perfrun.engine.browser.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "playwright", None)
    spec = PerfTestSpec.parse(
        {
            "target": {"browser": {"url": "http://shop"}},
            "scenarios": [{"name": "s", "steps": [{"name": "a", "browser": {"goto": "/"}}]}],
            "load": {"burst": {"requests": 1, "concurrency": 1}},
        }
    )
    plan = make_plan(spec, uid="u", namespace="n", test="t", run="r")
    with pytest.raises(DataError) as caught:
        kind_of(plan, Values(), 0)
    assert "needs playwright, which is not installed here" in caught.value.message
    assert (
        "pip install '.[browser]' in a clone of perfrun; in a cluster, set" in caught.value.message
    )


def test_a_phase_without_steps_is_compiled_too() -> None:
    """As the setup of a test that has none."""
    spec = PerfTestSpec.parse(
        {
            "target": {"browser": {"url": "http://shop"}},
            "scenarios": [{"name": "s", "steps": [{"name": "a", "browser": {"goto": "/"}}]}],
            "load": {"burst": {"requests": 1, "concurrency": 1}},
        }
    )
    plan = make_plan(spec, uid="u", namespace="n", test="t", run="r")
    plan.scenarios[0].steps.clear()
    assert compile_pages(plan, Values()) == [CompiledScenario("s", [])]
