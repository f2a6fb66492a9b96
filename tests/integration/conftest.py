"""A real API server that knows our kinds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.dryrun import DryRun
from tests.cluster.handle import ApiServer

REPO = Path(__file__).resolve().parents[2]
CRDS = REPO / "crds"


@pytest.fixture(scope="session")
def perfrun_api(apiserver: ApiServer) -> ApiServer:
    """The session's API server with the generated CRDs applied and served."""
    apiserver.install_crds(CRDS)
    return apiserver


@pytest.fixture(scope="session")
def dry_run(perfrun_api: ApiServer) -> Iterator[DryRun]:
    """What it says to manifests, and keeps none."""
    client = DryRun(perfrun_api)
    yield client
    client.close()
