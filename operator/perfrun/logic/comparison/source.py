"""What a report is made of."""

from dataclasses import dataclass

from perfrun.api.run.perfrun import PerfRun
from perfrun.measure.result import RunResult


@dataclass(frozen=True, slots=True)
class Reported:
    """A finished run: its PerfRun, and all that it measured, where that is kept still."""

    run: PerfRun
    result: RunResult | None = None
