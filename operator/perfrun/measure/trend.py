"""What is kept of a test's runs to compare later ones with: points, and where the trend stands."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from perfrun.measure.wire import Wire

MOST_POINTS = 60
MOST_HISTORIES = 8


class Stage(StrEnum):
    """Where the comparison of new runs with the baseline stands."""

    SETTLED = "Settled"
    """Each run is held against the baseline, and then belongs to it."""
    SUSPECT = "Suspect"
    """One run was out of the ordinary; fresh runs are to show whether that stays so."""
    REGRESSED = "Regressed"
    """It stays so. The baseline stands still until runs are back, or the level is accepted."""


class Workload(Wire):
    """An observed workload as it was when a run ended."""

    name: str
    replicas: int = 0
    limits: dict[str, str] = {}
    """Of its containers' resources: ``container/cpu``."""
    images: dict[str, str] = {}
    """By container, the image that runs, with its digest where the kubelet says it."""
    since: str | None = None
    """When the youngest of its pods was started."""


class Environment(Wire):
    """Where a run took place: where it differs, figures cannot be compared."""

    machines: list[str] = []
    """Processor and architecture of the workers' nodes, each kind once."""
    resources: dict[str, str] = {}
    """Of a worker's container: ``requests/cpu``."""
    workloads: list[Workload] = []

    def fingerprint(self) -> dict[str, str]:
        """All that has to be the same for two runs to be compared: by name, the value.

        Images are not in it: they are what is to be compared.
        """
        told = {"machine": ", ".join(sorted(self.machines))}
        told |= {f"worker {name}": value for name, value in self.resources.items()}
        for workload in self.workloads:
            told[f"{workload.name} replicas"] = str(workload.replicas)
            for name, value in workload.limits.items():
                told[f"{workload.name} {name}"] = value
        return dict(sorted(told.items()))


class Point(Wire):
    """One valid run, as far as later ones are compared with it."""

    run: str
    completed: str
    """Microseconds and UTC, so that their order is that of the texts."""
    started: str = ""
    values: dict[str, float]
    """By metric (``latency.p95 of list``): ns or events a second, more than 0."""
    workloads: list[Workload] = []


class Shift(Wire):
    """A metric that has left its level."""

    metric: str
    worse: bool
    change: float
    """Relative: 0.07 is 7% more than before."""


class Passage(Wire):
    """A change of the state, to be told once."""

    state: Literal["Suspect", "Stable", "Regressed", "Recovered", "Improved"]
    run: str
    """The run that brought it about."""
    completed: str
    sentence: str


class History(Wire):
    """The runs of one comparison key in one environment, oldest first."""

    key: str
    environment: dict[str, str] = {}
    stage: Stage = Stage.SETTLED
    baseline: list[Point] = Field(default=[], max_length=MOST_POINTS)
    fresh: list[Point] = Field(default=[], max_length=MOST_POINTS)
    """Since a run became suspect, that one first."""
    shifts: list[Shift] = []
    """What is suspected, or confirmed."""
    settled: Literal["", "Recovered", "Improved"] = ""
    """What the last confirmed change came to, until ten runs lie behind it."""
    settled_runs: int = 0
    since: str = ""
    """When the stage, or ``settled``, began."""
    pinned: Point | None = None
    passages: list[Passage] = Field(default=[], max_length=16)
