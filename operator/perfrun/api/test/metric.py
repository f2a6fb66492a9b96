"""The metrics that an objective may name, and the notation of their limits."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """In which notation the limit of a metric is written."""

    DURATION = "a duration, as in 500ms"
    RATE = "a rate, as in 100/s"
    PERCENT = "a percentage from 0% to 100%, as in 1%"
    COUNT = "a whole number"
    BYTES = "a size in bytes, as in 64Mi"
    CORES = "a number of cores, as in 800m or 1.5"
    NUMBER = "a number, as in 12 or 0.5"


class Direction(StrEnum):
    """Which way a metric is better."""

    LOWER = "lower is better"
    HIGHER = "higher is better"
    NEITHER = "neither is better"


STATISTICS = ("avg", "min", "p50", "p75", "p90", "p95", "p99", "p999", "max")
QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
TIMINGS = ("latency", "service", "connect", "ttfb")

OBSERVED: dict[str, Kind] = {
    "cpu.max": Kind.CORES,
    "cpu.avg": Kind.CORES,
    "memory.max": Kind.BYTES,
    "memory.growth": Kind.BYTES,
    "restarts": Kind.COUNT,
    "connections.max": Kind.COUNT,
    "locks.max": Kind.COUNT,
    "value.max": Kind.NUMBER,
    "value.avg": Kind.NUMBER,
    "value.min": Kind.NUMBER,
}
"""Of what is observed beside the load: ``of`` names it."""

BENCHMARK: dict[str, Kind] = {
    # pytest-benchmark
    "min": Kind.DURATION,
    "max": Kind.DURATION,
    "mean": Kind.DURATION,
    "stddev": Kind.DURATION,
    "median": Kind.DURATION,
    "q1": Kind.DURATION,
    "q3": Kind.DURATION,
    "iqr": Kind.DURATION,
    "ops": Kind.RATE,
    "rounds": Kind.COUNT,
    # k6, beside min and max
    "avg": Kind.DURATION,
    "med": Kind.DURATION,
    "p90": Kind.DURATION,
    "p95": Kind.DURATION,
    "p99": Kind.DURATION,
    "p999": Kind.DURATION,
    "rate": Kind.RATE,
    "count": Kind.COUNT,
    "passes": Kind.COUNT,
    "fails": Kind.COUNT,
    "value": Kind.NUMBER,
    # of the command itself
    "memory.peak": Kind.BYTES,
}
"""Of benchmarks, by the names that their tools give them; ``of`` names the benchmark."""


class Measure(NamedTuple):
    """What a step is measured by beside its duration, once each time or not at all."""

    kind: Kind
    scale: int = 1
    """So many units of a histogram, which are nanoseconds elsewhere, are one."""
    digits: int | None = None
    """Decimals that it is kept with; None: nanoseconds."""


MEASURES: dict[str, Measure] = {
    "pageLoad": Measure(Kind.DURATION),
    "timeToInteractive": Measure(Kind.DURATION),
    "firstContentfulPaint": Measure(Kind.DURATION),
    "largestContentfulPaint": Measure(Kind.DURATION),
    "totalBlockingTime": Measure(Kind.DURATION),
    "layoutShift": Measure(Kind.NUMBER, 1_000_000_000, 4),
    "consoleErrors": Measure(Kind.NUMBER, 1_000_000, 0),
    "requests": Measure(Kind.NUMBER, 1_000_000, 0),
}
"""Of pages. A new one is a line here, and who measures it."""
MEASURE_STATISTICS = tuple(statistic for statistic in STATISTICS if statistic != "p999")

METRICS: dict[str, Kind] = {
    **{f"{timing}.{stat}": Kind.DURATION for timing in TIMINGS for stat in STATISTICS},
    "throughput": Kind.RATE,
    "capacity": Kind.RATE,
    "transactions": Kind.RATE,
    "successRate": Kind.PERCENT,
    "errorRate": Kind.PERCENT,
    "timeoutRate": Kind.PERCENT,
    "checkRate": Kind.PERCENT,
    "dropped": Kind.COUNT,
    "bytes.received": Kind.BYTES,
    **{
        f"{name}.{stat}": measure.kind
        for name, measure in MEASURES.items()
        for stat in MEASURE_STATISTICS
    },
    **OBSERVED,
    **BENCHMARK,
}

_HIGHER = frozenset(
    {"throughput", "transactions", "capacity", "successRate", "checkRate", "ops", "rate"}
)
_NEITHER = frozenset(
    {"bytes.received", "value.max", "value.avg", "value.min", "value", "count", "rounds", "passes"}
)


def direction(metric: str) -> Direction:
    """Which way ``metric`` is better: reports and trends both go by it."""
    if metric in _HIGHER:
        return Direction.HIGHER
    return Direction.NEITHER if metric in _NEITHER else Direction.LOWER
