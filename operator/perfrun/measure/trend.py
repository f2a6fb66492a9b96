"""What is kept of a test's runs to compare later ones with: points, and where the trend stands."""

import gzip
import io
import zlib
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field

from perfrun.api.environment import WorkloadStatus
from perfrun.measure.wire import Wire

MOST_POINTS = 60
MOST_HISTORIES = 8
MOST_BYTES = 16 * 1024 * 1024


class Stage(StrEnum):
    """Where the comparison of new runs with the baseline stands."""

    SETTLED = "Settled"
    """Each run is held against the baseline, and then belongs to it."""
    SUSPECT = "Suspect"
    """One run was out of the ordinary; fresh runs are to show whether that stays so."""
    REGRESSED = "Regressed"
    """It stays so. The baseline stands still until runs are back, or the level is accepted."""


class Point(Wire):
    """One valid run, as far as later ones are compared with it."""

    run: str
    completed: str
    """Microseconds and UTC, so that their order is that of the texts."""
    started: str = ""
    values: dict[str, float]
    """By metric (``latency.p95 of list``): ns or events a second, more than 0."""
    workloads: list[WorkloadStatus] = []
    cpu: dict[str, str] = Field(default={}, max_length=16)
    """What observed workloads used at most, in words: ``98% of its limit``, or ``980m``."""


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

    @property
    def newest(self) -> str:
        """When the last run in it was completed; empty: none is."""
        points = [*self.baseline[-1:], *self.fresh[-1:]]
        return max((point.completed for point in points), default="")


class Histories(Wire):
    """All that is kept of one test; the one that was added to last comes last."""

    version: Literal[1] = 1
    histories: list[History] = Field(default=[], max_length=MOST_HISTORIES)

    def pack(self) -> bytes:
        """As compressed JSON."""
        return gzip.compress(self.to_bytes(), mtime=0)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Raises ValueError for what is not one of this version."""
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
                text = file.read(MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"not compressed JSON: {error}") from error
        if len(text) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        return cls.model_validate_json(text)
