"""A feed as templates use it: its columns by name, and which row each iteration has."""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from perfrun.engine.errors import OutOfDataError
from perfrun.engine.generate import mix

Pick = Callable[[int], int]
"""The row of an iteration, by its number in the whole run."""
Cells = Callable[[int], str]
"""What a column has in a row, by the number of the row."""
Order = Literal["Random", "Sequential", "Unique"]


class Source(Protocol):
    """Where rows come from."""

    @property
    def rows(self) -> int:
        """How many there are, at least one."""

    def column(self, name: str, where: str) -> Cells:
        """A column. Raises DataError where there is no such column, or not in every row."""


class Rows:
    """A feed that was read."""

    def __init__(self, name: str, source: Source, order: Order, salt: int) -> None:
        self._name, self._source = name, source
        self._pick = _pick(name, order, source.rows, salt)

    def column(self, name: str, where: str) -> Callable[[int, Mapping[str, str]], str]:
        """What a column gives each iteration. Raises DataError where there is no such column."""
        cells = self._source.column(name, f"{where}: the feed {self._name}")
        pick = self._pick
        return lambda number, _values: cells(pick(number))


def _pick(name: str, order: Order, rows: int, salt: int) -> Pick:
    if order == "Random":
        return lambda number: mix(salt + number) % rows
    if order == "Sequential":
        return lambda number: number % rows

    def unique(number: int) -> int:
        if number >= rows:
            raise OutOfDataError(name)
        return number

    return unique
