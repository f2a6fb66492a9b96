"""A small API server in this process, and a client of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perfrun.cli.cluster.shell import Cluster
from tests.unit.cli.fake_api import FakeApi
from tests.unit.cli.fixtures_cluster import cluster_of


@pytest.fixture
def api() -> FakeApi:
    """Empty; files whose tests need objects have their own."""
    return FakeApi()


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """In the namespace of the kubeconfig: shop."""
    with cluster_of(api, tmp_path, monkeypatch) as cluster:
        yield cluster
