"""What is known of a run that is under way: read once, and decided on in :mod:`lifecycle`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from perfrun.api.run.perfrun import Phase


class JobState(StrEnum):
    """What runs the workers, as a whole: in a cluster the run's Job, by its conditions; on one
    machine the processes that were started, which are never Absent."""

    ABSENT = "Absent"
    ACTIVE = "Active"
    FINISHED = "Finished"


@dataclass(frozen=True)
class WorkerFacts:
    """A worker, by its pod or its process, as far as it matters for its run."""

    name: str
    """Of its pod; empty: it is a process of this machine."""
    index: int
    dead: bool
    """It has ended, well or not, and will not run again."""
    problem: str | None = None
    """Why it cannot run, or how it died, as a sentence."""
    scheduled: bool = True
    """Its pod has a node."""
    running_since: datetime | None = None
    """When its container was started; None: it does not run, or nobody has to look."""
    left_undone: bool = False
    """It is dead, and could not clean up before: it did not end by itself, or nobody knows."""

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
    """The API server does not let pods of the run be created."""

    message: str
    """In the API server's words."""
    since: datetime

    @property
    def lasting(self) -> bool:
        """Whether it stands until somebody changes a rule or the test; a quota frees up again."""
        return any(words in self.message for words in _LASTING_REFUSALS)


# Of Pod Security, LimitRange (both for each container and for the pod), validation, priority,
# webhooks and admission policies. What is not known may pass: a webhook that is away, an account
# that is not there yet.
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
    """The worker that only runs the teardown, once it was decided on."""

    deadline: datetime
    job: JobState = JobState.ABSENT
    problem: str | None = None
    """Why it cannot run, or how it died."""


@dataclass(frozen=True)
class RunFacts:
    """All that the next decision about a run depends on."""

    phase: Phase
    now: datetime
    accepted: datetime
    start_timeout: int
    """ns from acceptance until every worker has to be ready."""
    planned: int
    job: JobState
    launched: bool
    """Its workers were created before."""
    workers: Sequence[WorkerFacts] = ()
    ends: Mapping[int, WorkerFacts] = field(default_factory=dict)
    """By index: workers that have reported to have been ended, as they were when their pods said
    why."""
    refusal: Refusal | None = None
    """Why there are fewer pods than planned, where the API server has said so."""
    turn: datetime | None = None
    """When it left the queue last; None where it is as long ago as its acceptance."""
    turns: int = 1
    """How often it has left the queue."""
    unscheduled_for: int = 0
    """ns that it may keep its turn while not all of its pods are scheduled and others wait."""
    wanted: bool = False
    """A run of another namespace waits that could start in its place."""
    coordinator: str = ""
    """host:port that workers report to."""
    launch_error: str | None = None
    """Why the plan and the Job could not be created when it was last tried."""
    listening_since: datetime | None = None
    """Since when the coordinator of this process can be reached about the run."""
    heard: frozenset[int] = frozenset()
    """The workers that have spoken to it since."""
    arrived: int = 0
    """Workers that have said that they are ready, or why they are not."""
    ready: int = 0
    reported: frozenset[int] = frozenset()
    fatal: str | None = None
    """A worker said what is wrong, and that trying again will not help."""
    trouble: str | None = None
    """What workers say that keeps them from being ready at the moment."""
    in_setup: bool = False
    """There is a setup, and it has not come to its end."""
    silent: tuple[int, int] | None = None
    """A worker that was ready and has been silent since, and for how many ns."""
    troubled_since: datetime | None = None
    """Since when all workers are up and not all are ready, where that may not take as long as the
    whole start: on one machine nothing has to be scheduled or pulled."""
    nobody_listens: bool = False
    """The trouble is that this machine refuses connections to itself, and the test does not say
    that its target is to be waited for."""
    stop: str | None = None
    """Why it has to stop; None: it has not."""
    stopped: bool = False
    """Its workers were told to end the load."""
    load_end: datetime | None = None
    """When the load is over; None: its workers say so (always in bursts)."""
    report_deadline: datetime | None = None
    """When to stop waiting for reports; set from the start of the load."""
    reports_travel: bool = True
    """The report of a worker that has ended may still be under way."""
    undoes: bool = False
    """There is a teardown, and the target has seen something for it to undo."""
    cleaned: bool = False
    """The teardown was run by a worker of its own."""
    clean_up: CleanUp | None = None
    settled: bool = True
    """Nothing more is to be expected of what is observed, or it was waited for long enough; looked
    at only once the load is over."""
