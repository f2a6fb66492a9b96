"""The result of a run, for assertions: figures are numbers, in seconds, per second and ratios."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from perfrun.api.quantities import AT_LEAST, NS_PER_S, parse_duration, parse_percent, parse_rate
from perfrun.api.run.perfrun import (
    LatencyStatus,
    PerfRunStatus,
    SloStatus,
    StepStatus,
    Summary,
    Verdict,
)
from perfrun.api.sentence import printable
from perfrun.pytest_plugin.session import PerfrunWarning

_FAILED = (Verdict.FAIL, Verdict.ERROR)
_PASSED = (Verdict.PASS, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Latency:
    """Response times in seconds.

    ``nan`` if there are too few samples, ``inf`` if only a lower bound is known: neither is ever
    below a limit.
    """

    avg: float
    min: float
    p50: float
    p75: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The measurements of a step, or of all steps."""

    sent: int
    succeeded: int
    failed: int
    throughput: float
    """Successes per second."""
    success_rate: float
    """A ratio from 0 to 1, like the error rate."""
    error_rate: float
    latency: Latency
    errors: Mapping[str, int]
    """Failed requests by class."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run. ``status`` contains everything, like the object in a cluster."""

    name: str
    """Of the test, as ``namespace/name``."""
    status: PerfRunStatus
    strict: bool

    @property
    def verdict(self) -> Verdict:
        """The verdict of the run; equal to its text: ``"Pass"``."""
        assert self.status.verdict is not None
        return self.status.verdict

    @property
    def ok(self) -> bool:
        """Whether all objectives are met."""
        return self.verdict is Verdict.PASS

    @property
    def message(self) -> str:
        """The verdict as a sentence."""
        return self.status.message or ""

    @property
    def slos(self) -> list[SloStatus]:
        """Each objective with its verdict and what was measured."""
        return self.status.slos

    @property
    def figures(self) -> Figures:
        """Of all steps together."""
        return _figures(self.status.summary)

    @property
    def steps(self) -> dict[str, Figures]:
        """By the name of the step."""
        return {step.name: _figures(step) for step in self.status.steps}

    @property
    def latency(self) -> Latency:
        """Response times of all requests, in seconds."""
        return self.figures.latency

    @property
    def throughput(self) -> float:
        """Successful requests per second."""
        return self.figures.throughput

    @property
    def error_rate(self) -> float:
        """Failed requests as a share of those sent, from 0 to 1."""
        return self.figures.error_rate

    @property
    def capacity(self) -> float:
        """The highest rate that met the objectives, per second; ``nan`` if there was no search."""
        summary = self.status.summary
        return _at_least(summary.capacity if summary is not None else None, parse_rate)

    def check(self, *, stacklevel: int = 2) -> None:
        """Fail the test if the run is Fail or Error; only warn of Warn and Inconclusive.

        With ``--perfrun-strict`` these fail too.
        """
        __tracebackhide__ = True
        if self.verdict in _PASSED:
            return
        if self.strict or self.verdict in _FAILED:
            pytest.fail(self.summary(), pytrace=False)
        warnings.warn(PerfrunWarning(self.summary()), stacklevel=stacklevel)

    def summary(self) -> str:
        """The verdict, and each objective and finding that contributed to it, a line each."""
        lines = [f"{self.name}: {self.verdict.value}: {self.message}"]
        lines += [
            f"  {slo.verdict.value}: {slo.message}"
            for slo in self.slos
            if slo.verdict not in _PASSED
        ]
        generator = self.status.generator
        for finding in generator.findings if generator is not None else []:
            lines.append(f"  {finding.type}: {finding.message}")
        return "\n".join(printable(line) for line in lines)


def _figures(part: Summary | StepStatus | None) -> Figures:
    """Without measurements, all figures are ``nan``."""
    if part is None:
        nothing = LatencyStatus()
        return Figures(0, 0, 0, math.nan, math.nan, math.nan, _latency(nothing), {})
    return Figures(
        sent=part.requests.sent,
        succeeded=part.requests.succeeded,
        failed=part.requests.failed,
        throughput=parse_rate(part.throughput),
        success_rate=_at_least(part.success_rate, parse_percent),
        error_rate=_exact(part.error_rate, parse_percent),
        latency=_latency(part.latency or LatencyStatus()),
        errors=part.errors,
    )


def _latency(status: LatencyStatus) -> Latency:
    texts = {name: getattr(status, name) for name in Latency.__dataclass_fields__}
    return Latency(**{name: _exact(text, _seconds) for name, text in texts.items()})


def _seconds(text: str) -> float:
    return parse_duration(text) / NS_PER_S


def _exact(text: str | None, parse: Callable[[str], float]) -> float:
    """A figure of which less is better: never less than it may have been."""
    if text is None:
        return math.nan
    return math.inf if text.startswith(AT_LEAST) else parse(text)


def _at_least(text: str | None, parse: Callable[[str], float]) -> float:
    """A figure of which more is better: for a lower bound, that bound."""
    return math.nan if text is None else parse(text.removeprefix(AT_LEAST))
