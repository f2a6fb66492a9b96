"""The table of metrics: one row for each, with everything that is special about it.

No other module quotes the name of a metric (``tests/unit/api/test/test_metric.py``): it uses the
row, or the name in the row. The code that measures a metric is with the kind of thing that it
measures.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from perfrun.api.spelling import meant
from perfrun.api.test.observe import Sort

MAX_METRIC = 40
"""Characters of a name."""


class Notation(StrEnum):
    """The notation of a metric's limit."""

    DURATION = "a duration, as in 500ms"
    RATE = "a rate, as in 100/s"
    PERCENT = "a percentage from 0% to 100%, as in 1%"
    COUNT = "a whole number"
    BYTES = "a size in bytes, as in 64Mi"
    CORES = "a number of cores, as in 800m or 1.5"
    NUMBER = "a number, as in 12 or 0.5"


class Direction(StrEnum):
    """Which direction of a metric is better."""

    LOWER = "lower is better"
    HIGHER = "higher is better"
    NEITHER = "neither is better"


class MetricSource(StrEnum):
    """Where a metric is measured."""

    LOAD = "load"
    PAGE = "page"
    OBSERVED = "observed"
    BENCHMARK = "benchmark"
    SCRIPT = "script"


class ReportPlace(NamedTuple):
    """Where reports over several runs show a metric that no objective names; 0: nowhere."""

    trend: int = 0
    """A trend shows the first of these for which it has enough runs."""
    comparison: int = 0
    """Row of a comparison, for all steps together."""
    part: bool = False
    """Whether a comparison also shows it for each step, page or benchmark."""


