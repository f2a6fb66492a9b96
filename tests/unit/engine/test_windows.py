"""Windows of a browser that is none: what is counted of a page, and that nothing is left open."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError

from perfrun.api.test.browser import BrowserTarget
from perfrun.engine.browser.chromium import Chromium
from perfrun.engine.browser.socks import SocksProxy, Ways
from perfrun.engine.browser.steps import Deed
from perfrun.engine.browser.window import Window
from perfrun.logic.plan.network import ANYWHERE

TARGET = BrowserTarget.model_validate({"url": "http://shop", "quietWindow": "100ms"})
STEP: Any = SimpleNamespace(click=None, wait_for=None, status=frozenset(), is_last=True)


class Request:
    """One that a frame of ``page`` sends; None: of a window that has no frame yet."""

    url = "http://shop/"

    def __init__(self, page: Any, *, navigates: bool = False) -> None:
        self._page, self._navigates = page, navigates

    def is_navigation_request(self) -> bool:
        return self._navigates

    @property
    def frame(self) -> Any:
        if self._page is None:
            raise PlaywrightError("Frame for this navigation request is not available")
        return self._page.main_frame


class Page:
    """Is loaded at once, and quiet ever after. ``asks``: for what, while it is loaded."""

    def __init__(self, asks: Callable[[], None] = lambda: None) -> None:
        self._asks, self._now = asks, 0.0
        self.main_frame = SimpleNamespace(page=self)

    async def goto(self, _url: str, **_how: str) -> None:
        self._asks()

    async def wait_for_load_state(self, _state: str) -> None:
        pass

    async def evaluate(self, _script: str) -> dict[str, Any]:
        self._now += 200.0
        times = {"load": 1.0, "ready": 1.0, "paint": None, "largest": None}
        return {"now": self._now, **times, "shift": 0.0, "tasks": []}

    async def close(self) -> None:
        await asyncio.sleep(60)


class Context:
    """Keeps who wants to be told of what."""

    def __init__(self) -> None:
        self.told: dict[str, Callable[[Any], None]] = {}
        self.is_open = True

    def on(self, event: str, handler: Callable[[Any], None]) -> None:
        self.told[event] = handler

    def set_default_timeout(self, _timeout: float) -> None:
        pass

    async def add_init_script(self, _script: str) -> None:
        pass

    async def close(self) -> None:
        self.is_open = False


def window(context: Any, page: Any, closing: Callable[[Coroutine[Any, Any, None]], None]) -> Window:
    return Window(context, page, SocksProxy(Ways(ANYWHERE, 1.0)), TARGET, closing)


async def test_what_a_popup_asks_for_is_not_the_pages_and_never_keeps_it_busy() -> None:
    context, popup = Context(), Page()

    def asks() -> None:
        request = Request(page, navigates=True)
        context.told["request"](request)
        context.told["requestfinished"](request)
        context.told["request"](Request(None, navigates=True))
        for _ in range(3):  # of which no end is ever told
            context.told["request"](Request(popup))

    page = Page(asks)
    async with asyncio.timeout(5):
        done = await window(context, page, lambda _: None).perform(
            STEP, Deed("http://shop/", []), {}
        )
    assert done.error is None
    assert done.measures["requests"] == 1


async def test_a_popup_that_does_not_close_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("perfrun.engine.browser.window._CLOSE_SECONDS", 0.05)
    context, closing = Context(), list[Coroutine[Any, Any, None]]()
    window(context, Page(), closing.append)
    context.told["page"](Page())
    async with asyncio.timeout(5):
        await closing.pop()


async def test_a_window_that_is_opened_when_nobody_waits_any_more_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERFRUN_CHROMIUM", "/bin/true")
    context, asked, opens = Context(), asyncio.Event(), asyncio.Event()

    class Started(Chromium):
        async def started(self) -> Any:
            return SimpleNamespace(new_context=self.new_context)

        async def new_context(self, **_how: Any) -> Context:
            asked.set()
            await opens.wait()
            return context

    chromium = Started("perfrun")
    visit = asyncio.create_task(chromium.window(TARGET, "socks5://127.0.0.1:9"))
    await asked.wait()
    visit.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await visit
        opens.set()
        while context.is_open:
            await asyncio.sleep(0.01)
        await chromium.close()
