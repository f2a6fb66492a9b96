"""Which runs wait for a turn and which have it: by namespace and by target, in order. Decides
nothing.

Everything that :mod:`admission` asks is answered here without going through all runs: a tenant with
thousands of them must not slow down the decisions about another tenant's runs.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Order = tuple[datetime, str, str]
"""Oldest first; namespace and name make the order total."""
NEVER = datetime.min.replace(tzinfo=UTC)
MAX_TARGETS = 10_000
"""Targets for which the last turn is remembered; tests can name any number of them."""


@dataclass(frozen=True)
class Contender:
    """A run that is not done, as admission sees it."""

    namespace: str
    name: str
    test: str
    reason: str
    target: str
    """Where it waits for its turn."""
    created: datetime
    turn: datetime | None = None
    """Since when it has its turn; None if it waits."""
    others: tuple[str, ...] = ()
    """Further targets that it loads. It waits in one line only: two runs that each waited in both
    lines could wait for each other."""

    @property
    def targets(self) -> tuple[str, ...]:
        """All targets that it loads."""
        return (self.target, *self.others)

    @property
    def order(self) -> Order:
        """Its place among the waiting runs."""
        return (self.created, self.namespace, self.name)

    @property
    def key(self) -> tuple[str, str]:
        """What distinguishes it from others."""
        return (self.namespace, self.name)


class NamespaceQueue:
    """The waiting runs of one namespace, the oldest first."""

    def __init__(self) -> None:
        self.all: list[Order] = []
        self.heads: list[tuple[Order, str]] = []
        """The oldest run for each target, and that target; the oldest first."""
        self._by_target: dict[str, list[Order]] = {}

    def add(self, run: Contender) -> None:
        """The run begins to wait."""
        insort(self.all, run.order)
        line = self._by_target.setdefault(run.target, [])
        before = line[0] if line else None
        insort(line, run.order)
        self._see_head(run.target, before)

    def remove(self, run: Contender) -> None:
        """The run no longer waits."""
        del self.all[bisect_left(self.all, run.order)]
        line = self._by_target[run.target]
        before = line[0]
        del line[bisect_left(line, run.order)]
        self._see_head(run.target, before)
        if not line:
            del self._by_target[run.target]

    def _see_head(self, target: str, before: Order | None) -> None:
        line = self._by_target[target]
        now = line[0] if line else None
        if now == before:
            return
        if before is not None:
            del self.heads[bisect_left(self.heads, (before, target))]
        if now is not None:
            insort(self.heads, (now, target))

    def of(self, target: str) -> Sequence[Order]:
        """The runs that wait for one target."""
        return self._by_target.get(target, ())


class Queues:
    """All runs that are not done and whose target is known."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], Contender] = {}
        self._lines: dict[str, NamespaceQueue] = {}
        self._lined_up: dict[str, Counter[str]] = {}
        """By target: how many runs of each namespace wait for it."""
        self._holders: dict[str, dict[tuple[str, str], Contender]] = {}
        self._changes: dict[tuple[str, str], list[Order]] = {}
        """By namespace and test: its waiting runs with reason Change."""
        self._served: dict[str, datetime] = {}
        self._served_on: dict[str, dict[str, datetime]] = {}
        self.in_progress: Counter[str] = Counter()
        """By namespace: how many have their turn. Read only."""

    def put(self, run: Contender) -> None:
        """A run waits, or has its turn; this replaces what was known about it."""
        known = self._runs.get(run.key)
        if known == run:
            return
        if known is not None:
            self._take_out(known)
        self._runs[run.key] = run
        if run.turn is not None:
            for target in run.targets:
                self._holders.setdefault(target, {})[run.key] = run
            self.in_progress[run.namespace] += 1
            self.note_turn(run.namespace, run.target, run.turn)
            return
        self._lines.setdefault(run.namespace, NamespaceQueue()).add(run)
        self._lined_up.setdefault(run.target, Counter())[run.namespace] += 1
        if run.reason == "Change":
            insort(self._changes.setdefault((run.namespace, run.test), []), run.order)

    def drop(self, namespace: str, name: str) -> None:
        """A run is done, or gone."""
        known = self._runs.pop((namespace, name), None)
        if known is not None:
            self._take_out(known)

    def note_turn(self, namespace: str, target: str, turn: datetime) -> None:
        """Record that a run of this namespace had its turn at this time, because the next turns
        depend on it.
        """
        self._served[namespace] = max(turn, self._served.get(namespace, NEVER))
        on = self._served_on.setdefault(target, {})
        on[namespace] = max(turn, on.get(namespace, NEVER))
        if len(self._served_on) > MAX_TARGETS:
            del self._served_on[next(iter(self._served_on))]

    def _take_out(self, run: Contender) -> None:
        if run.turn is not None:
            for target in run.targets:
                del self._holders[target][run.key]
            self.in_progress[run.namespace] -= 1
            if not self.in_progress[run.namespace]:
                del self.in_progress[run.namespace]
        else:
            self._stop_waiting(run)
        for target in run.targets:
            if not self._holders.get(target):
                self._holders.pop(target, None)
                if target not in self._lined_up:
                    self._served_on.pop(target, None)  # nobody is left to take turns

    def _stop_waiting(self, run: Contender) -> None:
        line = self._lines[run.namespace]
        line.remove(run)
        if not line.all:
            del self._lines[run.namespace]
        lined_up = self._lined_up[run.target]
        lined_up[run.namespace] -= 1
        if not lined_up[run.namespace]:
            del lined_up[run.namespace]
        if not lined_up:
            del self._lined_up[run.target]
        if run.reason == "Change":
            changes = self._changes[run.namespace, run.test]
            del changes[bisect_left(changes, run.order)]
            if not changes:
                del self._changes[run.namespace, run.test]

    # --- what is asked -------------------------------------------------------------------------

    def open_in(self, namespace: str) -> int:
        """How many runs of a namespace wait or have their turn."""
        return len(self.waiting_in(namespace)) + self.in_progress[namespace]

    def waiting_in(self, namespace: str) -> Sequence[Order]:
        """The waiting runs of a namespace, the oldest first."""
        line = self._lines.get(namespace)
        return line.all if line is not None else ()

    def waiting_for(self, target: str, namespace: str) -> Sequence[Order]:
        """The runs of a namespace that wait for a target, the oldest first."""
        line = self._lines.get(namespace)
        return line.of(target) if line is not None else ()

    def heads(self, namespace: str) -> Iterator[Contender]:
        """The oldest run of a namespace that waits for each target, the oldest first."""
        line = self._lines.get(namespace)
        for (_, where, name), _ in line.heads if line is not None else ():
            yield self._runs[where, name]

    def namespaces(self) -> Iterator[str]:
        """The namespaces with a waiting run."""
        yield from self._lines

    def namespaces_at(self, target: str) -> Iterator[str]:
        """The namespaces with a run that waits for this target."""
        yield from self._lined_up.get(target, ())

    def holders(self, target: str) -> Mapping[tuple[str, str], Contender]:
        """The runs that have their turn at a target, by namespace and name."""
        return self._holders.get(target, {})

    def newest_change(self, namespace: str, test: str) -> Order | None:
        """The newest waiting run of a test with reason Change."""
        changes = self._changes.get((namespace, test))
        return changes[-1] if changes else None

    def served(self, namespace: str) -> datetime:
        """When a run of a namespace last had its turn."""
        return self._served.get(namespace, NEVER)

    def served_on(self, target: str, namespace: str) -> datetime:
        """The same for one target, since somebody began to wait for it."""
        return self._served_on.get(target, {}).get(namespace, NEVER)
