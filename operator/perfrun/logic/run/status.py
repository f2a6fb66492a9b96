"""The status of a PerfRun: what each transition changes in it, and nothing else.

A transition returns a partial status: the fields that it sets, where None removes one. No other
code sets a field of that status; callers send its ``as_patch()``.

Conditions follow kstatus (https://github.com/kubernetes-sigs/cli-utils, pkg/kstatus), which Flux,
Helm and others use: ``Reconciling`` while a run is in progress, ``Stalled`` if it has ended in a
way that only a user can correct. A missed objective counts as that only if it gates.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from perfrun.api.metadata import MAX_CONDITIONS, Condition
from perfrun.api.names import REPLACED
from perfrun.api.run.environment import Environment
from perfrun.api.run.perfrun import (
    CapacityStatus,
    HoldStatus,
    NoticeOutcome,
    PerfRun,
    PerfRunStatus,
    Phase,
    QueueStatus,
    ResultRef,
    Verdict,
    WorkerCounts,
)
from perfrun.api.sentence import cut
from perfrun.api.times import format_moment, format_time
from perfrun.logic.plan.run_plan import key_with_files
from perfrun.logic.run.facts import RunFacts
from perfrun.logic.run.lifecycle import collecting_deadline, start_deadline
from perfrun.logic.verdict.outcome import RunVerdict

_STALLED = {Verdict.FAIL: "ObjectiveMissed", Verdict.ERROR: "Error"}
_OURS = frozenset({"Complete", "SLOMet", "Reconciling", "Stalled"})


# --- from its creation to the load -------------------------------------------------------------


def frozen(
    revision: str,
    target: str,
    comparison_key: str,
    workers: int,
    overridden: str | None = None,
    script_hash: str | None = None,
) -> PerfRunStatus:
    """It is accepted: what it executes no longer changes, whatever happens to its test.

    ``overridden``: what it changes of the test, in one line. ``script_hash``: of the script's
    files, as far as they are known.
    """
    return PerfRunStatus(
        revision=revision,
        target=target,
        comparison_key=comparison_key,
        overridden=overridden,
        script_hash=script_hash,
        workers=WorkerCounts(planned=workers),
    )


def identified(status: PerfRunStatus, files: Sequence[str]) -> PerfRunStatus:
    """The hash of its script's files as the workers have read them, unless it was known before: of
    a volume it is not.
    """
    if status.script_hash is not None or status.comparison_key is None or len(files) != 1:
        return PerfRunStatus()
    key = key_with_files(status.comparison_key, files[0])
    return PerfRunStatus(script_hash=files[0], comparison_key=key)


def queued(run: PerfRun, now: datetime, place: QueueStatus) -> PerfRunStatus:
    """It waits for its turn."""
    return _in_progress(Phase.QUEUED, run, now).updated(PerfRunStatus(queue=place))


def starting(run: PerfRun, now: datetime) -> PerfRunStatus:
    """Its turn has come, for the first time or again."""
    return _in_progress(Phase.STARTING, run, now).updated(
        PerfRunStatus(
            queue=None,
            accepted_time=run.status.accepted_time or format_time(now),
            turn_time=format_time(now),
            turns=(run.status.turns or 0) + 1,
        )
    )


def requeued(run: PerfRun, facts: RunFacts, why: str) -> PerfRunStatus:
    """It has given its turn back."""
    place = QueueStatus(reason=cut(why), position=1)
    return queued(run, facts.now, place).updated(
        PerfRunStatus(
            job=None,
            launch_error=None,
            progress=None,
            message=cut(why),
            start_deadline=format_time(start_deadline(facts)),
            workers=WorkerCounts(planned=facts.planned),
        )
    )


def waiting(line: str) -> PerfRunStatus:
    """What it is waiting for before its load, for everybody to see: it may be why it ends."""
    return PerfRunStatus(progress=cut(line), message=cut(line))


def not_launched(why: str) -> PerfRunStatus:
    """A Job could not be created; at the deadline this is the reason."""
    return PerfRunStatus(launch_error=cut(why))


def launched(job: str) -> PerfRunStatus:
    """The Job of its workers exists."""
    return PerfRunStatus(job=job, launch_error=None, progress=None, message=None)


# --- the load ----------------------------------------------------------------------------------


def running(run: PerfRun, start: datetime, workers: int) -> PerfRunStatus:
    """All workers are ready, and the load begins at ``start``."""
    return _in_progress(Phase.RUNNING, run, start).updated(
        PerfRunStatus(
            start_time=format_time(start),
            progress=None,
            message=None,
            workers=WorkerCounts(planned=workers, ready=workers),
        )
    )


def progress(run: PerfRun, facts: RunFacts, line: str) -> PerfRunStatus:
    """Its progress. Workers that were ready once stay ready."""
    ready = run.status.workers.ready if run.status.workers else 0
    counts = WorkerCounts(
        planned=facts.planned, ready=max(facts.ready, ready), reported=len(facts.reported)
    )
    starts = facts.phase is Phase.STARTING
    status = waiting(line) if starts else PerfRunStatus(progress=cut(line))
    return status.updated(PerfRunStatus(workers=counts))


def searching(holds: Sequence[HoldStatus]) -> PerfRunStatus:
    """What a capacity search has tried."""
    return PerfRunStatus(capacity=CapacityStatus(holds=list(holds)))


def stopping(reason: str) -> PerfRunStatus:
    """Its workers are told to end the load."""
    return PerfRunStatus(stopped=cut(reason))


def is_enforced(stopped: str | None) -> bool:
    """Whether ``status.stopped`` names a policy or the next scheduled run, instead of somebody who
    set spec.stop. Others may write the same about a stop of theirs: it then counts for less.
    """
    return stopped is not None and (stopped.startswith("PerfPolicy ") or stopped.endswith(REPLACED))


def collecting(run: PerfRun, facts: RunFacts) -> PerfRunStatus:
    """The load is over, and the run waits for reports."""
    return _in_progress(Phase.COLLECTING, run, facts.now).updated(
        PerfRunStatus(
            load_end_time=format_time(facts.now),
            report_deadline=format_time(collecting_deadline(facts)),
            progress="waiting for the reports of the workers",
        )
    )


def tearing_down(deadline: datetime) -> PerfRunStatus:
    """A separate Job runs the teardown until ``deadline``."""
    return PerfRunStatus(teardown_deadline=format_time(deadline), launch_error=None)


# --- the end, and after it ---------------------------------------------------------------------


def done(
    before: PerfRunStatus, generation: int | None, now: datetime, run_verdict: RunVerdict
) -> PerfRunStatus:
    """It has ended, and everything that it had only while it was in progress is removed."""
    return run_verdict.as_status().updated(
        PerfRunStatus(
            observed_generation=generation,
            phase=Phase.DONE,
            # Two runs may end within a second, and the history depends on their order.
            completion_time=format_moment(now),
            conditions=done_conditions(run_verdict, before.conditions, now, generation),
            queue=None,
            progress=None,
            launch_error=None,
            result=None,
        )
    )


def kept(result: ResultRef | None, environment: Environment) -> PerfRunStatus:
    """Set at its end: where the full result is (None: not kept), and where it was measured."""
    return PerfRunStatus(result=result, environment=environment)


def not_compared(reason: str | None) -> PerfRunStatus:
    """Why the trend leaves the run out; None where it counts."""
    return PerfRunStatus(not_compared=cut(reason) if reason is not None else None)


def tidied() -> PerfRunStatus:
    """Its Job is deleted."""
    return PerfRunStatus(job=None)


def seen(generation: int) -> PerfRunStatus:
    """Its spec has changed after its end; nothing has to be done."""
    return PerfRunStatus(observed_generation=generation)


def result_dropped() -> PerfRunStatus:
    """Its full result is no longer kept."""
    return PerfRunStatus(result=None)


def notified(notice: str, outcome: NoticeOutcome) -> PerfRunStatus:
    """The outcome of a notice, by its id. A merge patch keeps the others'."""
    return PerfRunStatus(notified={notice: outcome})


