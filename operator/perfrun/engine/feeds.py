"""Feeds: rows of a CSV file, one for each iteration."""

import csv
import io
from collections.abc import Callable, Mapping
from typing import NoReturn

from perfrun.api.perftest import Feed
from perfrun.engine.errors import DataError, OutOfDataError
from perfrun.engine.generate import mix
from perfrun.reach.values import Values, value_of

MOST_ROWS = 100_000
MOST_BYTES = 1024 * 1024
"""Of a feed; Kubernetes keeps no more in a Secret or ConfigMap."""

Pick = Callable[[int], int]
"""The row of an iteration, by its number in the whole run."""


class Rows:
    """A feed that was read: columns by name, and which row each iteration has."""

    def __init__(self, name: str, columns: Mapping[str, list[str]], pick: Pick) -> None:
        self._name, self._columns, self._pick = name, columns, pick

    def column(self, name: str, where: str) -> Callable[[int, Mapping[str, str]], str]:
        """What a column gives each iteration. Raises DataError where there is no such column."""
        if name not in self._columns:
            raise DataError(
                f"{where}: the feed {self._name} has no column {name}; it has: "
                f"{', '.join(self._columns)}"
            )
        cells, pick = self._columns[name], self._pick
        return lambda number, _values: cells[pick(number)]


def read_feeds(feeds: list[Feed], values: Values, seed: int) -> dict[str, Rows]:
    """All feeds of a plan by name. Raises DataError for a file that is missing or malformed."""
    return {
        feed.name: _read(feed, values, mix(seed ^ mix(place)))
        for place, feed in enumerate(feeds, start=1_000_000)
    }


def _read(feed: Feed, values: Values, salt: int) -> Rows:
    where = f"spec.feeds[{feed.name}].csvFrom"
    text, _ = value_of(feed.csv_from, values, where)
    if len(text) > MOST_BYTES:
        raise DataError(f"{where}: has more than {MOST_BYTES} characters")
    table = _table(text, where)
    header, rows = table[0], table[1:]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(header)}
    return Rows(feed.name, columns, _pick(feed, len(rows), salt))


def _table(text: str, where: str) -> list[list[str]]:
    """The header and the rows, all as long as the header."""

    def refuse(what: str) -> NoReturn:
        raise DataError(f"{where}: {what}")

    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    table: list[list[str]] = []
    try:
        for row in reader:
            if not row:
                continue  # an empty line
            if table and len(row) != len(table[0]):
                refuse(f"line {reader.line_num} has {len(row)} cells, the header {len(table[0])}")
            if len(table) > MOST_ROWS:
                refuse(f"has more than {MOST_ROWS} rows")
            table.append(row)
    except csv.Error as error:
        refuse(f"line {reader.line_num} is not CSV: {error}")
    if len(table) < 2:
        refuse("needs a header line and at least one row")
    header = [name.strip() for name in table[0]]
    if "" in header or len(set(header)) < len(header):
        refuse("every column needs a name of its own in the header line")
    return [header, *table[1:]]


def _pick(feed: Feed, rows: int, salt: int) -> Pick:
    if feed.order == "Random":
        return lambda number: mix(salt + number) % rows
    if feed.order == "Sequential":
        return lambda number: number % rows

    def unique(number: int) -> int:
        if number >= rows:
            raise OutOfDataError(feed.name)
        return number

    return unique
