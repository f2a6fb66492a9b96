"""What all tests share."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.budget import Budget, Budgets
from tests.campaign import Campaign

# Laws hold on a busy machine too: how long an example takes is none of them.
settings.register_profile("perfrun", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("perfrun")

pytest_plugins = ["tests.cluster.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Here, because options are read before the conftests of folders."""
    parser.addoption(
        "--campaign", metavar="FILE", help="run all faults, not a slice, and keep outcomes there"
    )


def pytest_configure(config: pytest.Config) -> None:
    """A slice has its time; a campaign takes what it takes."""
    if not config.getoption("--campaign"):
        slices = Budgets.read().slices
        config.pluginmanager.register(Budget(slices), "perfrun-budget")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side the longest files start first, and those that nobody has measured before them."""
    if hasattr(config, "workerinput"):
        took = Budgets.read().files
        items.sort(key=lambda item: -took.get(item.nodeid.partition("::")[0], math.inf))


@pytest.fixture(scope="session")
def campaign(pytestconfig: pytest.Config) -> Campaign:
    """Where what was seen is kept: ``--campaign FILE``."""
    said = pytestconfig.getoption("--campaign")
    made = Campaign(Path(said) if said else None)
    made.begin()
    return made
