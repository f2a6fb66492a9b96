"""From a spec to the plan of a run, and what follows from a plan: counts, times, hashes."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from perfrun.api.test.benchmark import COMMAND_STEP
from perfrun.api.test.load import Capacity, Open
from perfrun.api.test.scenario import DEFAULT_STEP, Scenario, Step, default_scenarios
from perfrun.logic.plan.capacity import most_holds
from perfrun.logic.plan.names import short_hash
from perfrun.logic.plan.shape import NS, Shape, count_arrivals, share, user_time
from perfrun.measure.observed import MAX_POINTS
from perfrun.measure.plan import NetworkRule, RunPlan

if TYPE_CHECKING:  # workers know a plan, and no spec
    from perfrun.api.test.perftest import PerfTestSpec

MIN_GRACE = 30 * NS
STOP_GRACE = 5 * NS
"""What running iterations get at most when a load is stopped."""
MAX_BURST = 3600 * NS
DELIVERY = 30 * NS
"""What a worker gets, after everything is over, to deliver its report."""
CLEAN_UP_START = 60 * NS
"""What a pod that only runs the teardown gets to come up, and to report."""
HOLD_GRACE = 5 * NS
"""What running iterations get at most after a hold: the next one begins on a quiet target."""
HOLD_LEAD = 2 * NS
"""From when a hold is told to when it begins: each worker asks once a second."""
HOLD_REPORTS = 20 * NS
"""How long the reports of a hold are waited for, after the last iteration may have ended."""
SEARCH_AWAY = 120 * NS
"""How long a worker waits for the next hold of a coordinator that is away."""

MIN_PERIOD = 2 * NS
SPARE_POINTS = 20
"""Of an observation, before T0 and after the end."""

MEASURED = ("target", "scenarios", "variables", "feeds", "setup", "load")
"""What of a test decides about its figures, but for:"""
NOT_MEASURED_OF_LOAD = ("stopWhen", "minCoverage", "onWorkerLoss", "startTimeout")


def make_plan(
    spec: "PerfTestSpec",
    *,
    uid: str,
    namespace: str,
    test: str,
    run: str,
    network: Sequence[NetworkRule] = (),
) -> RunPlan:
    """The plan that every worker of the run ``uid`` is given."""
    return RunPlan(
        uid=uid,
        namespace=namespace,
        test=test,
        run=run,
        seed=_seed(uid),
        target=spec.target,
        variables=spec.variables,
        feeds=spec.feeds,
        setup=spec.setup,
        teardown=spec.teardown,
        scenarios=scenarios_of(spec),
        load=spec.load,
        observe=spec.observe or [],
        network=list(network),
    )


def scenarios_of(spec: "PerfTestSpec") -> list[Scenario]:
    """The scenarios that run: those of the spec, or the default one."""
    if spec.scenarios is not None:
        return spec.scenarios
    return default_scenarios(DEFAULT_STEP if spec.target.benchmark is None else COMMAND_STEP)


def planned(plan: RunPlan, until: int | None = None) -> int:
    """Iterations planned over all workers that are due before ``until`` (ns after T0).

    Open loads exactly (Poisson: the streams are replayed), bursts all their requests. Raises
    ValueError for a closed load, whose iterations depend on the target.
    """
    load = plan.load
    if load.burst is not None:
        return load.burst.requests
    if load.open is None:
        raise ValueError("how many iterations a closed load makes depends on the target")
    shape = Shape.of(load)
    until = shape.end if until is None else until
    if load.open.arrivals == "Uniform":
        return shape.count(until)
    return sum(
        count_arrivals(load, load.workers, index, plan.seed, until) for index in range(load.workers)
    )


def planned_user_time(plan: RunPlan, until: int | None = None) -> int:
    """ns in which users are to be active before ``until``, summed over the users of a closed
    load. Raises ValueError for other loads."""
    if plan.load.closed is None:
        raise ValueError("only a closed load has users")
    return user_time(plan.load, Shape.of(plan.load).end if until is None else until)


def hold_plan(plan: RunPlan, rate: float, length: int | None = None) -> RunPlan:
    """One hold of a capacity search as a load of its own: an open one of that rate, for
    ``length`` ns or as long as the search's holds are.

    Never sent: it has both ``capacity`` and ``open``, so that a reader can tell it from one.
    """
    capacity = plan.load.capacity
    if capacity is None:
        raise ValueError("only a capacity search has holds")
    held = Open.model_construct(rate=rate, duration=length or capacity.hold)
    return plan.model_copy(update={"load": plan.load.model_copy(update={"open": held})})


def load_end(plan: RunPlan) -> int | None:
    """When the load ends, ns after T0; None where that is not known before: a burst ends with its
    last response, a capacity search with what it finds."""
    return None if plan.load.open is None and plan.load.closed is None else Shape.of(plan.load).end


def grace(plan: RunPlan) -> int:
    """ns that running iterations get after the load's end before they are censored."""
    return max(MIN_GRACE, plan.target.timeout)


