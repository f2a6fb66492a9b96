"""What starts a run of a test besides its schedule: a change of what it runs, and a request."""

from dataclasses import dataclass
from typing import NamedTuple

from perfrun.api.run.perfrun import Reason
from perfrun.logic.plan.names import change_run_name, requested_run_name


@dataclass(frozen=True)
class TriggerFacts:
    """What is known about a test, apart from its schedule."""

    test: str
    generation: int
    what_runs: str
    """The hash of what it runs now."""
    last_change: str | None
    """The hash for which a change was last recorded."""
    runs_on_change: bool
    suspended: bool
    request: str | None
    """The value of the annotation that asks for a run."""
    last_request: str | None


class Trigger(NamedTuple):
    """A run that is due. Its name is the lock: it is created once, whoever tries."""

    reason: Reason
    name: str


class Triggers(NamedTuple):
    """The runs that are due, and what to record once they exist."""

    runs: list[Trigger]
    last_change: str | None
    last_request: str | None


def triggers(facts: TriggerFacts) -> Triggers:
    """Runs that are due by change and by request.

    A suspended test records no change: it runs when it is resumed.
    """
    due: list[Trigger] = []
    last_change, last_request = facts.last_change, facts.last_request
    if facts.what_runs != facts.last_change and not facts.suspended:
        if facts.runs_on_change:
            name = change_run_name(facts.test, facts.what_runs, facts.generation)
            due.append(Trigger("Change", name))
        last_change = facts.what_runs
    if facts.request and facts.request != facts.last_request:
        due.append(Trigger("Requested", requested_run_name(facts.test, facts.request)))
        last_request = facts.request
    return Triggers(due, last_change, last_request)
