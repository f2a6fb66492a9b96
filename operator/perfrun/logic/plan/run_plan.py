"""From a spec to the plan of a run, and what follows from a plan: counts, times, hashes."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from perfrun.api.test.commands.benchmark import COMMAND_STEP
from perfrun.api.test.load import Capacity, Open
from perfrun.api.test.scenario import DEFAULT_STEP, Scenario, Step, default_scenarios
from perfrun.logic.plan.capacity import most_holds
from perfrun.logic.plan.names import short_hash
from perfrun.logic.plan.shape import NS, Shape, count_arrivals, share, user_time
from perfrun.measure.observed import MAX_POINTS
from perfrun.measure.plan import NetworkRule, RunPlan

if TYPE_CHECKING:  # workers have a plan, but no spec
    from perfrun.api.test.perftest import PerfTestSpec

MIN_GRACE = 30 * NS
STOP_GRACE = 5 * NS
"""How long running iterations may continue when a load is stopped."""
MAX_BURST = 3600 * NS
DELIVERY = 30 * NS
"""How long a worker may take, after everything is over, to deliver its report."""
CLEAN_UP_START = 60 * NS
"""How long a pod that only runs the teardown may take to start, and to report."""
HOLD_GRACE = 5 * NS
"""How long running iterations may continue after a hold: the next one begins with an idle target.
"""
HOLD_LEAD = 2 * NS
"""From the announcement of a hold to its start: each worker asks once a second."""
HOLD_REPORTS = 20 * NS
"""How long to wait for the reports of a hold, after the last iteration may have ended."""
SEARCH_AWAY = 120 * NS
"""How long a worker waits for the next hold if the coordinator does not answer."""

MIN_PERIOD = 2 * NS
SPARE_POINTS = 20
"""Points of an observation before T0 and after the end."""

MEASURED = ("target", "scenarios", "variables", "feeds", "setup", "load")
"""What in a test affects its figures, except for:"""
NOT_MEASURED_OF_LOAD = ("stopWhen", "minCoverage", "onWorkerLoss", "startTimeout")


def make_plan(
    spec: "PerfTestSpec",
    *,
    uid: str,
    namespace: str,
    test: str,
    run: str,
    network: Sequence[NetworkRule] = (),
    script_hash: str | None = None,
) -> RunPlan:
    """Create the plan that every worker of the run ``uid`` receives."""
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
        script_hash=script_hash,
        observe=spec.observe or [],
        network=list(network),
    )


def scenarios_of(spec: "PerfTestSpec") -> list[Scenario]:
    """The scenarios that run: those of the spec, or the default one. What a script has is known
    only when it has run."""
    if spec.target.script is not None:
        return []
    if spec.scenarios is not None:
        return spec.scenarios
    return default_scenarios(DEFAULT_STEP if spec.target.benchmark is None else COMMAND_STEP)


def planned(plan: RunPlan, until: int | None = None) -> int:
    """How many iterations are planned over all workers before ``until`` (ns after T0).

    The number is exact for open loads (Poisson streams are replayed); for bursts it is all
    requests. Raises ValueError for a closed load, whose iterations depend on the target.
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
    """ns for which users should be active before ``until``, summed over the users of a closed load.

    Raises ValueError for other loads.
    """
    if plan.load.closed is None:
        raise ValueError("only a closed load has users")
    return user_time(plan.load, Shape.of(plan.load).end if until is None else until)


def hold_plan(plan: RunPlan, rate: float, length: int | None = None) -> RunPlan:
    """One hold of a capacity search as a separate open load of that rate, for ``length`` ns or the
    length of the search's holds.

    It is never sent. It has both ``capacity`` and ``open``, so that a reader can recognise it.
    """
    capacity = plan.load.capacity
    if capacity is None:
        raise ValueError("only a capacity search has holds")
    held = Open.model_construct(rate=rate, duration=length or capacity.hold)
    return plan.model_copy(update={"load": plan.load.model_copy(update={"open": held})})


def load_end(plan: RunPlan) -> int | None:
    """When the load ends, ns after T0; None if that is not known in advance: a burst ends with its
    last response, a capacity search with its result, a script with itself.
    """
    return Shape.of(plan.load).end if plan.load.timed else None


def grace(plan: RunPlan) -> int:
    """ns for which running iterations may continue after the load's end before they are
    censored.
    """
    return max(MIN_GRACE, plan.target.timeout)


def longest(plan: RunPlan) -> int:
    """ns after T0 by which every worker must have reported, whatever the target does."""
    return longest_load(plan) + grace(plan) + _worst_of(plan, plan.teardown) + DELIVERY


def longest_clean_up(plan: RunPlan) -> int:
    """ns that a separate pod may take for the teardown, from its creation."""
    return CLEAN_UP_START + _worst_of(plan, plan.teardown)


def longest_load(plan: RunPlan) -> int:
    """ns after T0 by which the load has ended, whatever the target does."""
    end = load_end(plan)
    if plan.load.max_duration is not None:
        return plan.load.max_duration
    if plan.load.capacity is not None:
        return longest_search(plan.load.capacity)
    if end is None:
        return min(_burst_rounds(plan) * _worst_iteration(plan), MAX_BURST)
    return end


def look_period(plan: RunPlan) -> int:
    """ns between two observations: 2 s, or more if there would be more points than are kept.

    How many there will be of a load that is to be stopped is not known: they are thinned out.
    """
    if plan.load.until_stopped:
        return MIN_PERIOD
    whole = longest_load(plan) + grace(plan)
    return max(MIN_PERIOD, -(-whole // (MAX_POINTS - SPARE_POINTS)))


def longest_search(capacity: Capacity) -> int:
    """ns that a capacity search takes at most, with the maximum number of holds."""
    around = HOLD_LEAD + HOLD_GRACE + HOLD_REPORTS
    return most_holds(capacity) * (capacity.hold + around) + SEARCH_AWAY


def what_runs_hash(spec: "PerfTestSpec") -> str:
    """Ten characters that change when what a run executes or is judged by changes."""
    return short_hash(_canonical(spec.what_runs(defaults=False)))


def comparison_key(spec: "PerfTestSpec") -> str:
    """Ten characters shared by runs whose measurements may be compared.

    They depend only on what is measured, so a changed objective keeps its history.
    """
    what = spec.what_runs(defaults=False)
    measured = {name: what[name] for name in MEASURED if name in what}
    if "load" in measured:  # benchmarks have none
        measured["load"] = {
            name: value
            for name, value in measured["load"].items()
            if name not in NOT_MEASURED_OF_LOAD
        }
    return short_hash(_canonical(measured))


def key_with_files(key: str, files: str | None) -> str:
    """The comparison key of a run whose script has files with that hash; None: they are not known.

    Files in the image are known by the image's name, which is in ``key``.
    """
    return key if files is None else short_hash(f"{key}/{files}")


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
    """ns that an iteration takes at most: every step times out, and every pause is made."""
    return max(_worst_of(plan, scenario.steps) for scenario in plan.scenarios)


def _worst_of(plan: RunPlan, steps: Sequence[Step]) -> int:
    timeout = plan.target.timeout
    return sum(timeout + (step.think_time or 0) for step in steps)
