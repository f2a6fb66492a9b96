"""The reconciler of PerfTests: creates what is due, deletes what exceeds its limit, and reports."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from perfrun.api import Json
from perfrun.api.metadata import Condition, Metadata
from perfrun.api.run.perfrun import Verdict
from perfrun.api.sentence import cut
from perfrun.api.test.perftest import CheckedTest, LastMissed, PerfTestSettings, PerfTestStatus
from perfrun.api.times import format_time, parse_time
from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.status import correct_status, read_status
from perfrun.controller.objects.store import Key, RunRecord, Store
from perfrun.controller.test.checks import Checks, check_status
from perfrun.controller.test.history import Historian
from perfrun.controller.test.notifier import Notifier
from perfrun.controller.test.starts import NameTakenError, RunStarter
from perfrun.controller.test.ticks import Prepared, Ticker
from perfrun.controller.test.trends import Trender, regressed_condition
from perfrun.kube.client import Kube
from perfrun.kube.errors import RefusedError
from perfrun.kube.resources import PERF_TESTS
from perfrun.logic.accept.examine import Examined
from perfrun.logic.problems import parse_problems
from perfrun.logic.run.health import HealthFacts, conditions_of_test
from perfrun.logic.schedule.due import ScheduleDecision, jitter
from perfrun.logic.schedule.policy import NamespacePolicies

logger = logging.getLogger(__name__)

MAX_SLEEP_S = 300.0
MAX_ACTIVE = 100
MAX_CONDITION = 4096
"""Characters of a condition's message."""
MAX_MISSED = 256
"""Characters of the reason why a run was missed."""
ROLLOUT_LOOK_S = 10.0
"""Time between two looks at the workloads of a test with runOn Rollout."""
TICKER_FIRST_S = 2.0
NAME_RETRY_S = 10.0
REFUSED_RETRY_S = 30.0


class Stalled(NamedTuple):
    """A run is due and cannot be created."""

    reason: str
    why: str
    again: float
    """Seconds until the next try."""


