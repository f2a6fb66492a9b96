"""Runs and their results, as a cluster keeps them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from perfrun.cli.cluster import (
    PERF_RUNS,
    PERF_TESTS,
    AwayError,
    Cluster,
    ClusterError,
    Json,
    Resource,
)
from perfrun.cli.sources import UnreachableError

_CONFIG_MAPS = Resource("v1", "configmaps")


class ClusterObjects:
    """A cluster, as :mod:`perfrun.cli.sources` reads it. All raise UnreachableError."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @classmethod
    def connected(cls, context: str | None, namespace: str | None) -> Self:
        """By what kubectl would use."""
        try:
            return cls(Cluster(context, namespace))
        except ClusterError as error:
            raise UnreachableError(
                f"what is no file is the name of a run in a cluster, and {error}"
            ) from error

    @property
    def namespace(self) -> str:
        """Where everything is looked for."""
        return self._cluster.namespace

    def run(self, name: str) -> Json | None:
        """A PerfRun; None where there is none."""
        with _told():
            return self._cluster.find(PERF_RUNS, name)

    def runs(self) -> list[Json]:
        """All PerfRuns."""
        # By the reference, not by the label: a run that was made by hand may have none.
        with _told():
            return self._cluster.list(PERF_RUNS)[0]

    def has_test(self, name: str) -> bool:
        """Whether there is such a PerfTest."""
        with _told():
            return self._cluster.find(PERF_TESTS, name) is not None

    def piece(self, name: str) -> Json | str:
        """A ConfigMap, or why it cannot be read: whoever may see runs need not see these."""
        with _told():
            try:
                found = self._cluster.find(_CONFIG_MAPS, name)
            except AwayError:
                raise
            except ClusterError as error:
                return str(error)
        return found if found is not None else f"the ConfigMap {name} is gone"


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ClusterError as error:
        raise UnreachableError(str(error)) from error
