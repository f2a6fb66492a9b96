"""What was lost with a worker: how, in words, and the teardown that worker 0 owed."""

from collections.abc import Collection

from perfrun.logic.run.facts import JobState, PodFacts, RunFacts

ENDED = "it was ended by a signal (eviction, node shutdown or deletion of the pod)"
JOB_GONE = "it was ended by a signal, and its Job is gone"
COUNTED = "what it measured before that is counted"
"""Of a lost worker that could still report."""


def losses(facts: RunFacts, terminated: Collection[int] = ()) -> list[str]:
    """Which workers were lost and how, where that is known, by their index.

    Those that died without a report, and those that were ``terminated``: they have reported what
    there was by then, and nobody did the rest of their load.
    """
    lost = {
        pod.index: pod.sentence
        for pod in facts.pods
        if pod.dead and pod.problem and pod.index not in facts.reported
    }
    pods = {pod.index: pod for pod in facts.pods} | dict(facts.ends)
    for index in terminated:
        lost[index] = f"{_termination(index, pods.get(index), facts.job)} ({COUNTED})"
    return [sentence for _, sentence in sorted(lost.items())]


def _termination(index: int, pod: PodFacts | None, job: JobState) -> str:
    if pod is not None and pod.problem is not None:
        return pod.sentence
    who = f"worker {index}" if pod is None else f"worker {index} ({pod.name})"
    return f"{who}: {JOB_GONE if job is JobState.ABSENT else ENDED}"


def owes_teardown(facts: RunFacts) -> bool:
    """Whether the teardown is still to be run, and worker 0 will not do it: it runs it before it
    reports, and whenever it ends by itself."""
    if not facts.undoes or facts.cleaned or 0 in facts.reported:
        return False
    return all(pod.left_undone for pod in facts.pods if pod.index == 0)


def untidy(facts: RunFacts) -> str | None:
    """Why the teardown was not run where worker 0 was lost."""
    if not owes_teardown(facts):
        return None
    problem = facts.clean_up.problem if facts.clean_up is not None else None
    why = problem or "it did not end in time"
    return f"worker 0 was lost, and the pod that replaced it did not run the teardown: {why}"
