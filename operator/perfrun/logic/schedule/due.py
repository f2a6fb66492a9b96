"""When a test is due by its schedule, and what to do about it now.

The rules are those of Kubernetes' CronJob, except that a tick skipped by Forbid never fires later,
and that an edited schedule counts from its edit.
"""

import hashlib
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

from perfrun.api.test.perftest import Schedule
from perfrun.logic.plan.names import scheduled_run_name
from perfrun.logic.problems import suggestion
from perfrun.logic.schedule.cron import expanded

_FIRST_LOOK_BACK = timedelta(hours=1)
_ANY_TIME = datetime(2024, 1, 1, tzinfo=UTC)
"""The reference time for checking whether a schedule ever fires, so that the answer does not depend
on the current time.
"""


@dataclass(frozen=True)
class ScheduleFacts:
    """What is known about a scheduled test."""

    schedule: Schedule
    test: str
    suspended: bool
    since: datetime
    """The test's creation, or the last change of its schedule: earlier ticks do not count."""
    last_schedule_time: datetime | None
    """The last tick that a run was started for."""
    active: Sequence[str]
    """The names of its scheduled runs that are not done, including queued ones."""
    last_missed: datetime | None = None
    """The last tick recorded as missed; it and all earlier ones are settled."""


@dataclass(frozen=True)
class ScheduleDecision:
    """What to do about a schedule now."""

    start: datetime | None = None
    """The tick to run now; it names the run and is its scheduledTime."""
    missed: tuple[datetime, str] | None = None
    """A tick that is not run, and why: recorded once."""
    replace: bool = False
    """Stop the active runs first."""
    next: datetime | None = None
    """When the next run is due, jitter included: nextScheduleTime, and when to decide again."""


def decide(facts: ScheduleFacts, now: datetime) -> ScheduleDecision:
    """What the schedule requires at ``now``. All times have a zone; results are in UTC."""
    if facts.suspended:
        return ScheduleDecision()
    schedule = facts.schedule
    later = jitter(schedule, facts.test)
    upcoming = next_tick(schedule, now - later)
    following = None if upcoming is None else upcoming + later
    tick = latest_tick(schedule, _settled_until(facts), now - later)
    if tick is None:
        return ScheduleDecision(next=following)
    if scheduled_run_name(facts.test, tick) in facts.active:
        # It was started, and the operator was killed before recording that: it must not block
        # itself. Starting it again gives the same name.
        return ScheduleDecision(start=tick, next=following)
    reason = _reason_to_miss(facts, tick + later, now)
    if reason is not None:
        return ScheduleDecision(missed=(tick, reason), next=following)
    replace = schedule.concurrency_policy == "Replace" and len(facts.active) > 0
    return ScheduleDecision(start=tick, replace=replace, next=following)


def next_tick(schedule: Schedule, after: datetime) -> datetime | None:
    """The first tick later than ``after``, in UTC; None if there is none in 50 years.

    Raises ValueError for a schedule that :func:`problem_with_cron` or :func:`zone` refuses.
    """
    return next(ticks(schedule, after), None)


def ticks(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """The ticks later than ``after``, ascending, in UTC."""
    last = after.astimezone(UTC)
    try:
        simulated = CronSim(expanded(schedule.cron), last.astimezone(zone(schedule.time_zone)))
    except CronSimError as error:
        raise ValueError(f"{schedule.cron!r} is not a schedule: {error}") from error
    for local in simulated:
        tick = local.astimezone(UTC)
        # In the hour that a clock change repeats, the simulation starts from the wall clock and
        # repeats the ticks of the first hour.
        if tick > last:
            last = tick
            yield tick


def latest_tick(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """The last tick in (after, until], in UTC. Its cost does not grow with the period."""
    look_back = _FIRST_LOOK_BACK
    while after < until:
        start = max(after, until - look_back)
        latest = None
        for tick in ticks(schedule, start):
            if tick > until:
                break
            latest = tick
        if latest is not None or start == after:
            return latest
        look_back *= 8
    return None


def due(schedule: Schedule, name: str, tick: datetime) -> datetime:
    """When the run of a tick starts: delayed by the jitter, which is constant for a test's name."""
    return tick + jitter(schedule, name)


def jitter(schedule: Schedule, name: str) -> timedelta:
    """How much later than its tick a run starts; constant for a test's name."""
    if not schedule.jitter_seconds:
        return timedelta()
    drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return timedelta(seconds=drawn % (schedule.jitter_seconds + 1))


def problem_with_cron(cron: str) -> str | None:
    """What is wrong with a cron expression, or None."""
    try:
        simulated = CronSim(expanded(cron), _ANY_TIME)
    except CronSimError:
        # Every field was checked: the library can only refuse a day that does not exist in any
        # month.
        return f"{cron!r} is a date that never occurs"
    except ValueError as error:
        return str(error)
    if next(simulated, None) is None:
        return f"{cron!r} is a date that never occurs"
    return None


def zone(name: str) -> tzinfo:
    """The time zone with this name. Raises ValueError, with a suggestion, if it is unknown."""
    if name in ("Etc/UTC", "UTC"):
        return UTC
    if name == "localtime":
        raise ValueError(
            "localtime is the time zone of the machine that the operator runs on: name a time zone"
        )
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        # OSError: a folder of the zone database, as in Europe. Zones of the same continent come
        # first, so that not all 600 are compared.
        zones = sorted(zoneinfo.available_timezones(), key=lambda one: (one[:3] != name[:3], one))
        hint = suggestion(name, zones)
        raise ValueError(f"{name} is not a time zone{hint}") from error


def _settled_until(facts: ScheduleFacts) -> datetime:
    known = (facts.since, facts.last_schedule_time, facts.last_missed)
    return max(moment for moment in known if moment is not None)


def _reason_to_miss(facts: ScheduleFacts, due_at: datetime, now: datetime) -> str | None:
    deadline = facts.schedule.starting_deadline_seconds
    if deadline is not None and due_at + timedelta(seconds=deadline) < now:
        late = round((now - due_at).total_seconds())
        return f"it was {late}s late, and startingDeadlineSeconds is {deadline}"
    if facts.schedule.concurrency_policy == "Forbid" and facts.active:
        return f"run {facts.active[0]} was not done yet, and concurrencyPolicy is Forbid"
    return None
