"""The contents of feed files: CSV with a header line, or JSON Lines."""

import csv
import io
import json
from typing import Any, NoReturn

from perfrun.api.sentence import json_problem
from perfrun.engine.data.rows import Cells
from perfrun.engine.errors import DataError

MAX_ROWS = 100_000
MAX_BYTES = 1024 * 1024
"""Maximum size of a feed; a Secret or ConfigMap cannot be larger."""


class Table:
    """The rows of a CSV file. Raises DataError that names ``where`` and the line at fault."""

    def __init__(self, text: str, where: str) -> None:
        header, *rows = _read_csv(text, where)
        self.rows = len(rows)
        self._columns = {name: [row[at] for row in rows] for at, name in enumerate(header)}

    def column(self, name: str, where: str) -> Cells:
        """A column. Raises DataError if there is no such column."""
        if name not in self._columns:
            raise DataError(f"{where} has no column {name}; it has: {', '.join(self._columns)}")
        return self._columns[name].__getitem__


class JsonLines:
    """The objects of a JSON Lines file. Raises DataError that names ``where`` and the line."""

    def __init__(self, text: str, where: str) -> None:
        self._objects = _read_lines(text, where)
        self.rows = len(self._objects)

    def column(self, name: str, where: str) -> Cells:
        """The values at a path of keys with dots between them; values that are not strings as JSON.

        Raises DataError if a line has none.
        """
        path = name.split(".")
        return [_at(line, found, path, where) for line, found in self._objects].__getitem__


def _read_csv(text: str, where: str) -> list[list[str]]:
    """The header and the rows, all as long as the header."""

    def refuse(what: str) -> NoReturn:
        raise DataError(f"{where}: {what}")

    csv.field_size_limit(MAX_BYTES)  # otherwise 128 KiB
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    table: list[list[str]] = []
    try:
        for row in reader:
            if not row:
                continue  # an empty line
            if table and len(row) != len(table[0]):
                refuse(f"line {reader.line_num} has {len(row)} cells, the header {len(table[0])}")
            if len(table) > MAX_ROWS:
                refuse(f"has more than {MAX_ROWS} rows")
            table.append(row)
    except csv.Error as error:
        refuse(f"line {reader.line_num} is not CSV: {error}")
    if len(table) < 2:
        refuse("must have a header line and at least one row")
    header = [name.strip() for name in table[0]]
    if "" in header or len(set(header)) < len(header):
        refuse("the columns must have different names in the header line")
    return [header, *table[1:]]


def _read_lines(text: str, where: str) -> list[tuple[int, dict[str, Any]]]:
    """The objects, all with the same keys, and their line numbers."""
    found: list[tuple[int, dict[str, Any]]] = []
    # Not splitlines(): a string may contain other characters that it treats as line ends.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue  # an empty line
        if len(found) == MAX_ROWS:
            raise DataError(f"{where}: has more than {MAX_ROWS} rows")
        one = _read_object(line, f"{where}: line {number}")
        if found and (strange := sorted(one.keys() ^ found[0][1].keys())):
            first, key = found[0][0], strange[0]
            has, lacks = (number, first) if key in one else (first, number)
            raise DataError(
                f"{where}: line {has} has the key {key}, but line {lacks} does not: all lines must "
                "have the same keys"
            )
        found.append((number, one))
    if not found:
        raise DataError(f"{where}: must have at least one line with an object")
    return found


def _read_object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line, object_pairs_hook=_once_each, parse_constant=_refuse)
        _as_text(value).encode()
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {_why(error)}") from error
    if not isinstance(value, dict):
        raise DataError(f'{where} is not an object: each line is one, as in {{"id": 1}}')
    return value


def _why(error: Exception) -> str:
    """Never contains the line itself: the feed may come from a Secret."""
    match error:
        case json.JSONDecodeError():
            return f"{json_problem(error)} (character {error.colno})"
        case UnicodeEncodeError():
            return "it contains a lone surrogate, which is not a valid character"
        case RecursionError():
            return "it is nested too deeply"
    return str(error)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key} appears twice")
        found[key] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _at(line: int, value: Any, path: list[str], where: str) -> str:
    for depth, key in enumerate(path):
        if not isinstance(value, dict) or key not in value:
            name = ".".join(path[: depth + 1])
            known = f"; it has: {', '.join(value)}" if isinstance(value, dict) else ""
            raise DataError(f"{where} has no {name} in line {line}{known}")
        value = value[key]
    return value if isinstance(value, str) else _as_text(value)


def _as_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
