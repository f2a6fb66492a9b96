"""An operator for the session, and a namespace for each test."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.handle import ApiServer
from tests.cluster.operator import Operator, kubeconfig_of
from tests.integration.controller.apiserver import Api, until
from tests.integration.controller.world import World

CRDS = Path(__file__).resolve().parents[3] / "crds"


@pytest.fixture(scope="session")
def server(apiserver_with_controllers: ApiServer) -> ApiServer:
    api = apiserver_with_controllers
    api.install_crds(CRDS)
    return api


@pytest.fixture(scope="session")
def operator(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("operator")
    operator = Operator(kubeconfig_of(server, folder), folder)
    operator.start()
    yield operator
    if operator.running:
        operator.kill()
    # A right that is missing, or a defect that a retry covers up, is in the log only.
    said = operator.log.read_text()
    assert "forbidden: User" not in said
    assert "Traceback" not in said


@contextlib.asynccontextmanager
async def opened(server: ApiServer, operator: Operator) -> AsyncIterator[World]:
    """A namespace of a test's own, and an operator that runs or is to run."""
    api = Api(server)
    namespace = f"t{time.monotonic_ns()}"
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    world = World(api, operator, namespace)

    async def account() -> Any:
        return await api.find(world.core("serviceaccounts", "default"))

    await until("the namespace has its service account", account)
    yield world
    for node in world.nodes:
        if await api.find(f"/api/v1/nodes/{node}"):
            # Its pods would be terminating for ever: no kubelet is there to end them.
            await api.call("DELETE", f"/api/v1/nodes/{node}")
    await api.call("DELETE", f"/api/v1/namespaces/{namespace}")
    await api.close()


@pytest.fixture
async def world(server: ApiServer, operator: Operator) -> AsyncIterator[World]:
    """A namespace of the test's own, and a running operator."""
    if not operator.running:
        operator.start()
    await until("the operator is ready", operator.ready)
    async with opened(server, operator) as world:
        yield world


@pytest.fixture
async def other(world: World) -> AsyncIterator[World]:
    """Another tenant's namespace, of the same operator."""
    second = World(world.api, world.operator, f"{world.namespace}-b")
    await world.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": second.namespace}})

    async def account() -> Any:
        return await world.api.find(second.core("serviceaccounts", "default"))

    await until("the namespace has its service account", account)
    yield second
    await world.api.call("DELETE", f"/api/v1/namespaces/{second.namespace}")
