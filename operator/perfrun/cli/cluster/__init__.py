"""The cluster that kubectl would speak to, for the commands that need one."""

from perfrun.cli.cluster.client import Cluster
from perfrun.cli.cluster.errors import AwayError, ClusterError, GoneError
from perfrun.cli.cluster.resources import EVENTS, PERF_RUNS, PERF_TESTS, PODS, Json, Resource

__all__ = [
    "EVENTS",
    "PERF_RUNS",
    "PERF_TESTS",
    "PODS",
    "AwayError",
    "Cluster",
    "ClusterError",
    "GoneError",
    "Json",
    "Resource",
]
