"""The load and the objectives of a draft, chosen so that every objective can be judged."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from perfrun.api import Json
from perfrun.api.quantities import format_exact_rate
from perfrun.api.test.metric import ERROR_RATE, LATENCY_P95, THROUGHPUT
from perfrun.cli.init.draft import LoadDraft, ScenarioDraft

RATE = 20.0
_NEEDED = 240
"""The samples that a p95 needs (200), and a reserve, because arrivals are random."""
_RAMP = 30
_NORMAL = 60
_MIN_HOLD = 60
_MAX_HOLD = 1800
_MAX_RATE = 100_000.0
_LATENCY = {"Read": "500ms", "Write": "1s"}


def steady(scenarios: Sequence[ScenarioDraft]) -> LoadDraft:
    """A small open load."""
    hold = _seconds_for(scenarios, RATE)
    load = {"open": {"rate": _rate(RATE), "duration": f"{hold // 60}m"}}
    notes = (
        "Iterations start at this rate whether or not earlier ones are done. Start small, and "
        "raise it to what your service must handle; capacity searches for the maximum.",
    )
    return _judged(scenarios, load, notes, RATE, RATE * hold)


def as_logged(scenarios: Sequence[ScenarioDraft], median: float, peak: float) -> LoadDraft:
    """A minute at the normal rate, then the rate of the busiest second, held."""
    median, peak = min(median, _MAX_RATE), min(peak, _MAX_RATE)
    stages: list[Json] = []
    if median < peak:
        stages.append({"rate": _rate(median), "hold": f"{_NORMAL}s"})
    hold = _seconds_for(scenarios, peak)
    ramp = _RAMP if stages else 0
    stages.append({"rate": _rate(peak), "ramp": f"{ramp}s", "hold": f"{hold}s"})
    notes = (
        f"From the log: among the seconds with requests, the median is {_rate(median)} and the "
        f"maximum {_rate(peak)}, which is used here.",
    )
    load = {"open": {"stages": stages, "arrivals": "Poisson"}}
    return _judged(scenarios, load, notes, peak, peak * hold)


def users(
    scenarios: Sequence[ScenarioDraft], number: int = 5, slos: Sequence[Json] = ()
) -> LoadDraft:
    """A few users who repeat a journey; ``slos`` are additional objectives."""
    load = {"closed": {"users": number, "duration": "2m", "thinkTime": "1s"}}
    notes = ("This many users repeat the journey at the same time.",)
    made = _judged(scenarios, load, notes, None, math.inf)
    return replace(made, slos=(*made.slos, *slos))


def ramped_users(
    scenarios: Sequence[ScenarioDraft], number: int, ramp: int, seconds: int
) -> LoadDraft:
    """A closed load: the users start within ``ramp`` seconds, and all end after ``seconds``; 0: not
    given."""
    notes = ("The users of the source." if seconds else f"CHANGE THIS: {_NO_END}.",)
    hold = max(seconds - ramp, 1) if seconds else 120
    stages = [{"users": max(number, 1), "ramp": f"{ramp}s", "hold": f"{hold}s"}]
    return _judged(scenarios, {"closed": {"stages": stages}}, notes, None, math.inf)


def burst(scenarios: Sequence[ScenarioDraft], iterations: int, users: int) -> LoadDraft:
    """A burst: this many iterations by this many users, as fast as possible."""
    number = max(iterations, 1)
    load = {"burst": {"requests": number, "concurrency": min(max(users, 1), number)}}
    notes = ("Each user of the source makes a number of iterations; these are all of them.",)
    return _judged(scenarios, load, notes, None, number)


def arriving(scenarios: Sequence[ScenarioDraft], iterations: int, seconds: int) -> LoadDraft:
    """Users who make one iteration each, and start one after the other."""
    rate = min(iterations / seconds, _MAX_RATE)
    load = {"open": {"rate": _rate(rate), "duration": f"{seconds}s"}}
    notes = (
        f"{iterations:,} users of the source begin within {seconds} s and make one iteration each.",
    )
    return _judged(scenarios, load, notes, rate, iterations)


_NO_END = "the source does not say how long the load lasts"


def _judged(
    scenarios: Sequence[ScenarioDraft],
    load: Json,
    notes: tuple[str, ...],
    rate: float | None,
    iterations: float,
) -> LoadDraft:
    """The load with its objectives, except for classes that have too few requests."""
    shares = _classes(scenarios)
    rare = frozenset(name for name, share in shares.items() if share * iterations < _NEEDED)
    if rare:
        names = " and ".join(sorted(rare))
        notes = (*notes, f"{names} requests are too rare in this load to be judged separately.")
    told = {name: share for name, share in shares.items() if name not in rare}
    return LoadDraft(load, tuple(_objectives(told, rate)), notes, rare)


def _objectives(shares: Mapping[str, float], rate: float | None) -> Iterator[Json]:
    yield {"metric": ERROR_RATE, "max": "1%", "onBreach": "Fail"}
    for name, share in shares.items():
        of = f"class/{name}"
        yield {"metric": LATENCY_P95, "of": of, "max": _LATENCY[name]}
        if rate is not None:
            # The default minimum of the class is meant for larger loads than that of a first test.
            yield {"metric": THROUGHPUT, "of": of, "min": _rate(_rounded_down(rate * share))}


def _classes(scenarios: Sequence[ScenarioDraft]) -> dict[str, float]:
    """How many requests of each class an iteration sends, on average."""
    weights = sum(scenario.weight for scenario in scenarios)
    shares: dict[str, float] = {}
    for scenario in scenarios:
        for step in scenario.steps:
            shares[step.class_] = shares.get(step.class_, 0.0) + scenario.weight / weights
    return dict(sorted(shares.items()))


def _seconds_for(scenarios: Sequence[ScenarioDraft], rate: float) -> int:
    """How long a load has to last for the percentiles of its classes, in whole minutes."""
    least = min(_classes(scenarios).values())
    needed = math.ceil(_NEEDED / (rate * least) / 60 + 0.01) * 60
    return min(max(needed, _MIN_HOLD), _MAX_HOLD)


def _rate(per_second: float) -> str:
    return format_exact_rate(per_second)


def _rounded_down(rate: float) -> float:
    """Two digits, and never more than the load reaches."""
    digits = 1 - math.floor(math.log10(rate))
    step = 10.0**-digits
    return max(math.floor(rate / step) * step, 1e-6)
