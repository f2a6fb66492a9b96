"""What a run does next: facts and the time in, one decision out. A table of phase and facts.

A run moves Queued -> Starting -> Running -> Collecting -> Done, never back; each phase but the last
has a deadline, so that no run hangs. The operator may be killed between any two decisions: what was
decided is in the API, and the next decision follows from it. ``perfrun run`` obeys the same
decisions, with the processes of one machine as workers.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perfrun.api.quantities import format_duration
from perfrun.api.run.perfrun import Phase
from perfrun.logic.run.facts import JobState, Refusal, RunFacts, WorkerFacts
from perfrun.logic.run.losses import owes_teardown


class Action(StrEnum):
    """What to do about a run now."""

    WAIT = "Wait"
    REQUEUE = "Requeue"
    """Give the turn back to the queue, and wait for another one."""
    LAUNCH = "Launch"
    """Create the workers: the plan and the Job, or processes."""
    STOP = "Stop"
    """Tell all workers to end the load."""
    COLLECT = "Collect"
    """The load is over: wait for the reports that are still missing."""
    CLEAN_UP = "CleanUp"
    """Let a separate worker run the teardown in place of worker 0, which was lost."""
    JUDGE = "Judge"
    """Merge the reports and determine the verdict."""
    FAIL = "Fail"
    """End without a measurement; the verdict is Error."""
    CANCEL = "Cancel"
    """End without a measurement because somebody asked; the verdict is Inconclusive."""


@dataclass(frozen=True)
class Decision:
    """What to do, the sentence for the user, and when to look again."""

    action: Action
    message: str = ""
    wake: float | None = None
    """Seconds."""


STEP_S = 2.0
"""How often to look at a run that is starting, or waiting for the last reports."""
LOAD_STEP_S = 5.0
"""How often to look at a run under load, where important events wake the run anyway."""
HEARD_WITHIN = timedelta(seconds=45)
"""From the start of a worker's container to its first contact; imports take a few seconds."""
FOUND_AGAIN_WITHIN = timedelta(seconds=45)
"""From the start of a coordinator until waiting workers have delivered their reports: a connection
to the previous one may take 30 s to fail.
"""
MAX_TURNS = 5
"""How often a run whose pods are not scheduled may leave the queue."""
TROUBLE_WITHIN = timedelta(seconds=10)
"""How long workers of one machine may be up without all being ready."""
NOBODY_WITHIN = timedelta(seconds=1.2)
"""The same if nothing listens on the target's port of this machine: two tries."""
REFUSED_FOR = timedelta(seconds=15)
"""How long a run waits when its pods are refused for a lasting reason."""
# A worker that was ended retries its report for a while; reports that have not arrived by then are
# lost.
LAST_REPORTS_S = 15.0
LAST_TEARDOWN_S = 45.0
"""The same for workers that were ended or stopped while they have something to undo."""


def decide(facts: RunFacts) -> Decision:
    """The next action for a run that has left the queue and is not done."""
    if (differ := _different_images(facts)) is not None:
        return Decision(Action.FAIL, differ)
    match facts.phase:
        case Phase.STARTING:
            return _once_undone(facts, _starting(facts))
        case Phase.RUNNING:
            return _once_settled(facts, _running(facts))
        case Phase.COLLECTING:
            return _once_settled(facts, _once_undone(facts, _collecting(facts)))
    raise ValueError(f"no decision is possible for a run in phase {facts.phase}")


def _different_images(facts: RunFacts) -> str | None:
    """Workers whose commands are of different images: together they would measure nothing."""
    found = {worker.image: worker for worker in reversed(facts.workers) if worker.image}
    if len(found) < 2:
        return None
    one, other, *_ = sorted(found.values(), key=lambda worker: worker.index)
    return (
        f"{one.title} runs the image {one.image}, and {other.title} {other.image}: their tag was "
        "moved meanwhile; name the image by its digest (NAME@sha256:...)"
    )


