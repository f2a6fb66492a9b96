"""One Chromium for all windows of a worker: found, started, and restarted if it dies."""

import asyncio
import contextlib
import os
import shutil
from importlib.resources import files
from typing import Any

from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from perfrun.api.test.browser import BrowserTarget
from perfrun.engine.browser.problems import is_dead, not_started
from perfrun.reach.errors import DataError, ErrorClass, OpenError

PROGRAM_VARIABLE = "PERFRUN_CHROMIUM"
SANDBOX_VARIABLE = "PERFRUN_CHROMIUM_SANDBOX"
"""``off``: a pod may not create the user namespaces that the sandbox needs."""
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_NOWHERE = "socks5://127.0.0.1:9"
"""For the browser's own requests: each window has its own proxy."""
_FLAGS = (
    # No look-ups except the proxy's, and no connection around it.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-dev-shm-usage",
    "--disable-gpu",
)
_LAUNCH_MS = 30_000.0
_CLOSE_SECONDS = 5.0
_WATCH = (files(__package__) / "watch.js").read_text(encoding="utf-8")


def program() -> str:
    """The path of Chromium. Raises DataError if it is not installed."""
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        return named
    for name in _NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    raise DataError(
        "spec.target.browser needs Chromium, which is not installed here: install it (Debian: "
        f"apt-get install chromium), or set its path in the variable {PROGRAM_VARIABLE}; in a "
        "cluster, set the chart's value worker.browserImage"
    )


class Chromium:
    """The browser of a worker. Raises DataError if none is installed."""

    def __init__(self, user_agent: str) -> None:
        """``user_agent``: sent to servers in addition to the browser's own name."""
        self._program, self._suffix = program(), user_agent
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._agent = ""
        self._starting: asyncio.Task[Browser] | None = None
        self._unwanted: set[asyncio.Task[None]] = set()

    async def window(self, target: BrowserTarget, proxy: str) -> BrowserContext:
        """A new window with nothing stored. Raises OpenError."""
        try:
            return await self._window(target, proxy)
        except PlaywrightError as error:
            if not is_dead(error.message):
                raise _not_started(error) from error
        # It has just died, unnoticed.
        await self._stop_browser()
        try:
            return await self._window(target, proxy)
        except PlaywrightError as error:
            raise _not_started(error) from error

    async def _window(self, target: BrowserTarget, proxy: str) -> BrowserContext:
        opening = asyncio.create_task(self._opened(await self.started(), target, proxy))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The browser opens it in any case, and nothing else would know about it.
            closing = asyncio.create_task(_closed(opening))
            self._unwanted.add(closing)
            closing.add_done_callback(self._unwanted.discard)
            raise

    async def _opened(self, browser: Browser, target: BrowserTarget, proxy: str) -> BrowserContext:
        context = await browser.new_context(
            proxy={"server": proxy},
            viewport=target.viewport.model_dump(),  # type: ignore[arg-type]
            user_agent=self._agent,
            accept_downloads=False,
        )
        context.set_default_timeout(0)  # a step has its own
        await context.add_init_script(_WATCH)
        return context

    async def started(self) -> Browser:
        """The running browser. Raises OpenError."""
        if self._browser is not None and self._browser.is_connected():
            return self._browser
        if self._starting is None:
            self._starting = asyncio.create_task(self._launched())
            self._starting.add_done_callback(_retrieved)
        try:
            # All that wait share it, and it outlives them: if the start of a driver were
            # interrupted, nothing would know about the driver, and it would keep running.
            return await asyncio.shield(self._starting)
        except (PlaywrightError, OSError) as error:
            raise _not_started(error) from error

    async def _launched(self) -> Browser:
        try:
            if self._playwright is None:
                self._playwright = await async_playwright().start()
            self._browser = await self._launch(self._playwright)
            return self._browser
        finally:
            self._starting = None

    async def _launch(self, playwright: Playwright) -> Browser:
        browser = await playwright.chromium.launch(
            executable_path=self._program,
            args=list(_FLAGS),
            proxy={"server": _NOWHERE},
            chromium_sandbox=os.geteuid() != 0 and os.environ.get(SANDBOX_VARIABLE) != "off",
            timeout=_LAUNCH_MS,
            # The worker decides when: it has visits to end first.
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
        session = await browser.new_browser_cdp_session()
        version: dict[str, Any] = await session.send("Browser.getVersion")
        self._agent = f"{version['userAgent']} {self._suffix}"
        return browser

    async def _stop_browser(self) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            with contextlib.suppress(PlaywrightError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await browser.close()

    async def close(self) -> None:
        """Stop the browser and its driver."""
        if self._starting is not None:
            await asyncio.wait({self._starting})
        await self._stop_browser()
        if self._unwanted:
            await asyncio.wait(self._unwanted, timeout=_CLOSE_SECONDS)
        playwright, self._playwright = self._playwright, None
        if playwright is not None:
            await playwright.stop()


async def _closed(opening: "asyncio.Task[BrowserContext]") -> None:
    """Close a window that is no longer needed as soon as it is open."""
    with contextlib.suppress(PlaywrightError, TimeoutError):
        context = await opening
        async with asyncio.timeout(_CLOSE_SECONDS):
            await context.close()


def _retrieved(starting: "asyncio.Task[Browser]") -> None:
    """Retrieve an exception that nobody awaits any more, so that asyncio does not log it."""
    if not starting.cancelled():
        starting.exception()


def _not_started(error: Exception) -> OpenError:
    message = not_started(str(error), SANDBOX_VARIABLE)
    return OpenError(ErrorClass.BROWSER, f"the browser could not be started: {message}")
