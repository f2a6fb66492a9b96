"""What a script's own tool measures besides requests: its metrics, checks and thresholds.

Senders are not trusted: a script chooses names and values, so each of them has a bound here.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from perfrun.api.sentence import printable
from perfrun.measure.histogram import Histogram
from perfrun.measure.record import PhaseRecord, StepRecord, add_fields
from perfrun.measure.wire import (
    OTHER_ERRORS,
    ConservationError,
    Count,
    Moment,
    Wire,
    WireHistogram,
    law,
)

MAX_STEPS = 200
"""Names of requests that are kept apart; further ones are counted as one step ``Other``."""
MAX_SCENARIOS = 50
MAX_METRICS = 200
MAX_CHECKS = 200
MAX_THRESHOLDS = 200
MAX_SHED_SECONDS = 1000
MAX_KINDS = 16
"""Versions, hashes and failures that are kept: each kind once."""
OTHER = OTHER_ERRORS
MAX_NAME = 200
MAX_KEY = 256
MAX_SOURCE = 512
MAX_FAILURE = 512
MAX_VALUE = 1e18
SCALE = 10**6
"""Values of a Trend in its histogram: in ns if the tool's unit is ms, so with three decimals."""

ToolText = Annotated[
    str,
    Field(min_length=1, max_length=MAX_NAME),
    AfterValidator(lambda text: printable(text, MAX_NAME)),
]
MetricKey = Annotated[
    str,
    Field(min_length=1, max_length=MAX_KEY),
    AfterValidator(lambda text: printable(text, MAX_KEY)),
]
"""The tool's own name, with its selector as the tool writes it: ``http_req_duration{name:a}``."""
ToolValue = Annotated[float, Field(allow_inf_nan=False, ge=-MAX_VALUE, le=MAX_VALUE)]
Failure = Annotated[
    str, Field(max_length=MAX_FAILURE), AfterValidator(lambda text: printable(text, MAX_FAILURE))
]
MetricType = Literal["Trend", "Rate", "Counter", "Gauge"]
T = TypeVar("T")


class ToolMetric(Wire):
    """One metric of the tool, over all of its samples, in the tool's own unit."""

    kind: MetricType
    samples: Count = 0
    passed: Count = 0
    """Of a Rate: samples that were not 0."""
    total: ToolValue = 0.0
    """The sum of all samples: the value of a Counter, and the mean of a Trend times ``samples``."""
    least: ToolValue = 0.0
    greatest: ToolValue = 0.0
    """The extremes; 0 without samples."""
    last: ToolValue = 0.0
    """The latest sample: the value of a Gauge."""
    last_at: Moment = 0
    """When that was, ns after T0."""
    values: WireHistogram | None = None
    """Of a Trend: value * SCALE."""

    def add(self, other: "ToolMetric") -> None:
        """Add the same metric of another worker; one of another kind is left out."""
        if other.kind != self.kind or not other.samples:
            return
        if not self.samples or other.last_at > self.last_at:
            self.last, self.last_at = other.last, other.last_at
        self.least = min(self.least, other.least) if self.samples else other.least
        self.greatest = max(self.greatest, other.greatest) if self.samples else other.greatest
        add_fields(self, other, ("samples", "passed"))
        self.total = max(-MAX_VALUE, min(MAX_VALUE, self.total + other.total))
        if other.values is not None:
            if self.values is None:
                self.values = Histogram()
            self.values.add(other.values)

    def check(self, name: str) -> None:
        """Raise ConservationError unless the counts add up."""
        if self.kind == "Trend":
            values = self.values.count if self.values is not None else 0
            law(f"{name}: one value per sample", values, self.samples)
        if self.passed > self.samples:
            raise ConservationError(f"{name}: {self.passed} passed of {self.samples} samples")
        if self.least > self.greatest:
            raise ConservationError(f"{name}: its least value is above its greatest")


class ToolThreshold(Wire):
    """A threshold of the script, as the script has it; it is judged over all workers."""

    metric: MetricKey
    """The metric, with its selector."""
    source: str = Field(min_length=1, max_length=MAX_SOURCE)
    """The expression: ``p(95)<500``."""
    abort: bool = False
    """Whether a miss ends the load."""
    delay: Count = 0
    """With ``abort``: ns after T0 before which no miss ends it."""


class ToolCheck(Wire):
    """How often a check of the script held."""

    passed: Count = 0
    failed: Count = 0


