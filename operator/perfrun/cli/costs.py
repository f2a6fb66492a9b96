"""The cost of a test: its load in words, and what its schedule adds up to in a day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from perfrun.api.quantities import NS_PER_S, format_exact_duration, format_rate
from perfrun.api.test.perftest import PerfTest
from perfrun.logic.plan.capacity import most_holds
from perfrun.logic.plan.run_plan import (
    load_end,
    longest_search,
    make_plan,
    planned,
    planned_user_time,
)
from perfrun.logic.schedule.due import ticks
from perfrun.measure.plan import RunPlan

_DAYS = 28
"""The period over which runs per day are averaged: whole weeks, whatever the weekday fields say."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An amount; ``at_most`` if only an upper bound is known in advance."""

    value: float
    at_most: bool = False

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value + other.value, self.at_most or other.at_most)

    def times(self, factor: float) -> "Estimate":
        """A multiple of it."""
        return Estimate(self.value * factor, self.at_most)

    def text(self, form: str) -> str:
        """``at most 90000``."""
        return f"{'at most ' if self.at_most else ''}{self.value:{form}}"


@dataclass(frozen=True, slots=True)
class Daily:
    """The average daily cost of a scheduled test."""

    runs: float
    requests: Estimate | None
    """None: as many as the target answers."""
    core_hours: Estimate | None
    """Of the load; None: until the last answer."""

    def words(self) -> Iterator[str]:
        """The parts of a sentence."""
        yield _per_day(f"{self.runs:.4g}", "run")
        if self.requests is None:
            yield "as many requests as the target answers"
        else:
            yield _per_day(self.requests.text(".0f"), "request")
        if self.core_hours is not None:
            yield _per_day(self.core_hours.text(".3g"), "core-hour")


def load_words(plan: RunPlan) -> Iterator[str]:
    """A load, in parts of a sentence."""
    load, end = plan.load, load_end(plan)
    if plan.target.benchmark is not None:
        yield f"a command of up to {format_exact_duration(plan.target.timeout)}"
        return
    if load.burst is not None:
        yield f"burst of {planned(plan)} iterations, {load.burst.concurrency} at a time"
    elif load.closed is not None:
        yield f"up to {max(stage.users for stage in load.closed.levels())} users"
    elif load.capacity is not None:
        first, last = format_rate(load.capacity.from_), format_rate(load.capacity.to)
        hold = format_exact_duration(load.capacity.hold)
        yield f"search from {first} to {last}, at most {most_holds(load.capacity)} holds of {hold}"
    elif load.max_duration is not None:
        yield f"a script of up to {format_exact_duration(load.max_duration)}"
    else:
        yield f"{planned(plan)} iterations"
    if end is not None:
        yield f"{format_exact_duration(end)} of load"
    yield f"{load.workers} worker{'s' if load.workers > 1 else ''}"


def plan_of(test: PerfTest) -> RunPlan:
    """The plan that a run of it would get."""
    name = test.metadata.name
    return make_plan(test.spec, uid="", namespace=test.metadata.namespace, test=name, run=name)


def daily(test: PerfTest, plan: RunPlan, now: datetime) -> Daily | None:
    """The daily cost of its schedule; None without one."""
    if test.spec.schedule is None:
        return None
    end = now + timedelta(days=_DAYS)
    # Lazily: there may be a tick a minute.
    runs = 0
    for tick in ticks(test.spec.schedule, now):
        if tick > end:
            break
        runs += 1
    a_day = runs / _DAYS
    requests, hours = _requests(plan), _core_hours(plan)
    return Daily(
        a_day,
        None if requests is None else requests.times(a_day),
        None if hours is None else hours.times(a_day),
    )


def total_words(tests: Sequence[Daily | None]) -> Iterator[str]:
    """All tests together, in parts of a sentence."""
    scheduled = [one for one in tests if one is not None]
    yield f"{len(tests)} tests"
    if not scheduled:
        yield "none of them scheduled"
        return
    yield f"{len(scheduled)} of them scheduled"
    yield _per_day(f"{sum(one.runs for one in scheduled):.4g}", "run")
    yield from _sum([one.requests for one in scheduled], "request", ".0f")
    yield from _sum([one.core_hours for one in scheduled], "core-hour", ".3g")


def _per_day(number: str, what: str) -> str:
    """``1 run per day``, ``at most 2 runs per day``."""
    return f"{number} {what}{'' if number == '1' else 's'} per day"


def _sum(amounts: Sequence[Estimate | None], what: str, form: str) -> Iterator[str]:
    known = [one for one in amounts if one is not None]
    if known:
        words = _per_day(sum(known, Estimate(0)).text(form), what)
        unknown = len(amounts) - len(known)
        tests = f"{unknown} test{'s' if unknown > 1 else ''}"
        yield f"{words} (not counting {tests} with an unknown number)" if unknown else words


def _requests(plan: RunPlan) -> Estimate | None:
    """Requests of one run, including setup and teardown; retries, redirects and what a script sends
    are not known in advance.
    """
    if plan.target.script is not None:
        return None
    around = len(plan.setup) + len(plan.teardown)
    each, load = _mean_steps(plan), plan.load
    if load.burst is not None or load.open is not None:
        return Estimate(planned(plan) * each + around)
    if load.capacity is not None:
        seconds = load.capacity.hold / NS_PER_S * most_holds(load.capacity)
        return Estimate(load.capacity.to * seconds * each + around, at_most=True)
    assert load.closed is not None
    pause = _mean_pause(plan)
    if not pause:
        return None
    users = max(stage.users for stage in load.closed.levels())
    # If the target answers at once, only the pauses remain; the first iteration comes before any
    # pause.
    iterations = planned_user_time(plan) / pause + users
    return Estimate(iterations * each + around, at_most=True)


def _core_hours(plan: RunPlan) -> Estimate | None:
    """Core-hours of one run; None for a burst, which lasts until its last answer."""
    end, capacity = load_end(plan), plan.load.capacity
    length = longest_search(capacity) if capacity is not None else end or plan.load.max_duration
    if length is None:
        return None
    hours = length / NS_PER_S / 3600 * plan.load.workers
    return Estimate(hours, at_most=end is None)


def _mean_steps(plan: RunPlan) -> float:
    """Average number of requests in an iteration, by the weights of the scenarios."""
    weights = sum(scenario.weight for scenario in plan.scenarios)
    return sum(len(scenario.steps) * scenario.weight for scenario in plan.scenarios) / weights


def _mean_pause(plan: RunPlan) -> float:
    """ns that a user of a closed load pauses in and after an iteration, on average."""
    assert plan.load.closed is not None
    weights = sum(scenario.weight for scenario in plan.scenarios)
    inside = sum(
        sum(step.think_time or 0 for step in scenario.steps) * scenario.weight
        for scenario in plan.scenarios
    )
    return inside / weights + (plan.load.closed.think_time or 0)
