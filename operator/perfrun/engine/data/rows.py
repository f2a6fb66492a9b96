"""A feed as templates use it: its columns by name, and the row of each iteration."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

from perfrun.engine.data.generate import mix
from perfrun.engine.errors import OutOfDataError

Pick = Callable[[int], int]
"""The row of an iteration, by its number in the whole run."""
Cells = Callable[[int], str]
"""The value of a column, by row number."""
Order = Literal["Random", "Sequential", "Unique"]


class Use(NamedTuple):
    """How the iterations of a plan choose rows."""

    rank: Callable[[int], int] | None = None
    """The position of an iteration among those of its scenario, by its number; None: there is only
    one scenario, so position and number are the same."""
    largest_batch: int = 1
    """Rows per iteration, over all steps: batches of different iterations must not share a row."""


class RowSource(Protocol):
    """Where rows come from."""

    @property
    def rows(self) -> int:
        """Number of rows, at least one."""

    def column(self, name: str, where: str) -> Cells:
        """A column. Raises DataError if it does not exist in every row."""


class Rows:
    """A feed that was read from a file."""

    def __init__(
        self,
        name: str,
        source: RowSource,
        order: Order,
        salt: int,
        use: Use,
        *,
        secret: bool = False,
    ) -> None:
        self._name, self._source = name, source
        self.secret = secret
        """Whether they are the value of a Secret."""
        self._order, self._salt, self._use = order, salt, use
        self.batch = 1
        """Number of rows that each iteration of the step that is compiled next uses: they begin at
        its number times this."""

    def column(self, name: str, where: str) -> Callable[[int, Mapping[str, str]], str]:
        """The value of a column for each iteration. Raises DataError if the column does not
        exist."""
        cells = self._source.column(name, f"{where}: the feed {self._name}")
        pick = self._pick()
        return lambda number, _values: cells(pick(number))

    def _pick(self) -> Pick:
        rows, salt, batch, (rank, largest) = self._source.rows, self._salt, self.batch, self._use
        if self._order == "Random":
            return lambda number: mix(salt + number) % rows
        if self._order == "Unique":
            return _unique(self._name, rows, batch, largest)
        if rank is None:
            return lambda number: number % rows
        return lambda number: (rank(number // batch) * batch + number % batch) % rows


def _unique(name: str, rows: int, batch: int, largest: int) -> Pick:
    def unique(number: int) -> int:
        row = number if batch == largest else number // batch * largest + number % batch
        if row >= rows:
            raise OutOfDataError(name)
        return row

    return unique
