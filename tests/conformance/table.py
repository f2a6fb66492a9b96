"""What the generators said, beside the truth: for a terminal, and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tests.conformance.server import MS
from tests.conformance.truth import QUANTILES, error

Figures = Mapping[float, float]
"""ns by quantile."""
_HEADS = [f"p{q * 100:g}" for q in QUANTILES]


@dataclass(frozen=True)
class Row:
    """One generator's figures, and what they should have been; a truth has no truth beside it."""

    name: str
    version: str
    said: Figures
    truth: Figures | None = None

    def cells(self, between: str) -> list[str]:
        """Name and version, then ms and error by quantile; empty where a generator says nothing."""
        names = [self.name, self.version] if self.version else [self.name]
        return [between.join(names), *(between.join(self._figure(q)) for q in QUANTILES)]

    def _figure(self, q: float) -> list[str]:
        said = self.said.get(q)
        if said is None:
            return []
        shown = f"{said / MS:,.1f}"
        return [shown] if self.truth is None else [shown, f"({error(said, self.truth[q]):+.1%})"]


def as_table(title: str, rows: Sequence[Row]) -> Table:
    """For a terminal of 80 columns: figures in ms, errors below them."""
    table = Table(title=f"{title} (ms)", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("")
    for head in _HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row.cells("\n"))
    return table


def as_markdown(title: str, rows: Sequence[Row]) -> str:
    """For a document: figures in ms."""
    lines = [f"### {title} (ms)", "", f"| | {' | '.join(_HEADS)} |"]
    lines.append("| :-- " + "| --: " * len(_HEADS) + "|")
    lines += [f"| {' | '.join(row.cells(' '))} |" for row in rows]
    return "\n".join(lines)
