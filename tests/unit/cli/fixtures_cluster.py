"""The commands with a small API server in this process."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from perfrun.cli.cluster.shell import Cluster
from tests.unit.cli.fake_api import FakeApi, serving


class Streams:
    """What a command prints."""

    def __init__(self, width: int = 100) -> None:
        self.out, self.err = (
            Console(file=io.StringIO(), width=width, highlight=False) for _ in range(2)
        )

    @property
    def printed(self) -> str:
        return self.out.file.getvalue()  # type: ignore[attr-defined]

    @property
    def told(self) -> str:
        return self.err.file.getvalue()  # type: ignore[attr-defined]


@contextmanager
def cluster_of(
    api: FakeApi, folder: Path, monkeypatch: pytest.MonkeyPatch, namespace: str | None = None
) -> Iterator[Cluster]:
    config = folder / "config"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    with serving(api, config), Cluster(None, namespace) as cluster:
        yield cluster
