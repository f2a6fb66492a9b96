"""What a source comes to, before it is written: plain data, in the words of the API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perfrun.api import Json

MAX_SCENARIOS = 50
MAX_STEPS = 50
"""Of one scenario: the limits of the API."""
MAX_PATH_LENGTH = 2048
DEFAULT_URL = "http://localhost:8080"

_READS = ("GET", "HEAD", "OPTIONS")


class SourceError(Exception):
    """A source of which no test can be made; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One request. Path, texts in ``json``, ``body`` and values of headers are templates."""

    name: str
    path: str
    method: str = "GET"
    headers: tuple[Json, ...] = ()
    json: Any = None
    body: str | None = None
    status: tuple[int, ...] = ()
    think_ms: int = 0
    notes: tuple[str, ...] = ()

    @property
    def class_(self) -> str:
        """What is asked of it by default."""
        return "Read" if self.method in _READS else "Write"


@dataclass(frozen=True, slots=True)
class ScenarioDraft:
    """Steps in order, and how often they are chosen."""

    name: str
    steps: tuple[StepDraft, ...]
    weight: int = 1


@dataclass(frozen=True, slots=True)
class LoadDraft:
    """How much load, what is asked of it, and why."""

    load: Json
    slos: tuple[Json, ...]
    notes: tuple[str, ...] = ()
    rare: frozenset[str] = frozenset()
    """Classes that the load has too few requests of to judge them."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A PerfTest to be written."""

    name: str
    url: str
    scenarios: tuple[ScenarioDraft, ...]
    load: LoadDraft
    http: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the target: auth, headers, cookies."""
    variables: Mapping[str, str] = field(default_factory=dict)
    feeds: tuple[Json, ...] = ()
    notes: tuple[str, ...] = ()
    """Where it comes from, and what was left out."""
    target_notes: tuple[str, ...] = ()
    data_notes: tuple[str, ...] = ()
    """About variables and feeds."""
    scenario_notes: tuple[str, ...] = ()


def is_read(method: str) -> bool:
    """Whether a request of this method changes nothing."""
    return method in _READS
