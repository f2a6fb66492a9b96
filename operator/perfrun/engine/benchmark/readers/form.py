"""What readers share: how to take a number from a document that may contain anything."""

from collections.abc import Mapping
from typing import Any

from perfrun.engine.command import ResultsError
from perfrun.measure.benchmark import MAX_NAME, MAX_VALUE, Benchmark
from perfrun.reach.foreign import foreign


def benchmark(name: str, found: Mapping[str, Any], units: Mapping[str, float]) -> Benchmark | None:
    """The statistics of ``found`` that ``units`` names, each multiplied by its factor there.

    Values that are not numbers, or above ``MAX_VALUE``, are left out; None if nothing is left. A
    long name is truncated, and invalid Unicode in it becomes ``?``.
    """
    values = {}
    for statistic, factor in units.items():
        number = found.get(statistic)
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        try:
            value = float(number) * factor
        except OverflowError:  # a whole number that is too large for a float
            continue
        if abs(value) <= MAX_VALUE:  # always false for NaN
            values[statistic] = value
    return (
        Benchmark(name=foreign(_printable(name), MAX_NAME), values=values)
        if values and name
        else None
    )


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """``value`` as a mapping. Raises ResultsError that says where it should have been one."""
    if not isinstance(value, dict):
        raise ResultsError(f"{_printable(where)} is not a mapping")
    return value


def _printable(text: str) -> str:
    """Text of a document without lone surrogates: JSON may contain them, messages may not."""
    return text.encode("utf-8", "replace").decode()
