"""perfrun in pytest: markers, the fixture ``perfrun``, and a summary of the runs.

Every pytest session imports this module; the rest of perfrun is imported with the first run.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfrun.pytest_plugin.session import PerfrunWarning, PluginSession

if TYPE_CHECKING:
    from perfrun.pytest_plugin.fixture import Perfrun

__all__ = ["PerfrunWarning"]

MARKERS = {
    "performance": "measures how fast something is",
    "load": "generates the load that is expected in production",
    "stress": "generates more load than is expected in production",
    "benchmark": "measures one thing in isolation, to compare it with earlier runs",
    "slow": "takes long: exclude it with -m 'not slow'",
    "e2e": "needs the whole system",
}

_SESSION = pytest.StashKey[PluginSession]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line."""
    group = parser.getgroup("perfrun", "performance tests")
    group.addoption(
        "--perfrun-strict",
        action="store_true",
        help="fail tests whose runs are Warn or Inconclusive; by default these are warnings",
    )
    group.addoption(
        "--perfrun-report",
        metavar="DIR",
        help="write each run into this folder: HTML, JUnit XML, and JSON of status and full result",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and begin to record this process's runs."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    folder = config.getoption("--perfrun-report")
    if folder == "":
        raise pytest.UsageError("--perfrun-report: the name of the folder is empty")
    if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
        raise pytest.UsageError(f"--perfrun-report {folder}: exists and is not a folder")
    session = PluginSession(strict=config.getoption("--perfrun-strict"), reports=folder)
    config.stash[_SESSION] = session
    config.pluginmanager.register(session, "perfrun-session")


@pytest.fixture(scope="module")
def perfrun(request: pytest.FixtureRequest) -> "Perfrun":
    """Runs loads, from manifests or given in Python, and judges them."""
    from perfrun.pytest_plugin.fixture import Perfrun

    return Perfrun(request.path.parent, request.config.stash[_SESSION])
