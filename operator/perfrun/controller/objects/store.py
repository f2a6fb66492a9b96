"""What the watches reported last: slim records, never whole objects.

Used to know what to reconcile, which runs share a target, and what is history; a decision that
creates or writes something reads the live object first.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from perfrun.api import Json
from perfrun.api.run.perfrun import PerfRun, PerfRunStatus, Phase, Reason, SloStatus, Verdict
from perfrun.api.times import parse_time
from perfrun.controller.objects.policies import PolicyRecord, policies_of
from perfrun.kube.resources import PERF_POLICIES, PERF_RUNS, PERF_TESTS
from perfrun.logic.schedule.admission import BETWEEN_TARGETS, Admission, AdmissionRules
from perfrun.logic.schedule.policy import NamespacePolicies, Policies
from perfrun.logic.schedule.queues import Contender, Queues
from perfrun.logic.verdict.outcome import TURN_DID_NOT_COME


class Key(NamedTuple):
    """The namespace and name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def namespace_of(key: Key) -> str:
    """The group by which work takes turns."""
    return key.namespace


class Missed(NamedTuple):
    """Why the turn of a run did not come."""

    reason: str
    """One of TURN_DID_NOT_COME."""
    message: str


class RunRecord(NamedTuple):
    """What is remembered about a PerfRun."""

    key: Key
    uid: str
    test: str
    reason: Reason
    phase: Phase | None
    verdict: Verdict | None
    target: str | None
    created: datetime
    completed: str | None
    scheduled_time: str | None
    revision: str | None
    has_result: bool
    slos: str | None
    """Objectives met out of those judged, as in 3/4."""
    stop: bool
    has_job: bool
    measured: bool
    """Its load began, and nobody stopped it."""
    notified: frozenset[str] = frozenset()
    """The ids of the notices about it that are settled."""
    result_bytes: int = 0
    """Size of its full result, if it is kept."""
    turn: str | None = None
    """When it last left the queue."""
    turns: int = 0
    """How often it has left the queue."""
    missed: "Missed | None" = None
    """Its turn did not come."""
    overridden: bool = False
    """It has overrides: what comes of it says nothing about the test itself."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.phase is Phase.DONE

    @property
    def holds_target(self) -> bool:
        """Whether it has left the queue and is not done, so that no other run may load
        its target.
        """
        return self.phase not in (None, Phase.QUEUED, Phase.DONE)

    def contender(self, target: str) -> Contender:
        """The run as admission sees it."""
        first, *others = target.split(BETWEEN_TARGETS)
        return Contender(
            namespace=self.key.namespace,
            name=self.key.name,
            test=self.test,
            reason=self.reason,
            target=first,
            created=self.created,
            turn=self.turn_time if self.holds_target else None,
            others=tuple(others),
        )

    @property
    def turn_time(self) -> datetime:
        """When it left the queue; its creation, if somebody has edited its status."""
        return parse_time(self.turn) if self.turn else self.created


def run_record(run: PerfRun) -> RunRecord:
    """The record of a run as it was read."""
    created = run.metadata.creation_timestamp
    assert created is not None, "objects of the API server have a creation time"
    status = run.status
    return RunRecord(
        key=Key(run.metadata.namespace, run.metadata.name),
        uid=run.metadata.uid,
        test=run.spec.test_ref.name,
        reason=run.spec.reason,
        phase=status.phase,
        verdict=status.verdict,
        target=status.target,
        created=created,
        completed=status.completion_time,
        scheduled_time=run.spec.scheduled_time,
        revision=status.revision,
        has_result=bool(status.result and status.result.config_maps),
        slos=_met(status.slos),
        stop=run.spec.stop,
        has_job=status.job is not None,
        measured=status.start_time is not None and status.stopped is None,
        notified=frozenset(status.notified),
        result_bytes=status.result.bytes if status.result else 0,
        turn=status.turn_time or status.accepted_time,
        turns=status.turns or 0,
        missed=_missed(status),
        overridden=run.spec.overrides is not None,
    )


def _missed(status: PerfRunStatus) -> Missed | None:
    for condition in status.conditions:
        if condition.type == "Complete" and condition.reason in TURN_DID_NOT_COME:
            return Missed(condition.reason, condition.message)
    return None


_PHASES = (None, *Phase)


def _order(record: RunRecord) -> tuple[int, int]:
    """Its progress; a run that queues again counts as further on."""
    requeued = record.phase is Phase.QUEUED and record.turns > 0
    return (record.turns + requeued, _PHASES.index(record.phase))


def _met(slos: list[SloStatus]) -> str | None:
    judged = [slo for slo in slos if slo.verdict is not Verdict.NOT_APPLICABLE]
    if not judged:
        return None
    return f"{sum(slo.verdict is Verdict.PASS for slo in judged)}/{len(judged)}"


@dataclass
class Store:
    """Everything that the watches have reported, by kind."""

    tests: dict[Key, str] = field(default_factory=dict)
    """The uid of each PerfTest."""
    queues: Queues = field(default_factory=Queues)
    """The runs that are not done and whose target is known."""
    api_audiences: frozenset[str] = frozenset()
    """Audiences of the API server. Set before policies are used."""
    runs: dict[Key, RunRecord] = field(default_factory=dict)
    """As read or written last, by anybody: the basis for decisions."""
    delivered: dict[Key, RunRecord] = field(default_factory=dict)
    """As the watch delivered them last: distinguishes news from what is known."""
    seen: dict[tuple[str, str], str] = field(default_factory=dict)
    """The last resourceVersion of each (kind, uid) that a watch delivered."""
    _news: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many events of each (kind, namespace) the watches have delivered."""
    _by_test: dict[Key, list[tuple[datetime, str]]] = field(default_factory=dict)
    """When each run of a test was created, and its name; the oldest first."""
    _policy_records: dict[str, PolicyRecord] = field(default_factory=dict)
    _policies: Policies | None = None
    _policies_of: dict[str, NamespacePolicies] = field(default_factory=dict)

    def put_run(self, record: RunRecord) -> None:
        """Remember a run as it was last seen; a phase never goes back, so an earlier phase is old
        news.

        An event may arrive after the answer to a later write. Using it would show a target as free
        that has just been assigned.
        """
        known = self.runs.get(record.key)
        if known is not None and known.uid == record.uid and _order(known) > _order(record):
            return
        if known is None or (known.test, known.created) != (record.test, record.created):
            self.drop_run(record.key)
            owner = Key(record.key.namespace, record.test)
            insort(self._by_test.setdefault(owner, []), (record.created, record.key.name))
        self.runs[record.key] = record
        if record.done or record.target is None:
            self.queues.drop(*record.key)
            if record.turn and record.target:
                at, turn = record.contender(record.target).target, record.turn_time
                self.queues.note_turn(record.key.namespace, at, turn)
        else:
            self.queues.put(record.contender(record.target))

    def drop_run(self, key: Key) -> None:
        """Forget a run that is gone."""
        record = self.runs.pop(key, None)
        self.queues.drop(*key)
        if record is not None:
            owner = Key(key.namespace, record.test)
            runs = self._by_test[owner]
            del runs[bisect_left(runs, (record.created, key.name))]
            if not runs:
                del self._by_test[owner]

    # --- policies ------------------------------------------------------------------------------

    def put_policy(self, name: str, record: PolicyRecord) -> None:
        """Remember a policy as it was last seen."""
        self._policy_records[name] = record
        self._forget_policies()

    def drop_policy(self, name: str) -> None:
        """Forget a policy that is gone."""
        self._policy_records.pop(name, None)
        self._forget_policies()

    def _forget_policies(self) -> None:
        self._policies = None
        self._policies_of.clear()

    def policies_of(self, namespace: str) -> NamespacePolicies:
        """The policies of a namespace, as the basis for decisions."""
        if self._policies is None:
            self._policies = policies_of(self._policy_records, self.api_audiences)
        if namespace not in self._policies_of:
            self._policies_of[namespace] = self._policies.of(namespace)
        return self._policies_of[namespace]

    def admission(self) -> Admission:
        """The decisions about the current state of the queues."""
        now, known = datetime.now(UTC), dict[str, AdmissionRules]()

        def rules(namespace: str) -> AdmissionRules:
            if namespace not in known:
                known[namespace] = AdmissionRules.of(self.policies_of(namespace), now)
            return known[namespace]

        return Admission(self.queues, rules)

    # --- objects of all kinds ------------------------------------------------------------------

    def uids(self, kind: str) -> dict[Key, str]:
        """The uid of each object of a kind that is known now."""
        if kind == PERF_POLICIES.kind:
            return {Key("", name): record.uid for name, record in self._policy_records.items()}
        if kind == PERF_TESTS.kind:
            return dict(self.tests)
        return {key: record.uid for key, record in self.runs.items()}

    def rests(self, kind: str, key: Key, uid: str, version: str) -> bool:
        """Whether an object is known in this version, and nothing is left to do: a policy, a run
        that is over, or one that waits, whose next look is planned.
        """
        if self.seen.get((kind, uid)) != version:
            return False
        if kind == PERF_POLICIES.kind:
            return True
        record = self.runs.get(key)
        if kind != PERF_RUNS.kind or record is None:
            return False
        return record.phase is Phase.QUEUED or (record.done and not record.has_job)

    def forget(self, kind: str, key: Key, uid: str) -> None:
        """Drop an object that is gone; a new one with the same name stays."""
        self.seen.pop((kind, uid), None)
        if kind == PERF_RUNS.kind:
            self.delivered.pop(key, None)
        if self._uid(kind, key) != uid:
            return
        if kind == PERF_TESTS.kind:
            del self.tests[key]
        elif kind == PERF_POLICIES.kind:
            self.drop_policy(key.name)
        else:
            self.drop_run(key)

    def _uid(self, kind: str, key: Key) -> str | None:
        if kind == PERF_TESTS.kind:
            return self.tests.get(key)
        if kind == PERF_POLICIES.kind:
            policy = self._policy_records.get(key.name)
            return policy.uid if policy is not None else None
        run = self.runs.get(key)
        return run.uid if run is not None else None

    def runs_of(self, test: Key) -> list[RunRecord]:
        """The runs of a test, oldest first."""
        return [self.runs[Key(test.namespace, name)] for _, name in self._by_test.get(test, ())]

    def own_runs_of(self, test: Key) -> list[RunRecord]:
        """Those of them that run the test as it is written, and so say something about it."""
        return [run for run in self.runs_of(test) if not run.overridden]

    def overridden_runs_of(self, test: Key) -> list[RunRecord]:
        """The others: those with overrides."""
        return [run for run in self.runs_of(test) if run.overridden]

    def count_of(self, test: Key) -> int:
        """How many runs of a test there are."""
        return len(self._by_test.get(test, ()))

    def unfinished(self) -> Iterator[RunRecord]:
        """All runs that are not done, in no order."""
        return (run for run in self.runs.values() if not run.done)

    def pulse(self, kind: str, body: Json) -> None:
        """Record that a watch delivered this object."""
        metadata = body.get("metadata", {})
        self.seen[kind, metadata.get("uid", "")] = metadata.get("resourceVersion", "")
        self._news[kind, metadata.get("namespace", "")] += 1

    def forget_pulse(self, kind: str, body: Json) -> None:
        """Forget a deleted object."""
        metadata = body.get("metadata", {})
        self.seen.pop((kind, metadata.get("uid", "")), None)
        self._news[kind, metadata.get("namespace", "")] += 1

    def news(self, kind: str, namespace: str | None) -> int:
        """How many events of a kind have been delivered, for one namespace or for all (None)."""
        return sum(
            count
            for (its_kind, its_namespace), count in self._news.items()
            if its_kind == kind and namespace in (None, its_namespace)
        )