def longest(plan: RunPlan) -> int:
    """ns after T0 by which every worker must have reported, whatever the target does."""
    return longest_load(plan) + grace(plan) + _worst_of(plan, plan.teardown) + DELIVERY


def longest_clean_up(plan: RunPlan) -> int:
    """ns that a pod of its own gets for the teardown, from when it is asked for."""
    return CLEAN_UP_START + _worst_of(plan, plan.teardown)


def longest_load(plan: RunPlan) -> int:
    """ns after T0 by which the load has ended, whatever the target does."""
    end = load_end(plan)
    if plan.load.capacity is not None:
        return longest_search(plan.load.capacity)
    if end is None:
        return min(_burst_rounds(plan) * _worst_iteration(plan), MAX_BURST)
    return end


def look_period(plan: RunPlan) -> int:
    """ns between two looks at what is observed: 2 s, more where there would be more points than
    are kept."""
    whole = longest_load(plan) + grace(plan)
    return max(MIN_PERIOD, -(-whole // (MAX_POINTS - SPARE_POINTS)))


def longest_search(capacity: Capacity) -> int:
    """ns that a capacity search takes at most, by the most holds that it may need."""
    around = HOLD_LEAD + HOLD_GRACE + HOLD_REPORTS
    return most_holds(capacity) * (capacity.hold + around) + SEARCH_AWAY


def what_runs_hash(spec: "PerfTestSpec") -> str:
    """Ten characters that change when what a run executes or is judged by changes."""
    return short_hash(_canonical(spec.what_runs(defaults=False)))


def comparison_key(spec: "PerfTestSpec") -> str:
    """Ten characters shared by runs whose measurements may be compared.

    Only what is measured goes in: a changed objective keeps its history.
    """
    what = spec.what_runs(defaults=False)
    measured = {name: what[name] for name in MEASURED if name in what}
    if "load" in measured:  # a benchmark has none
        measured["load"] = {
            name: value
            for name, value in measured["load"].items()
            if name not in NOT_MEASURED_OF_LOAD
        }
    return short_hash(_canonical(measured))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _seed(uid: str) -> int:
    # 48 bits: exact in every JSON reader.
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:6], "big")


def _burst_rounds(plan: RunPlan) -> int:
    """How many iterations one of a worker's lanes runs at most."""
    burst, workers = plan.load.burst, plan.load.workers
    assert burst is not None
    return max(
        -(-share(burst.requests, workers, index) // share(burst.concurrency, workers, index))
        for index in range(workers)
    )


def _worst_iteration(plan: RunPlan) -> int:
    """ns that an iteration takes at most: every step times out, and every pause is kept."""
    return max(_worst_of(plan, scenario.steps) for scenario in plan.scenarios)


def _worst_of(plan: RunPlan, steps: Sequence[Step]) -> int:
    timeout = plan.target.timeout
    return sum(timeout + (step.think_time or 0) for step in steps)
