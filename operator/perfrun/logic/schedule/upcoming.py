"""The runs that schedules will start, which of them will not take place, and why.

It is a forecast: a load whose length is not known in advance (a burst, a search) counts as short,
and every other load as long as its stages say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from perfrun.api.quantities import NS_PER_US
from perfrun.api.test.perftest import PerfTest, PerfTestSpec
from perfrun.logic.plan.names import scheduled_run_name
from perfrun.logic.plan.run_plan import load_end, make_plan
from perfrun.logic.schedule.admission import AdmissionRules, place_of, queue_limit
from perfrun.logic.schedule.due import due, jitter, ticks, zone
from perfrun.logic.schedule.policy import NamespacePolicies
from perfrun.logic.schedule.queues import Contender

NoRun = Literal[
    "Suspended",
    "PolicySuspended",
    "RefusedByPolicy",
    "StillActive",
    "Replaced",
    "OutsideHours",
    "QueueExpired",
]
"""Why a scheduled time has no load: suspended by the test or a policy; refused; the previous run
was not done (Forbid); the next one came before it had started (Replace); no allowed hour, or its
target not free, in time.
"""


@dataclass
class Upcoming:
    """One scheduled time."""

    tick: datetime
    """In the zone of the schedule."""
    due: datetime
    """When the run is created, including jitter; UTC."""
    run: str
    """The name of the PerfRun."""
    reason: NoRun | None = None
    """Why it does not take place; None if it does."""
    notes: list[str] = field(default_factory=list)

    @property
    def takes_place(self) -> bool:
        """Whether there will be a load."""
        return self.reason is None

    def fail(self, reason: NoRun, note: str) -> None:
        """It does not take place."""
        self.reason = reason
        self.notes.append(note)


class ScheduledTest:
    """A scheduled test: its times, one after the other, and what applies to all of them."""

    def __init__(self, test: PerfTest, policies: NamespacePolicies, now: datetime) -> None:
        """``test`` has to be accepted by :func:`perfrun.logic.accept.spec.check`."""
        assert test.spec.schedule is not None, "only a schedule has upcoming times"
        self.name, self.schedule = test.metadata.name, test.spec.schedule
        self.policies = policies
        self.length = timedelta(microseconds=(load_length(test.spec) or 0) / NS_PER_US)
        self.limit = queue_limit(self.schedule)
        self.target = place_of(test.spec.target, test.metadata.namespace)
        self.refused = _refusal(test.spec, policies)
        """Why none of its times takes place."""
        self.next: datetime | None = None
        """When the next one is due; None if there is none."""
        self._zone = zone(self.schedule.time_zone)
        self._before = now.astimezone(self._zone)
        self.skip_to(now)

    def skip_to(self, moment: datetime) -> None:
        """Continue with what is due after ``moment``."""
        self._ticks = ticks(self.schedule, moment - jitter(self.schedule, self.name))
        self._advance()

    def take(self) -> Upcoming:
        """The next one; the line goes on to the one after it."""
        assert self.next is not None, "asked only while there is one"
        local = self._tick.astimezone(self._zone)
        taken = Upcoming(local, self.next, scheduled_run_name(self.name, self._tick))
        taken.notes += _clock_change(self._before, local)
        self._before = local
        self._advance()
        return taken

    def contender(self, one: Upcoming) -> Contender:
        """Its run as admission sees it while it waits."""
        return Contender(
            namespace=self.policies.namespace,
            name=one.run,
            test=self.name,
            reason="Scheduled",
            target=self.target,
            created=one.due,
        )

    def rules(self, now: datetime) -> AdmissionRules:
        """The rules of admission for its runs."""
        return AdmissionRules.of(self.policies, now)

    def _advance(self) -> None:
        coming = next(self._ticks, None)
        self.next = None
        if coming is not None:
            self._tick, self.next = coming, due(self.schedule, self.name, coming)


@dataclass
class Pending:
    """A run of a test that is not done: it waits for its turn, or loads its target."""

    line: ScheduledTest
    one: Upcoming
    asked: bool
    """Whether it is to be shown; others are included because they may be in its way."""
    me: Contender
    wakes: datetime
    """When something may change for it by itself: its load ends, allowed hours begin, its time is
    up.
    """
    held: str | None = None
    """Why its policies do not let it start now."""
    blocked: str = ""
    """What it waits for."""

    @property
    def expires(self) -> datetime:
        """Until when it may wait."""
        return self.one.due + self.line.limit

    def look(self, now: datetime) -> None:
        """Check whether its policies let it start now, and if not, when."""
        held, before = self.line.policies.held(now), self.held
        if held is None:
            self.wakes = self.expires
        elif before is None or now >= self.wakes:
            self.wakes = self._opening(now)
        self.held = held

    def start(self, now: datetime) -> None:
        """Its turn has come."""
        self.me = replace(self.me, turn=now)
        self.wakes = now + self.line.length
        if now > self.one.due:
            self.one.notes.append(f"waits until {clock(now, self.one.tick)}: {self.blocked}")

    def expire(self) -> None:
        """Its turn has not come in time."""
        reason: NoRun = "QueueExpired" if self.held is None else "OutsideHours"
        until = clock(self.expires, self.one.tick)
        self.one.fail(reason, f"it gets no turn until {until}: {self.blocked}")

    def _opening(self, now: datetime) -> datetime:
        """The next minute in which its policies let it start, or when it is too late for it."""
        minute = now.replace(second=0, microsecond=0)
        while (minute := minute + timedelta(minutes=1)) < self.expires:
            if self.line.policies.held(minute) is None:
                return minute
        return self.expires


def load_length(spec: PerfTestSpec) -> int | None:
    """The minimum length of the load, ns; None if it is not known in advance."""
    return load_end(make_plan(spec, uid="", namespace="", test="", run=""))


def clock(moment: datetime, beside: datetime) -> str:
    """A time of day in the zone of another one, with its day if that differs."""
    local = moment.astimezone(beside.tzinfo)
    return f"{local:%H:%M}" if local.date() == beside.date() else f"{local:%a %H:%M}"


def _refusal(spec: PerfTestSpec, policies: NamespacePolicies) -> tuple[NoRun, str] | None:
    if spec.suspend:
        return "Suspended", "suspended: it starts only on request"
    if (suspended := policies.suspended) is not None:
        return "PolicySuspended", suspended
    for problem in policies.problems(spec):
        return "RefusedByPolicy", str(problem)
    return None


def _clock_change(before: datetime, local: datetime) -> Iterator[str]:
    """A sentence if the zone's offset has changed since the previous time."""
    old, new = before.utcoffset(), local.utcoffset()
    if old is None or new is None or old == new:
        return
    moved = "forward" if new > old else "back"
    at = local.astimezone(UTC).strftime("%H:%M")
    yield f"clocks have gone {moved} by {_words(abs(new - old))}: this is {at} UTC"


def _words(shift: timedelta) -> str:
    minutes = round(shift.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
