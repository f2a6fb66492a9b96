"""Whether a load can be generated as it is written. Checks as in ``accept``."""

from collections.abc import Iterator

from perfrun.api.quantities import format_exact_duration
from perfrun.api.test.metric import CAPACITY
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.plan.capacity import most_holds
from perfrun.logic.plan.run_plan import longest_search, scenarios_of
from perfrun.logic.plan.shape import NS, Shape
from perfrun.logic.problems import Problem
from perfrun.logic.verdict.holds import hold_objectives
from perfrun.logic.verdict.objectives import samples_needed, share

MAX_LENGTH = 24 * 3600 * NS
MAX_ITERATIONS = 1_000_000_000
MAX_ARRIVALS = 20_000_000
"""Limit for Poisson streams, which are drawn again to compute how many were planned."""
MAX_WINDOWS = 10
"""Windows of a worker's browser that cause no warning."""


def load_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Loads over time that are too long, too large or empty."""
    load = spec.load
    if load.max_duration is not None and load.max_duration > MAX_LENGTH:
        yield Problem("spec.load.maxDuration", f"must be at most {MAX_LENGTH // 3600 // NS}h")
    if not load.timed:
        return
    shape = Shape.of(load)
    field = "spec.load.open" if load.open is not None else "spec.load.closed"
    if shape.end > MAX_LENGTH:
        yield Problem(
            field,
            f"lasts {shape.end / 3600 / NS:.4g}h with its warm-up; at most "
            f"{MAX_LENGTH // 3600 // NS}h is allowed",
        )
        return  # The numbers below would not fit into 64 bits.
    if shape.area(shape.end) - shape.area(shape.warmup) <= 0:
        yield Problem(
            field, "has no load after the warm-up: set a level above 0 and a time to hold it"
        )
        return
    if load.closed is not None and shape.peak < load.workers:
        yield Problem(
            f"{field}.stages",
            f"has at most {round(shape.peak)} users for {load.workers} workers: each worker needs "
            "at least one",
        )
    if load.open is None:
        return
    if (load.open.max_in_flight or load.workers) < load.workers:
        yield Problem(
            f"{field}.maxInFlight",
            f"is less than the {load.workers} workers: each worker needs at least 1",
        )
    most = MAX_ARRIVALS if load.open.arrivals == "Poisson" else MAX_ITERATIONS
    if shape.area(shape.end) > most:
        yield Problem(
            field,
            f"plans {shape.area(shape.end):.0f} iterations; at most {most} are allowed with "
            f"{load.open.arrivals} arrivals",
        )
    elif 0 < shape.count(shape.end) == shape.count(shape.warmup):
        yield Problem(field, "has no iteration after the warm-up: increase the time or the rate")


def search_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Problems of a capacity search, and of the objectives that judge each hold."""
    capacity, field = spec.load.capacity, "spec.load.capacity"
    for index, slo in enumerate(spec.slos):
        if slo.metric != CAPACITY:
            continue
        if capacity is None:
            yield Problem(f"spec.slos[{index}]", "capacity is measured only with load.capacity")
        elif slo.of:
            yield Problem(f"spec.slos[{index}].of", "capacity is about the whole load: remove of")
    if capacity is None:
        return
    longest = longest_search(capacity)
    if longest > MAX_LENGTH:
        yield Problem(
            field,
            f"may take {most_holds(capacity)} holds, {longest / 3600 / NS:.4g}h in total; at most "
            f"{MAX_LENGTH // 3600 // NS}h is allowed: shorten hold, or choose from and to closer "
            "together",
        )
        return
    if capacity.to * capacity.hold / NS > MAX_ITERATIONS:
        yield Problem(
            f"{field}.to",
            f"has more than {MAX_ITERATIONS} iterations in a hold: lower the rate or shorten "
            "the hold",
        )
    asked = hold_objectives(spec)
    if not asked:
        yield Problem(
            "spec.slos",
            "a capacity search requires an objective to judge each rate by, as in {metric: "
            "latency.p95, max: 500ms}; objectives on capacity, throughput and transactions do not "
            "count",
        )
    iterations = capacity.from_ * capacity.hold / NS
    for objective in asked:
        samples = iterations * share(scenarios_of(spec), objective.metric, objective.of)
        needed = samples_needed(objective.metric)
        if samples < needed and objective.row.planned:
            yield Problem(
                f"{field}.from",
                f"{objective.subject} needs {needed} samples, but a hold at this rate gives only "
                f"about {samples:.0f}: increase from or hold",
            )


def late_stops(spec: PerfTestSpec) -> Iterator[Problem]:
    """Stop conditions that cannot become true before the load is over."""
    load = spec.load
    if load.capacity is not None:
        lasts: int | None = load.capacity.hold
    else:
        lasts = Shape.of(load).end if load.timed else load.max_duration
    for index, condition in enumerate(load.stop_when):
        if lasts is not None and condition.for_ > lasts:
            yield Problem(
                f"spec.load.stopWhen[{index}].for",
                f"is longer than {'a hold' if load.capacity is not None else 'the load'}, which "
                f"lasts {format_exact_duration(lasts)}: the condition can never become true",
            )


def crowded_browsers(spec: PerfTestSpec) -> Iterator[Problem]:
    """More windows at once than the core of a worker can render without distorting the
    measurement.
    """
    load = spec.load
    if spec.target.browser is None or load.capacity is not None:
        return
    if load.burst is not None:
        field, most = "burst.concurrency", load.burst.concurrency
    elif load.open is not None:
        field, most = "open.maxInFlight", load.open.in_flight_limit(load.workers)
    else:
        field, most = "closed", round(Shape.of(load).peak)
    if most > MAX_WINDOWS * load.workers:
        yield Problem(
            f"spec.load.{field}",
            f"opens {most} browser windows at the same time in {load.workers} workers: with more "
            f"than {MAX_WINDOWS} per worker, they wait for each other instead of for the target",
        )
