"""A site to visit, and the browser."""

from collections.abc import Iterator

import pytest

from .site import Site, site


@pytest.fixture
def shop(browser_tools: None) -> Iterator[Site]:
    """A site of which nothing was asked yet."""
    with site() as known:
        yield known
