"""Pages that do not come, and browsers that die."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable

import psutil
import pytest
import uvloop

from perfrun.engine.errors import EngineError, ErrorClass
from perfrun.engine.run import Engine
from perfrun.reach.values import Values

from .site import Site
from .visits import BROWSER, page, plan_of, run, run_alone, visits

PATIENCE_S = 20


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize(
    ("step", "error", "said"),
    [
        (page("/missing"), "Status4xx", "expected status below 400, got 404"),
        (page("/broken"), "Status5xx", "expected status below 400, got 500"),
        ({**page("/plain"), "expect": {"status": [201]}}, "Check", "expected status 201, got 200"),
        (page("/never"), "Timeout", "loading the page"),
        (page("/plain", waitFor="#nothing"), "Timeout", "waiting for #nothing"),
        (page("/plain", click="#nothing"), "Timeout", "waiting for #nothing, to click it"),
        (page("/restless"), "Timeout", "waiting for the page to be quiet for 400ms"),
        (page("/plain", click="p["), "Data", "to click it"),
        (page("/round"), "Protocol", "ERR_TOO_MANY_REDIRECTS"),
        (page("/file"), "Protocol", "a download, not a page"),
        (page("/hang-up"), "Reset", "ERR_EMPTY_RESPONSE"),
    ],
)
def test_what_is_wrong_with_a_page_is_told(
    shop: Site, step: dict[str, object], error: str, said: str
) -> None:
    within = "4s" if error == "Timeout" else "30s"
    (got,) = run(plan_of(shop.url, visits(2, 2), step, timeout=within)).window.steps
    assert (got.errors, got.succeeded) == ({error: 2}, 0)
    assert said in got.messages[error]


def test_a_status_that_is_expected_is_no_error(shop: Site) -> None:
    step = {**page("/missing"), "expect": {"status": [404]}}
    (got,) = run(plan_of(shop.url, visits(1), step)).window.steps
    assert (got.succeeded, got.checks_passed) == (1, 1)
    assert (got.status_codes, got.examples) == ({"404": 1}, {})


def test_the_status_of_a_page_is_counted_with_its_first_failure(shop: Site) -> None:
    (got,) = run(plan_of(shop.url, visits(2), page("/missing"))).window.steps
    assert got.status_codes == {"404": 2}
    assert got.examples == {"404": "expected status below 400, got 404"}


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        (lambda _: "http://no-such-host.invalid", "DNS", "no-such-host.invalid"),
        (lambda _: f"http://127.0.0.1:{closed_port()}", "Connect", "refused the connection"),
        (lambda shop: shop.url.replace("http:", "https:"), "TLS", "ERR_SSL_PROTOCOL_ERROR"),
    ],
)
def test_a_server_that_is_not_reached_is_told(
    shop: Site, url: Callable[[Site], str], error: str, said: str
) -> None:
    (got,) = run(plan_of(url(shop), visits(1), page("/plain"))).window.steps
    assert got.errors == {error: 1}
    assert said in got.messages[error]


def browsers(*, renderers: bool) -> list[psutil.Process]:
    """The browser of this process, or what renders its pages."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if not any(part.startswith("--user-data-dir=") for part in line):
                continue
            kind = next((part for part in line if part.startswith("--type=")), None)
            if kind == ("--type=renderer" if renderers else None):
                found.append(process)
    return found


def kill_when_visited(shop: Site, *, renderers: bool) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not shop.count("/never") and time.monotonic() < ends:
        time.sleep(0.02)
    for process in browsers(renderers=renderers):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("renderers", [True, False])
@pytest.mark.flaky(reruns=3)
def test_a_browser_that_is_killed_is_told_and_replaced(shop: Site, renderers: bool) -> None:
    asks = "addEventListener('load',()=>setTimeout(()=>fetch('/never'),100))"
    report = run_alone(
        plan_of(shop.url, visits(3), page(f"/with?script={asks}")),
        lambda: kill_when_visited(shop, renderers=renderers),
    )
    (step,) = report.window.steps
    assert step.errors == {"Browser": 1}
    assert "the browser crashed while waiting for the page to be quiet" in step.messages["Browser"]
    assert step.succeeded == 2, "the visits after the crash have a browser again"


def test_nothing_of_the_browser_is_left_behind(
    shop: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(folder))
    run_alone(plan_of(shop.url, visits(2, 2), page("/plain")))
    assert not [one for one in psutil.Process().children(recursive=True) if "chrom" in one.name()]
    assert list(folder.iterdir()) == []


async def test_a_browser_that_is_not_there_is_told_before_the_load(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(shop.url, visits(1), page("/plain"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match="apt-get install chromium") as caught:
        Engine(plan, 0, Values())
    assert caught.value.reason == ErrorClass.DATA
    monkeypatch.setenv("PERFRUN_CHROMIUM", "/nowhere/chromium")
    engine = Engine(plan, 0, Values())
    with pytest.raises(EngineError, match="the browser could not be started") as caught:
        await engine.check()
    assert caught.value.reason == ErrorClass.BROWSER
    await engine.close()


def test_a_start_that_nobody_waits_for_leaves_no_driver(shop: Site) -> None:
    plan = plan_of(shop.url, visits(1), page("/plain"))

    async def broken_off() -> None:
        engine = Engine(plan, 0, Values())
        checking = asyncio.create_task(engine.check())
        await asyncio.sleep(0.05)
        checking.cancel()
        await asyncio.wait({checking})
        await engine.close()

    BROWSER.end()
    uvloop.run(broken_off())
    children = [one.name() for one in psutil.Process().children(recursive=True)]
    assert not [name for name in children if "node" in name or "chrom" in name]
