"""A site to visit, and the browser."""

from collections.abc import Iterator

import pytest

from .site import Site, site
from .visits import BROWSER


@pytest.fixture(scope="session", autouse=True)
def browser_ends() -> Iterator[None]:
    """The browser that tests share goes with them."""
    yield
    BROWSER.close()


@pytest.fixture
def shop(browser_tools: None) -> Iterator[Site]:
    """A site of which nothing was asked yet."""
    with site() as known:
        yield known
