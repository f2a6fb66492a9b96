"""The runs that a schedule will ask for, and which of them will not take place, and why.

A forecast: a load whose length nobody knows before (a burst, a search) is taken for short.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from perfrun.api.perftest import PerfTestSpec
from perfrun.api.quantities import NS_PER_US
from perfrun.logic.names import scheduled_run_name
from perfrun.logic.plan import load_end, make_plan
from perfrun.logic.schedule import due, ticks, zone


@dataclass(frozen=True)
class Upcoming:
    """One scheduled time."""

    tick: datetime
    """In the zone of the schedule."""
    due: datetime
    """When the run starts, jitter included; UTC."""
    run: str
    """The name of the PerfRun."""
    takes_place: bool
    notes: tuple[str, ...] = ()


def upcoming(test: str, spec: PerfTestSpec, now: datetime) -> Iterator[Upcoming]:
    """The scheduled times after ``now``, in their order; none without a schedule.

    ``spec`` has to be one that :func:`perfrun.logic.accept.check` accepts.
    """
    if spec.schedule is None:
        return
    schedule, where = spec.schedule, zone(spec.schedule.time_zone)
    length = timedelta(microseconds=(load_length(spec) or 0) / NS_PER_US)
    before, last = now.astimezone(where), None
    for tick in ticks(schedule, now):
        local, starts = tick.astimezone(where), due(schedule, test, tick)
        notes = [*_clock_change(before, local)]
        takes_place = not spec.suspend
        if spec.suspend:
            notes.append("suspended: it does not start by itself")
        elif last is not None and starts < last.due + length:
            takes_place = schedule.concurrency_policy != "Forbid"
            notes.append(_overlap(schedule.concurrency_policy, last))
        one = Upcoming(local, starts, scheduled_run_name(test, tick), takes_place, tuple(notes))
        yield one
        before = local
        if takes_place:
            last = one


def load_length(spec: PerfTestSpec) -> int | None:
    """How long the load takes at least, ns; None where nobody knows before."""
    return load_end(make_plan(spec, uid="", namespace="", test="", run=""))


def _overlap(policy: str, last: Upcoming) -> str:
    begun = f"the run of {last.tick:%H:%M} is still under way"
    match policy:
        case "Forbid":
            return f"missed: {begun}, and concurrencyPolicy is Forbid"
        case "Replace":
            return f"{begun}: it is stopped first (concurrencyPolicy Replace)"
    return f"{begun}: this one waits for its target"


def _clock_change(before: datetime, local: datetime) -> Iterator[str]:
    """A sentence where the zone's offset has changed since the time before."""
    old, new = before.utcoffset(), local.utcoffset()
    if old is None or new is None or old == new:
        return
    moved = "forward" if new > old else "back"
    at = local.astimezone(UTC).strftime("%H:%M")
    yield f"clocks have gone {moved} by {_words(abs(new - old))}: this is {at} UTC"


def _words(shift: timedelta) -> str:
    minutes = round(shift.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
