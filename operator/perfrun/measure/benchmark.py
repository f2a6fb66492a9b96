"""What a benchmark suite said of itself: the statistics of its own tool, as they are."""

from typing import Annotated

from pydantic import AfterValidator, Field

from perfrun.api.test.metric import BENCHMARK, MEMORY_PEAK
from perfrun.measure.wire import Wire

MAX_BENCHMARKS = 500
MAX_NAME = 200
MAX_TROUBLE = 512
MAX_VALUE = 1e18
"""Of any statistic, either way: 31 years in ns. Its text and its integer fit into the API."""


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
    """ns, 1/s, or as it is counted, by :data:`perfrun.api.test.metric.BENCHMARK`."""


class BenchmarkRecord(Wire):
    """All that is known of the one time that the command was run."""

    benchmarks: list[Benchmark] = Field(default=[], max_length=MAX_BENCHMARKS)
    left_out: int = Field(default=0, ge=0, le=2**53)
    """Benchmarks that are not told: there were too many, or others of the same name."""
    memory_peak: int | None = Field(default=None, ge=0, le=2**53)
    """Bytes: the most that was resident of the command, or of one process that it waited for."""
    failure: str | None = Field(default=None, max_length=MAX_TROUBLE)
    """How the command failed; None: it ended with exit code 0."""
    trouble: str | None = Field(default=None, max_length=MAX_TROUBLE)
    """Why there are no results, where there are none."""
