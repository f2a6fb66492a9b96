"""What readers share: how a number is taken from a document that may hold anything."""

import math
from collections.abc import Mapping
from typing import Any

from perfrun.measure.benchmark import MOST_NAME, Benchmark


class ResultsError(Exception):
    """The results are not in the form that they should have; the message says what is wrong."""


def benchmark(name: str, found: Mapping[str, Any], units: Mapping[str, float]) -> Benchmark | None:
    """The statistics of ``found`` that ``units`` names, each multiplied by its factor there.

    What is no finite number is left out; None where nothing is left. A long name is cut short.
    """
    values = {}
    for statistic, factor in units.items():
        number = found.get(statistic)
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        try:
            value = float(number) * factor
        except OverflowError:  # a whole number beyond all floats
            continue
        if math.isfinite(value):
            values[statistic] = value
    return Benchmark(name=name[:MOST_NAME], values=values) if values and name else None


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """``value`` as a mapping. Raises ResultsError that says where it should have been one."""
    if not isinstance(value, dict):
        raise ResultsError(f"{where} is no mapping")
    return value
