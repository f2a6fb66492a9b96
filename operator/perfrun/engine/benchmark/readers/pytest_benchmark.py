"""pytest-benchmark: what ``pytest --benchmark-json=FILE`` writes. Its times are in seconds."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.benchmark.readers.form import benchmark, mapping
from perfrun.engine.command import ResultsError
from perfrun.measure.benchmark import Benchmark

_TIMES = ("min", "max", "mean", "stddev", "median", "q1", "q3", "iqr")
_UNITS = {**dict.fromkeys(_TIMES, float(NS_PER_S)), "ops": 1.0, "rounds": 1.0}


def read(document: Any) -> Iterator[Benchmark]:
    """Each benchmark by its name, or by its full name if several have the same.

    Raises ResultsError for another document.
    """
    listed = mapping(document, "the document").get("benchmarks")
    if not isinstance(listed, list):
        raise ResultsError("it has no list of benchmarks")
    found = [mapping(one, "one of the benchmarks") for one in listed]
    names = Counter(str(one.get("name")) for one in found)
    for one in found:
        name = str(one.get("name"))
        told = str(one.get("fullname")) if names[name] > 1 else name
        made = benchmark(told, mapping(one.get("stats"), f"stats of {name[:80]}"), _UNITS)
        if made is not None:
            yield made
