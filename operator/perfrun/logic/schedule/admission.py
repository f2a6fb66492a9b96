"""Which runs may load a target now: one at a time or as many as policies allow, in turns.

Namespaces take turns, so that thousands of waiting runs of one namespace do not delay those of
another; within a namespace the oldest run goes first. Only the heads of queues are examined.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import islice
from urllib.parse import urlsplit

from perfrun.api.names import port_of
from perfrun.api.test.perftest import Schedule
from perfrun.api.test.target import Target
from perfrun.logic.schedule.policy import Cap, NamespacePolicies
from perfrun.logic.schedule.queues import Contender, Order, Queues

QUEUE_LIMIT = timedelta(hours=1)
MAX_HEADS = 100
"""Targets of one namespace that are examined for its next turn; runs of the other targets get
theirs when they are examined themselves.
"""
BETWEEN_TARGETS = ","
"""Between the targets of a script, where they stand in one text."""


@dataclass(frozen=True)
class AdmissionRules:
    """What policies say about the runs of one namespace now."""

    per_target: int = 1
    """How many runs may load one target at once."""
    caps: tuple[Cap, ...] = ()
    """How many runs may be in progress at once in total."""
    held: str | None = None
    """Why no run may start now, whatever else runs."""

    @classmethod
    def of(cls, policies: NamespacePolicies, now: datetime) -> "AdmissionRules":
        """The rules of a namespace at a time."""
        return cls(policies.runs_per_target, tuple(policies.caps), policies.held(now))


@dataclass(frozen=True)
class Placement:
    """Where a run stands in the queue; position 0: it may start."""

    position: int = 0
    """Approximate number of turns until its own, including that one."""
    reason: str = ""
    superseded_by: str | None = None
    expired: bool = False

    @property
    def may_start(self) -> bool:
        """Whether it is its turn."""
        return self.position == 0 and self.superseded_by is None


class Admission:
    """The decisions about one state of the queues, with the rules of one moment."""

    def __init__(self, queues: Queues, rules: Callable[[str], AdmissionRules]) -> None:
        """``rules`` of a namespace; called often."""
        self._queues = queues
        self._rules = rules
        self._counted: dict[Cap, int] = {}
        """How many runs in progress count towards a cap, as far as this decision has asked."""

    def place(self, me: Contender, now: datetime, limit: timedelta = QUEUE_LIMIT) -> Placement:
        """Whether the waiting run ``me`` may start, or what it waits for."""
        self._counted.clear()
        newest = self._queues.newest_change(me.namespace, me.test)
        # Only the newest of queued changes matters: the older state is no longer deployed.
        if me.reason == "Change" and newest is not None and newest > me.order:
            return Placement(superseded_by=newest[2])
        held = self._rules(me.namespace).held
        found = (
            Placement(1 + self._older(me), held)
            if held is not None
            else self._for_its_target(me) or self._for_a_slot(me) or Placement()
        )
        return replace(found, expired=found.position > 0 and now - me.created > limit)

    def next_ones(self, most: int) -> list[Contender]:
        """The runs that may start now, as far as only the queues matter."""
        self._counted.clear()
        return list(islice(self._turns(), most))

    def is_wanted(self, me: Contender) -> bool:
        """Whether a run of another namespace could start if ``me``, which has its turn, had not
        started.
        """
        self._counted.clear()
        for namespace in self._queues.namespaces():
            if namespace == me.namespace or self._rules(namespace).held is not None:
                continue
            full, mine = self._full_caps(namespace), self._rules(me.namespace).caps
            if any(cap not in mine or self._own_share_used(cap, namespace) for cap in full):
                continue  # it would have to wait in any case
            for head in islice(self._queues.heads(namespace), MAX_HEADS):
                if not self._has_room(head, without=me.targets):
                    continue
                if full or not self._has_room(head):
                    return True
        return False

    # --- one target ----------------------------------------------------------------------------

    def _for_its_target(self, me: Contender) -> Placement | None:
        """None if its target is free for it."""
        target, namespace = me.target, me.namespace
        before = self._before_on(target, namespace, min(me.order, self._first(target, namespace)))
        mine = bisect_left(self._queues.waiting_for(target, namespace), me.order)
        ahead = mine + sum(
            min(mine + (other in before), len(self._queues.waiting_for(target, other)))
            for other in self._contending(target)
            if other != namespace
        )
        position = ahead - self._room(target, namespace) + 1
        if position <= 0:
            if self._has_room(me):
                return None
            position = 1
            target = next(one for one in me.others if self._room(one, namespace) <= 0)
        holders = self._queues.holders(target)
        if holders:
            first, doing = next(iter(holders)), "is loading"
        else:
            heads = [self._first(target, one) for one in before or [namespace]]
            first, doing = min(heads)[1:], "has priority over this run for"
        return Placement(position, f"{first[0]}/{first[1]} {doing} {target}")

    def _contending(self, target: str) -> Iterator[str]:
        """The namespaces with a run that waits only for this target."""
        return (one for one in self._queues.namespaces_at(target) if self._eligible(one))

    def _before_on(self, target: str, namespace: str, first: Order) -> set[str]:
        """The namespaces whose turn at a target comes before that of another one, whose run
        ``first`` waits.
        """
        mine = (self._queues.served_on(target, namespace), first)
        return {
            other
            for other in self._contending(target)
            if other != namespace
            and (self._queues.served_on(target, other), self._first(target, other)) < mine
        }

    def _first(self, target: str, namespace: str) -> Order:
        return self._queues.waiting_for(target, namespace)[0]

    def _room(self, target: str, namespace: str) -> int:
        """How many more runs of a namespace may load a target, given the load of others."""
        return self._rules(namespace).per_target - len(self._queues.holders(target))

    def _has_room(self, run: Contender, without: Sequence[str] = ()) -> bool:
        """Whether all its targets have room for it, if one run less loads those of ``without``."""
        return all(self._room(one, run.namespace) + (one in without) > 0 for one in run.targets)

    # --- the number of runs in all -------------------------------------------------------------

    def _for_a_slot(self, me: Contender) -> Placement | None:
        """None if one more run may start, and it is this one."""
        for cap in self._full_caps(me.namespace):
            return Placement(self._turn_of(me, cap), self._why_full(cap, me.namespace))
        caps = self._rules(me.namespace).caps
        free = {cap: cap.runs - self._in_progress(cap) for cap in caps if cap.runs is not None}
        if not free:
            return None
        for one in self._turns():
            if one.key == me.key:
                return None
            for cap in self._rules(one.namespace).caps:
                if cap in free:
                    free[cap] -= 1
            for cap, left in free.items():
                if left <= 0:
                    return Placement(self._turn_of(me, cap), self._why_full(cap, me.namespace))
        return None

    def _turns(self) -> Iterator[Contender]:
        """Runs that wait and whose target has room for them, in the order in which they start: one
        of each namespace in turn, starting with namespaces that have less than their share.
        """
        namespaces = [one for one in self._queues.namespaces() if self._eligible(one)]
        turns = [(*self._turn(one), one, self._free_heads(one)) for one in namespaces]
        heapify(turns)
        while turns:
            _, taken, served, first, namespace, heads = heappop(turns)
            if (one := next(heads, None)) is not None:
                yield one
                over = self._over(namespace, taken + 1)
                heappush(turns, (over, taken + 1, served, first, namespace, heads))

    def _free_heads(self, namespace: str) -> Iterator[Contender]:
        """The runs of a namespace that are first in line at their targets, the oldest first."""
        for one in islice(self._queues.heads(namespace), MAX_HEADS):
            room = self._room(one.target, namespace)
            first = len(self._before_on(one.target, namespace, one.order)) < room
            if first and self._has_room(one):
                yield one

    def _turn(self, namespace: str) -> tuple[bool, int, datetime, Order]:
        """When the first turn of a namespace comes: while others that have less than their share
        wait, namespaces with more come later; among equals, the one that has waited longest goes
        first.
        """
        first = self._queues.waiting_in(namespace)[0]
        return (self._over(namespace), 0, self._queues.served(namespace), first)

    def _over(self, namespace: str, more: int = 0) -> bool:
        """Whether a namespace has its share of slots, counting ``more`` additional ones."""
        in_progress = self._queues.in_progress[namespace] + more
        return any(in_progress >= cap.share for cap in self._rules(namespace).caps)

    def _eligible(self, namespace: str) -> bool:
        return self._rules(namespace).held is None and not self._full_caps(namespace)

    def _full_caps(self, namespace: str) -> list[Cap]:
        """The caps that allow no more runs of a namespace."""
        mine = self._queues.in_progress[namespace]
        return [
            cap
            for cap in self._rules(namespace).caps
            if (cap.per_namespace is not None and mine >= cap.per_namespace)
            or (cap.runs is not None and self._in_progress(cap) >= cap.runs)
        ]

    def _in_progress(self, cap: Cap) -> int:
        if cap not in self._counted:
            self._counted[cap] = sum(
                count
                for namespace, count in self._queues.in_progress.items()
                if cap in self._rules(namespace).caps
            )
        return self._counted[cap]

    def _turn_of(self, me: Contender, cap: Cap) -> int:
        """Its place among all runs that wait for a slot."""
        mine = self._older(me)
        if self._own_share_used(cap, me.namespace):
            return mine + 1
        turn = self._turn(me.namespace)
        others = (
            min(mine + (self._turn(other) < turn), len(self._queues.waiting_in(other)))
            for other in self._queues.namespaces()
            if other != me.namespace
            and cap in self._rules(other).caps
            and self._rules(other).held is None
        )
        return mine + 1 + sum(others)

    def _older(self, me: Contender) -> int:
        """How many runs of its namespace have waited longer."""
        return bisect_left(self._queues.waiting_in(me.namespace), me.order)

    def _own_share_used(self, cap: Cap, namespace: str) -> bool:
        most = cap.per_namespace
        return most is not None and self._queues.in_progress[namespace] >= most

    def _why_full(self, cap: Cap, namespace: str) -> str:
        if self._own_share_used(cap, namespace):
            return (
                f"PerfPolicy {cap.policy} allows {cap.per_namespace} runs of one namespace at the "
                f"same time (limits.runsPerNamespace), and "
                f"{self._queues.in_progress[namespace]} of {namespace} are in progress"
            )
        return (
            f"PerfPolicy {cap.policy} allows {cap.runs} runs at the same time (limits.runs), and "
            f"{self._in_progress(cap)} are in progress"
        )


def queue_limit(schedule: Schedule | None) -> timedelta:
    """How long a run of a test may wait for its turn."""
    if schedule is not None and schedule.starting_deadline_seconds is not None:
        return timedelta(seconds=schedule.starting_deadline_seconds)
    return QUEUE_LIMIT


def place_of(target: Target, namespace: str) -> str:
    """What only one run at a time may load: host:port (each one of a script), the Secret with a
    database's address, or the image of a benchmark, whose target is unknown.
    """
    if target.sql is not None:
        ref = target.sql.dsn_from.secret_key_ref
        return f"secret/{namespace}/{ref.name}/{ref.key}"
    if target.extension is not None:
        return target_key(f"//{target.extension.address}", namespace)
    if target.benchmark is not None:
        return f"image/{namespace}/{target.benchmark.image}"
    if target.script is not None:
        keys = (target_key(f"//{one}", namespace) for one in target.script.targets)
        return BETWEEN_TARGETS.join(dict.fromkeys(keys))
    assert target.url is not None
    return target_key(target.url, namespace)


def target_key(url: str, namespace: str) -> str:
    """host:port of a target, the same for all spellings of one Service.

    ``http://shop`` in namespace a, ``http://shop.a`` and ``http://SHOP.a.svc.cluster.local:80`` are
    ``shop.a:80``.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    host = host.removesuffix(".cluster.local").removesuffix(".svc")
    if "." not in host and ":" not in host and host != "localhost":
        host = f"{host}.{namespace}"
    try:
        port = port_of(parts)
    except ValueError:
        port = 0
    return f"{host}:{port}"
