"""What was lost with a worker: how, in words, and the teardown that worker 0 did not run.

Whether a worker is lost is a fact, ``WorkerFacts.dead``: ``controller/objects/pods.py`` reads it
from a pod, ``local/workers.py`` from a process.
"""

from collections.abc import Collection

from perfrun.logic.run.facts import JobState, RunFacts, WorkerFacts

SIGNALLED = "it was stopped by a signal"
ENDED = f"{SIGNALLED} (eviction, node shutdown or deletion of the pod)"
JOB_GONE = f"{SIGNALLED}, and its Job was deleted"
LATE = "it took too long and was stopped"
COUNTED = "its measurements before that are counted"
"""Reason for a lost worker that could still report."""
# A worker that ends by itself, successfully or not, has cleaned up. A SIGTERM (143) ends it only at
# its start, or after the cleanup.
_OWN_EXITS = (0, 1, 2, 143)


def losses(facts: RunFacts, terminated: Collection[int] = ()) -> list[str]:
    """Which workers were lost and how, if that is known, by their index.

    These are workers that died without a report, and those that were ``terminated``: they reported
    what they had done so far, and nobody did the rest of their load.
    """
    lost = {
        worker.index: worker.sentence
        for worker in facts.workers
        if worker.dead and worker.problem and worker.index not in facts.reported
    }
    workers = {worker.index: worker for worker in facts.workers} | dict(facts.ends)
    for index in terminated:
        lost[index] = f"{_termination(index, workers.get(index), facts.job)} ({COUNTED})"
    return [sentence for _, sentence in sorted(lost.items())]


def _termination(index: int, worker: WorkerFacts | None, job: JobState) -> str:
    if worker is not None and worker.problem is not None:
        return worker.sentence
    title = f"worker {index}" if worker is None else worker.title
    return f"{title}: {JOB_GONE if job is JobState.ABSENT else ENDED}"


def leaves_undone(exit_code: int | None) -> bool:
    """Whether a worker that ended this way could not clean up first.

    ``exit_code`` is 128 + the number of the signal, if a signal ended it; None if it is not known.
    """
    return exit_code not in _OWN_EXITS


def owes_teardown(facts: RunFacts) -> bool:
    """Whether the teardown still has to run, and worker 0 will not run it: worker 0 runs it before
    it reports, and whenever it ends by itself.
    """
    if not facts.undoes or facts.cleaned or 0 in facts.reported:
        return False
    return all(worker.left_undone for worker in facts.workers if worker.index == 0)


def untidy(facts: RunFacts) -> str | None:
    """Why the teardown was not run after worker 0 was lost."""
    if not owes_teardown(facts):
        return None
    problem = facts.clean_up.problem if facts.clean_up is not None else None
    why = problem or "it did not end in time"
    return f"worker 0 was lost, and its replacement did not run the teardown: {why}"
