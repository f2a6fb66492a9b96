"""The history of a test's runs for comparison with later ones: points, and the state of the
trend."""

import gzip
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perfrun.api.base import Sentence
from perfrun.api.run.environment import WorkloadStatus
from perfrun.api.test.baseline import MAX_CHANGES, MetricChange
from perfrun.api.times import Time
from perfrun.measure.wire import Count, Wire, parse_json, unzip

MAX_POINTS = 60
MAX_HISTORIES = 8
MAX_BYTES = 8 * 1024 * 1024
MAX_VALUES = 200_000
"""Size limit of the JSON, because anyone who may write ConfigMaps can write this one too."""

MAX_METRICS = 128
"""Figures of a run: three of every run, its capacity, and each objective that a status has room
for.
"""
MAX_CONFIRMING = 16
"""Points since an undecided suspicion; the exact test takes 20 ms for ten of them, and seconds for
sixty.
"""
MIN_LEVEL, MAX_LEVEL = 1e-9, 1e18
MAX_CHANGE = 1e30

RunName = Annotated[str, Field(max_length=63)]
MetricName = Annotated[str, Field(max_length=160)]
"""``latency.p95 of list``."""
Level = Annotated[float, Field(ge=MIN_LEVEL, le=MAX_LEVEL)]


class Stage(StrEnum):
    """The stage of the comparison of new runs with the baseline."""

    SETTLED = "Settled"
    """Each run is compared with the baseline, and then becomes part of it."""
    SUSPECT = "Suspect"
    """One run was unusual; fresh runs will show whether the change persists."""
    REGRESSED = "Regressed"
    """The change persists. The baseline does not change until runs are back, or the level is
    accepted."""


class Point(Wire):
    """One valid run, as far as later ones are compared with it."""

    run: RunName
    completed: Time | Literal[""]
    """Microseconds and UTC, so that strings sort like times; empty: of no single run."""
    started: Time | Literal[""] = ""
    values: dict[MetricName, Level] = Field(max_length=MAX_METRICS)
    """By metric (``latency.p95 of list``): ns or events a second, more than 0."""
    workloads: list[WorkloadStatus] = []
    cpu: dict[str, str] = Field(default={}, max_length=16)
    """The highest use of observed workloads, in words: ``98% of its limit``, or ``980m``."""


class Shift(Wire):
    """A metric that has left its level."""

    metric: MetricName
    worse: bool
    change: float = Field(ge=-MAX_CHANGE, le=MAX_CHANGE)
    """Relative: 0.07 is 7% more than before."""


class Passage(Wire):
    """A change of the state, to be reported once."""

    state: Literal["Suspect", "Stable", "Regressed", "Recovered", "Improved"]
    run: RunName
    """The run that caused it."""
    completed: Time
    sentence: Sentence
    changes: list[MetricChange] = Field(default=[], max_length=MAX_CHANGES)


class History(Wire):
    """The runs of one comparison key in one environment, oldest first."""

    key: Annotated[str, Field(max_length=128)]
    environment: dict[str, str] = {}
    stage: Annotated[Stage, Field(strict=False)] = Stage.SETTLED
    baseline: list[Point] = Field(default=[], max_length=MAX_POINTS)
    fresh: list[Point] = Field(default=[], max_length=MAX_POINTS)
    """The points since a run became suspect, beginning with that run."""
    shifts: list[Shift] = Field(default=[], max_length=MAX_METRICS)
    """The suspected or confirmed shifts."""
    settled: Literal["", "Recovered", "Improved"] = ""
    """The outcome of the last confirmed change, until ten runs later."""
    settled_runs: Count = 0
    since: Time | Literal[""] = ""
    """When the stage, or ``settled``, began."""
    pinned: Point | None = None
    passages: list[Passage] = Field(default=[], max_length=16)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.stage is not Stage.SETTLED and not (self.fresh and self.shifts):
            raise ValueError(f"{self.stage} without a fresh run or a shift")
        if self.stage is Stage.SUSPECT and len(self.fresh) > MAX_CONFIRMING:
            raise ValueError(f"{self.stage} with more than {MAX_CONFIRMING} fresh runs")
        return self

    @property
    def newest(self) -> str:
        """When the last run in it was completed; empty if there is none."""
        points = [*self.baseline[-1:], *self.fresh[-1:]]
        return max((point.completed for point in points), default="")


class Histories(Wire):
    """Everything that is kept about one test; the history that was last added to comes last."""

    version: Literal[1] = 1
    histories: list[History] = Field(default=[], max_length=MAX_HISTORIES)

    def pack(self) -> bytes:
        """As compressed JSON."""
        return gzip.compress(self.to_bytes(), mtime=0)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Raises ValueError for data that this version did not write."""
        return cls.model_validate(parse_json(unzip(packed, MAX_BYTES), MAX_VALUES))