NOWHERE = ReportPlace()


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table."""

    name: str
    kind: Notation
    better: Direction = Direction.LOWER
    source: MetricSource = MetricSource.LOAD
    place: ReportPlace = NOWHERE
    floor: bool = False
    """Its ``min`` is a floor: it depends on the load whether it can be met at all."""
    by_scenario: bool = False
    """Counted for iterations, not requests: ``of`` names no step and no class."""
    fact: bool = False
    """It stands even if a part of the load was dropped."""
    stops: bool = False
    """``stopWhen`` may name it: ``logic/plan/stop.py`` measures it second by second."""
    journey: bool = False
    """For a scenario, it covers all steps of an iteration together."""
    planned: bool = True
    """The plan of the load determines how many samples there will be."""
    waits: int = 0
    """How often a pause of the generator can delay the duration: a latency when the request is
    started and when its response is read; a connection also in the TLS handshake.
    """

    @property
    def family(self) -> str:
        """``latency`` of ``latency.p95``; the name itself if there is only one statistic."""
        return self.name.partition(".")[0]

    @property
    def statistic(self) -> str:
        """``p95`` of ``latency.p95``."""
        return self.name.partition(".")[2]


METRICS: dict[str, Metric] = {}
"""By name, in the order of the schema."""

PAGE_WAITS = 4
"""Everything that a page loads passes through the worker (its SOCKS proxy), so a pause delays it
each time.
"""

STATISTICS = ("avg", "min", "p50", "p75", "p90", "p95", "p99", "p999", "max")
QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
MEASURE_STATISTICS = tuple(statistic for statistic in STATISTICS if statistic != "p999")


def _one(row: Metric) -> str:
    """Add a row to the table. Returns the name of the metric."""
    METRICS[row.name] = row
    return row.name


def _each(
    row: Metric, statistics: Sequence[str], places: Mapping[str, ReportPlace] | None = None
) -> str:
    """Add a row for each statistic to the table. Returns the name of the family."""
    for statistic in statistics:
        place = (places or {}).get(statistic, row.place)
        _one(replace(row, name=f"{row.name}.{statistic}", place=place))
    return row.name


# --- of the load ------------------------------------------------------------------------------

LATENCY = _each(
    Metric("latency", Notation.DURATION, stops=True, journey=True, waits=2),
    STATISTICS,
    {
        "p50": ReportPlace(trend=3, comparison=1),
        "p95": ReportPlace(trend=1, comparison=2, part=True),
        "p99": ReportPlace(trend=2, comparison=3),
        "avg": ReportPlace(comparison=4),
    },
)
SERVICE = _each(Metric("service", Notation.DURATION, waits=1), STATISTICS)
# The pool decides how many connections are opened.
CONNECT = _each(Metric("connect", Notation.DURATION, planned=False, waits=4), STATISTICS)
TTFB = _each(Metric("ttfb", Notation.DURATION, waits=1), STATISTICS)
TIMINGS = (LATENCY, SERVICE, CONNECT, TTFB)
LATENCY_P95 = f"{LATENCY}.p95"
LATENCY_MAX = f"{LATENCY}.max"

THROUGHPUT = _one(
    Metric(
        "throughput",
        Notation.RATE,
        Direction.HIGHER,
        place=ReportPlace(comparison=5),
        floor=True,
        fact=True,
    )
)
CAPACITY = _one(
    Metric("capacity", Notation.RATE, Direction.HIGHER, place=ReportPlace(trend=4, comparison=7))
)
TRANSACTIONS = _one(
    Metric("transactions", Notation.RATE, Direction.HIGHER, floor=True, by_scenario=True, fact=True)
)
SUCCESS_RATE = _one(Metric("successRate", Notation.PERCENT, Direction.HIGHER))
ERROR_RATE = _one(
    Metric("errorRate", Notation.PERCENT, place=ReportPlace(comparison=6, part=True), stops=True)
)
TIMEOUT_RATE = _one(Metric("timeoutRate", Notation.PERCENT, stops=True))
CHECK_RATE = _one(Metric("checkRate", Notation.PERCENT, Direction.HIGHER))
DROPPED = _one(Metric("dropped", Notation.COUNT, by_scenario=True, fact=True))
BYTES_RECEIVED = _one(Metric("bytes.received", Notation.BYTES, Direction.NEITHER))

# --- of pages ---------------------------------------------------------------------------------


class Measure(NamedTuple):
    """What a step measures besides its duration, once each time or not at all."""

    kind: Notation
    scale: int = 1
    """Units of a histogram (elsewhere nanoseconds) that make up one."""
    digits: int | None = None
    """Decimals that are kept; None: nanoseconds."""


MEASURES: dict[str, Measure] = {}
"""Of pages, by family."""


def _page(name: str, measure: Measure) -> str:
    MEASURES[name] = measure
    waits = PAGE_WAITS if measure.kind is Notation.DURATION else 0
    row = Metric(name, measure.kind, source=MetricSource.PAGE, waits=waits)
    return _each(row, MEASURE_STATISTICS, {"p75": ReportPlace(part=True)})


PAGE_LOAD = _page("pageLoad", Measure(Notation.DURATION))
TIME_TO_INTERACTIVE = _page("timeToInteractive", Measure(Notation.DURATION))
FIRST_CONTENTFUL_PAINT = _page("firstContentfulPaint", Measure(Notation.DURATION))
LARGEST_CONTENTFUL_PAINT = _page("largestContentfulPaint", Measure(Notation.DURATION))
TOTAL_BLOCKING_TIME = _page("totalBlockingTime", Measure(Notation.DURATION))
LAYOUT_SHIFT = _page("layoutShift", Measure(Notation.NUMBER, 1_000_000_000, 4))
CONSOLE_ERRORS = _page("consoleErrors", Measure(Notation.NUMBER, 1_000_000, 0))
REQUESTS = _page("requests", Measure(Notation.NUMBER, 1_000_000, 0))

# --- observed during the load: ``of`` names the observed thing -----------------------------------


class Observable(NamedTuple):
    """What is observed repeatedly: points over time, from which statistics are computed."""

    sort: Sort
    """Which things in ``spec.observe`` have it."""
    kind: Notation
    statistics: tuple[str, ...]
    """Empty: it is itself a statistic."""
    title: str
    """The title of its chart."""
    unit: str
    divisor: float = 1.0
    """Divides a value for the unit of the chart."""
    needed: int = 1
    """Points in the window that a statistic needs."""
    better: Direction = Direction.LOWER


CPU, MEMORY, RESTARTS = "cpu", "memory", "restarts"
CONNECTIONS, LOCKS, VALUE = "connections", "locks", "value"
_AGO = "of containers, since their pods were created"
_SESSIONS = "sessions of the database"
OBSERVABLES: dict[str, Observable] = {
    CPU: Observable("workload", Notation.CORES, ("max", "avg"), "CPU", "cores", needed=3),
    MEMORY: Observable("workload", Notation.BYTES, ("max", "growth"), "Memory", "MiB", 2**20, 3),
    RESTARTS: Observable("workload", Notation.COUNT, (), "Restarts", _AGO),
    CONNECTIONS: Observable("sql", Notation.COUNT, ("max",), "Connections", "to the database"),
    LOCKS: Observable(
        "sql", Notation.COUNT, ("max",), "Waiting for a lock", "sessions of the database"
    ),
    VALUE: Observable(
        "prometheus",
        Notation.NUMBER,
        ("max", "avg", "min"),
        "Value",
        "of the query",
        better=Direction.NEITHER,
    ),
}
"""By family, in the order of their charts."""
for _name, _its in OBSERVABLES.items():
    _row = Metric(_name, _its.kind, _its.better, MetricSource.OBSERVED, planned=False)
    if _its.statistics:
        _each(_row, _its.statistics)
    else:
        _one(_row)


def observables(sort: Sort) -> tuple[str, ...]:
    """The observables of a sort of observed things."""
    return tuple(family for family, its in OBSERVABLES.items() if its.sort == sort)


CPU_MAX, MEMORY_GROWTH = f"{CPU}.max", f"{MEMORY}.growth"

# --- of benchmarks, with the names of their tools: ``of`` names the benchmark --------------------

MEMORY_PEAK = "memory.peak"
"""Of the command itself."""
ROUNDS = "rounds"
_EACH = ReportPlace(part=True)
for _row in (  # in the order of the columns of reports
    Metric("mean", Notation.DURATION, place=_EACH),
    Metric("median", Notation.DURATION),
    Metric("avg", Notation.DURATION, place=_EACH),
    Metric("med", Notation.DURATION),
    Metric("stddev", Notation.DURATION),
    Metric("min", Notation.DURATION),
    Metric("max", Notation.DURATION),
    Metric("p90", Notation.DURATION),
    Metric("p95", Notation.DURATION, place=_EACH),
    Metric("p99", Notation.DURATION),
    Metric("p999", Notation.DURATION),
    Metric("ops", Notation.RATE, Direction.HIGHER, place=_EACH),
    Metric(ROUNDS, Notation.COUNT, Direction.NEITHER),
    Metric("rate", Notation.RATE, Direction.HIGHER, place=_EACH),
    Metric("count", Notation.COUNT, Direction.NEITHER),
    Metric("value", Notation.NUMBER, Direction.NEITHER),
    Metric("passes", Notation.COUNT, Direction.NEITHER),
    Metric("fails", Notation.COUNT),
    Metric("q1", Notation.DURATION),
    Metric("q3", Notation.DURATION),
    Metric("iqr", Notation.DURATION),
    Metric(MEMORY_PEAK, Notation.BYTES),
):
    _one(replace(_row, source=MetricSource.BENCHMARK, planned=False))


def _from(source: MetricSource) -> dict[str, Metric]:
    return {name: row for name, row in METRICS.items() if row.source is source}


OBSERVED = _from(MetricSource.OBSERVED)
BENCHMARK = _from(MetricSource.BENCHMARK)


_OF_TOOL = Metric("", Notation.NUMBER, Direction.NEITHER, MetricSource.SCRIPT, planned=False)


def row_of(metric: str) -> Metric:
    """The row of a metric. One that is not in the table is a statistic of a script's own tool, as
    in ``http_req_duration p(95)``: a number in the tool's unit.
    """
    return METRICS.get(metric, _OF_TOOL)


def subject(metric: str, of: str) -> str:
    """What a sentence is about: ``latency.p95 of list``, or the metric alone."""
    return f"{metric} of {of}" if of else metric


def direction(metric: str) -> Direction:
    """Which direction of ``metric`` is better; LOWER for one that only another version knows."""
    return METRICS[metric].better if metric in METRICS else Direction.LOWER


def nearest_metrics(name: str, known: Iterable[str]) -> str:
    """Which metrics among ``known`` may have been meant: the three nearest names, in words."""
    # The names of benchmarks are short, and so like much else.
    names = {metric.lower(): metric for metric in known if metric not in BENCHMARK}
    wanted = (f"{LATENCY}.{name}" if name in STATISTICS else name)[:MAX_METRIC].lower()
    close = meant(wanted, names.values(), most=3, likeness=0.5)
    close = close or meant(wanted, BENCHMARK, most=3, likeness=0.75)
    nearest = difflib.get_close_matches(wanted, names, n=3, cutoff=0)
    *most, last = close or (names[one] for one in nearest)
    listed = f"{', '.join(most)} or {last}" if most else last
    return f"did you mean {listed}?" if close else f"the nearest names are {listed}"