class TestReconciler:
    """Makes the objects around one PerfTest match it."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        historian: Historian,
        events: Events,
        metrics: Metrics,
        ticker: Ticker,
        notifier: Notifier,
        checks: Checks,
    ) -> None:
        self._kube = kube
        self._checks = checks
        self._notifier = notifier
        self._store = store
        self._ticker = ticker
        self._starter = RunStarter(kube, store, events, ticker)
        self._trender = Trender(kube, store, events)
        self._historian = historian
        self._events = events
        self._metrics = metrics

    async def reconcile(self, key: Key) -> float | None:
        """One look at one test. Returns the seconds until the next one; None: when something
        changes.
        """
        body = await self._kube.find(PERF_TESTS, key.namespace, key.name)
        if body is None:
            self._metrics.drop_test(key)
            self._historian.forget(key)
            self._ticker.forget(key)
            return None
        if body["metadata"].get("deletionTimestamp"):
            return None
        outcome = self._checks.of(body)
        if outcome is None:
            return None  # it is being checked, and will be reconciled after that
        if outcome.asks is None:
            return await self._refuse(body, outcome, outcome.problems)
        policies = self._store.policies_of(key.namespace)
        if refused := policies.refuses(outcome.asks):
            told = [str(problem) for problem in refused]
            return await self._refuse(body, outcome, told, "RefusedByPolicy")
        try:
            return await self._bring(body, _checked(body, outcome), outcome, policies)
        except (ValueError, RecursionError) as error:
            # Its status, or an object that belongs to it, does not contain what was written there.
            return await self._refuse(body, outcome, [_unreadable(error)], "Unreadable")

    async def _bring(
        self, body: Json, test: CheckedTest, outcome: Examined, policies: NamespacePolicies
    ) -> float | None:
        """Create what is due for a test that may run, and report its state."""
        key, now = Key(test.metadata.namespace, test.metadata.name), datetime.now(UTC)
        trend = await self._trender.look(test)
        test = test.model_copy(update={"status": test.status.model_copy(update={"trend": trend})})
        try:
            started = await self._starter.start(test, now, suspended=policies.suspended is not None)
        except NameTakenError as error:
            stalled = Stalled("NameTaken", str(error), NAME_RETRY_S)
            return await self._stall(body, test, outcome, stalled)
        except RefusedError as error:
            why = f"a run is due, but the API server refused to create it: {error}"
            return await self._stall(body, test, outcome, Stalled("Refused", why, REFUSED_RETRY_S))
        warnings = [*outcome.warnings, *map(str, started.doubts)]
        self._metrics.show_trend(key, trend.state if trend else None)
        self._notifier.look(test)
        warnings += map(str, self._notifier.doubts(test))
        ready = _ready(test, warnings, policies.suspended)
        decision = started.decision
        missed = self._missed(test)
        coming = decision.next if decision is not None else None
        planned = PerfTestStatus(
            next_schedule_time=format_time(coming) if coming else None, trend=trend
        )
        status = started.noted.updated(self._seen(test)).updated(planned)
        if missed and not _knows_later(status.last_missed, missed[-1]):
            last = LastMissed(time=_due(missed[-1]), reason=_why_missed(missed[-1]))
            status = status.updated(PerfTestStatus(last_missed=last))
        version = await self._write(body, test, outcome, status, ready, regressed_condition(trend))
        self._prepare(test, version, decision)
        await self._report(test, decision, warnings)
        await self._report_missed(test, missed)
        # Last: by now, the status names anything that is deleted as the last run, if it was.
        await self._historian.trim(test)
        again = _sleep(decision, now)
        return min(again or ROLLOUT_LOOK_S, ROLLOUT_LOOK_S) if test.spec.observe else again

    def _prepare(self, test: CheckedTest, version: str, decision: ScheduleDecision | None) -> None:
        """Prepare the next run, so that it is created when it is due."""
        about, written = test.metadata, test.spec.schedule
        if written is None or decision is None or decision.next is None:
            self._ticker.forget(Key(about.namespace, about.name))
            return
        identity = Metadata(
            name=about.name, namespace=about.namespace, uid=about.uid, resource_version=version
        )
        tick = decision.next - jitter(written, about.name)
        deadline = written.starting_deadline_seconds
        self._ticker.prepare(Prepared(identity, tick, decision.next, deadline))

    # --- reporting -----------------------------------------------------------------------------

    def _seen(self, test: CheckedTest) -> PerfTestStatus:
        """The part of the status that follows from the runs; it never goes back to an older run."""
        known = test.status
        key = Key(test.metadata.namespace, test.metadata.name)
        # A run whose turn did not come says nothing about the service.
        own = self._store.own_runs_of(key)
        ended = (run for run in own if run.done and run.missed is None)
        done = sorted(ended, key=lambda run: run.completed or "")
        active = _active(self._store.runs_of(key))
        seen = PerfTestStatus(active=[run.key.name for run in active][:MAX_ACTIVE])
        if (
            known.last_run is not None
            and Key(key.namespace, known.last_run) not in self._store.runs
        ):
            seen = seen.updated(PerfTestStatus(last_run=None))  # its result stays
        if done and _not_before(done[-1].completed, known.last_completion_time):
            last = done[-1]
            outcome = PerfTestStatus(
                last_run=last.key.name,
                last_verdict=last.verdict,
                last_slos=last.slos,
                last_completion_time=last.completed,
            )
            seen = seen.updated(outcome)
        passed = [run.completed for run in done if run.verdict is Verdict.PASS]
        if passed and _not_before(passed[-1], known.last_successful_time):
            seen = seen.updated(PerfTestStatus(last_successful_time=passed[-1]))
        return seen

    def _missed(self, test: CheckedTest) -> list[RunRecord]:
        """Its runs whose turn did not come and that it has not reported yet, by time."""
        known = test.status.last_missed
        runs = self._store.own_runs_of(Key(test.metadata.namespace, test.metadata.name))
        missed = [
            run
            for run in runs
            if run.missed is not None
            and run.missed.reason != "Superseded"
            and (known is None or parse_time(_due(run)) > parse_time(known.time))
        ]
        return sorted(missed, key=lambda run: parse_time(_due(run)))

    async def _report_missed(self, test: CheckedTest, missed: list[RunRecord]) -> None:
        key = Key(test.metadata.namespace, test.metadata.name)
        for run in missed:
            if run.scheduled_time is not None:
                self._metrics.missed(key)
        if missed:
            note = f"no run at {_due(missed[-1])}: {_why_missed(missed[-1])}"
            await self._events.record(
                "PerfTest", test.metadata, "MissedSchedule", note, warning=True
            )

    async def _report(
        self, test: CheckedTest, decision: ScheduleDecision | None, warnings: list[str]
    ) -> None:
        """Events and counts, once the status is written."""
        if decision is not None and decision.missed is not None:
            time, why = decision.missed
            self._metrics.missed(Key(test.metadata.namespace, test.metadata.name))
            note = f"no run at {format_time(time)}: {why}"
            await self._events.record(
                "PerfTest", test.metadata, "MissedSchedule", note, warning=True
            )
        for warning in warnings:
            await self._events.record("PerfTest", test.metadata, "Doubtful", warning, warning=True)

    async def _refuse(
        self, body: Json, outcome: Examined, problems: list[str], reason: str = "Invalid"
    ) -> float | None:
        """Report on the test why it cannot be accepted."""
        test = _without_spec(body)
        shown = "; ".join(problems[:5])
        ready = Condition(
            type="Ready", status="False", reason=reason, message=cut(shown, MAX_CONDITION)
        )
        await self._write(body, test, outcome, PerfTestStatus(next_schedule_time=None), ready)
        await self._events.record("PerfTest", test.metadata, reason, shown, warning=True)
        self._ticker.forget(Key(test.metadata.namespace, test.metadata.name))
        return None

    async def _stall(
        self, body: Json, test: CheckedTest, outcome: Examined, stalled: Stalled
    ) -> float:
        """Report on the test that a run is due and cannot be created, and try again."""
        reason, why = stalled.reason, cut(stalled.why, MAX_CONDITION)
        ready = Condition(type="Ready", status="False", reason=reason, message=why)
        await self._write(body, test, outcome, self._seen(test), ready)
        await self._events.record("PerfTest", test.metadata, reason, why, warning=True)
        # A quota may have room again.
        await self._historian.trim(test)
        return stalled.again

    async def _write(
        self,
        body: Json,
        test: CheckedTest,
        outcome: Examined,
        status: PerfTestStatus,
        ready: Condition,
        regressed: Condition | None = None,
    ) -> str:
        """Returns the resourceVersion of the test after the write."""
        generation, updated = test.metadata.generation, test.status.updated(status)
        key = Key(test.metadata.namespace, test.metadata.name)
        in_progress = _active(self._store.own_runs_of(key))
        health = HealthFacts(
            ready=ready,
            regressed=regressed,
            gates=outcome.gates,
            regression_fails=test.spec.baseline.on_regression == "Fail",
            active=in_progress[0].key.name if in_progress else None,
            last_run=updated.last_run,
            last_verdict=updated.last_verdict,
        )
        now, previous = datetime.now(UTC), test.status.conditions
        looked = PerfTestStatus(
            observed_generation=generation,
            check=check_status(outcome),
            conditions=conditions_of_test(health, previous, now, generation),
        )
        body = await correct_status(self._kube, PERF_TESTS, body, status.updated(looked))
        # What is due and cannot be created stays due: an alert looks for times that have passed.
        self._metrics.next_run(key, updated.next_schedule_time)
        self._metrics.show_ready(key, ready=ready.status == "True")
        version: str = body["metadata"]["resourceVersion"]
        return version


def _checked(body: Json, outcome: Examined) -> CheckedTest:
    """A test that was accepted. Raises ValueError if its stored outcome cannot be read."""
    return CheckedTest(
        metadata=Metadata.model_validate(body["metadata"]),
        spec=PerfTestSettings.parse(body["spec"]),
        status=read_status(PerfTestStatus, body) or PerfTestStatus(),
        what_runs=outcome.what_runs,
    )


def _without_spec(body: Json) -> CheckedTest:
    """The identity and status of a test whose spec cannot be read."""
    metadata = Metadata.model_validate(body["metadata"])
    return CheckedTest(
        metadata=metadata,
        spec=PerfTestSettings(),
        status=read_status(PerfTestStatus, body) or PerfTestStatus(),
        what_runs="",
    )


def _unreadable(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(parse_problems(error)[0])
    return f"status cannot be read: {error}"


def _ready(test: CheckedTest, warnings: list[str], suspended: str | None) -> Condition:
    if suspended is not None:
        return Condition(
            type="Ready", status="True", reason="Suspended", message=cut(suspended, MAX_CONDITION)
        )
    doubts = "; ".join(warnings[:3])
    if test.spec.suspend:
        return Condition(
            type="Ready",
            status="True",
            reason="Suspended",
            message="suspended: runs start only on request, not by schedule or change",
        )
    message = f"accepted with warnings: {doubts}" if doubts else "accepted"
    return Condition(
        type="Ready", status="True", reason="Accepted", message=cut(message, MAX_CONDITION)
    )


def _active(runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Those that are not done; those in progress come before those that wait."""
    return sorted((run for run in runs if not run.done), key=lambda run: not run.holds_target)


def _due(run: RunRecord) -> str:
    """When a run was due."""
    return run.scheduled_time or format_time(run.created)


def _why_missed(run: RunRecord) -> str:
    assert run.missed is not None, "asked only of those whose turn did not come"
    return cut(f"run {run.key.name}: {run.missed.message}", MAX_MISSED)


def _knows_later(noted: LastMissed | None, missed: RunRecord) -> bool:
    return noted is not None and parse_time(noted.time) >= parse_time(_due(missed))


def _not_before(completed: str | None, known: str | None) -> bool:
    """Whether a completion is not older than the known one.

    Both have six digits of a second, so their strings sort like their times.
    """
    return known is None or (completed is not None and completed >= known)


def _sleep(decision: ScheduleDecision | None, now: datetime) -> float | None:
    if decision is None or decision.next is None:
        return None
    # The ticker comes first. And the clock may jump, so a long sleep is cut short to notice that.
    left = (decision.next - now).total_seconds() + TICKER_FIRST_S
    return min(max(left, 0.0), MAX_SLEEP_S)
