"""pytest fixtures: a real API server, or a real cluster. A missing part fails; it never skips."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import apiserver as api
from tests.cluster import apt, gobuild
from tests.cluster import cluster as whole
from tests.cluster.handle import ApiServer, Cluster
from tests.cluster.paths import locked


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server of this session's own: no controllers, no nodes."""
    with api.running(tmp_path_factory.mktemp("apiserver")) as running:
        yield running


@pytest.fixture(scope="session")
def apiserver_with_controllers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiServer]:
    """An API server with the controller manager: garbage collection, Jobs, service accounts."""
    folder = tmp_path_factory.mktemp("apiserver-with-controllers")
    with api.running(folder, with_controllers=True) as running:
        yield running


@pytest.fixture(scope="session")
def rule_tools() -> None:
    """promtool."""
    apt.ensure(apt.RULE_PACKAGES)


@pytest.fixture(scope="session")
def kstatus() -> Path:
    """A program that asks the real kstatus package."""
    gobuild.ensure([gobuild.KSTATUS])
    return gobuild.binary("kstatus")


@pytest.fixture(scope="session")
def actionlint() -> Path:
    """The checker of GitHub's workflows."""
    gobuild.ensure([gobuild.ACTIONLINT])
    return gobuild.binary("actionlint")


@pytest.fixture(scope="session")
def lua_tools() -> None:
    """Lua, in the version of Argo CD's."""
    apt.ensure(apt.LUA_PACKAGES)


@pytest.fixture(scope="session")
def browser_tools() -> None:
    """Chromium, and letters for it."""
    apt.ensure(apt.BROWSER_PACKAGES)


@pytest.fixture(scope="session")
def database_tools() -> None:
    """Database servers; none of them runs by itself."""
    apt.ensure(apt.DATABASE_PACKAGES)


@pytest.fixture(scope="session")
def e2e_tools() -> None:
    """The programs of `apt.E2E_PACKAGES` on this machine; none of their services runs."""
    apt.ensure(apt.E2E_PACKAGES)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The embedded cluster: reused when it is up, and left up. `make test` ends it, in CI."""
    held = whole.up(metrics=True)
    yield held
    held.close()


@contextlib.contextmanager
def once(factory: pytest.TempPathFactory, what: str) -> Iterator[bool]:
    """Whether nobody of this session was in a block of that name before; one at a time is in it.

    A session is one of pytest, with all its workers of xdist.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / what
    with locked(folder, what):
        yield not (folder / "done").exists()
        (folder / "done").touch()
