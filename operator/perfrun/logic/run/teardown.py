"""Whether what a run has done is undone, where the worker that undoes it was lost."""

from perfrun.logic.run.facts import RunFacts


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