def _starting(facts: RunFacts) -> Decision:
    if facts.stop is not None:
        return Decision(Action.CANCEL, f"stopped before the load started: {facts.stop}")
    if facts.fatal is not None:
        return Decision(Action.FAIL, facts.fatal)
    left = (start_deadline(facts) - facts.now).total_seconds()
    limit = f"within {format_duration(facts.start_timeout)} (load.startTimeout)"
    if left > 0 and _is_overdue(facts):
        return _give_back(facts)
    if not facts.launched:
        if left > 0:
            return Decision(Action.LAUNCH)
        why = facts.launch_error or "the operator was not running"
        return Decision(Action.FAIL, f"its workers could not be created {limit}: {why}")
    if facts.job is JobState.ABSENT:
        return Decision(Action.FAIL, "its Job was deleted before the load started")
    if dead := [worker for worker in facts.workers if worker.dead]:
        return Decision(Action.FAIL, f"a worker ended before the load started: {dead[0].sentence}")
    if facts.job is JobState.FINISHED:
        return Decision(
            Action.FAIL, "its Job ended before the load started; see kubectl describe job"
        )
    refusal = facts.refusal
    if refusal is not None and refusal.lasting and facts.now - refusal.since > REFUSED_FOR:
        return Decision(Action.FAIL, _refused(facts, refusal))
    if left <= 0:
        return Decision(Action.FAIL, f"{waiting_for(facts)}; not all workers were ready {limit}")
    if (lasting := _lasting_trouble(facts)) is not None:
        return Decision(Action.FAIL, lasting)
    return Decision(Action.WAIT, waiting_for(facts), min(STEP_S, left))


def _lasting_trouble(facts: RunFacts) -> str | None:
    """The problem of workers of one machine that are up, but have not been ready for too long."""
    within = NOBODY_WITHIN if facts.nobody_listens else TROUBLE_WITHIN
    if facts.troubled_since is None or facts.now - facts.troubled_since < within:
        return None
    seconds = f"{within.total_seconds():g}s"
    problem = f"not all workers were ready within {seconds} after they had come up"
    longest = f"{TROUBLE_WITHIN.total_seconds():g}s"
    wait = f" (load.startTimeout: {longest} waits longer)" if facts.nobody_listens else ""
    return f"{waiting_for(facts)}; {problem}{wait}"


def _is_overdue(facts: RunFacts) -> bool:
    """Whether its pods have waited so long for nodes that others get the turn first."""
    passed = facts.now - (facts.turn or facts.accepted)
    return (
        facts.wanted
        and passed >= timedelta(microseconds=facts.unscheduled_for / 1000)
        and _unscheduled(facts) > 0
    )


def _unscheduled(facts: RunFacts) -> int:
    """How many workers' pods have no node; a worker that has made contact has one."""
    placed = {worker.index for worker in facts.workers if worker.scheduled} | facts.admitted
    return facts.planned - len(placed)


def _give_back(facts: RunFacts) -> Decision:
    allowed = format_duration(facts.unscheduled_for)
    what = (
        f"{_unscheduled(facts)} of {facts.planned} workers' pods were not scheduled within "
        f"{allowed} (limits.unscheduledFor) while runs of other namespaces waited"
    )
    why = facts.launch_error or waiting_for(facts)
    if facts.turns >= MAX_TURNS:
        return Decision(Action.FAIL, f"{what}, even in the last of its {facts.turns} turns: {why}")
    return Decision(Action.REQUEUE, f"{what}, so it returned to the queue: {why}")


def _running(facts: RunFacts) -> Decision:
    if facts.stop is not None and not facts.stopped:
        return Decision(Action.STOP, facts.stop)
    if _all_in(facts):
        if owes_teardown(facts):
            return Decision(Action.COLLECT, "all workers that are alive have reported")
        return Decision(Action.JUDGE)
    if facts.job is not JobState.ACTIVE:
        return Decision(Action.COLLECT, "the Job of the workers has ended")
    if not any_alive(facts):
        return Decision(Action.COLLECT, "all workers have ended")
    if facts.load_end is not None and facts.now >= facts.load_end:
        return Decision(Action.COLLECT, "the load is over")
    if facts.report_deadline is None or facts.now >= facts.report_deadline:
        return Decision(Action.COLLECT, "the load has taken longer than allowed")
    end = facts.load_end or facts.report_deadline
    return Decision(Action.WAIT, wake=min(LOAD_STEP_S, (end - facts.now).total_seconds()))


def _collecting(facts: RunFacts) -> Decision:
    if _all_in(facts):
        return Decision(Action.JUDGE)
    # Without a deadline there is nothing to wait for: somebody has edited the status.
    if facts.report_deadline is None or facts.now >= _last_moment(facts, facts.report_deadline):
        return Decision(Action.JUDGE, "the deadline for reports has passed")
    missing = facts.planned - len(facts.reported)
    message = f"waiting for the reports of {missing} of {facts.planned} workers"
    return Decision(Action.WAIT, message, STEP_S)


