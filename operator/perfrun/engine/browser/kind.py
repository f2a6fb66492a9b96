"""Targets that are pages in a browser."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from playwright.async_api import BrowserContext
from playwright.async_api import Error as PlaywrightError
from typing_extensions import override

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.awaited.carrier import AwaitedCarrier
from perfrun.engine.awaited.sessions import ConnectionLimits, Speaker
from perfrun.engine.browser.chromium import Chromium
from perfrun.engine.browser.problems import endpoint_of
from perfrun.engine.browser.socks import SocksProxy, Ways
from perfrun.engine.browser.steps import PageStep, compile_pages
from perfrun.engine.browser.window import Window, close_window
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.errors import ErrorClass, OpenError
from perfrun.engine.load.kind import Carrier, Courses, Ended, Kind
from perfrun.logic.plan.network import Fence
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values

_MAX_WINDOWS = 1000
"""The load determines the number of windows; memory runs out long before this limit."""


class BrowserKind(Kind):
    """Its browser, and its steps. Raises DataError for what cannot be resolved."""

    def __init__(self, plan: RunPlan, values: Values) -> None:
        self._target, self._values = plan.target.the_browser, values
        fence = Fence(plan.network, plan.namespace)
        self._ways = Ways(fence, self._target.connect_timeout / NS_PER_S)
        self._speaker = _Windows(plan, self._ways)

    @override
    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        return compile_pages(plan, self._values)

    @override
    async def check(self) -> None:
        """Check the browser, and the name and port of the target, without a request."""
        endpoint = endpoint_of(self._target.url)
        assert endpoint is not None
        _, writer = await self._ways.connect(endpoint)
        writer.close()
        await self._speaker.chromium.started()

    @override
    async def close(self) -> None:
        await self._speaker.close()

    @override
    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        # A visit keeps its window from step to step, and gives it up after the last one.
        limits = ConnectionLimits("PerUser", _MAX_WINDOWS, self._target.timeout)
        return AwaitedCarrier(
            self._speaker, limits, ended, course, notes_sends=notes_sends, looks=True
        )


class _Windows(Speaker[PageStep]):
    """Opens windows and makes sure that they are closed."""

    def __init__(self, plan: RunPlan, ways: Ways) -> None:
        self.chromium = Chromium(plan.user_agent)
        self._target, self._ways = plan.target.the_browser, ways
        self._closing: set[asyncio.Task[None]] = set()

    @override
    async def open(self) -> Window:
        gate = SocksProxy(self._ways)
        context: BrowserContext | None = None
        try:
            context = await self.chromium.window(self._target, await gate.open())
            page = await context.new_page()
        except BaseException as error:
            # This includes steps whose time is up.
            self._later(close_window(context, gate))
            if isinstance(error, PlaywrightError):
                message = f"no window could be opened: {error.message}"
                raise OpenError(ErrorClass.BROWSER, message) from error
            raise
        return Window(context, page, gate, self._target, self._later)

    def _later(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End all windows, and the browser."""
        if self._closing:
            await asyncio.wait(self._closing)
        await self.chromium.close()