class ScriptRecord(Wire):
    """Everything known about the tool of one worker, or by :meth:`add` of all."""

    tool: str = Field(max_length=32)
    versions: list[ToolText] = Field(default=[], max_length=MAX_KINDS)
    """Versions of the tool; more than one: the workers differ."""
    files: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(
        default=[], max_length=MAX_KINDS
    )
    """SHA-256 of the script's files; more than one: the workers differ."""
    failures: list[Failure] = Field(default=[], max_length=MAX_KINDS)
    """How the tool failed, in one sentence each; empty: it ended as it should."""
    terminated: Count = 0
    """How many workers a signal ended: what the script still had to do there is not known."""
    unreadable: Count = 0
    """Rows of samples that could not be read."""
    shed: Count = 0
    """Rows that were not read, because the worker could not keep up."""
    shed_seconds: list[Count] = Field(default=[], max_length=MAX_SHED_SECONDS)
    """The seconds after T0 in which rows were shed, ascending."""
    dropped_iterations: Count = 0
    """Iterations that the tool could not start when they were due."""
    vus_max: Count = 0
    """The most users at the same time; of several workers the sum of each one's."""
    metrics: dict[MetricKey, ToolMetric] = Field(default={}, max_length=MAX_METRICS)
    checks: dict[ToolText, ToolCheck] = Field(default={}, max_length=MAX_CHECKS)
    thresholds: list[ToolThreshold] = Field(default=[], max_length=MAX_THRESHOLDS)
    left_out: Count = 0
    """Samples of metrics and checks beyond these bounds."""
    renamed: Count = 0
    """Requests that were counted under ``Other``, because there were too many names."""

    def add(self, other: "ScriptRecord") -> None:
        """Add another worker."""
        for name in ("versions", "files", "failures"):
            both = sorted({*getattr(self, name), *getattr(other, name)})
            setattr(self, name, both[:MAX_KINDS])
        seconds = sorted({*self.shed_seconds, *other.shed_seconds})
        self.shed_seconds = seconds[:MAX_SHED_SECONDS]
        counts = (
            "terminated",
            "unreadable",
            "shed",
            "dropped_iterations",
            "vus_max",
            "left_out",
            "renamed",
        )
        add_fields(self, other, counts)
        for name, metric in other.metrics.items():
            if self.left_out_of(self.metrics, MAX_METRICS, name, metric.samples):
                continue
            known = self.metrics.setdefault(name, ToolMetric(kind=metric.kind))
            known.add(metric)
        for name, check in other.checks.items():
            if not self.left_out_of(self.checks, MAX_CHECKS, name, check.passed + check.failed):
                add_fields(self.checks.setdefault(name, ToolCheck()), check, ("passed", "failed"))
        self.thresholds = self.thresholds or list(other.thresholds)

    def left_out_of(self, known: Mapping[str, T], most: int, name: str, samples: int) -> bool:
        """Whether there is no room for ``name``; its samples are then counted as left out."""
        if name in known or len(known) < most:
            return False
        self.left_out += samples
        return True

    def check(self) -> None:
        """Raise ConservationError unless the counts add up."""
        for name, metric in self.metrics.items():
            metric.check(name)

    def histograms(self) -> Iterable[Histogram]:
        """The histograms of all metrics."""
        return [one.values for one in self.metrics.values() if one.values is not None]


def files_hash(digests: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) of a script's files: of the SHA-256 of each, by its path below their folder."""
    whole = hashlib.sha256()
    for name in sorted(digests):
        path = name.encode("utf-8", "surrogateescape")
        whole.update(b"%d %s %s\n" % (len(path), path, digests[name].hex().encode()))
    return whole.hexdigest()


def fold_surplus(phase: PhaseRecord) -> int:
    """Count steps beyond :data:`MAX_STEPS` as one step ``Other`` of their scenario; returns how
    many requests that were."""
    surplus = [step for step in phase.steps if step.step != OTHER][MAX_STEPS:]
    names = {(step.scenario, step.step) for step in surplus}
    phase.steps = [step for step in phase.steps if (step.scenario, step.step) not in names]
    others = {step.scenario: step for step in phase.steps if step.step == OTHER}
    for step in surplus:
        if (into := others.get(step.scenario)) is None:
            into = others[step.scenario] = StepRecord(scenario=step.scenario, step=OTHER)
            phase.steps.append(into)
        into.add(step)
    return sum(step.sent for step in surplus)


def check_script_phase(raw: Any) -> None:
    """Raise ValueError for more steps or scenarios than a script may have, or one that occurs
    twice. The names are the script's."""
    if raw.get("picture") is not None:
        raise ValueError("a report of a script with a picture")
    named = [(record["scenario"], record["step"]) for record in raw["steps"]]
    scenarios = [record["scenario"] for record in raw["scenarios"]]
    if len(set(named)) < len(named) or len(set(scenarios)) < len(scenarios):
        raise ValueError("a report with steps that occur twice")
    if sum(step != OTHER for _, step in named) > MAX_STEPS:
        raise ValueError(f"a report of a script with more than {MAX_STEPS} steps")
    if len({*scenarios, *(scenario for scenario, _ in named)}) > MAX_SCENARIOS:
        raise ValueError(f"a report of a script with more than {MAX_SCENARIOS} scenarios")
