"""A visit: one window of the browser, its actions and its measurements."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from time import monotonic_ns
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response
from playwright.async_api import Error as PlaywrightError
from typing_extensions import override

from perfrun.api.quantities import NS_PER_MS
from perfrun.api.test.browser import BrowserTarget
from perfrun.api.test.metric import CONSOLE_ERRORS, REQUESTS
from perfrun.engine.awaited.sessions import Done, Session
from perfrun.engine.browser.problems import Failure, endpoint_of, failure_of
from perfrun.engine.browser.socks import SocksProxy
from perfrun.engine.browser.steps import Deed, PageStep
from perfrun.engine.browser.timing import PageState, measures_of, quiet_since, seen_of
from perfrun.engine.response.expect import other_status
from perfrun.measure.picture import MAX_BYTES
from perfrun.reach.errors import ErrorClass

FEW_REQUESTS = 2
"""Open requests that a quiet window allows (web.dev/tti)."""
MAX_MESSAGES = 10_000
"""Console messages per window that are read: a flood must not distort the measurement."""
_LOOK_AGAIN_MS = 20.0
_CLOSE_SECONDS = 5.0
_PICTURE_SECONDS = 3.0
_QUALITIES = (60, 20)
"""JPEG qualities; the first with which a picture is small enough is used."""
_STATE = "window.__perfrun ? window.__perfrun() : null"


class _PageError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Tally:
    """What happened in a window since the step began."""

    def __init__(self) -> None:
        self.requests = self.console_errors = 0
        self.navigations = 0
        """Bytes of the whole page, including redirects."""
        self.status: int | None = None
        """Of the page itself."""
        self.failed_at = ""
        """The URL of the page that could not be loaded."""


class Window(Session[PageStep]):
    """A context of the browser with one page in it, for one visit."""

    def __init__(
        self,
        context: BrowserContext,
        page: Page,
        gate: SocksProxy,
        target: BrowserTarget,
        closing: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """``closing`` keeps what closes the window until that is done."""
        self._context, self._page, self._gate, self._target = context, page, gate, target
        self._closing = closing
        self._seen = Tally()
        self._open: set[Request] = set()
        self._crowded_until = 0
        """When too many requests were open for the last time, monotonic ns."""
        self._messages = 0
        self._doing = ""
        self._over = False
        context.on("request", self._on_request)
        context.on("requestfinished", self._on_end)
        context.on("requestfailed", self._on_failure)
        context.on("response", self._on_response)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("page", lambda popup: closing(_closed(popup)))

    # --- what a step does ---------------------------------------------------------------------

    @override
    async def perform(self, step: PageStep, request: Deed, values: dict[str, str]) -> Done:
        before = self._gate.received
        try:
            done = await self._performed(step, request)
            self._over = step.is_last
        except PlaywrightError as error:
            self._over = True
            failure = self._failure(error.message)
            done = Done(failure.error, message=failure.message)
        except _PageError as error:
            self._over = True
            failed = 1 if step.status else 0
            done = Done(error.failure.error, failed=failed, message=error.failure.message)
        received = self._gate.received - before
        return done._replace(received=received, status=self._seen.status or 0)

    async def _performed(self, step: PageStep, deed: Deed) -> Done:
        aside = 0
        if deed.goto is not None and self._target.cache == "Warm":
            aside = await self._primed(deed.goto)
        self._begin()
        await self._act(step, deed)
        measures: dict[str, float] = {}
        passed = 0
        if self._seen.navigations:
            self._doing = "waiting for the load event of the page"
            await self._page.wait_for_load_state("load")
            passed = self._check_status(step)
            loaded = monotonic_ns()
            measures = measures_of(await self._quiet())
            aside += monotonic_ns() - loaded
        self._check_policy()
        measures[CONSOLE_ERRORS] = self._seen.console_errors
        measures[REQUESTS] = self._seen.requests
        return Done(passed=passed, measures=measures, aside=aside)

    async def _act(self, step: PageStep, deed: Deed) -> None:
        page = self._page
        if deed.goto is not None:
            self._doing = "loading the page"
            await page.goto(deed.goto, wait_until="load")
        for selector, value in deed.fill:
            self._doing = f"waiting for {selector}, to fill it in"
            await page.fill(selector, value)
        if step.click is not None:
            self._doing = f"waiting for {step.click}, to click it"
            await page.click(step.click)
        if step.wait_for is not None:
            self._doing = f"waiting for {step.wait_for}"
            await page.wait_for_selector(step.wait_for, state="visible")

    async def _primed(self, url: str) -> int:
        """Load a page so that it is cached. Returns how long this took, ns."""
        began = monotonic_ns()
        self._begin()
        self._doing = "loading the page to warm the cache"
        await self._page.goto(url, wait_until="load")
        await self._quiet()
        await self._page.goto("about:blank")
        return monotonic_ns() - began

    def _begin(self) -> None:
        self._seen = Tally()
        self._gate.refusals.clear()

    async def _quiet(self) -> PageState:
        """Wait for the quiet window of the page. Returns its state then."""
        quiet = self._target.quiet_window / NS_PER_MS
        self._doing = f"waiting for the page to be quiet for {quiet:g}ms"
        while True:
            seen = await self._state()
            left = _LOOK_AGAIN_MS
            if seen is not None and seen.load:
                left = quiet - (seen.now - quiet_since(seen, self._crowded(seen)))
                if left <= 0:
                    return seen
            await asyncio.sleep(max(left, 1.0) / 1000)

    async def _state(self) -> PageState | None:
        """None: it is navigating to another page."""
        try:
            raw = await self._page.evaluate(_STATE)
        except PlaywrightError as error:
            if "context was destroyed" not in error.message:
                raise
            await self._page.wait_for_load_state("load")
            return None
        if raw is None:
            return None
        if (seen := seen_of(raw)) is None:
            raise _PageError(Failure(ErrorClass.PROTOCOL, "the page reported an invalid timing"))
        return seen

    def _crowded(self, seen: PageState) -> float:
        """Until when, in the page's time (ms), too many requests were open."""
        if len(self._open) > FEW_REQUESTS:
            return seen.now
        if not self._crowded_until:
            return 0.0
        return seen.now - (monotonic_ns() - self._crowded_until) / NS_PER_MS

    def _check_status(self, step: PageStep) -> int:
        """Checks passed. Raises _PageError for a status that is not expected."""
        status = self._seen.status
        if status is None:
            return 0
        if status in step.status if step.status else status < 400:
            return 1 if step.status else 0
        error = ErrorClass.CHECK
        if status >= 400:
            error = ErrorClass.STATUS5XX if status >= 500 else ErrorClass.STATUS4XX
        message = other_status(step.status, "below 400", status)
        raise _PageError(Failure(error, message))

    def _check_policy(self) -> None:
        """A page is incomplete without the parts that a policy blocks: raises _PageError."""
        for refusal in self._gate.refusals.values():
            if refusal.reason is ErrorClass.POLICY:
                raise _PageError(Failure(ErrorClass.POLICY, refusal.message))

    def _failure(self, message: str) -> Failure:
        endpoint = endpoint_of(self._seen.failed_at)
        refused = self._gate.refusals.get(endpoint) if endpoint is not None else None
        return failure_of(message, self._doing, refused)

    # --- what it is seen to do ----------------------------------------------------------------

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith("http") or not self._is_own(request):
            return
        self._seen.requests += 1
        self._open.add(request)
        if self._is_page(request):
            self._seen.navigations += 1

    def _is_own(self, request: Request) -> bool:
        """Whether a request belongs to this page. Pop-ups are closed, and their requests may never
        end."""
        with contextlib.suppress(PlaywrightError):  # the first request of a pop-up has no frame yet
            return request.frame.page == self._page
        return False

    def _is_page(self, request: Request) -> bool:
        if not request.is_navigation_request():
            return False
        with contextlib.suppress(PlaywrightError):
            return request.frame == self._page.main_frame
        return False

    def _on_end(self, request: Request) -> None:
        if len(self._open) > FEW_REQUESTS:
            self._crowded_until = monotonic_ns()
        self._open.discard(request)

    def _on_failure(self, request: Request) -> None:
        self._on_end(request)
        if self._is_page(request):
            self._seen.failed_at = request.url

    def _on_response(self, response: Response) -> None:
        if self._is_page(response.request):
            self._seen.status = response.status

    def _on_console(self, message: ConsoleMessage) -> None:
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            self._context.remove_listener("console", self._on_console)
        # The browser requests it by itself, and only for some windows.
        elif message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            self._seen.console_errors += 1

    def _on_error(self, _error: object) -> None:
        self._seen.console_errors += 1

    # --- its end ------------------------------------------------------------------------------

    @override
    async def picture(self) -> bytes | None:
        for quality in _QUALITIES:
            try:
                async with asyncio.timeout(_PICTURE_SECONDS):
                    taken = await self._page.screenshot(
                        type="jpeg", quality=quality, animations="disabled"
                    )
            except (PlaywrightError, TimeoutError):
                return None
            if len(taken) <= MAX_BYTES:
                return taken
        return None

    @override
    def doing(self) -> str:
        return self._doing

    @override
    def is_usable(self) -> bool:
        return not self._over

    @override
    def abandon(self) -> None:
        self._over = True
        self._closing(close_window(self._context, self._gate))


async def close_window(context: BrowserContext | None, gate: SocksProxy) -> None:
    """Close a window, if there is one, and its proxy."""
    if context is not None:
        with contextlib.suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await context.close()
    gate.close()


async def _closed(popup: Page) -> None:
    with contextlib.suppress(PlaywrightError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await popup.close()
