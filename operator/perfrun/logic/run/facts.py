"""What is known about a run in progress: read once, and the input of :mod:`lifecycle`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from perfrun.api.run.perfrun import Phase


class JobState(StrEnum):
    """What runs the workers, as a whole: in a cluster the run's Job, by its conditions; on one
    machine the processes, which are never Absent.
    """

    ABSENT = "Absent"
    ACTIVE = "Active"
    FINISHED = "Finished"


@dataclass(frozen=True)
class WorkerFacts:
    """A worker, by its pod or process, as far as it matters for its run."""

    name: str
    """The name of its pod; empty if it is a process of this machine."""
    index: int
    dead: bool
    """It has ended, with success or not, and will not run again."""
    problem: str | None = None
    """Why it cannot run, or how it died, as a sentence."""
    scheduled: bool = True
    """Its pod has a node."""
    running_since: datetime | None = None
    """When its container was started; None if it does not run, or if this does not matter."""
    image: str = ""
    """The digest of the image with its command, once that runs; empty without a command."""
    left_undone: bool = False
    """It is dead, and could not clean up first: it did not end by itself, or this is not known."""

    @property
    def title(self) -> str:
        """Which worker it is."""
        return f"worker {self.index} ({self.name})" if self.name else f"worker {self.index}"

    @property
    def sentence(self) -> str:
        """Which worker it is, and what is wrong with it."""
        return f"{self.title}: {self.problem or 'it ended without a message'}"


@dataclass(frozen=True)
class Refusal:
    """The API server refuses to create pods of the run."""

    message: str
    """The message of the API server."""
    since: datetime

    @property
    def lasting(self) -> bool:
        """Whether it remains until somebody changes a rule or the test; a quota becomes
        free again.
        """
        return any(words in self.message for words in _LASTING_REFUSALS)


# Refusals of Pod Security, LimitRange (both for each container and for the pod), validation,
# priority, webhooks and admission policies. Others may be temporary: a webhook that does not
# answer, an account that does not exist yet.
_LASTING_REFUSALS = (
    "violates PodSecurity",
    "usage per Container is",
    "usage per Pod is",
    "limit to request ratio per",
    " is invalid: ",
    "no PriorityClass with name",
    "denied the request",
    "denied request:",
)


@dataclass(frozen=True)
class CleanUp:
    """The worker that only runs the teardown, once that was decided."""

    deadline: datetime
    job: JobState = JobState.ABSENT
    problem: str | None = None
    """Why it cannot run, or how it died."""


@dataclass(frozen=True)
class RunFacts:
    """Everything that the next decision about a run depends on."""

    phase: Phase
    now: datetime
    accepted: datetime
    start_timeout: int
    """ns from acceptance within which every worker has to be ready."""
    planned: int
    job: JobState
    launched: bool
    """Its workers were created earlier."""
    workers: Sequence[WorkerFacts] = ()
    ends: Mapping[int, WorkerFacts] = field(default_factory=dict)
    """By index: workers that reported that they were ended, in the words of their pods."""
    refusal: Refusal | None = None
    """Why there are fewer pods than planned, if the API server has said so."""
    turn: datetime | None = None
    """When it last left the queue; None if that was at its acceptance."""
    turns: int = 1
    """How often it has left the queue."""
    unscheduled_for: int = 0
    """ns for which it may keep its turn while not all of its pods are scheduled and others wait."""
    wanted: bool = False
    """A run of another namespace is waiting and could start in its place."""
    coordinator: str = ""
    """host:port that workers report to."""
    launch_error: str | None = None
    """Why the plan and the Job could not be created at the last try."""
    listening_since: datetime | None = None
    """Since when workers can reach the coordinator of this process about the run."""
    admitted: frozenset[int] = frozenset()
    """The workers that have contacted it since."""
    arrived: int = 0
    """How many workers have reported that they are ready, or why they are not."""
    ready: int = 0
    reported: frozenset[int] = frozenset()
    fatal: str | None = None
    """A worker reported a problem that another try cannot solve."""
    trouble: str | None = None
    """The problem that currently keeps workers from being ready, as they report it."""
    in_setup: bool = False
    """There is a setup that has not ended."""
    silent: tuple[int, int] | None = None
    """A worker that was ready and has been silent since, and for how many ns."""
    troubled_since: datetime | None = None
    """Since when all workers are up but not all are ready, if that may not take as long as the
    whole start: on one machine nothing has to be scheduled or pulled.
    """
    nobody_listens: bool = False
    """The problem is that this machine refuses connections to itself, and the test does not say how
    long to wait for its target.
    """
    stop: str | None = None
    """Why it has to stop; None if it does not."""
    stopped: bool = False
    """Its workers were told to end the load."""
    load_end: datetime | None = None
    """When the load is over; None if only its workers know (always in bursts)."""
    report_deadline: datetime | None = None
    """When to stop waiting for reports; set from the start of the load."""
    reports_travel: bool = True
    """The report of a worker that has ended may still arrive."""
    undoes: bool = False
    """There is a teardown, and the target may have changes for it to undo."""
    cleaned: bool = False
    """A separate worker ran the teardown."""
    clean_up: CleanUp | None = None
    settled: bool = True
    """No more observations are expected, or the wait for them is over; used only once the load is
    over.
    """
