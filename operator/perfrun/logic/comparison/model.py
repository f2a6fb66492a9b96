"""What is compared, and what a comparison says; :mod:`perfrun.logic.comparison.compare` creates
one.

The unit is the run. Samples within a run are not independent, so nothing here uses them: for two
runs there is a difference but no test; for two groups of runs there is a test. Texts are ready to
be shown, but not escaped, because names come from users.
"""

from dataclasses import dataclass
from enum import StrEnum

from perfrun.api.run.perfrun import PerfRun, Verdict
from perfrun.api.test.metric import Direction, Notation
from perfrun.measure.result import RunResult

NO_FIGURE = "n/a"
"""In the place of a figure that is not there, for people."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A finished run: its PerfRun, and its full result if that is still kept."""

    run: PerfRun
    result: RunResult | None = None


class Group(StrEnum):
    """Which side of the comparison a run is on."""

    BASELINE = "baseline"
    COMPARED = "compared"


class Tone(StrEnum):
    """What a change means."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    NEUTRAL = "neutral"
    """Different, but neither better nor worse."""


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One run. Columns are in the order of the runs as given, those of the baseline first."""

    name: str
    test: str
    """``namespace/test``."""
    group: Group
    verdict: Verdict | None
    started: str | None
    doubt: str | None
    """Why its figures prove nothing, as a sentence without its subject."""
    counted: bool
    """Whether it counts in statistics. All runs are shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two values of a metric: relative, or in points for ratios and counts."""

    value: float
    """0.07 is 7% more; for a ratio, for a count, or if a value is 0: the plain difference."""
    relative: bool
    text: str
    """``+7.2%``, ``x12``, ``-0.3 points``, ``+12``."""
    tone: Tone


@dataclass(frozen=True, slots=True)
class Cell:
    """A metric in one run."""

    text: str
    """As measured: ``612ms``, ``≥5s``; ``n/a`` if there is no figure."""
    value: float | None
    """In the unit of the metric (ns, 1/s, ratio, bytes); None where it is not known exactly."""
    change: Change | None
    """Compared with the first column; None there, in groups, and if one of the two is not known."""


@dataclass(frozen=True, slots=True)
class Side:
    """A metric in a group of runs."""

    values: tuple[float, ...]
    """Of the runs that count and have a known value."""
    median: float
    text: str
    """Of the median."""
    spread: str
    """``28.9ms to 31.2ms``: the smallest and the greatest."""


class Shown(StrEnum):
    """What the statistics of a metric show."""

    DIFFERENT = "different"
    NOT_SHOWN = "not shown"
    TOO_FEW = "too few runs"


@dataclass(frozen=True, slots=True)
class Statistics:
    """A metric in two groups of runs."""

    baseline: Side
    compared: Side
    change: Change
    """The Hodges-Lehmann shift."""
    p: float | None
    """Of the exact two-sided Mann-Whitney test; None if a single run is compared with the spread of
    ten or more.
    """
    interval: str | None
    """``+3.1% to +11%``: the interval of the shift, with 99% confidence; None if it is not known.
    """
    smallest: str | None
    """``4.2%``: the smallest change that could have been shown; None: too few runs."""
    shown: Shown
    sentence: str


@dataclass(frozen=True, slots=True)
class Row:
    """A metric in all runs."""

    name: str
    """``latency.p95 of list``."""
    metric: str
    of: str
    """A step, scenario or class; empty: all steps."""
    kind: Notation
    direction: Direction
    objective: bool
    """Whether one of the runs was judged by it."""
    cells: tuple[Cell, ...]
    """One for each column."""
    statistics: Statistics | None
    """None unless two groups were compared and both have a value."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a page or a table of a comparison shows."""

    title: str
    grouped: bool
    """Two groups, compared by statistics; otherwise runs, each compared with the first."""
    columns: tuple[RunColumn, ...]
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    """Why a difference may not come from the target: different plans, environments, doubtful runs.
    """
    conclusion: tuple[str, ...]
    """What was found, and what such a comparison can and cannot show; the most important first."""
