"""What pods use, according to metrics.k8s.io and their status. Pure functions."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from perfrun.api import Json
from perfrun.api.times import parse_time
from perfrun.kube.decoding import quantity

NO_METRICS = "the cluster does not serve metrics.k8s.io: install metrics-server"


class Usage(NamedTuple):
    """All pods of a workload together."""

    at: datetime
    """The end of the measured period of the newest figure."""
    cores: float
    memory: int
    """Bytes: the working set."""


def usage(pods: Sequence[Json]) -> Usage:
    """The sum over PodMetrics. Raises ValueError if there are none, or none that can be read."""
    if not pods:
        raise ValueError("it has no metrics of these pods yet")
    try:
        used = [one["usage"] for pod in pods for one in pod["containers"]]
        return Usage(
            at=max(parse_time(pod["timestamp"]) for pod in pods),
            cores=float(sum(quantity(one["cpu"]) for one in used)),
            memory=int(sum(quantity(one["memory"]) for one in used)),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its response cannot be read: {error!r}") from error


def restarts(pods: Sequence[Json]) -> int:
    """Restarts of all containers, including native sidecars, since their pods were created."""
    return sum(
        int(one.get("restartCount", 0))
        for pod in pods
        for kind in ("containerStatuses", "initContainerStatuses")
        for one in pod.get("status", {}).get(kind) or []
    )
