"""Which reader reads which form. A new form is a module of its own, and a line here."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from perfrun.api.test.benchmark import ResultsFormat
from perfrun.engine.benchmark.readers import k6, pytest_benchmark
from perfrun.measure.benchmark import Benchmark

Reader = Callable[[Any], Iterable[Benchmark]]

READERS: Mapping[ResultsFormat, Reader] = {
    "PytestBenchmark": pytest_benchmark.read,
    "K6": k6.read,
}
"""By ``results`` of the target. Each takes the parsed JSON; it raises ResultsError."""