def _once_undone(facts: RunFacts, decision: Decision) -> Decision:
    """The decision, or the teardown first, if the run's worker 0 could not run it."""
    if decision.action not in (Action.JUDGE, Action.FAIL, Action.CANCEL) or not owes_teardown(
        facts
    ):
        return decision
    clean_up = facts.clean_up
    if clean_up is None:
        return Decision(Action.CLEAN_UP)
    left = (clean_up.deadline - facts.now).total_seconds()
    if left <= 0 or clean_up.job is JobState.FINISHED:
        return decision
    if clean_up.job is JobState.ABSENT:
        return Decision(Action.CLEAN_UP)
    message = "worker 0 was lost: waiting for its replacement to run the teardown"
    if clean_up.problem is not None:
        message += f" ({clean_up.problem})"
    return Decision(Action.WAIT, message, min(STEP_S, left))


def _once_settled(facts: RunFacts, decision: Decision) -> Decision:
    """The decision, but no verdict before the metrics that it may depend on have arrived."""
    if decision.action is not Action.JUDGE or facts.settled:
        return decision
    return Decision(Action.WAIT, "waiting for the last metrics", STEP_S)


def _last_moment(facts: RunFacts, deadline: datetime) -> datetime:
    """Until when to wait for reports: live workers could not deliver them while there was no
    coordinator, or none that could store them.
    """
    if not any_alive(facts):
        return deadline if facts.reports_travel else facts.now
    if facts.listening_since is None:
        return deadline
    return max(deadline, facts.listening_since + FOUND_AGAIN_WITHIN)


def any_alive(facts: RunFacts) -> bool:
    """Whether a worker may still report.

    A sidecar that never ends keeps a Job active although all its workers have ended.
    """
    return facts.job is JobState.ACTIVE and len(_dead(facts)) < facts.planned


def collecting_deadline(facts: RunFacts) -> datetime:
    """How long to wait for reports: until the plan's end, but not for workers that are dead."""
    # The pods of a deleted Job may still be running.
    ending = facts.undoes and facts.job is JobState.ABSENT
    soon = facts.now + timedelta(seconds=LAST_TEARDOWN_S if ending else LAST_REPORTS_S)
    return max(facts.report_deadline or soon, soon) if any_alive(facts) else soon


def stop_deadline(facts: RunFacts) -> datetime:
    """How long to wait for the reports of a load that is being stopped now."""
    soon = facts.now + timedelta(seconds=LAST_TEARDOWN_S if facts.undoes else LAST_REPORTS_S)
    return min(facts.report_deadline or soon, soon)


def waiting_for(facts: RunFacts) -> str:
    """What keeps a starting run from starting, most informative first."""
    for worker in facts.workers:
        if worker.problem is not None:
            return worker.sentence
    if facts.refusal is not None:
        return _refused(facts, facts.refusal)
    for worker in facts.workers:
        if _is_cut_off(worker, facts):
            return (
                f"{worker.title} is running, but has not reached the coordinator "
                f"{facts.coordinator}: check the egress NetworkPolicies of its namespace"
            )
    return facts.trouble or _barrier(facts)


def _barrier(facts: RunFacts) -> str:
    """What the workers that are up are waiting for, if none of them reports a problem."""
    if missing := facts.planned - facts.arrived:
        return f"{missing} of {facts.planned} workers have not connected"
    if facts.in_setup:
        return "worker 0 has not finished the setup"
    if facts.silent is not None:
        index, age = facts.silent
        return f"worker {index} was ready, but has been silent for {format_duration(age)}"
    if facts.ready == facts.planned and facts.now >= start_deadline(facts):
        return "all workers were ready, but the start could not be recorded in time"
    return f"{facts.ready} of {facts.planned} workers are ready"


def _is_cut_off(worker: WorkerFacts, facts: RunFacts) -> bool:
    since, listening = worker.running_since, facts.listening_since
    if since is None or listening is None or worker.index in facts.admitted:
        return False
    return facts.now - max(since, listening) > HEARD_WITHIN


def _all_in(facts: RunFacts) -> bool:
    return len(facts.reported) > 0 and len(facts.reported | _dead(facts)) >= facts.planned


def _dead(facts: RunFacts) -> set[int]:
    there = range(facts.planned)
    return {worker.index for worker in facts.workers if worker.dead and worker.index in there}


def start_deadline(facts: RunFacts) -> datetime:
    """When every worker has to be ready."""
    return facts.accepted + timedelta(microseconds=facts.start_timeout / 1000)


def _refused(facts: RunFacts, refusal: Refusal) -> str:
    missing = facts.planned - len(facts.workers)
    return f"{missing} of {facts.planned} workers' pods were not created: {refusal.message}"
