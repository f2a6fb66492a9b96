"""What readers share: how a number is taken from a document that may hold anything."""

from collections.abc import Mapping
from typing import Any

from perfrun.measure.benchmark import MAX_NAME, MAX_VALUE, Benchmark
from perfrun.reach.foreign import foreign


class ResultsError(Exception):
    """The results are not in the form that they should have; the message says what is wrong."""


def benchmark(name: str, found: Mapping[str, Any], units: Mapping[str, float]) -> Benchmark | None:
    """The statistics of ``found`` that ``units`` names, each multiplied by its factor there.

    What is no number, or one beyond ``MAX_VALUE``, is left out; None where nothing is left. A
    long name is cut short, and what in it is not Unicode is ``?``.
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
        if abs(value) <= MAX_VALUE:  # never so for NaN
            values[statistic] = value
    return (
        Benchmark(name=foreign(_told(name), MAX_NAME), values=values) if values and name else None
    )


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """``value`` as a mapping. Raises ResultsError that says where it should have been one."""
    if not isinstance(value, dict):
        raise ResultsError(f"{_told(where)} is no mapping")
    return value


def _told(text: str) -> str:
    """Of a document: JSON may have halves of characters, which no message of ours may."""
    return text.encode("utf-8", "replace").decode()
