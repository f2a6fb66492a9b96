"""What all tests share."""

import pytest

pytest_plugins = ["tests.cluster.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Here, because options are read before the conftests of folders."""
    parser.addoption(
        "--campaign", metavar="FILE", help="run all faults, not a slice, and keep outcomes there"
    )