# --- conditions --------------------------------------------------------------------------------


def open_conditions(
    phase: Phase, previous: Sequence[Condition], now: datetime, generation: int | None
) -> list[Condition]:
    """The conditions of a run that is in ``phase``, from Queued to Collecting."""
    fresh = [
        Condition(type="Complete", status="False", reason=phase.value),
        Condition(type="Reconciling", status="True", reason=phase.value),
    ]
    return dated(fresh, _OURS, previous, now, generation)


def done_conditions(
    run_verdict: RunVerdict, previous: Sequence[Condition], now: datetime, generation: int | None
) -> list[Condition]:
    """The conditions of a finished run."""
    verdict, message = run_verdict.verdict, run_verdict.message
    complete = run_verdict.reason or ("Error" if verdict is Verdict.ERROR else "Finished")
    status, reason = _slo_met(run_verdict)
    fresh = [
        Condition(type="Complete", status="True", reason=complete, message=message),
        Condition(type="SLOMet", status=status, reason=reason, message=message),
    ]
    if verdict in _STALLED:
        fresh.append(
            Condition(type="Stalled", status="True", reason=_STALLED[verdict], message=message)
        )
    return dated(fresh, _OURS, previous, now, generation)


def dated(
    fresh: list[Condition],
    ours: Collection[str],
    previous: Sequence[Condition],
    now: datetime,
    generation: int | None,
) -> list[Condition]:
    """``fresh``, and conditions of other controllers: those in ``previous`` whose type is not in
    ``ours``.

    ``last_transition_time`` is ``now`` if a status changes, otherwise what it was. As many of the
    others' conditions are kept as there is room for.
    """
    before = {condition.type: condition for condition in previous}
    for condition in fresh:
        old = before.get(condition.type)
        same = old is not None and old.status == condition.status
        since = old.last_transition_time if old is not None and same else None
        condition.last_transition_time = since or now.replace(microsecond=0)
        condition.observed_generation = generation
    others = [old for old in previous if old.type not in ours]
    return others[: MAX_CONDITIONS - len(fresh)] + fresh


def _slo_met(run_verdict: RunVerdict) -> tuple[str, str]:
    match run_verdict.verdict:
        case Verdict.PASS:
            return ("True", "ObjectivesMet") if run_verdict.slos else ("Unknown", "NoObjectives")
        case Verdict.WARN | Verdict.FAIL:
            return "False", "ObjectiveMissed"
        case Verdict.ERROR:
            return "Unknown", "Error"
        case _:
            return "Unknown", "Inconclusive"


def _in_progress(phase: Phase, run: PerfRun, now: datetime) -> PerfRunStatus:
    generation = run.metadata.generation
    return PerfRunStatus(
        observed_generation=generation,
        phase=phase,
        conditions=open_conditions(phase, run.status.conditions, now, generation),
    )
