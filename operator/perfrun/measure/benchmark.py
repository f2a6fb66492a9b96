"""The results of a benchmark suite: the statistics of its own tool, unchanged."""

from typing import Annotated

from pydantic import AfterValidator, Field

from perfrun.api.test.metric import BENCHMARK, MEMORY_PEAK
from perfrun.measure.wire import Wire

MAX_BENCHMARKS = 500
MAX_NAME = 200
MAX_TROUBLE = 512
MAX_VALUE = 1e18
"""Largest absolute value of a statistic: 31 years in ns. Fits into the API as text and as
integer."""


def _statistic(name: str) -> str:
    if name not in BENCHMARK or name == MEMORY_PEAK:
        raise ValueError("an unknown statistic")
    return name


Statistic = Annotated[str, AfterValidator(_statistic)]
Value = Annotated[float, Field(allow_inf_nan=False, ge=-MAX_VALUE, le=MAX_VALUE)]


class Benchmark(Wire):
    """One benchmark of a suite, or one metric of k6: its statistics by their names."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    values: dict[Statistic, Value] = Field(max_length=len(BENCHMARK))
    """ns, 1/s, or a count, by :data:`perfrun.api.test.metric.BENCHMARK`."""


class BenchmarkRecord(Wire):
    """Everything known about the single run of the command."""

    benchmarks: list[Benchmark] = Field(default=[], max_length=MAX_BENCHMARKS)
    left_out: int = Field(default=0, ge=0, le=2**53)
    """Number of benchmarks that were left out: there were too many, or several with one name."""
    memory_peak: int | None = Field(default=None, ge=0, le=2**53)
    """Maximum resident memory of the command, or of one process that it waited for, in bytes."""
    failure: str | None = Field(default=None, max_length=MAX_TROUBLE)
    """How the command failed; None: it ended with exit code 0."""
    trouble: str | None = Field(default=None, max_length=MAX_TROUBLE)
    """Why there are no results, if there are none."""
