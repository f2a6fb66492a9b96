"""A real Chromium, Debian's, without a screen; and what it is asked about a page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

PROGRAM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for as long as it is needed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page, and everything that it was not silent about."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """What is on the console, and errors of scripts."""
    requests: list[str] = field(default_factory=list)
    """Whatever it wanted from anywhere but from itself."""

    @property
    def sideways(self) -> int:
        """By how many pixels it is wider than its window."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return max(0, int(wide))

    def faint(self, least: float) -> list[str]:
        """Texts whose contrast with what is behind them is below ``least``."""
        found: list[str] = self.page.evaluate(_CONTRASTS, least)
        return found

    def tabbed(self) -> list[dict[str, Any]]:
        """What the Tab key comes by, from the start to the end of the page."""
        self.page.evaluate("document.activeElement.blur()")
        stops: list[dict[str, Any]] = []
        while True:
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(_FOCUSED)
            if stop is None or stop in stops:
                return stops
            stops.append(stop)

    def interactive(self) -> int:
        """How many things there are to act on."""
        return int(self.page.evaluate(_INTERACTIVE))


@contextmanager
def opened(
    browser: Browser,
    file: Path,
    *,
    width: int = 1100,
    height: int = 900,
    scheme: Scheme = "light",
    scale: float = 1,
    scripts: bool = True,
) -> Iterator[Opened]:
    """A page from a file, in a window of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        device_scale_factor=scale,
        java_script_enabled=scripts,
    )
    seen = Opened(context.new_page())
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith("data:") or request.url == file.as_uri()
            else seen.requests.append(request.url)
        ),
    )
    seen.page.goto(file.as_uri())
    yield seen
    context.close()


_FOCUSED = """() => {
  const here = document.activeElement;
  if (!here || here === document.body) return null;
  const all = [...document.querySelectorAll("*")];
  const style = getComputedStyle(here);
  return {
    place: all.indexOf(here),
    tag: here.tagName.toLowerCase(),
    name: here.getAttribute("aria-label") || here.textContent.trim().slice(0, 60),
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  };
}"""

_INTERACTIVE = """() => [...document.querySelectorAll(
  "a[href], button, input, select, textarea, summary, [tabindex='0']"
)].filter((one) => one.checkVisibility()).length"""

# Colours are computed by the browser; what is transparent shows what is behind it. Texts of
# pictures have a halo of the page's own background.
_CONTRASTS = """(least) => {
  const parse = (text) => {
    const parts = text.match(/[\\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const { rgb, alpha } = parse(getComputedStyle(one).backgroundColor);
      if (alpha === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    const drawn = element.closest("svg") ? element.tagName === "text" : true;
    if (!text || !drawn || !element.checkVisibility()) continue;
    if (["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const colour = element.tagName === "text" ? style.fill : style.color;
    const [a, b] = [light(parse(colour).rgb), light(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < least) found.push(`${contrast.toFixed(2)}: ${text.slice(0, 60)}`);
  }
  return found;
}"""
